"""Deadlines for an event loop: one timer for all of its connections, because one each costs as much as a signature."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Waiting(Protocol):
    """Something that waits, and can be timed out."""

    def late(self) -> None:
        """End the wait: it has timed out."""
        ...


class Watch:
    """Times out what waits beyond its deadline, for one loop.

    >>> async def wait() -> bool:
    ...     class Sleeper:
    ...         expired = asyncio.Event()
    ...         def late(self) -> None:
    ...             self.expired.set()
    ...     sleeper, timer = Sleeper(), Watch(asyncio.get_running_loop())
    ...     timer.begin(sleeper, time.monotonic() + 0.001)
    ...     return await sleeper.expired.wait()
    >>> asyncio.run(wait())
    True
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._deadlines: dict[Waiting, float] = {}
        self._rings_at = float("inf")
        self._bell: asyncio.TimerHandle | None = None

    def begin(self, waiting: Waiting, deadline: float) -> None:
        """Time *waiting* out at *deadline*, unless ``end`` is called before; the deadline may have passed."""
        self._deadlines[waiting] = deadline
        # The timer is set for the earliest deadline only, and not reset when that one ends: it then fires for nothing.
        if deadline < self._rings_at:
            self._set(deadline)

    def end(self, waiting: Waiting) -> None:
        """Stop timing it out."""
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
