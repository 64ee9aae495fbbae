"""Lambda's queue of events, on a clock of its own: nothing waits for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lambdachain._core.invocation import Invocation
from lambdachain._core.process_copies import lock_for
from lambdachain._lambda_api.events import EventState, Rules, after_failure, begun

from ._recursion import Chain


@dataclass(frozen=True, slots=True)
class Event:
    """An event in the queue."""

    invocation: Invocation
    request_id: str
    chain: Chain
    course: EventState

    @property
    def attempt(self) -> int:
        """Which delivery it waits for, from 1."""
        return self.course.runs + 1

    def again(self) -> Event | None:
        """Return the next delivery of an event whose function failed; ``None`` when it is given up."""
        course = after_failure(self.course, Rules(), now=self.course.due)
        return replace(self, course=course) if isinstance(course, EventState) else None


class InProcessEventQueue:
    """The events that wait; thread-safe."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[Event] = []
        self._lock = lock_for(self)

    def fire(self, invocation: Invocation, request_id: str, chain: Chain) -> None:
        """Add a new event, due at once."""
        self.put(Event(invocation, request_id, chain, begun(self.now)))

    def put(self, event: Event) -> None:
        """Add an event that is to be delivered again."""
        with self._lock:
            self._waiting.append(event)

    def take(self, until: float | None) -> Event | None:
        """Accept the next event that is due by *until*, and let the clock be there; ``None`` if none is."""
        with self._lock:
            due = [event for event in self._waiting if until is None or event.course.due <= until]
            if not due:
                self.now = self.now if until is None else max(self.now, until)
                return None
            event = min(due, key=lambda event: event.course.due)
            self._waiting.remove(event)
            self.now = max(self.now, event.course.due)
            return event
