"""Whether a call is for the function that a test has put in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambdachain._contracts.contract import HasContract, split_qualifier
from lambdachain._core.arn import Address, FunctionArn, FunctionName, parse_target
from lambdachain._core.errors import ContractError
from lambdachain._lambda_api.aws_location import LATEST


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where a function is: its address without a qualifier, and the qualifier, ``None`` for any."""

    function: FunctionArn | FunctionName
    qualifier: str | None

    def has(self, called: FunctionArn | FunctionName) -> bool:
        """Check whether *called* is this function: each part of the address that is said here is the same there."""
        parts = ((self.function.name, called.name), *((getattr(self.function, p), getattr(called, p)) for p in _PARTS))
        return all(here is None or here == there for here, there in parts)

    def __str__(self) -> str:
        return f"{self.function}:{self.qualifier}" if self.qualifier else str(self.function)


_PARTS = ("account_id", "region", "partition")


def deployment(
    target: HasContract[Any, Any] | Address, function: Address | None = None, qualifier: str | None = None
) -> Deployment:
    """Find where a target is deployed: at *function* if given, else where its contract says.

    Raises:
        ContractError: A qualifier is given twice.
        InvalidArnError: An address or qualifier is nothing that Lambda accepts.
    """
    if isinstance(target, Address):
        address, own = (function or target), None
    else:
        address, own = (function or target.contract.function), target.contract.qualifier
    name, named = split_qualifier(address, qualifier, ContractError)
    return Deployment(parse_target(name), named or own)


def version_of(qualifier: str | None) -> str:
    """Return the version that a call of *qualifier* runs: an alias leads to some version, say the first."""
    return LATEST if qualifier is None else qualifier if qualifier == LATEST or qualifier.isdigit() else "1"
