"""Classify responses, and missing ones, as errors: pure functions of values."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lambdachain._core.errors import (
    CallError,
    CallFacts,
    CallTimeoutError,
    ConnectError,
    ConnectionLostError,
    CredentialsError,
    Execution,
    FunctionError,
    FunctionErrorFacts,
    InvalidRequestError,
    RequestRejectedError,
    ResponseError,
    ThrottledError,
    describe_details,
)
from lambdachain._core.invocation import Invocation, InvocationType, NoAnswerError, Outcome, Progress, Trouble
from lambdachain._core.redaction import redact_request
from lambdachain._core.type_guards import is_mapping, is_sequence

from .error_table import (
    FUNCTION_ERRORS,
    PLAIN_FUNCTION_ERROR,
    ErrorRule,
    Retryability,
    rule_for_foreign_response,
    rule_for_service_error,
)
from .success import decode_log_tail, find_flaw

if TYPE_CHECKING:
    from lambdachain._contracts.remote_error import RemoteError

_TIMED_OUT: Final = re.compile(r"Task timed out after \d+\.\d+ seconds")
_MAX_MESSAGE: Final = 1000


class CallSemantics(NamedTuple):
    """What caller and callee agree on: the declared errors, and whether a call may run twice."""

    errors: Sequence[type[RemoteError]] = ()
    idempotent: bool = False


def error_for_no_answer(invocation: Invocation, exc: NoAnswerError, semantics: CallSemantics) -> CallError:
    """Return the error of an attempt that got no response."""
    rule = _rule_for_no_answer(exc.progress, exc.trouble)
    return rule.error(str(exc), **_facts_for(invocation, rule, exc.request_id, semantics))


def error_for_outcome(invocation: Invocation, outcome: Outcome, semantics: CallSemantics) -> CallError | None:
    """Return the error in a response; ``None`` for a success, whose payload may still not fit the contract."""
    if outcome.status >= 300:
        return _make_service_error(invocation, outcome, semantics)
    if outcome.function_error is not None:
        return _make_function_error(invocation, outcome, semantics)
    flaw = find_flaw(invocation.invocation_type, outcome)
    if flaw is None:
        return None
    execution = Execution.EXECUTED if outcome.from_lambda else Execution.UNKNOWN
    rule = ErrorRule(ResponseError, execution, Retryability.IDEMPOTENT)
    return ResponseError(flaw, **_facts_for(invocation, rule, outcome.request_id, semantics))


def _rule_for_no_answer(progress: Progress, trouble: Trouble) -> ErrorRule:
    # The trouble counts before the progress: no retry repairs credentials, a request or a setting.
    if trouble is Trouble.CREDENTIALS:
        return ErrorRule(CredentialsError, Execution.NOT_EXECUTED, Retryability.NEVER)
    if trouble is Trouble.REQUEST:
        return ErrorRule(InvalidRequestError, Execution.NOT_EXECUTED, Retryability.NEVER)
    if trouble is Trouble.SETUP:
        return ErrorRule(ConnectError, Execution.NOT_EXECUTED, Retryability.NEVER)
    if progress is Progress.NOTHING_SENT:
        return ErrorRule(ConnectError, Execution.NOT_EXECUTED, Retryability.SAFE)
    begun = progress is Progress.ANSWER_BEGUN
    execution = Execution.EXECUTED if begun else Execution.UNKNOWN
    if trouble is Trouble.TIMEOUT:
        return ErrorRule(CallTimeoutError, execution, Retryability.IDEMPOTENT)
    return ErrorRule(ResponseError if begun else ConnectionLostError, execution, Retryability.IDEMPOTENT)


def _make_service_error(invocation: Invocation, outcome: Outcome, semantics: CallSemantics) -> CallError:
    # A proxy may use the names and statuses of Lambda for errors of its own.
    find_rule = rule_for_service_error if outcome.from_lambda else rule_for_foreign_response
    rule = find_rule(outcome.error_code, outcome.status)
    facts = _facts_for(invocation, rule, outcome.request_id, semantics)
    message = _service_message(outcome)
    facts["requested_wait"] = outcome.retry_after
    if issubclass(rule.error, ThrottledError):
        return rule.error(message, reason=outcome.error_reason, retry_after=outcome.retry_after, **facts)
    return rule.error(message, **facts)


def _service_message(outcome: Outcome) -> str:
    """Return the message of the service, redacted: it may quote values and signed headers of the request."""
    message = redact_request(outcome.error_message or "")
    reason = f" ({outcome.error_reason})" if outcome.error_reason else ""
    return _truncate(f"{outcome.error_code or f'HTTP {outcome.status}'}: {message}{reason}".removesuffix(": "))


def _make_function_error(invocation: Invocation, outcome: Outcome, semantics: CallSemantics) -> CallError:
    report = _Report.parse(outcome.payload)
    rule = report.rule
    facts = FunctionErrorFacts(
        **_facts_for(invocation, rule, outcome.request_id, semantics),
        error_type=report.error_type,
        error_message=report.error_message,
        stack_trace=report.stack_trace,
        log_tail=decode_log_tail(outcome),
    )
    return (
        _make_declared_error(report, semantics, facts)
        or _make_rejection(report, facts)
        or _to_function_error_class(rule.error)(_function_message(report), **facts)
    )


def _to_function_error_class(error: type[CallError]) -> type[FunctionError]:
    return error if issubclass(error, FunctionError) else FunctionError


def _function_message(report: _Report) -> str:
    return _truncate(
        ": ".join(part for part in (report.error_type, report.error_message) if part) or "the function failed"
    )


def _make_declared_error(report: _Report, semantics: CallSemantics, facts: FunctionErrorFacts) -> RemoteError | None:
    for error in semantics.errors:
        # By the class name, without its module: that is what every runtime sends as errorType.
        if error.__name__ == report.error_type:
            return error.received(report.error_message or "", **facts)
    return None


def _make_rejection(report: _Report, facts: FunctionErrorFacts) -> RequestRejectedError | None:
    if report.error_type != RequestRejectedError.__name__:
        return None
    details = RequestRejectedError.details_from_wire(report.error_message or "")
    if details is None:
        return None
    return RequestRejectedError(
        _truncate(f"the function rejected the request: {describe_details(details)}"), errors=details, **facts
    )


class _Report(NamedTuple):
    """The failure of a function, as the runtime of any language reports it."""

    error_type: str | None
    error_message: str | None
    stack_trace: tuple[str, ...] = ()
    during_init: bool = False

    @classmethod
    def parse(cls, payload: bytes) -> _Report:
        try:
            body = json.loads(payload)
        except (ValueError, RecursionError):
            body = payload.decode(errors="replace")
        if not is_mapping(body):
            return cls(None, _to_text(body))
        return cls(
            _text_or_none(body.get("errorType")),
            _text_or_none(body.get("errorMessage")),
            # The runtimes name it differently: Node.js sends "trace".
            _parse_stack(body.get("stackTrace") or body.get("trace") or body.get("StackTrace")),
            during_init=body.get("requestId") == "",
        )

    @property
    def rule(self) -> ErrorRule:
        if self.error_type is None and _TIMED_OUT.search(self.error_message or ""):
            return FUNCTION_ERRORS["Sandbox.Timedout"]
        known = FUNCTION_ERRORS.get(self.error_type or "")
        if known is None and self.during_init:
            # Python's runtime client sends an empty requestId with what a module raised at import.
            return FUNCTION_ERRORS["Runtime.InitError"]
        return known or PLAIN_FUNCTION_ERROR


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _parse_stack(frames: Any) -> tuple[str, ...]:
    if not is_sequence(frames):
        return ()
    return tuple(_to_text(frame) for frame in frames)


def _to_text(part: Any) -> str:
    try:
        return part if isinstance(part, str) else json.dumps(part)
    except RecursionError:  # nested just below the limit for parsing, which is just above the one for dumping
        return "(nested too deeply)"


def _facts_for(invocation: Invocation, rule: ErrorRule, request_id: str | None, semantics: CallSemantics) -> CallFacts:
    execution, repeatable = rule.execution, semantics.idempotent
    if invocation.invocation_type is InvocationType.DRY_RUN:
        # A response of another kind may mean that the function ran: AWS's emulator ignores DryRun and runs it.
        is_response = rule.error is ResponseError
        execution = Execution.UNKNOWN if is_response else Execution.NOT_EXECUTED
        repeatable = repeatable or not is_response
    return CallFacts(
        function=invocation.function,
        request_id=request_id,
        execution=execution,
        retryable=rule.retry in (Retryability.SAFE, Retryability.REFRESH)
        or (rule.retry is Retryability.IDEMPOTENT and repeatable),
    )


def _truncate(text: str) -> str:
    return text if len(text) <= _MAX_MESSAGE else f"{text[:_MAX_MESSAGE]}... ({len(text)} characters)"
