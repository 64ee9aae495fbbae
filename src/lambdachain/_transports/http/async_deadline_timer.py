"""Deadlines for an event loop: one timer for all of its connections, because one each costs as much as a signature."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Expirable(Protocol):
    """Something that waits, and can be timed out."""

    def expire(self) -> None:
        """End the wait: it has timed out."""
        ...


class AsyncDeadlineTimer:
    """Times out what waits beyond its deadline, for one loop.

    >>> async def wait() -> bool:
    ...     class Sleeper:
    ...         expired = asyncio.Event()
    ...         def expire(self) -> None:
    ...             self.expired.set()
    ...     sleeper, timer = Sleeper(), AsyncDeadlineTimer(asyncio.get_running_loop())
    ...     timer.begin(sleeper, time.monotonic() + 0.001)
    ...     return await sleeper.expired.wait()
    >>> asyncio.run(wait())
    True
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._deadlines: dict[Expirable, float] = {}
        self._fires_at = float("inf")
        self._handle: asyncio.TimerHandle | None = None

    def begin(self, waiting: Expirable, deadline: float) -> None:
        """Time *waiting* out at *deadline*, unless ``end`` is called before; the deadline may have passed."""
        self._deadlines[waiting] = deadline
        # The timer is set for the earliest deadline only, and not reset when that one ends: it then fires for nothing.
        if deadline < self._fires_at:
            self._schedule(deadline)

    def end(self, waiting: Expirable) -> None:
        """Stop timing it out."""
        self._deadlines.pop(waiting, None)

    def _schedule(self, deadline: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._fires_at = deadline
        self._handle = self._loop.call_later(deadline - time.monotonic(), self._fire)

    def _fire(self) -> None:
        self._fires_at, self._handle = float("inf"), None
        now = time.monotonic()
        for waiting, deadline in list(self._deadlines.items()):
            if deadline <= now:
                self.end(waiting)
                waiting.expire()
        if self._deadlines:
            self._schedule(min(self._deadlines.values()))
