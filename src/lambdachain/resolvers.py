"""From a contract's name to the deployed function's: what ``LambdaClient(resolve=...)`` takes.

Only plain names are resolved; a contract that has an ARN, and an address given with a call, are used as they are.
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
    """Put *text* before every name: for stages in one account.

    >>> prefix("prod-")("billing-charge")
    'prod-billing-charge'
    """
    return lambda name: f"{text}{name}"


def mapping(names: Mapping[str, str], /) -> Callable[[str], str]:
    """Look names up; a name that is not in *names* is used as it is.

    >>> mapping({"billing-charge": "billing-ChargeFunction-1A2B"})("billing-charge")
    'billing-ChargeFunction-1A2B'
    """
    return lambda name: names.get(name, name)


def from_env(variable: str = VARIABLE, /) -> Callable[[str], str]:
    """Read names from environment variables, as SAM, CDK or Terraform pass a function's name or ARN to another.

    >>> os.environ["LAMBDACHAIN_BILLING_CHARGE"] = "billing-ChargeFunction-1A2B"
    >>> from_env()("billing-charge")
    'billing-ChargeFunction-1A2B'

    Args:
        variable: How the variable is called; ``{NAME}`` stands for the contract's name in capitals, with ``_`` for
            every character that is no letter or digit.

    Raises:
        FunctionNotFoundError: At the call: there is no such variable.
    """

    def resolve(name: str) -> str:
        key = variable_of(name, variable)
        if key not in os.environ:
            raise FunctionNotFoundError(f"the environment variable {key} does not name it", function=name)
        return os.environ[key]

    return resolve


def variable_of(name: str, variable: str) -> str:
    """Describe which environment variable names the function of a contract."""
    return variable.replace("{NAME}", re.sub(r"[^A-Z0-9]", "_", name.upper()))
