"""The threads that handlers run in: kept for a while and used again, as Lambda keeps its sandboxes.

A coroutine handler finds at its next invocation what it opened in its event loop, since the loop stays with the thread.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

from lambdachain._core.process_copies import lock_for

Job = Callable[[], Callable[[], None]]
"""Does the work, raising nothing, and gives what tells of it: once that is called, the sandbox can be had again."""

_MOST_IDLE: Final = 32
_lock = lock_for(sys.modules[__name__])


class InProcessSandbox:
    """A thread that takes the invocations of one handler, one after another."""

    def __init__(self, handler: object, name: str) -> None:
        self.handler = handler
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._ended = False
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    def takes(self, handler: object) -> bool:
        """Check whether it can run *handler*; a process that was forked has none of its parent's threads."""
        return self.handler is handler and self._thread.is_alive()

    def start(self, job: Job) -> None:
        """Run a job, without waiting for it."""
        self._jobs.put(job)

    def end(self) -> None:
        """Accept no more jobs; what runs goes on, since a thread cannot be stopped."""
        with _lock:
            self._ended = True
            if self in _idle:
                _idle.remove(self)
        self._jobs.put(None)

    def _live(self) -> None:
        from lambdachain._handler import event_loop

        if sys.version_info < (3, 14):  # the main thread, in which Lambda runs handlers, has a loop for who asks
            event_loop.open()
        while (job := self._jobs.get()) is not None:
            tell = job()
            del job  # what an invocation refers to shall not live on until the next one
            self._release()
            tell()
            del tell
        event_loop.close()

    def _release(self) -> None:
        with _lock:
            if not self._ended:
                _idle.append(self)
            surplus = _idle[:-_MOST_IDLE]
        for sandbox in surplus:
            sandbox.end()


_idle: Final[list[InProcessSandbox]] = []


def sandbox_for(handler: object, name: str) -> InProcessSandbox:
    """Return the sandbox that ran *handler* last, or a new one if none is idle."""
    with _lock:
        for sandbox in reversed(_idle):
            if sandbox.takes(handler):
                _idle.remove(sandbox)
                return sandbox
    return InProcessSandbox(handler, name)
