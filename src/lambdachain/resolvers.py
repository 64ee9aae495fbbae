"""Resolvers turn a contract's name into the name of the deployed function, for ``LambdaClient(resolve=...)``.

Only plain names are resolved. A contract with an ARN, and an address that is passed with a call, are used as they are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from ._core.errors import ContractError, FunctionNotFoundError

if TYPE_CHECKING:
    from ._contracts.contract import HasContract

__all__ = ["from_env", "mapping", "prefix"]

_Function = TypeVar("_Function", bound="str | HasContract[Any, Any]")

VARIABLE: Final = "LAMBDACHAIN_{NAME}"


def prefix(text: str, /) -> Callable[[str], str]:
    """Resolve a name by adding *text* before it: for several stages in one account.

    >>> prefix("prod-")("billing-charge")
    'prod-billing-charge'
    """
    return partial(_add_prefix, text)


def mapping(names: Mapping[str, str], /) -> Callable[[str], str]:
    """Resolve a name by looking it up in *names*; one that is not there is used as it is.

    >>> mapping({"billing-charge": "billing-ChargeFunction-1A2B"})("billing-charge")
    'billing-ChargeFunction-1A2B'
    """
    return partial(_look_up, names)


# Two overloads for mappings: the first for one that is written in the call, with keys of several types, the second for
# a variable whose keys have one type, because the type of keys is invariant.
@overload
def from_env(variables: str | Mapping[str | HasContract[Any, Any], str] = VARIABLE, /) -> Callable[[str], str]: ...


@overload
def from_env(  # pyright: ignore[reportOverlappingOverload]
    variables: Mapping[_Function, str], /
) -> Callable[[str], str]: ...


def from_env(variables: Any = VARIABLE, /) -> Callable[[str], str]:
    """Resolve a name by an environment variable, in which SAM, CDK or Terraform pass the name or ARN of a function.

    >>> os.environ["LAMBDACHAIN_BILLING_CHARGE"] = "billing-ChargeFunction-1A2B"
    >>> from_env()("billing-charge")
    'billing-ChargeFunction-1A2B'

    With a mapping, variables that exist already keep their names:

    >>> os.environ["CHARGE_FN"] = "billing-ChargeFunction-1A2B"
    >>> from_env({"billing-charge": "CHARGE_FN"})("billing-charge")
    'billing-ChargeFunction-1A2B'

    Args:
        variables: A pattern for the name of the variable: ``{NAME}`` is replaced by the contract's name in upper case,
            with ``_`` for every character that is not a letter or digit. Or the variables themselves, by contract,
            handler or name; a contract that is not among them is read from ``LAMBDACHAIN_{NAME}``.

    Raises:
        ContractError: *variables* is not a pattern or a mapping, has something else than contracts, handlers and names,
            or has two variables for one name.
        FunctionNotFoundError: When the function is called: the variable is not set.
    """
    return partial(_read_variable, _make_variable_finder(variables))


# Functions of this module, not closures: clients are pickled with their resolvers.
def _add_prefix(text: str, name: str) -> str:
    return f"{text}{name}"


def _look_up(names: Mapping[str, str], name: str) -> str:
    return names.get(name, name)


def _read_variable(find_variable: Callable[[str], str], name: str) -> str:
    # Read at each call, not at import: tests and frameworks set variables later.
    key = find_variable(name)
    if key not in os.environ:
        raise FunctionNotFoundError(f"the environment variable {key} is not set", function=name)
    return os.environ[key]


def variable_for(name: str, variable: str) -> str:
    """Return the name of the environment variable that has the name of a contract's function."""
    return variable.replace("{NAME}", re.sub(r"[^A-Z0-9]", "_", name.upper()))


def _make_variable_finder(variables: Any) -> Callable[[str], str]:
    """Return a function from a contract's name to that of its variable."""
    if isinstance(variables, str):
        return partial(variable_for, variable=variables)
    # Not isinstance(): type checkers would not know the types of its keys and values.
    items = getattr(variables, "items", None)
    if items is None:
        kind = type(variables).__name__
        raise ContractError(
            f'from_env takes a pattern such as "{VARIABLE}", or a mapping such as {{charge: "CHARGE_FN"}}, not {kind}'
        )
    by_name: dict[str, str] = {}
    for function, variable in items():
        name = _get_name(function)
        if not isinstance(variable, str) or not variable:
            raise ContractError(f"from_env: the variable of {name} must be its name, not {variable!r}")
        if by_name.setdefault(name, variable) != variable:
            raise ContractError(f"from_env: {name} has two variables, {by_name[name]} and {variable}: remove one")
    return partial(_get_variable, by_name)


def _get_variable(by_name: Mapping[str, str], name: str) -> str:
    return by_name.get(name) or variable_for(name, VARIABLE)


def _get_name(function: Any) -> str:
    if isinstance(function, str):
        return function
    name = getattr(getattr(function, "contract", None), "function", None)
    if not isinstance(name, str):
        raise ContractError(f"from_env: {type(function).__name__} is not a contract, a handler, or a name")
    return name
