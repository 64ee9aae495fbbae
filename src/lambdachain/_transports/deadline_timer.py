"""Deadlines for blocking calls: one thread runs callbacks at given times, for all calls of the process.

A response that is read in parts has no timeout as a whole; the callback shuts its socket down.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Final

from lambdachain._core.fork_hooks import register_fork_hooks

_WORTH_CLEARING: Final = 64


class Timer:
    """A callback to run at a time, unless it is cancelled before."""

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.cancelled = False


class DeadlineTimer:
    """Runs the callbacks of timers; its thread starts with the first timer, and again in a forked process."""

    def __init__(self) -> None:
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._cancelled = 0
        self._thread: threading.Thread | None = None

    def set(self, at: float, callback: Callable[[], None]) -> Timer:
        """Run *callback* when the monotonic clock reaches *at*; it must be quick and must not raise."""
        timer = Timer(at, callback)
        with self._changed:
            heapq.heappush(self._timers, (at, next(self._count), timer))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="lambdachain-deadlines", daemon=True)
                self._thread.start()
            # The thread waits for the earliest timer only: wake it if that is another one now.
            elif self._timers[0][2] is timer:
                self._changed.notify()
        return timer

    def cancel(self, timer: Timer) -> None:
        """Cancel a timer; no-op if it has run."""
        with self._changed:
            timer.cancelled = True
            self._cancelled += 1
            # Cancelled timers stay in the heap, from whose middle nothing can be removed, until they are half of it.
            if self._cancelled > max(_WORTH_CLEARING, len(self._timers) // 2):
                self._timers = [item for item in self._timers if not item[2].cancelled]
                heapq.heapify(self._timers)
                self._cancelled = 0

    def forget(self) -> None:
        """Start over in a forked process: the timers, their thread and the holder of the lock are the parent's."""
        self._timers = []
        self._changed = threading.Condition()
        self._cancelled = 0
        self._thread = None

    def _run(self) -> None:
        while True:
            self._next().callback()

    def _next(self) -> Timer:
        with self._changed:
            while True:
                if not self._timers:
                    self._changed.wait()
                    continue
                at, _, timer = self._timers[0]
                # The real clock: time that a test skips passes for no socket.
                wait = at - time.monotonic()
                if wait <= 0 or timer.cancelled:
                    heapq.heappop(self._timers)
                    if not timer.cancelled:
                        return timer
                    continue
                self._changed.wait(wait)


deadline_timer: Final = DeadlineTimer()
register_fork_hooks(in_fork=deadline_timer.forget)
