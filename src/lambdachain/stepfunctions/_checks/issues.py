"""One thing that is wrong with a state machine, and what a check knows about the functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lambdachain._calling.target import Resolver, resolve_function
from lambdachain._contracts.contract import Contract
from lambdachain._core.arn import FunctionArn, FunctionName, parse_target
from lambdachain._core.errors import InvalidArnError
from lambdachain.stepfunctions._invocations import PLACEHOLDER, TaskInvocation, parse_invocation
from lambdachain.stepfunctions._states import StateEntry, get_inner_definitions, iter_states


class StateIssueKind(StrEnum):
    """What is wrong."""

    PAYLOAD = "payload"
    RETRY = "retry"
    CATCH = "catch"
    TIMEOUT = "timeout"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class StateIssue:
    """One thing that is wrong with a state machine.

    Attributes:
        kind: What it is about.
        path: The state, with the maps and branches that it is in, and the member: ``Map.Call.Retry[0]``.
        reason: What will happen.
        remedy: What to do about it.
    """

    kind: StateIssueKind
    path: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class KnownFunctions:
    """What is known about the functions that a definition calls.

    Attributes:
        contracts: Their contracts.
        timeouts: Their timeouts in seconds, by name.
        resolve: Returns the deployed name of a contract's name.
    """

    contracts: Sequence[Contract[Any, Any]]
    timeouts: Mapping[str, float] = field(default_factory=dict[str, float])
    resolve: Resolver | None = None

    def find_contract(self, invocation: TaskInvocation) -> Contract[Any, Any] | None:
        """Return the contract of the function that is called, if there is one; rather that of its qualifier."""
        called = _parse_function(invocation)
        if called is None:
            return None
        found = [one for one in self.contracts if self._get_deployed_name(one) == called.name]
        return next((one for one in found if one.qualifier == called.qualifier), found[0] if found else None)

    def _get_deployed_name(self, contract: Contract[Any, Any]) -> str:
        return parse_target(resolve_function(contract.function, self.resolve)).name

    def find_timeout(self, invocation: TaskInvocation) -> float | None:
        """Return the timeout of the function that is called, if it is known."""
        return self.timeouts.get(get_function_name(invocation) or "")


@dataclass(frozen=True, slots=True)
class CheckedTask:
    """A task that calls a function whose contract is known."""

    entry: StateEntry
    invocation: TaskInvocation
    contract: Contract[Any, Any]


def find_tasks(definition: Mapping[str, Any], known: KnownFunctions) -> Iterator[CheckedTask]:
    """Yield the tasks that call functions whose contracts are known."""
    for entry in iter_states(definition):
        invocation = parse_invocation(entry.state, entry.language)
        contract = None if invocation is None else known.find_contract(invocation)
        if invocation is not None and contract is not None:
            yield CheckedTask(entry, invocation, contract)


def find_inner_tasks(entry: StateEntry, known: KnownFunctions) -> Iterator[CheckedTask]:
    """Yield the tasks inside a map or a parallel state."""
    for inner in get_inner_definitions(entry.state):
        # The language of the state is inherited by the states inside.
        yield from find_tasks({"QueryLanguage": entry.language, **inner}, known)


def get_function_name(invocation: TaskInvocation) -> str | None:
    """Return the name of the function that is called; ``None`` if it is known only later."""
    called = _parse_function(invocation)
    return None if called is None else called.name


def _parse_function(invocation: TaskInvocation) -> FunctionArn | FunctionName | None:
    if invocation.function is None or PLACEHOLDER.search(invocation.function):
        return None
    try:
        return parse_target(invocation.function)
    except InvalidArnError:
        return None
