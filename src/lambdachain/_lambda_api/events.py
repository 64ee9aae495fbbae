"""The way of an event through Lambda's queue: when it is tried again, and why it is given up. Pure.

Lambda tries an event twice again after a function error, after one minute and after two more; a throttled one comes
back after a second and then ever later, up to five minutes; either until it is too old (the page "How Lambda handles
errors and retries with asynchronous invocation"). An event whose next delivery would come too late is given up at once
(recorded).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

MAX_RETRIES: Final = 2
MAX_AGE: Final = 21_600.0

_PAUSES: Final = (60.0, 120.0)
_LONGEST_PAUSE: Final = 300.0


class Condition(StrEnum):
    """How an event ended, in Lambda's words (recorded)."""

    SUCCESS = "Success"
    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"
    ZERO_RESERVED_CONCURRENCY = "ZeroReservedConcurrency"


@dataclass(frozen=True, slots=True)
class Rules:
    """How often, and for how many seconds, a function's events are tried."""

    max_retries: int = MAX_RETRIES
    max_age: float = MAX_AGE


@dataclass(frozen=True, slots=True)
class EventState:
    """How far an event has come; times in seconds of the queue's clock.

    Attributes:
        fired_at: When it was fired.
        due: When it is to be delivered next.
        runs: How often the function has run on it.
        throttles: How often it was throttled since the function ran last.
    """

    fired_at: float
    due: float
    runs: int = 0
    throttles: int = 0

    @property
    def age(self) -> float:
        """Seconds from firing to the delivery that is due."""
        return self.due - self.fired_at


def begun(now: float) -> EventState:
    """Begin the course of an event that is fired now."""
    return EventState(now, now)


def before_delivery(
    course: EventState, rules: Rules, *, now: float, reserved_concurrency: int | None
) -> Condition | None:
    """Describe why an event is given up without another delivery; ``None`` if it is delivered."""
    if reserved_concurrency == 0:
        return Condition.ZERO_RESERVED_CONCURRENCY
    return Condition.EVENT_AGE_EXCEEDED if now - course.fired_at > rules.max_age else None


def after_failure(course: EventState, rules: Rules, *, now: float) -> EventState | Condition:
    """Describe when an event whose function failed is delivered again, or why it is given up.

    >>> after_failure(begun(0.0), Rules(), now=3.0)
    EventState(fired_at=0.0, due=63.0, runs=1, throttles=0)
    """
    if course.runs >= min(rules.max_retries, len(_PAUSES)):
        return Condition.RETRIES_EXHAUSTED
    return _in_time(replace(course, due=now + _PAUSES[course.runs], runs=course.runs + 1, throttles=0), rules)


def after_throttle(course: EventState, rules: Rules, *, now: float) -> EventState | Condition:
    """Describe when an event that was throttled is delivered again, or why it is given up."""
    pause = min(2.0**course.throttles, _LONGEST_PAUSE)
    return _in_time(replace(course, due=now + pause, throttles=course.throttles + 1), rules)


def _in_time(course: EventState, rules: Rules) -> EventState | Condition:
    return course if course.age < rules.max_age else Condition.EVENT_AGE_EXCEEDED
