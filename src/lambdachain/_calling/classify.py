"""What an answer, or the lack of one, amounts to: pure functions from values to errors."""

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
    service_failure,
    strange_failure,
)
from .success import flaw_of, log_tail

if TYPE_CHECKING:
    from lambdachain._contracts.remote_error import RemoteError

_TIMED_OUT: Final = re.compile(r"Task timed out after \d+\.\d+ seconds")
_MAX_MESSAGE: Final = 1000


class CallSemantics(NamedTuple):
    """What the caller knows of the callee: decides which errors it gets back and what counts as retryable."""

    errors: Sequence[type[RemoteError]] = ()
    idempotent: bool = False


def no_answer(invocation: Invocation, exc: NoAnswerError, expected: CallSemantics) -> CallError:
    """Return what it means that no answer came."""
    failure = _without_answer(exc.progress, exc.trouble)
    return failure.error(str(exc), **_facts(invocation, failure, exc.request_id, expected))


def failed_answer(invocation: Invocation, outcome: Outcome, expected: CallSemantics) -> CallError | None:
    """Return how an answer failed; ``None`` for a success, whose payload may still not fit the contract."""
    if outcome.status >= 300:
        return _service_error(invocation, outcome, expected)
    if outcome.function_error is not None:
        return _function_error(invocation, outcome, expected)
    flaw = flaw_of(invocation.invocation_type, outcome)
    if flaw is None:
        return None
    execution = Execution.EXECUTED if outcome.from_lambda else Execution.UNKNOWN
    failure = ErrorRule(ResponseError, execution, Retryability.IDEMPOTENT)
    return ResponseError(flaw, **_facts(invocation, failure, outcome.request_id, expected))


def _without_answer(progress: Progress, trouble: Trouble) -> ErrorRule:
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


def _service_error(invocation: Invocation, outcome: Outcome, expected: CallSemantics) -> CallError:
    known = service_failure if outcome.from_lambda else strange_failure
    failure = known(outcome.error_code, outcome.status)
    facts = _facts(invocation, failure, outcome.request_id, expected)
    message = _service_message(outcome)
    facts["asked_wait"] = outcome.retry_after
    if issubclass(failure.error, ThrottledError):
        return failure.error(message, reason=outcome.error_reason, retry_after=outcome.retry_after, **facts)
    return failure.error(message, **facts)


def _service_message(outcome: Outcome) -> str:
    """Quote the service without what it may quote of the request: values, signed headers, payload."""
    said = redact_request(outcome.error_message or "")
    reason = f" ({outcome.error_reason})" if outcome.error_reason else ""
    return _shorten(f"{outcome.error_code or f'HTTP {outcome.status}'}: {said}{reason}".removesuffix(": "))


def _function_error(invocation: Invocation, outcome: Outcome, expected: CallSemantics) -> CallError:
    report = _Report.read(outcome.payload)
    failure = report.failure
    facts = FunctionErrorFacts(
        **_facts(invocation, failure, outcome.request_id, expected),
        error_type=report.error_type,
        error_message=report.error_message,
        stack_trace=report.stack_trace,
        log_tail=log_tail(outcome),
    )
    return (
        _declared_error(report, expected, facts)
        or _rejection(report, facts)
        or _as_function_error(failure.error)(_function_message(report), **facts)
    )


def _as_function_error(error: type[CallError]) -> type[FunctionError]:
    return error if issubclass(error, FunctionError) else FunctionError


def _function_message(report: _Report) -> str:
    return _shorten(": ".join(part for part in (report.error_type, report.error_message) if part) or "it failed")


def _declared_error(report: _Report, expected: CallSemantics, facts: FunctionErrorFacts) -> RemoteError | None:
    for error in expected.errors:
        if error.__name__ == report.error_type:
            return error.received(report.error_message or "", **facts)
    return None


def _rejection(report: _Report, facts: FunctionErrorFacts) -> RequestRejectedError | None:
    if report.error_type != RequestRejectedError.__name__:
        return None
    details = RequestRejectedError.details_from_wire(report.error_message or "")
    if details is None:
        return None
    return RequestRejectedError(
        _shorten(f"it refused the request: {describe_details(details)}"), errors=details, **facts
    )


class _Report(NamedTuple):
    """What a runtime of any language says of its function's failure."""

    error_type: str | None
    error_message: str | None
    stack_trace: tuple[str, ...] = ()
    during_init: bool = False

    @classmethod
    def read(cls, payload: bytes) -> _Report:
        try:
            body = json.loads(payload)
        except (ValueError, RecursionError):
            body = payload.decode(errors="replace")
        if not is_mapping(body):
            return cls(None, _as_text(body))
        return cls(
            _text(body.get("errorType")),
            _text(body.get("errorMessage")),
            _stack(body.get("stackTrace") or body.get("trace") or body.get("StackTrace")),
            during_init=body.get("requestId") == "",
        )

    @property
    def failure(self) -> ErrorRule:
        if self.error_type is None and _TIMED_OUT.search(self.error_message or ""):
            return FUNCTION_ERRORS["Sandbox.Timedout"]
        known = FUNCTION_ERRORS.get(self.error_type or "")
        if known is None and self.during_init:
            # Python's runtime client sends an empty requestId with what a module raised at import.
            return FUNCTION_ERRORS["Runtime.InitError"]
        return known or PLAIN_FUNCTION_ERROR


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _stack(frames: Any) -> tuple[str, ...]:
    if not is_sequence(frames):
        return ()
    return tuple(_as_text(frame) for frame in frames)


def _as_text(part: Any) -> str:
    try:
        return part if isinstance(part, str) else json.dumps(part)
    except RecursionError:  # it was read just below the limit, and is written just above it
        return "(nested too deeply)"


def _facts(invocation: Invocation, failure: ErrorRule, request_id: str | None, expected: CallSemantics) -> CallFacts:
    execution, repeatable = failure.execution, expected.idempotent
    if invocation.invocation_type is InvocationType.DRY_RUN:
        # What answers a dry run with something else may have run the function: AWS's emulator does.
        is_answer = failure.error is ResponseError
        execution, repeatable = Execution.UNKNOWN if is_answer else Execution.NOT_EXECUTED, repeatable or not is_answer
    return CallFacts(
        function=invocation.function,
        request_id=request_id,
        execution=execution,
        retryable=failure.retry in (Retryability.SAFE, Retryability.REFRESH)
        or (failure.retry is Retryability.IDEMPOTENT and repeatable),
    )


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_MESSAGE else f"{text[:_MAX_MESSAGE]}... ({len(text)} characters)"
