"""All checks of a definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdachain.stepfunctions._invocations import parse_invocation
from lambdachain.stepfunctions._limits import MAX_EXPRESS_DURATION
from lambdachain.stepfunctions._states import iter_states

from .catches import check_error_names, check_outer_error_names
from .issues import CheckedTask, KnownFunctions, StateIssue, find_tasks
from .payloads import check_payload_flow, check_payload_template, check_size
from .retries import check_express, check_outer_retries, check_retries, make_express_findings
from .timeouts import check_duration, check_express_duration, check_timeout


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check of a definition found.

    Attributes:
        findings: What is wrong, in the order of the states.
        checked: The number of tasks that were checked.
        skipped: Tasks whose function has no contract here: for each, its path and the function.
    """

    findings: tuple[StateIssue, ...]
    checked: int
    skipped: tuple[str, ...]


def check_definition(definition: Mapping[str, Any], known: KnownFunctions, *, is_express: bool = False) -> CheckResult:
    """Check a definition against the contracts of the functions that it calls.

    Args:
        definition: The definition.
        known: What is known about the functions.
        is_express: Whether the state machine is an Express workflow.
    """
    tasks = list(find_tasks(definition, known))
    limit: Any = MAX_EXPRESS_DURATION if is_express else definition.get("TimeoutSeconds")
    found = dict.fromkeys(
        [*_find_all(definition, tasks, known), *_check_execution(tasks, limit, known, is_express=is_express)]
    )
    skipped: list[str] = []
    for entry in iter_states(definition):
        invocation = parse_invocation(entry.state, entry.language)
        if invocation is not None and known.find_contract(invocation) is None:
            skipped.append(f"{entry.path}: no contract for {invocation.function or 'its function'}")
    return CheckResult(tuple(found), len(tasks), tuple(skipped))


def _find_all(
    definition: Mapping[str, Any], tasks: Sequence[CheckedTask], known: KnownFunctions
) -> Iterator[StateIssue]:
    for task in tasks:
        yield from check_payload_template(task)
        yield from check_payload_flow(task, known)
        yield from check_retries(task)
        yield from check_error_names(task)
        yield from check_timeout(task, known)
        yield from check_size(task)
    for entry in iter_states(definition):
        yield from check_outer_retries(entry, known)
        yield from check_outer_error_names(entry, known)
        yield from check_express(entry, known)
        yield from check_express_duration(entry, known)


def _check_execution(
    tasks: Sequence[CheckedTask], limit: Any, known: KnownFunctions, *, is_express: bool
) -> Iterator[StateIssue]:
    """Yield what concerns a whole execution: its type, and its limit in seconds."""
    if is_express:
        yield from make_express_findings("Type", tasks)
    if isinstance(limit, int | float):
        for task in tasks:
            yield from check_duration("Type" if is_express else "TimeoutSeconds", limit, task, known)
