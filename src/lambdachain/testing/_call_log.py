"""What a transport of a test remembers of an invocation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lambdachain._core.invocation import Invocation, InvocationType, Outcome
from lambdachain._core.text import printable
from lambdachain._core.type_guards import is_mapping

VERBS = {
    InvocationType.REQUEST_RESPONSE: "call",
    InvocationType.EVENT: "fire",
    InvocationType.DRY_RUN: "can_invoke",
}
_MOST_SHOWN: Final = 200
_MOST_SAID: Final = 1000


@dataclass(frozen=True, slots=True, repr=False)
class InProcessCall:
    """An invocation that came, and what became of it.

    Attributes:
        caller: The function that called; ``None`` for the test itself.
        function: The function's name or ARN, as it was called.
        qualifier: The version or alias that the call named.
        invocation_type: RequestResponse, Event or DryRun.
        request: The decoded payload.
        response: The decoded answer; ``None`` also where there is none.
        error_type: The class of the function's exception, or Lambda's name for its own failure; ``None`` for a success.
        error_message: The words for it.
        stack_trace: Where the function raised it.
        request_id: Lambda's id of the invocation: the same at each delivery of an event.
        attempt: Which delivery of an event it was, from 1.
        at: Seconds from firing to this delivery, by the queue's clock; 0 for a call.
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
        name = f"{self.function}:{self.qualifier}" if self.qualifier else self.function
        when = f" (delivery {self.attempt}, {self.at:g} s)" if self.attempt > 1 else ""
        failure = printable(f"{self.error_type}: {self.error_message}", _MOST_SAID)
        came_of_it = failure if self.error_type else _shown(self.response)
        return f"{who}{VERBS[self.invocation_type]} {name} <- {_shown(self.request)}{when}: {came_of_it}"


class Record:
    """The invocations in the order in which they came, once it is known what became of them; thread-safe."""

    def __init__(self) -> None:
        self._slots: list[list[InProcessCall]] = []

    def begin(self) -> Callable[[InProcessCall], None]:
        """Note that one came; give what notes the rest."""
        slot: list[InProcessCall] = []
        self._slots.append(slot)
        return slot.append

    def __iter__(self) -> Iterator[InProcessCall]:
        return (call for slot in tuple(self._slots) for call in slot)


def record_of(
    invocation: Invocation, outcome: Outcome, *, caller: str | None, attempt: int = 1, at: float = 0.0
) -> InProcessCall:
    """Write down an invocation and its outcome."""
    said = _report(outcome)
    return InProcessCall(
        caller=caller,
        function=invocation.function_name,
        qualifier=invocation.qualifier,
        invocation_type=invocation.invocation_type,
        request=_decoded(invocation.payload),
        response=None if outcome.function_error else _decoded(outcome.payload),
        error_type=outcome.error_code or said.get("errorType"),
        error_message=outcome.error_message or said.get("errorMessage"),
        stack_trace=tuple(said.get("stackTrace", ())),
        request_id=outcome.request_id or "",
        attempt=attempt,
        at=at,
    )


def _report(outcome: Outcome) -> Mapping[str, Any]:
    report = _decoded(outcome.payload) if outcome.function_error else None
    return report if is_mapping(report) else {}


def _decoded(payload: bytes) -> Any:
    try:
        return json.loads(payload) if payload else None
    except (ValueError, RecursionError):
        return payload.decode(errors="replace")


def _shown(value: object) -> str:
    """Write a payload, which is a test's own, so that a line remains readable."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
