"""Retries of asynchronous invocations: when an event is delivered again, and why it is discarded. Pure.

Lambda retries an event twice after a function error, after one minute and after two more; a throttled event is retried
after one second, and then with exponential backoff up to five minutes; both until the event is too old (the page "How
Lambda handles errors and retries with asynchronous invocation"). An event whose next delivery would be too late is
discarded immediately (recorded).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

MAX_RETRIES: Final = 2
MAX_AGE: Final = 21_600.0

_RETRY_DELAYS: Final = (60.0, 120.0)
_MAX_THROTTLE_DELAY: Final = 300.0


class Condition(StrEnum):
    """How an event ended: the ``condition`` in Lambda's records (recorded)."""

    SUCCESS = "Success"
    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"
    ZERO_RESERVED_CONCURRENCY = "ZeroReservedConcurrency"


@dataclass(frozen=True, slots=True)
class RetryRules:
    """A function's event invoke config: how many retries, and for how many seconds."""

    max_retries: int = MAX_RETRIES
    max_age: float = MAX_AGE


@dataclass(frozen=True, slots=True)
class EventState:
    """The state of an event; times in seconds of the queue's clock.

    Attributes:
        fired_at: When it was fired.
        due: When its next delivery is due.
        runs: How often the function has run with it.
        throttles: How often it was throttled since the function's last run.
    """

    fired_at: float
    due: float
    runs: int = 0
    throttles: int = 0

    @property
    def age(self) -> float:
        """Seconds from firing to the delivery that is due."""
        return self.due - self.fired_at


def new_event_state(now: float) -> EventState:
    """Return the state of an event that is fired now."""
    return EventState(now, now)


def before_delivery(
    state: EventState, rules: RetryRules, *, now: float, reserved_concurrency: int | None
) -> Condition | None:
    """Return why an event is discarded without another delivery; ``None`` if it is delivered."""
    # Lambda does not retry for up to six hours what can never run: such an event is discarded immediately.
    if reserved_concurrency == 0:
        return Condition.ZERO_RESERVED_CONCURRENCY
    return Condition.EVENT_AGE_EXCEEDED if now - state.fired_at > rules.max_age else None


def after_failure(state: EventState, rules: RetryRules, *, now: float) -> EventState | Condition:
    """Return when an event is delivered again after a function error, or why it is discarded.

    >>> after_failure(new_event_state(0.0), RetryRules(), now=3.0)
    EventState(fired_at=0.0, due=63.0, runs=1, throttles=0)
    """
    # Lambda allows at most two retries, so there are two delays.
    if state.runs >= min(rules.max_retries, len(_RETRY_DELAYS)):
        return Condition.RETRIES_EXHAUSTED
    return _unless_too_old(replace(state, due=now + _RETRY_DELAYS[state.runs], runs=state.runs + 1, throttles=0), rules)


def after_throttle(state: EventState, rules: RetryRules, *, now: float) -> EventState | Condition:
    """Return when an event is delivered again after throttling, or why it is discarded."""
    delay = min(2.0**state.throttles, _MAX_THROTTLE_DELAY)
    return _unless_too_old(replace(state, due=now + delay, throttles=state.throttles + 1), rules)


def _unless_too_old(state: EventState, rules: RetryRules) -> EventState | Condition:
    return state if state.age < rules.max_age else Condition.EVENT_AGE_EXCEEDED
