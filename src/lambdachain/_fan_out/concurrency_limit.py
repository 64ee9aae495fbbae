"""How many calls of one function may be in flight: found by trying, as TCP finds out how much a network carries.

After RFC 5681: as long as nothing was ever refused, what is allowed doubles with each round of successes; from the
first throttle on it grows by a fixed step a round, and is halved by a throttle, at most once a round. Calls that were
on their way already when it was halved say nothing new, whatever becomes of them.
"""

from __future__ import annotations

import threading
from typing import Final, NamedTuple

from lambdachain._core.process_copies import register_fork_hooks

INITIAL: Final = 10
# So many rounds bring it from half of what was too much back to that.
_ROUNDS_BACK: Final = 8
# Where there is nothing left to halve, throttles are answered with pauses, in seconds.
_FIRST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 1.0

# Which test it is, in a process that runs tests.
_era = 0


class Permit(NamedTuple):
    """Leave for one call: which round it belongs to, and whether it is the only one, with no other allowed."""

    round: int
    alone: bool


class ConcurrencyLimit:
    """The calls of one function that are in flight, and how many may be; thread-safe.

    Times are of a monotonic clock, in seconds, and always given.

    >>> concurrency_limit = ConcurrencyLimit()
    >>> tickets = [concurrency_limit.enter(0.0, held=count) for count in range(INITIAL)]
    >>> concurrency_limit.enter(0.0, held=INITIAL) is None
    True
    >>> for permit in tickets:
    ...     concurrency_limit.succeeded(permit)
    >>> concurrency_limit.limit
    20
    """

    def __init__(self) -> None:
        self.era = _era
        self._limit = float(INITIAL)
        self._step = 0.0
        self._in_flight = 0
        self._peak = 0
        self._round = 0
        self._pause = _FIRST_PAUSE
        self._resumes_at = 0.0
        self._lock = threading.Lock()

    @property
    def limit(self) -> int:
        """How many may be in flight."""
        return int(self._limit)

    @property
    def in_flight(self) -> int:
        """How many are."""
        return self._in_flight

    def pause_left(self, now: float) -> float:
        """Return for how many seconds Lambda wants no call; 0 for none."""
        return max(0.0, self._resumes_at - now)

    def enter(self, now: float, *, held: int) -> Permit | None:
        """Let one more call start, or not.

        Who has none in flight is let in beyond the limit: two that wait for each other would wait for ever.

        Args:
            now: The time.
            held: How many calls the asker has in flight.
        """
        with self._lock:
            if now < self._resumes_at or (held and self._in_flight >= self.limit):
                return None
            self._in_flight += 1
            self._peak = max(self._peak, self._in_flight)
            return Permit(self._round, self.limit == self._in_flight == 1)

    def succeeded(self, permit: Permit) -> None:
        """Record that a call was let in: there may be room for more."""
        with self._lock:
            self._in_flight -= 1
            self._pause = _FIRST_PAUSE
            if permit.round == self._round:
                gain = self._step / self._limit if self._step else 1.0
                # Room that was never asked for is no room that was found.
                self._limit = max(self._limit, min(self._limit + gain, 2.0 * self._peak))

    def throttled(self, permit: Permit, now: float, retry_after: float | None) -> None:
        """Record that Lambda had no room for a call; *retry_after* is how many seconds it asks to wait."""
        with self._lock:
            self._in_flight -= 1
            self._resumes_at = max(self._resumes_at, now + (retry_after or 0.0))
            if self.limit == 1 and not permit.alone:  # who is alone has had the pauses of its retry policy
                self._resumes_at = max(self._resumes_at, now + self._pause)
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            if permit.round == self._round:
                self._round += 1
                reached = min(self._limit, float(self._peak))
                self._step = max(1.0, reached / (2 * _ROUNDS_BACK))
                self._limit = max(1.0, reached / 2)
                self._peak = int(self._limit)

    def left(self, _ticket: Permit) -> None:
        """Record that a call is over that says nothing of room: it failed in another way, or was not sent."""
        with self._lock:
            self._in_flight -= 1

    def abandon(self, count: int) -> None:
        """Record that nobody will tell what becomes of *count* calls."""
        with self._lock:
            self._in_flight -= count


def forget() -> None:
    """Let every client find out anew: what was throttled in one test is nothing to the next one."""
    global _era  # noqa: PLW0603 - a process runs one test at a time
    _era += 1


register_fork_hooks(in_fork=forget)  # what is in flight is the parent's, and would hold places here for ever


def concurrency_limit_for(paces: dict[str, ConcurrencyLimit], function: str) -> ConcurrencyLimit:
    """Return the pace of a function among those of one client."""
    found = paces.get(function)
    if found is not None and found.era != _era:
        paces.pop(function, None)
    return paces.setdefault(function, ConcurrencyLimit())
