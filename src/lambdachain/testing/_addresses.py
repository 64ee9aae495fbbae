"""Addresses of the functions of a test, and which calls they match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambdachain._contracts.contract import HasContract, has_contract, split_qualifier
from lambdachain._core.arn import Address, FunctionArn, FunctionName, parse_target
from lambdachain._core.errors import ContractError
from lambdachain._lambda_api.aws_location import LATEST
from lambdachain._transports.argument_checks import describe_object


@dataclass(frozen=True, slots=True)
class FunctionAddress:
    """A function's name or ARN without a qualifier, and the qualifier; ``None`` matches any."""

    function: FunctionArn | FunctionName
    qualifier: str | None

    def matches(self, called: FunctionArn | FunctionName) -> bool:
        """Check whether *called* is this function: every part that this address has must be equal.

        A name without account and region matches the function wherever its callers expect it.
        """
        parts = ((getattr(self.function, part), getattr(called, part)) for part in _PARTS)
        return all(own is None or own == other for own, other in parts)

    def __str__(self) -> str:
        return f"{self.function}:{self.qualifier}" if self.qualifier else str(self.function)


_PARTS = ("name", "account_id", "region", "partition")


def to_function_address(
    target: HasContract[Any, Any] | Address, function: Address | None = None, qualifier: str | None = None
) -> FunctionAddress:
    """Return the address of a target: *function* if given, else the one of its contract.

    Raises:
        ContractError: *target* has no contract, or both the address and *qualifier* have a qualifier.
        InvalidArnError: Lambda would not accept an address or qualifier.
    """
    if isinstance(target, Address):
        address, own = (function or target), None
    elif not has_contract(target):
        raise ContractError(
            f"{describe_object(target)} is not a target: pass a contract, a handler made by remote, a name or an ARN"
        )
    else:
        # The contract's qualifier also applies to a name that the client resolves it to.
        address, own = (function or target.contract.function), target.contract.qualifier
    name, named = split_qualifier(address, qualifier, ContractError)
    return FunctionAddress(parse_target(name), named or own)


def version_for(qualifier: str | None) -> str:
    """Return the version that a call of *qualifier* runs."""
    # A test does not say which version an alias points to; version 1 stands in for it.
    return LATEST if qualifier is None else qualifier if qualifier == LATEST or qualifier.isdigit() else "1"
