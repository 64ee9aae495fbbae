"""Time, in seconds: the system's clocks, and what tests have skipped of it.

A test of "throttled twice, then fine" must not wait for the pauses. What it skips has passed for everybody who asks
here: deadlines, remaining times and pauses agree, because there is one clock.
"""

from __future__ import annotations

import sys
import time

from .process_copies import lock_for

_lock = lock_for(sys.modules[__name__])
_skipped = 0.0


class System:
    """The system's own clocks, as they go for threads and other processes: whatever a test skips or freezes.

    freezegun puts its own in the place of these wherever a module holds them, but not in classes. Else a deadline that
    was set before the clock stopped would be decades over, or a function in another process would take it for past.
    """

    monotonic = staticmethod(time.monotonic)
    epoch = staticmethod(time.time)


def monotonic() -> float:
    """Return the time by a clock that only goes forward; its zero has no meaning."""
    return System.monotonic() + _skipped


def epoch() -> float:
    """Return the date, in seconds since 1970."""
    return System.epoch() + _skipped


def forget() -> None:
    """Undo what was skipped: the time that one test lets pass is not taken from what others share with it."""
    global _skipped  # noqa: PLW0603 - a process has one clock
    with _lock:
        _skipped = 0.0


def skip(seconds: float) -> None:
    """Let *seconds* have passed, without waiting."""
    global _skipped  # noqa: PLW0603 - a process has one clock
    with _lock:
        _skipped += seconds
