"""The threads that handlers run in: kept and reused, as Lambda keeps its execution environments.

Each thread keeps its event loop, so a coroutine handler can use a connection of one invocation in the next.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

from lambdachain._core.fork_hooks import lock_for

Job = Callable[[], Callable[[], None]]
"""Does the work without raising, and returns a callback that reports the result; the sandbox is released before it."""

_MAX_IDLE: Final = 32
_lock = lock_for(sys.modules[__name__])


class InProcessSandbox:
    """A thread that runs the invocations of one handler, one at a time."""

    def __init__(self, handler: object, name: str) -> None:
        self.handler = handler
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def can_run(self, handler: object) -> bool:
        """Check whether it can run *handler*; after a fork, the threads of the parent do not exist."""
        return self.handler is handler and self._thread.is_alive()

    def start(self, job: Job) -> None:
        """Start a job, without waiting for it."""
        self._jobs.put(job)

    def end(self) -> None:
        """Accept no more jobs; a job that runs is not stopped, because a thread cannot be."""
        with _lock:
            self._ended = True
            if self in _idle:
                _idle.remove(self)
        self._jobs.put(None)

    def _run(self) -> None:
        from lambdachain._handler import event_loop

        if sys.version_info < (3, 14):  # Lambda runs handlers in the main thread, where get_event_loop() works
            event_loop.open()
        while (job := self._jobs.get()) is not None:
            report = job()
            del job  # so that its objects are not kept alive until the next job
            # Release before reporting: the caller's next invocation then finds this sandbox warm.
            self._release()
            report()
            del report
        event_loop.close()

    def _release(self) -> None:
        with _lock:
            if not self._ended:
                _idle.append(self)
            surplus = _idle[:-_MAX_IDLE]
        # Outside the lock, because end() acquires it.
        for sandbox in surplus:
            sandbox.end()


_idle: Final[list[InProcessSandbox]] = []


def sandbox_for(handler: object, name: str) -> InProcessSandbox:
    """Return the idle sandbox that ran *handler* last, or a new one."""
    with _lock:
        # The sandbox used last: its event loop and connections are the most likely to be still usable.
        for sandbox in reversed(_idle):
            if sandbox.can_run(handler):
                _idle.remove(sandbox)
                return sandbox
    return InProcessSandbox(handler, name)
