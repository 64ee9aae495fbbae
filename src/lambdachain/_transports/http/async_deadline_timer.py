"""The ends of waits: one timer of a loop for all of its connections, for one each costs as much as a signature."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Waiting(Protocol):
    """What waits, until it is told that time is up."""

    def late(self) -> None:
        """End the wait."""
        ...


class Watch:
    """Returns who waits when time is up, for one loop.

    >>> async def wait() -> bool:
    ...     class Sleeper:
    ...         told = asyncio.Event()
    ...         def late(self) -> None:
    ...             self.told.set()
    ...     sleeper, watch = Sleeper(), Watch(asyncio.get_running_loop())
    ...     watch.begin(sleeper, time.monotonic() + 0.001)
    ...     return await sleeper.told.wait()
    >>> asyncio.run(wait())
    True
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._deadlines: dict[Waiting, float] = {}
        self._rings_at = float("inf")
        self._bell: asyncio.TimerHandle | None = None

    def begin(self, waiting: Waiting, deadline: float) -> None:
        """Watch *waiting* until ``end``; *deadline* is by the monotonic clock, and may have passed."""
        self._deadlines[waiting] = deadline
        if deadline < self._rings_at:
            self._set(deadline)

    def end(self, waiting: Waiting) -> None:
        """Watch it no more."""
        self._deadlines.pop(waiting, None)

    def _set(self, deadline: float) -> None:
        if self._bell is not None:
            self._bell.cancel()
        self._rings_at = deadline
        self._bell = self._loop.call_later(deadline - time.monotonic(), self._ring)

    def _ring(self) -> None:
        self._rings_at, self._bell = float("inf"), None
        now = time.monotonic()
        for waiting, deadline in list(self._deadlines.items()):
            if deadline <= now:
                self.end(waiting)
                waiting.late()
        if self._deadlines:
            self._set(min(self._deadlines.values()))
