"""Checks that callers and callees with two versions of a contract are compatible."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, Literal

from lambdachain._analysis.compatibility.advice import get_deployment_order
from lambdachain._analysis.compatibility.contract_changes import Breakage, Change, changes_between
from lambdachain._analysis.compatibility.payload_schemas import Who
from lambdachain._contracts.contract import HasContract, has_contract
from lambdachain._contracts.contract_schema import ContractSchema, parse_contract_schema
from lambdachain._transports.transport_override import StubError

__all__ = ["Breakage", "Change", "IncompatibleContractError", "assert_compatible", "compatibility"]

Versioned = HasContract[Any, Any] | ContractSchema

_REQUIRED: Final[dict[str | None, tuple[Who, ...]]] = {
    None: ("old callers", "new callers"),
    "callee": ("old callers",),
    "caller": ("new callers",),
}


class IncompatibleContractError(StubError):
    """A contract has changed in a way that breaks callers or callees.

    Attributes:
        changes: The breaking changes that were not allowed.
    """

    def __init__(self, message: str, changes: Collection[Change] = ()) -> None:
        super().__init__(message)
        self.changes = tuple(changes)


def assert_compatible(
    old: Versioned,
    new: Versioned,
    /,
    *,
    first: Literal["callee", "caller"] | None = None,
    other_callers: bool = False,
    allow: Collection[str] = (),
) -> None:
    """Check that callers and callees with two versions of a contract are compatible.

    >>> from lambdachain import Contract
    >>> deployed = Contract("orders-double", request=int, response=int).schema()
    >>> assert_compatible(deployed, Contract("orders-double", request=int | None, response=int), first="callee")

    Args:
        old: The contract as it is deployed, or its schema: the file that ``Contract.schema`` was written to.
        new: The contract as it will be.
        first: The side that is deployed first, and so has to work with the old version of the other side. By default
            either may be first: neither old nor new callers may break.
        other_callers: Whether callers that do not use lambdachain must not break either.
        allow: The paths of breaking changes that are intended.

    Raises:
        IncompatibleContractError: A change is or may be breaking; or *allow* has the path of a change that is not.
        ContractError: *old* or *new* is neither a contract nor the schema of one.
    """
    required: tuple[Who, ...] = (*_REQUIRED[first], "other callers") if other_callers else _REQUIRED[first]
    breaking = [change for change in compatibility(old, new) if change.breaks_any(*required)]
    idle = sorted(set(allow) - {change.path for change in breaking})
    if idle:
        raise IncompatibleContractError(f"allow has {', '.join(idle)}, where no change is breaking: remove it")
    left = [_restrict_to(change, required) for change in breaking if change.path not in allow]
    if left:
        raise IncompatibleContractError(_report(_schema(new)["function"], left), left)


def compatibility(old: Versioned, new: Versioned, /) -> tuple[Change, ...]:
    """List the changes between two versions of a contract, and whom each of them breaks.

    Compatible changes are listed, too. Whether a value still *means* the same cannot be checked.

    >>> from lambdachain import Contract
    >>> old, new = (Contract("orders-double", request=form, response=int) for form in (int, int | None))
    >>> for change in compatibility(old, new):
    ...     print(change)
    request: may be null now
      breaks new callers: new callers may send null, but the old callee accepts integer
      Deploy the callee first.

    Args:
        old: The contract as it is deployed, or its schema.
        new: The contract as it will be, or its schema.

    Raises:
        ContractError: *old* or *new* is neither a contract nor the schema of one.
    """
    return changes_between(_schema(old), _schema(new))


def _schema(version: Versioned) -> ContractSchema:
    return version.contract.schema() if has_contract(version) else parse_contract_schema(version)


def _restrict_to(change: Change, who: Collection[Who]) -> Change:
    # The order of deployment rules out the other breakages: they would only distract in the message.
    return Change(change.path, change.what, tuple(one for one in change.breaks if one.who in who), change.advice)


def _report(function: str, changes: Collection[Change]) -> str:
    broken: list[Who] = [one.who for change in changes for one in change.breaks]
    blocks = [f"the contract of {function} has changed in a way that breaks calls", *map(str, changes)]
    return "\n\n".join([*blocks, get_deployment_order(broken)])


IncompatibleContractError.__module__ = "lambdachain.testing"
assert_compatible.__module__ = "lambdachain.testing"
compatibility.__module__ = "lambdachain.testing"
