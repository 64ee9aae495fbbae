"""Targets: from what a user passes to a contract and an address."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from lambdachain._contracts.contract import Contract, PlainContract, split_qualifier
from lambdachain._core.arn import Address, FunctionName, parse_target
from lambdachain._core.errors import ContractError, InvalidArnError

Resolver = Callable[[str], str]


class _Unset:
    def __repr__(self) -> str:
        return "<the contract's own>"


UNSET: Final = _Unset()


class Target(NamedTuple):
    """What to call: a contract, and the function and qualifier that it is deployed as."""

    contract: Contract[Any, Any]
    function: str
    qualifier: str | None

    @property
    def address(self) -> str:
        """The function with its qualifier, as errors name it."""
        return f"{self.function}:{self.qualifier}" if self.qualifier else self.function


def contract_for(target: object, response: object = UNSET) -> Contract[Any, Any]:
    """Return the contract of a target; that of a plain address accepts and returns any JSON.

    Raises:
        ContractError: *target* is not callable this way, or *response* is passed although the contract has a type.
    """
    if isinstance(target, Address):
        from pydantic import JsonValue

        response_type: Any = JsonValue if response is UNSET else response
        return PlainContract(target, request=Any, response=response_type)
    contract = getattr(target, "contract", None)
    if not isinstance(contract, Contract):
        from lambdachain._transports.argument_checks import describe_object

        raise ContractError(
            f"cannot call {describe_object(target)}: pass a Contract, a handler made by remote, a name or an ARN"
        )
    if response is not UNSET:
        raise ContractError(f"{contract!r} has a response type: response= is for plain names and ARNs")
    return contract  # pyright: ignore[reportUnknownVariableType]


def locate(contract: Contract[Any, Any], function: Address | None = None, qualifier: str | None = None) -> Target:
    """Find the address of a contract: *function* if there is one, or else its own name.

    Raises:
        InvalidArnError: Lambda does not accept the address or qualifier, or there are two qualifiers.
    """
    address = contract.function if function is None else function
    name, named = split_qualifier(address, qualifier, InvalidArnError)
    return Target(contract, name, named or contract.qualifier)


def resolve_function(function: str, resolve: Resolver | None) -> str:
    """Return the address of a contract's deployed function: *resolve* maps plain names, ARNs stay as they are."""
    if resolve is None:
        return function
    target = parse_target(function)
    is_name = isinstance(target, FunctionName) and target.account_id is None and target.region is None
    if not is_name:
        return function
    address: Any = resolve(function)
    if not isinstance(address, Address):
        raise InvalidArnError(f"resolve returned {type(address).__name__} for {function!r}, not a name or an ARN")
    return str(address)
