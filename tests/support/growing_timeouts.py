"""Checks of short timeouts that hold on a busy machine, too."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

SHORT = 0.4


def check_with_growing_timeouts(check: Callable[[float], None]) -> None:
    """Run *check* with a timeout in seconds that doubles until the check passes; the last failure is raised.

    A timeout must be short for the test to be fast, and long enough for the request to reach the fault:
    how long that takes depends on the machine. Wrong behavior is wrong with every timeout.
    """
    for timeout in (SHORT, 2 * SHORT, 4 * SHORT):
        with suppress(AssertionError):
            check(timeout)
            return
    check(8 * SHORT)
