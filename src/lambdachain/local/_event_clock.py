"""The clock of the event queue: the system's, or a virtual one that stands still until it is advanced."""

from __future__ import annotations

import time


class EventClock:
    """A clock in seconds since 1970; a virtual one starts at the system's time."""

    def __init__(self, *, is_virtual: bool) -> None:
        self.is_virtual = is_virtual
        self._now = time.time()

    def now(self) -> float:
        """Return the current time."""
        return self._now if self.is_virtual else time.time()

    def move_to(self, moment: float) -> None:
        """Advance a virtual clock to *moment*; it never goes back."""
        self._now = max(self._now, moment)
