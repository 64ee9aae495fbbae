"""The log of a system in this process: its invocations and their outcomes."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lambdachain._core.escaping import printable
from lambdachain._core.invocation import Invocation, InvocationType, Outcome
from lambdachain._core.type_guards import is_mapping

VERBS = {
    InvocationType.REQUEST_RESPONSE: "call",
    InvocationType.EVENT: "fire",
    InvocationType.DRY_RUN: "can_invoke",
}
_MAX_VALUE: Final = 200
_MAX_MESSAGE: Final = 1000


@dataclass(frozen=True, slots=True, repr=False)
class InProcessCall:
    """An invocation and its outcome.

    Attributes:
        caller: The function that made the call; ``None`` for the test itself.
        function: The function's name or ARN, as the caller wrote it.
        qualifier: The version or alias of the call.
        invocation_type: RequestResponse, Event or DryRun.
        request: The decoded payload.
        response: The decoded response; ``None`` also without a response.
        error_type: The class of the function's exception, or Lambda's code for its own error; ``None`` for a success.
        error_message: The message of the error.
        stack_trace: The stack trace of the function's exception.
        request_id: Lambda's id of the invocation; the same for each delivery of an event.
        attempt: The number of the delivery of an event, from 1.
        at: Seconds from ``fire`` to this delivery, by the queue's virtual clock; 0 for a call.
    """

    caller: str | None
    function: str
    qualifier: str | None
    invocation_type: InvocationType
    request: Any
    response: Any
    error_type: str | None
    error_message: str | None
    stack_trace: tuple[str, ...]
    request_id: str
    attempt: int = 1
    at: float = 0.0

    def __repr__(self) -> str:
        who = f"{self.caller}: " if self.caller else ""
        when = f" (delivery {self.attempt}, {self.at:g} s)" if self.attempt > 1 else ""
        failure = printable(f"{self.error_type}: {self.error_message}", _MAX_MESSAGE)
        result = failure if self.error_type else _shorten(self.response)
        return f"{who}{VERBS[self.invocation_type]} {format_called(self)} <- {_shorten(self.request)}{when}: {result}"


def format_called(call: InProcessCall) -> str:
    """Format the function that was called, with the qualifier of the call."""
    return f"{call.function}:{call.qualifier}" if call.qualifier else call.function


class CallLog:
    """Finished invocations, in the order in which they started; thread-safe."""

    def __init__(self) -> None:
        self._slots: list[list[InProcessCall]] = []

    def begin(self) -> Callable[[InProcessCall], None]:
        """Reserve the place of an invocation that starts; return a function that fills it in."""
        # A slot stays empty while its invocation runs: an inner call ends before its caller, but comes after it.
        slot: list[InProcessCall] = []
        self._slots.append(slot)
        return slot.append

    def __iter__(self) -> Iterator[InProcessCall]:
        return (call for slot in tuple(self._slots) for call in slot)


def to_in_process_call(
    invocation: Invocation, outcome: Outcome, *, caller: str | None, attempt: int = 1, at: float = 0.0
) -> InProcessCall:
    """Build the log entry of an invocation and its outcome."""
    report = _function_report(outcome)
    return InProcessCall(
        caller=caller,
        function=invocation.function_name,
        qualifier=invocation.qualifier,
        invocation_type=invocation.invocation_type,
        request=_decode(invocation.payload),
        response=None if outcome.function_error else _decode(outcome.payload),
        error_type=outcome.error_code or report.get("errorType"),
        error_message=outcome.error_message or report.get("errorMessage"),
        stack_trace=tuple(report.get("stackTrace", ())),
        request_id=outcome.request_id or "",
        attempt=attempt,
        at=at,
    )


def _function_report(outcome: Outcome) -> Mapping[str, Any]:
    report = _decode(outcome.payload) if outcome.function_error else None
    # A function that is not written in Python may report an error as any JSON value.
    return report if is_mapping(report) else {}


def _decode(payload: bytes) -> Any:
    try:
        return json.loads(payload) if payload else None
    # A handler may return bytes that are not JSON, or JSON too deeply nested for Python.
    except (ValueError, RecursionError):
        return payload.decode(errors="replace")


def _shorten(value: object) -> str:
    """Return the repr of a payload, truncated so that a line stays readable; it is the test's own data."""
    text = repr(value)
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}..."


InProcessCall.__module__ = "lambdachain.testing"
