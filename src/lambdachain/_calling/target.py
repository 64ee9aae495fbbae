"""What is called and where: a target becomes a contract and an address."""

from __future__ import annotations

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
    """What is called and where: a contract and the address it has here."""

    contract: Contract[Any, Any]
    function: str
    qualifier: str | None

    @property
    def address(self) -> str:
        """The function with its qualifier, as errors name it."""
        return f"{self.function}:{self.qualifier}" if self.qualifier else self.function


def contract_of(target: object, response: object = UNSET) -> Contract[Any, Any]:
    """Find the contract of a target; a plain address has the one that takes and gives any JSON.

    Raises:
        ContractError: *target* is nothing that can be called, or *response* is given where the contract has it.
    """
    if isinstance(target, Address):
        from pydantic import JsonValue

        answers: Any = JsonValue if response is UNSET else response
        return PlainContract(target, request=Any, response=answers)
    contract = getattr(target, "contract", None)
    if not isinstance(contract, Contract):
        raise ContractError(
            f"cannot call {type(target).__name__}: it needs a Contract, a handler made by remote, or a name"
        )
    if response is not UNSET:
        raise ContractError(f"{contract!r} says what it answers: response= is for plain names")
    return contract  # pyright: ignore[reportUnknownVariableType]


def locate(
    contract: Contract[Any, Any],
    function: Address | None,
    qualifier: str | None,
    resolve: Resolver | None,
) -> Target:
    """Find the address of a contract: *function* if given, else its own name as *resolve* has it deployed.

    Raises:
        InvalidArnError: An address or qualifier is nothing that Lambda accepts, or a qualifier is given twice.
    """
    address = deployed(contract.function, resolve) if function is None else function
    name, named = split_qualifier(address, qualifier, InvalidArnError)
    return Target(contract, name, named or contract.qualifier)


def deployed(function: str, resolve: Resolver | None) -> str:
    """Return the address of a contract's function: a plain name as *resolve* has it, an ARN as it is."""
    if resolve is None:
        return function
    target = parse_target(function)
    is_name = isinstance(target, FunctionName) and target.account_id is None and target.region is None
    if not is_name:
        return function
    address: Any = resolve(function)
    if not isinstance(address, Address):
        raise InvalidArnError(f"resolve gave {type(address).__name__} for {function!r}, not a name or an ARN")
    return str(address)
