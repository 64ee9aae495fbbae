"""Error names in ``Catch`` and ``Retry`` that no function declares and no service reports: they match nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Final

from lambdachain._calling.error_table import FUNCTION_ERRORS, SERVICE_ERRORS
from lambdachain._contracts.contract import Contract
from lambdachain._core.errors import RequestRejectedError
from lambdachain.stepfunctions._error_names import DID_NOT_RUN, LAMBDA_PREFIX, MAY_HAVE_RUN, WILDCARDS
from lambdachain.stepfunctions._states import StateEntry, get_inner_definitions, get_rules, iter_states

from .issues import CheckedTask, KnownFunctions, StateIssue, StateIssueKind, find_inner_tasks
from .retries import get_error_names

# "Handling errors in Step Functions workflows":
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
_STATES_ERRORS: Final = (
    *WILDCARDS,
    "States.BranchFailed",
    "States.DataLimitExceeded",
    "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout",
    "States.Http.Socket",
    "States.IntrinsicFailure",
    "States.ItemReaderFailed",
    "States.NoChoiceMatched",
    "States.ParameterPathFailure",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.ResultPathMatchFailure",
    "States.ResultWriterFailed",
    "States.Runtime",
    "States.Timeout",
)
_KNOWN: Final = frozenset(
    {
        *_STATES_ERRORS,
        *DID_NOT_RUN,
        *MAY_HAVE_RUN,
        *FUNCTION_ERRORS,
        *(LAMBDA_PREFIX + code for code in SERVICE_ERRORS),
        RequestRejectedError.__name__,
    }
)


def check_error_names(task: CheckedTask) -> Iterator[StateIssue]:
    """Yield the error names of a task that match nothing."""
    if task.invocation.waits_for_token:
        return  # a callback may fail it with any name
    yield from _check_rules(task.entry, [task.contract])
    if not task.invocation.returns_response:
        yield from _check_lost_errors(task)


def _check_lost_errors(task: CheckedTask) -> Iterator[StateIssue]:
    """Yield the catches of errors that the function raises, and its task does not fail with."""
    declared = {error.__name__ for error in task.contract.errors} | {RequestRejectedError.__name__}
    reason = (
        "the integration of the AWS SDK has them in its result, as FunctionError"
        if task.invocation.is_synchronous
        else "with this InvocationType, the task does not wait for it"
    )
    for number, rule in enumerate(get_rules(task.entry.state, "Catch")):
        if lost := [name for name in get_error_names(rule) if name in declared]:
            yield StateIssue(
                StateIssueKind.CATCH,
                f"{task.entry.path}.Catch[{number}]",
                f"{', '.join(lost)}: the task does not fail with what {task.contract.function} raises: {reason}",
                "call it by arn:aws:states:::lambda:invoke and InvocationType RequestResponse, or remove the catch",
            )


def check_outer_error_names(entry: StateEntry, known: KnownFunctions) -> Iterator[StateIssue]:
    """Yield the error names of a map or a parallel state that match nothing of what is inside."""
    inner = [each for definition in get_inner_definitions(entry.state) for each in iter_states(definition)]
    tasks = list(find_inner_tasks(entry, known))
    # What else is inside, and functions without a contract here, may fail with errors of their own.
    if all(task.invocation.returns_response for task in tasks) and 0 < len(tasks) == sum(
        each.state.get("Type") in ("Task", "Fail") for each in inner
    ):
        yield from _check_rules(entry, [task.contract for task in tasks])


def _check_rules(entry: StateEntry, contracts: Sequence[Contract[Any, Any]]) -> Iterator[StateIssue]:
    declared = {error.__name__: None for contract in contracts for error in contract.errors}
    functions = " and ".join(dict.fromkeys(contract.function for contract in contracts))
    for member, kind in (("Retry", StateIssueKind.RETRY), ("Catch", StateIssueKind.CATCH)):
        for number, rule in enumerate(get_rules(entry.state, member)):
            for name in get_error_names(rule):
                if name not in declared and name not in _KNOWN:
                    close = get_close_matches(name, [*declared, *_KNOWN], 1)
                    correct = f"write {close[0]}" if close else "remove it"
                    yield StateIssue(
                        kind,
                        f"{entry.path}.{member}[{number}]",
                        f"{functions} does not declare {name}, and neither Lambda nor Step Functions reports it",
                        f"{correct}, or declare it: Contract(..., errors=[...])",
                    )
