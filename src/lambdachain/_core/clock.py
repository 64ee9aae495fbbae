"""Time, in seconds: the system's clocks, plus what tests have skipped.

A test of "throttled twice, then fine" must not wait for the delays. What it skips counts for every caller of this
module: deadlines, remaining times and delays agree, because there is one clock.
"""

from __future__ import annotations

import sys
import time

from .fork_hooks import lock_for

_lock = lock_for(sys.modules[__name__])
_skipped = 0.0


class SystemClock:
    """The system's own clocks, which threads and other processes share; not affected by what a test skips or freezes.

    freezegun replaces these functions wherever a module holds them, but not in classes. Otherwise a deadline set before
    the clock was frozen would be decades late, and a function in another process would take it for past.
    """

    monotonic = staticmethod(time.monotonic)
    epoch = staticmethod(time.time)


def monotonic() -> float:
    """Return the time by a clock that only goes forward; its zero has no meaning."""
    return SystemClock.monotonic() + _skipped


def epoch() -> float:
    """Return the date, in seconds since 1970."""
    return SystemClock.epoch() + _skipped


def forget() -> None:
    """Undo what was skipped, so that one test's skipped time does not affect other tests."""
    global _skipped  # noqa: PLW0603 - a process has one clock
    with _lock:
        _skipped = 0.0


def skip(seconds: float) -> None:
    """Advance the clock by *seconds*, without waiting."""
    global _skipped  # noqa: PLW0603 - a process has one clock
    with _lock:
        _skipped += seconds
