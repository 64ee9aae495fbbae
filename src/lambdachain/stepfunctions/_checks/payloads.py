"""Payloads that cannot fit the request of a contract, and responses that are too large for Step Functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lambdachain._analysis.compatibility.compare_schemas import find_incompatibilities
from lambdachain._analysis.compatibility.incompatibility import Reason
from lambdachain._analysis.compatibility.payload_schemas import Pairing, explain, get_payload_schemas
from lambdachain._contracts.contract import Contract
from lambdachain._core.errors import describe_details
from lambdachain._core.type_guards import is_mapping
from lambdachain.stepfunctions._invocations import parse_invocation
from lambdachain.stepfunctions._limits import MAX_PAYLOAD, RESULT_OVERHEAD
from lambdachain.stepfunctions._payload import find_misfits
from lambdachain.stepfunctions._query_language import QueryLanguage
from lambdachain.stepfunctions._states import StateEntry, get_next_names, get_rules

from .issues import CheckedTask, KnownFunctions, StateIssue, StateIssueKind

_WHOLE_INPUT: Final = (None, "$", "{% $states.input %}")
# They pass their input on, unless they have members that change it.
_PASSING: Final = ("Choice", "Wait", "Succeed")


def check_payload_template(task: CheckedTask) -> Iterator[StateIssue]:
    """Yield why the payload of a task cannot fit the contract."""
    if task.invocation.is_expression:
        return
    if misfits := find_misfits(task.contract, task.invocation.payload, task.entry.language):
        yield StateIssue(
            StateIssueKind.PAYLOAD,
            task.entry.path,
            f"the payload cannot fit the request of {task.contract.function}: {describe_details(misfits)}",
            "correct the payload, or the contract",
        )


def check_payload_flow(task: CheckedTask, known: KnownFunctions) -> Iterator[StateIssue]:
    """Yield the responses of functions that come right before a task and do not fit its request."""
    entry = task.entry
    is_whole = task.invocation.is_expression and task.invocation.payload in _WHOLE_INPUT
    if not is_whole or entry.state.get("InputPath", "$") != "$":
        return
    for name, contract in _find_sources(entry, known).items():
        sent = get_payload_schemas(contract.schema())["response"].sent
        read = get_payload_schemas(task.contract.schema())["request"].read
        for found in find_incompatibilities(sent, read, "request"):
            if found.certain and (found.is_total or found.reason is Reason.UNKNOWN_FIELD):
                yield StateIssue(
                    StateIssueKind.PAYLOAD,
                    entry.path,
                    f"its input is the response of {name}, which does not fit the request of {task.contract.function}: "
                    f"{found.path}: {explain(found, Pairing('new callers', name, task.contract.function, sent, read))}",
                    "select what it needs by a payload, or add a state between them",
                )


def check_size(task: CheckedTask) -> Iterator[StateIssue]:
    """Yield whether responses that are too large for Step Functions are not offloaded."""
    offload = task.contract.offload
    if offload is None or not task.invocation.is_synchronous:
        return
    arguments: Any = task.entry.state.get("Parameters", task.entry.state.get("Arguments"))
    has_context = is_mapping(arguments) and not arguments.keys().isdisjoint(("ClientContext", "ClientContext.$"))
    limit = MAX_PAYLOAD - RESULT_OVERHEAD
    if offload.threshold > limit:
        yield StateIssue(
            StateIssueKind.SIZE,
            task.entry.path,
            f"responses of {task.contract.function} above {MAX_PAYLOAD:,} bytes fail the execution "
            f"(States.DataLimitExceeded), and only those above {offload.threshold:,} are offloaded",
            f"use S3Offload(..., threshold={limit:_}) or less",
        )
    elif not has_context:
        yield StateIssue(
            StateIssueKind.SIZE,
            task.entry.path,
            f"{task.contract.function} is not told that its response may be a reference to S3, so none is offloaded",
            "make the task by lambdachain.stepfunctions.task, which adds the ClientContext",
        )


def _find_sources(entry: StateEntry, known: KnownFunctions) -> dict[str, Contract[Any, Any]]:
    """Return the tasks whose bare response is the input of a state, through states that pass it on."""
    found: dict[str, Contract[Any, Any]] = {}
    waiting, seen = [entry.name], set[str]()
    while waiting:
        target = waiting.pop()
        for name, state in entry.siblings.items():
            if name in seen or not is_mapping(state) or target not in _get_successors(state):
                continue
            if state.get("Type") in _PASSING and not state.keys() & {"InputPath", "OutputPath", "Output"}:
                seen.add(name)
                waiting.append(name)
            elif (contract := _find_bare_contract(state, entry, known)) is not None:
                found[name] = contract
    return found


def _get_successors(state: Mapping[str, Any]) -> set[str]:
    """Return the states that get the output of a state; what is caught has another."""
    caught = {rule.get("Next") for rule in get_rules(state, "Catch")} - {state.get("Next")}
    return set(get_next_names(state)) - caught


def _find_bare_contract(
    state: Mapping[str, Any], entry: StateEntry, known: KnownFunctions
) -> Contract[Any, Any] | None:
    """Return the contract of a task whose output is the response alone."""
    language: QueryLanguage = state.get("QueryLanguage", entry.language)
    invocation = parse_invocation(state, language)
    if invocation is None or not invocation.returns_response:
        return None
    changed = state.keys() & {"ResultSelector", "ResultPath", "OutputPath", "Output", "Assign"}
    is_bare = (
        (invocation.is_direct and not changed)
        or (changed == {"OutputPath"} and state["OutputPath"] == "$.Payload")
        or (changed == {"Output"} and state["Output"] == "{% $states.result.Payload %}")
    )
    return known.find_contract(invocation) if is_bare else None
