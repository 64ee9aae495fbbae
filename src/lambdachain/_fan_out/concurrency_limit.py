"""The adaptive limit of calls in flight to one function: found by trying, as TCP finds the capacity of a network.

After RFC 5681, with throttles as lost packets. As long as nothing was throttled, the limit doubles with each round of
successes. From the first throttle on, it grows by a fixed step each round, and a throttle halves it, at most once a
round. Calls that were in flight already when it was halved reveal nothing new, regardless of their result.
"""

from __future__ import annotations

import threading
from typing import Final, NamedTuple

from lambdachain._calling.attempts import INFO, is_logging
from lambdachain._core.fork_hooks import register_fork_hooks

INITIAL: Final = 10
# Rounds that it takes to grow from half of a limit that was too high back to that limit.
_ROUNDS_BACK: Final = 8
# A limit of 1 cannot be halved: a throttle then causes a pause, in seconds.
_FIRST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 1.0

# The number of the test, in a process that runs tests: limits of earlier tests are discarded.
_generation = 0


class Permit(NamedTuple):
    """Permission for one call: the round that it belongs to, and whether it is the only call that is allowed."""

    round: int
    is_only_call: bool


class ConcurrencyLimit:
    """The calls to one function that are in flight, and how many may be; thread-safe.

    Times are those of a monotonic clock, in seconds, and are passed in. *function* is its name in the log.

    >>> concurrency_limit = ConcurrencyLimit()
    >>> permits = [concurrency_limit.acquire(0.0, own_in_flight=count) for count in range(INITIAL)]
    >>> concurrency_limit.acquire(0.0, own_in_flight=INITIAL) is None
    True
    >>> for permit in permits:
    ...     concurrency_limit.record_success(permit)
    >>> concurrency_limit.limit
    20
    """

    def __init__(self, function: str = "") -> None:
        self._function = function
        self.generation = _generation
        self._limit = float(INITIAL)
        # 0 before the first throttle: the limit doubles each round.
        self._step = 0.0
        self._in_flight = 0
        self._peak = 0
        self._round = 0
        self._pause = _FIRST_PAUSE
        self._resumes_at = 0.0
        # Reentrant: the garbage collector may close another map in a thread that is inside one of these methods.
        self._lock = threading.RLock()

    @property
    def limit(self) -> int:
        """The maximum number of calls in flight."""
        return int(self._limit)

    @property
    def in_flight(self) -> int:
        """The number of calls in flight."""
        return self._in_flight

    def pause_left(self, now: float) -> float:
        """Return the seconds for which no call should be sent; 0 for none."""
        return max(0.0, self._resumes_at - now)

    def acquire(self, now: float, *, own_in_flight: int) -> Permit | None:
        """Return a permit for one more call; ``None`` if the limit is reached, or no call should be sent now.

        A map with no call in flight gets one beyond the limit: otherwise, two maps that wait for each other's results
        could wait forever.

        Args:
            now: The time.
            own_in_flight: How many calls the map that asks has in flight.
        """
        with self._lock:
            if not self.has_capacity(now, own_in_flight=own_in_flight):
                return None
            self._in_flight += 1
            self._peak = max(self._peak, self._in_flight)
            return Permit(self._round, self.limit == self._in_flight == 1)

    def has_capacity(self, now: float, *, own_in_flight: int) -> bool:
        """Check whether ``acquire`` would return a permit."""
        return now >= self._resumes_at and (not own_in_flight or self._in_flight < self.limit)

    def record_success(self, permit: Permit) -> None:
        """Record that Lambda accepted a call: there may be capacity for more."""
        with self._lock:
            self._in_flight -= 1
            self._pause = _FIRST_PAUSE
            if permit.round == self._round:
                gain = self._step / self._limit if self._step else 1.0
                # Capacity that was never used is not known to exist: the limit stays below twice what was in flight.
                self._limit = max(self._limit, min(self._limit + gain, 2.0 * self._peak))

    def record_throttle(self, permit: Permit, now: float, retry_after: float | None) -> None:
        """Record that Lambda had no capacity for a call; *retry_after* is how many seconds it asks to wait."""
        with self._lock:
            before = self.limit
            self._in_flight -= 1
            self._resumes_at = max(self._resumes_at, now + (retry_after or 0.0))
            if self.limit == 1 and not permit.is_only_call:  # the only call has had the pauses of its retry policy
                self._resumes_at = max(self._resumes_at, now + self._pause)
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            if permit.round == self._round:
                self._round += 1
                reached = min(self._limit, float(self._peak))
                self._step = max(1.0, reached / (2 * _ROUNDS_BACK))
                self._limit = max(1.0, reached / 2)
                self._peak = int(self._limit)
            reduced = before, self.limit, self._in_flight, self.pause_left(now)
        # Not under the lock: a handler of the log may be slow.
        if is_logging(INFO):
            from lambdachain._calling.call_log import log_concurrency

            log_concurrency(self._function, *reduced)

    def release(self, _permit: Permit) -> None:
        """Record the end of a call that reveals nothing about capacity: it failed in another way, or was not sent."""
        with self._lock:
            self._in_flight -= 1

    def abandon(self, count: int) -> None:
        """Forget *count* calls in flight whose results will not be recorded."""
        with self._lock:
            self._in_flight -= count


def forget() -> None:
    """Discard the limits of all clients: a throttle in one test must not slow down the next one."""
    global _generation  # noqa: PLW0603 - a process runs one test at a time
    _generation += 1


register_fork_hooks(in_fork=forget)  # the parent's calls in flight would hold permits here forever


def concurrency_limit_for(limits: dict[str, ConcurrencyLimit], function: str) -> ConcurrencyLimit:
    """Return the limit of a function among those of one client."""
    found = limits.get(function)
    if found is not None and found.generation != _generation:
        limits.pop(function, None)
    return limits.setdefault(function, ConcurrencyLimit(function))
