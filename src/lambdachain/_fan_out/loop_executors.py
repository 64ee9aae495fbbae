"""An event loop in a thread beside the program, so that a map that blocks has the throughput of one that is awaited.

One loop a client, kept from one map to the next with its connections.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue

from lambdachain._core.invocation import NoAnswerError, Progress, Trouble
from lambdachain._transports.http.async_transport import AsyncHttpTransport
from lambdachain._transports.http.transport import HttpTransport

from .async_executors import Tasks
from .scheduler import Done, Job


class LoopSide:
    """A loop in a thread, and a transport for it with the settings of *transport*; it ends with the last map in it.

    Raises:
        NoAnswerError: *transport* is closed.
    """

    def __init__(self, transport: HttpTransport) -> None:
        self.transport = transport.copy_as(AsyncHttpTransport)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=_run, args=(self.loop,), name="lambdachain-loop", daemon=True)
        self._process = os.getpid()
        self._maps = 0
        self._closed = False
        self._lock = threading.Lock()
        self.thread.start()
        self._end = weakref.finalize(self, _end, self.loop, self.thread, self.transport)

    @property
    def is_here(self) -> bool:
        """Whether the loop runs in this process, which may be a fork of the one that began it."""
        return self._process == os.getpid() and self._end.alive

    def enter(self) -> None:
        """Begin a map in it; ``leave`` ends that.

        Raises:
            NoAnswerError: It is closed.
        """
        with self._lock:
            if self._closed:
                raise NoAnswerError("the client is closed", progress=Progress.NOTHING_SENT, trouble=Trouble.SETUP)
            self._maps += 1

    def leave(self) -> None:
        """Record that a map is over."""
        with self._lock:
            self._maps -= 1
            is_over = self._closed and not self._maps
        if is_over:
            self._end()

    def close(self) -> None:
        """Refuse every later call; end the loop, its connections and its thread once no call is under way."""
        if not self.is_here:
            return
        with self._lock:
            self._closed = True
            is_over = not self._maps
        if is_over:
            self._end()
        else:
            asyncio.run_coroutine_threadsafe(self.transport.close(), self.loop).result()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread, transport: AsyncHttpTransport) -> None:
    if not thread.is_alive():  # as in a fork, where the thread has stayed behind
        return
    loop.call_soon_threadsafe(_wind_up, loop, transport)
    if thread is not threading.current_thread():  # where the collector may have dropped the last who knew of it
        thread.join()


def _wind_up(loop: asyncio.AbstractEventLoop, transport: AsyncHttpTransport) -> None:
    loop.create_task(_wound_up(transport)).add_done_callback(lambda _: loop.stop())


async def _wound_up(transport: AsyncHttpTransport) -> None:
    """Close the connections, and let whatever is still under way end."""
    await transport.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()


class LoopExecutor:
    """A crew of tasks in a loop that another thread runs; what goes to and fro goes in batches.

    Raises:
        NoAnswerError: The loop's client is closed.
    """

    def __init__(self, side: LoopSide) -> None:
        side.enter()
        self._side = side
        self._loop = side.loop
        self._tasks = Tasks(side.transport, (), self._tell)
        self._jobs: deque[Job] = deque()
        self._fresh: list[Done] = []
        self._done: SimpleQueue[list[Done]] = SimpleQueue()

    def start(self, job: Job) -> None:
        """Begin a job."""
        self._jobs.append(job)
        if len(self._jobs) == 1:  # else the loop has been told, and not come to it yet
            self._loop.call_soon_threadsafe(self._launch)

    def ended(self, *, timeout: float | None) -> list[Done]:
        """Return the jobs that have ended; see ``Executor.ended``."""
        found: list[Done] = []
        if timeout != 0:
            with suppress(Empty):
                found += self._done.get(timeout=timeout)
        while not self._done.empty():  # nobody else takes from it
            found += self._done.get()
        return found

    def pause(self, seconds: float) -> None:
        """Let time pass while nothing is under way."""
        time.sleep(seconds)

    def shutdown(self, *, wait: bool) -> None:
        """Let go of the crew; without *wait*, what is under way is cancelled."""
        if not wait:
            self._loop.call_soon_threadsafe(self._tasks.cancel)
        self._side.leave()

    @property
    def works_here(self) -> bool:
        """Whether this thread is one of the crew's."""
        return threading.current_thread() is self._side.thread

    def _launch(self) -> None:
        jobs = self._jobs
        while jobs:
            self._tasks.start(jobs[0])
            jobs.popleft()

    def _tell(self, done: Done) -> None:
        if not self._fresh:
            self._loop.call_soon(self._hand_over)
        self._fresh.append(done)

    def _hand_over(self) -> None:
        fresh, self._fresh = self._fresh, []
        self._done.put(fresh)
