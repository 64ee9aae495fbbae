"""Time, in seconds: the system's clocks, and what tests have skipped of it.

A test of "throttled twice, then fine" must not wait for the pauses. What it skips has passed for everybody who asks
here: deadlines, remaining times and pauses agree, because there is one clock.
"""

from __future__ import annotations

import threading
import time
from typing import Final

_lock: Final = threading.Lock()
_skipped = 0.0


def monotonic() -> float:
    """Tell the time by a clock that only goes forward; its zero has no meaning."""
    return time.monotonic() + _skipped


def epoch() -> float:
    """Tell the date, in seconds since 1970."""
    return time.time() + _skipped


def skip(seconds: float) -> None:
    """Let *seconds* have passed, without waiting."""
    global _skipped  # noqa: PLW0603 - a process has one clock
    with _lock:
        _skipped += seconds
