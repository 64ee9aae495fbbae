"""The clock of the queue of events: the system's, or one that stands still until it is moved."""

from __future__ import annotations

import time


class QueueClock:
    """Returns the time in seconds since 1970; a virtual one begins with the system's time."""

    def __init__(self, *, is_virtual: bool) -> None:
        self.is_virtual = is_virtual
        self._now = time.time()

    def now(self) -> float:
        """Return the time."""
        return self._now if self.is_virtual else time.time()

    def move_to(self, moment: float) -> None:
        """Let a virtual clock be at *moment*, unless it is past it."""
        self._now = max(self._now, moment)
