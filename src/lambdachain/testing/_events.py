"""Lambda's queue of events, on a clock of its own: nothing waits for it.

Lambda tries an event twice again after a function error, after one minute and after two more (the page "How Lambda
handles errors and retries with asynchronous invocation").
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Final

from lambdachain._invocation import Invocation

from ._recursion import Chain

_PAUSES: Final = (60.0, 120.0)


@dataclass(frozen=True, slots=True)
class Event:
    """An event in the queue: times in seconds of the queue's clock."""

    invocation: Invocation
    request_id: str
    chain: Chain
    fired_at: float
    due: float
    attempt: int = 1

    @property
    def age(self) -> float:
        """Seconds from firing to this delivery."""
        return self.due - self.fired_at


def after_failure(event: Event) -> Event | None:
    """Give the next delivery of an event whose function failed; ``None`` when it is given up."""
    if event.attempt > len(_PAUSES):
        return None
    return replace(event, due=event.due + _PAUSES[event.attempt - 1], attempt=event.attempt + 1)


class EventQueue:
    """The events that wait; thread-safe."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[Event] = []
        self._lock = threading.Lock()

    def fire(self, invocation: Invocation, request_id: str, chain: Chain) -> None:
        """Add a new event, due at once."""
        with self._lock:
            self._waiting.append(Event(invocation, request_id, chain, self.now, self.now))

    def put(self, event: Event) -> None:
        """Add an event that is to be delivered again."""
        with self._lock:
            self._waiting.append(event)

    def take(self, until: float | None) -> Event | None:
        """Take the next event that is due by *until*, and let the clock be there; ``None`` if none is."""
        with self._lock:
            due = [event for event in self._waiting if until is None or event.due <= until]
            if not due:
                self.now = self.now if until is None else max(self.now, until)
                return None
            event = min(due, key=lambda event: event.due)
            self._waiting.remove(event)
            self.now = max(self.now, event.due)
            return event
