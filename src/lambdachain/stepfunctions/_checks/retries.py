"""Retries, and paths that amount to one, which can run a function twice that is not idempotent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping, is_sequence
from lambdachain.stepfunctions._error_names import may_run_twice
from lambdachain.stepfunctions._states import StateEntry, get_next_names, get_rules

from .issues import CheckedTask, KnownFunctions, StateIssue, StateIssueKind, find_inner_tasks

_IDEMPOTENT: Final = "declare Contract(..., idempotent=True) if running it twice does no harm"
# A distributed map that could not read its items has started none of them; others fail with the errors of their tasks.
_BEFORE_ITEMS: Final = ("States.ItemReaderFailed", "States.Permissions")


def check_retries(task: CheckedTask) -> Iterator[StateIssue]:
    """Yield what may run the function of a task twice."""
    if task.contract.idempotent:
        return
    path, function = task.entry.path, task.contract.function
    for number, retrier in enumerate(get_rules(task.entry.state, "Retry")):
        unsafe = [name for name in get_error_names(retrier) if may_run_twice(name)]
        if unsafe and retrier.get("MaxAttempts") != 0:
            yield StateIssue(
                StateIssueKind.RETRY,
                f"{path}.Retry[{number}]",
                f"{', '.join(unsafe)}: {function} may have run, is not idempotent, and would run twice",
                f"retry only what did not run, such as Lambda.TooManyRequestsException; or {_IDEMPOTENT}",
            )
    for number, catcher in enumerate(get_rules(task.entry.state, "Catch")):
        unsafe = [name for name in get_error_names(catcher) if may_run_twice(name)]
        if unsafe and _leads_to(catcher.get("Next"), task.entry):
            yield StateIssue(
                StateIssueKind.RETRY,
                f"{path}.Catch[{number}]",
                f"{', '.join(unsafe)} leads back to {task.entry.name}: {function} may have run, is not "
                "idempotent, and would run twice",
                f"end after it, or check first whether the function ran; or {_IDEMPOTENT}",
            )


def check_outer_retries(entry: StateEntry, known: KnownFunctions) -> Iterator[StateIssue]:
    """Yield the retries of a map or a parallel state that would run its functions again."""
    unsafe = [task.contract.function for task in find_inner_tasks(entry, known) if not task.contract.idempotent]
    if not unsafe:
        return
    harmless = _BEFORE_ITEMS if entry.is_distributed_map else ()
    for member, number, rule in _iter_repeating_rules(entry):
        if not set(get_error_names(rule)).issubset(harmless):
            yield StateIssue(
                StateIssueKind.RETRY,
                f"{entry.path}.{member}[{number}]",
                f"it runs all of {entry.name} again, with what has succeeded: {unsafe[0]} is not idempotent, and would "
                "run twice",
                f"retry the tasks inside instead; or {_IDEMPOTENT}",
            )


def _iter_repeating_rules(entry: StateEntry) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Yield the retriers of a state, and the catchers that lead back to it, each with its member and number."""
    for number, retrier in enumerate(get_rules(entry.state, "Retry")):
        if retrier.get("MaxAttempts") != 0:
            yield "Retry", number, retrier
    for number, catcher in enumerate(get_rules(entry.state, "Catch")):
        if _leads_to(catcher.get("Next"), entry):
            yield "Catch", number, catcher


def check_express(entry: StateEntry, known: KnownFunctions) -> Iterator[StateIssue]:
    """Yield a distributed map whose items may run twice, since Express executions run at least once."""
    if entry.has_express_items:
        tasks = list(find_inner_tasks(entry, known))
        yield from make_express_findings(f"{entry.path}.ItemProcessor.ProcessorConfig.ExecutionType", tasks)


def make_express_findings(path: str, tasks: Iterable[CheckedTask]) -> Iterator[StateIssue]:
    """Yield a finding if one of the tasks of an Express workflow calls a function that is not idempotent."""
    unsafe = [task.contract.function for task in tasks if not task.contract.idempotent]
    if unsafe:
        yield StateIssue(
            StateIssueKind.RETRY,
            path,
            f"an Express execution runs at least once: {unsafe[0]} is not idempotent, and may run twice",
            f"use STANDARD; or {_IDEMPOTENT}",
        )


def get_error_names(rule: Mapping[str, Any]) -> list[str]:
    """Return the error names of a retrier or catcher."""
    names: Any = rule.get("ErrorEquals")
    return [name for name in names if isinstance(name, str)] if is_sequence(names) else []


def _leads_to(start: object, entry: StateEntry) -> bool:
    """Check whether a path from a catcher leads back to its state, by itself.

    A loop over items joins again what comes after a success: its next call is that of another item.
    """
    after_success = _find_reachable(entry.state.get("Next"), entry, frozenset({entry.name}))
    return entry.name in _find_reachable(start, entry, after_success)


def _find_reachable(start: object, entry: StateEntry, excluded: Collection[object]) -> set[object]:
    """Return the states that a state leads to, itself included, by paths without those excluded."""
    waiting, seen = [start], set[object]()
    while waiting:
        name = waiting.pop()
        state: Any = entry.siblings.get(str(name))
        if name not in seen and name not in excluded and is_mapping(state):
            seen.add(name)
            waiting += get_next_names(state)
    return seen
