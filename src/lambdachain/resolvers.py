"""Resolvers turn a contract's name into the name of the deployed function, for ``LambdaClient(resolve=...)``.

Only plain names are resolved. A contract with an ARN, and an address that is passed with a call, are used as they are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Final

from ._core.errors import FunctionNotFoundError

__all__ = ["from_env", "mapping", "prefix"]

VARIABLE: Final = "LAMBDACHAIN_{NAME}"


def prefix(text: str, /) -> Callable[[str], str]:
    """Resolve a name by adding *text* before it: for several stages in one account.

    >>> prefix("prod-")("billing-charge")
    'prod-billing-charge'
    """
    return lambda name: f"{text}{name}"


def mapping(names: Mapping[str, str], /) -> Callable[[str], str]:
    """Resolve a name by looking it up in *names*; one that is not there is used as it is.

    >>> mapping({"billing-charge": "billing-ChargeFunction-1A2B"})("billing-charge")
    'billing-ChargeFunction-1A2B'
    """
    return lambda name: names.get(name, name)


def from_env(variable: str = VARIABLE, /) -> Callable[[str], str]:
    """Resolve a name by an environment variable, in which SAM, CDK or Terraform pass the name or ARN of a function.

    >>> os.environ["LAMBDACHAIN_BILLING_CHARGE"] = "billing-ChargeFunction-1A2B"
    >>> from_env()("billing-charge")
    'billing-ChargeFunction-1A2B'

    Args:
        variable: The name of the variable. ``{NAME}`` is replaced by the contract's name in upper case, with ``_`` for
            every character that is not a letter or digit.

    Raises:
        FunctionNotFoundError: When the function is called: the variable is not set.
    """

    def resolve(name: str) -> str:
        # Read at each call, not at import: tests and frameworks set variables later.
        key = variable_for(name, variable)
        if key not in os.environ:
            raise FunctionNotFoundError(f"the environment variable {key} is not set", function=name)
        return os.environ[key]

    return resolve


def variable_for(name: str, variable: str) -> str:
    """Return the name of the environment variable that has the name of a contract's function."""
    return variable.replace("{NAME}", re.sub(r"[^A-Z0-9]", "_", name.upper()))
