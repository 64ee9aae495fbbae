"""Lambda's queue of asynchronous events, on a virtual clock: a retry after minutes is delivered without waiting."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lambdachain._core.fork_hooks import lock_for
from lambdachain._core.invocation import Invocation
from lambdachain._lambda_api.events import EventState, RetryRules, after_failure, new_event_state

from ._recursion import Chain


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event in the queue, with the call chain that fired it."""

    invocation: Invocation
    request_id: str
    chain: Chain
    state: EventState

    @property
    def attempt(self) -> int:
        """The number of its next delivery, from 1."""
        return self.state.runs + 1

    def next_delivery(self) -> PendingEvent | None:
        """Return the event for its next delivery after a failure; ``None`` if Lambda gives up on it."""
        state = after_failure(self.state, RetryRules(), now=self.state.due)
        return replace(self, state=state) if isinstance(state, EventState) else None


class InProcessEventQueue:
    """The events that wait for delivery; thread-safe."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[PendingEvent] = []
        self._lock = lock_for(self)

    def fire(self, invocation: Invocation, request_id: str, chain: Chain) -> None:
        """Add a new event, due immediately."""
        self.put(PendingEvent(invocation, request_id, chain, new_event_state(self.now)))

    def put(self, event: PendingEvent) -> None:
        """Add an event that will be delivered again."""
        with self._lock:
            self._waiting.append(event)

    def take(self, until: float | None) -> PendingEvent | None:
        """Remove and return the next event that is due by *until*, if any, and advance the clock to it."""
        with self._lock:
            due = [event for event in self._waiting if until is None or event.state.due <= until]
            if not due:
                # The clock advances even if nothing is due, so that two calls of deliver(30) reach a retry after 60 s.
                self.now = self.now if until is None else max(self.now, until)
                return None
            # min() returns the first of equal elements: events that are due at the same time keep their order.
            event = min(due, key=lambda event: event.state.due)
            self._waiting.remove(event)
            self.now = max(self.now, event.state.due)
            return event
