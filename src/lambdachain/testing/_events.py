"""Lambda's queue of events, on a clock of its own: nothing waits for it.

Lambda tries an event twice again after a function error, after one minute and after two more; after a throttle with a
growing pause for up to six hours (the page "How Lambda handles errors and retries with asynchronous invocation").
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Final

from lambdachain._invocation import Invocation

from ._recursion import Chain

_PAUSES: Final = (60.0, 120.0)
_LONGEST_PAUSE: Final = 300.0
_MAX_AGE: Final = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Event:
    """An event in the queue: times in seconds of the queue's clock."""

    invocation: Invocation
    request_id: str
    chain: Chain
    fired_at: float
    due: float
    attempt: int = 1
    throttles: int = 0

    @property
    def age(self) -> float:
        """Seconds from firing to this delivery."""
        return self.due - self.fired_at


def after_failure(event: Event) -> Event | None:
    """Give the next delivery of an event whose function failed; ``None`` when it is given up."""
    if event.attempt > len(_PAUSES):
        return None
    return _in_time(replace(event, due=event.due + _PAUSES[event.attempt - 1], attempt=event.attempt + 1))


def after_throttle(event: Event) -> Event | None:
    """Give the next delivery of an event whose function had no capacity; ``None`` when it is given up."""
    pause = min(2.0**event.throttles, _LONGEST_PAUSE)
    return _in_time(replace(event, due=event.due + pause, throttles=event.throttles + 1))


def _in_time(event: Event) -> Event | None:
    return event if event.age <= _MAX_AGE else None


class EventQueue:
    """The events that wait; thread-safe."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[Event] = []
        self._lock = threading.Lock()

    def put(self, event: Event) -> None:
        """Add an event."""
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

    def __len__(self) -> int:
        return len(self._waiting)
