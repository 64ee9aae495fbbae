"""Timeouts of tasks that end before the function does: its response would be lost, and it would run on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lambdachain.stepfunctions._limits import MAX_EXPRESS_DURATION
from lambdachain.stepfunctions._states import StateEntry

from .issues import CheckedTask, KnownFunctions, StateIssue, StateIssueKind, find_inner_tasks


def check_timeout(task: CheckedTask, known: KnownFunctions) -> Iterator[StateIssue]:
    """Yield a timeout of a task that is not longer than that of its function."""
    timeout = known.find_timeout(task.invocation)
    # A task that waits for a callback, or for nothing, may wait longer or shorter than the function runs.
    if timeout is None or task.invocation.waits_for_token or not task.invocation.is_synchronous:
        return
    for member in ("TimeoutSeconds", "HeartbeatSeconds"):
        limit: Any = task.entry.state.get(member)
        if isinstance(limit, int | float) and limit <= timeout:
            yield _make_finding(f"{task.entry.path}.{member}", limit, task, timeout)


def check_express_duration(entry: StateEntry, known: KnownFunctions) -> Iterator[StateIssue]:
    """Yield a distributed map whose Express executions end before its functions do."""
    if entry.has_express_items:
        path = f"{entry.path}.ItemProcessor.ProcessorConfig.ExecutionType"
        for task in find_inner_tasks(entry, known):
            yield from check_duration(path, MAX_EXPRESS_DURATION, task, known)


def check_duration(path: str, limit: float, task: CheckedTask, known: KnownFunctions) -> Iterator[StateIssue]:
    """Yield a limit of a whole execution that is not longer than the timeout of a function in it."""
    timeout = known.find_timeout(task.invocation)
    if timeout is not None and task.invocation.is_synchronous and limit <= timeout:
        yield _make_finding(path, limit, task, timeout)


def _make_finding(path: str, limit: float, task: CheckedTask, timeout: float) -> StateIssue:
    function = task.contract.function
    return StateIssue(
        StateIssueKind.TIMEOUT,
        path,
        f"it ends after {limit:g} seconds, and {function} may run for {timeout:g}: its response would be lost",
        "make it longer than the function's Timeout, or that shorter",
    )
