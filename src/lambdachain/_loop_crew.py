"""An event loop in a thread beside the program, so that a map that blocks has the throughput of one that is awaited.

One loop a client, kept from one map to the next with its connections.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections import deque
from queue import Empty, SimpleQueue

from ._async_attempts import pause
from ._async_crew import Tasks
from ._async_http import AsyncHttpTransport
from ._batch import Done, Job
from ._http import HttpTransport


class LoopSide:
    """A loop in a thread, and a transport for it with the settings of *transport*.

    Raises:
        NoAnswerError: *transport* is closed.
    """

    def __init__(self, transport: HttpTransport) -> None:
        self.transport = transport.in_the_form_of(AsyncHttpTransport)
        self.loop = asyncio.new_event_loop()
        self._process = os.getpid()
        self._thread = threading.Thread(target=_run, args=(self.loop,), name="lambdachain-loop", daemon=True)
        self._thread.start()
        self._end = weakref.finalize(self, _end, self.loop, self._thread, self.transport)

    @property
    def is_here(self) -> bool:
        """Whether the loop runs in this process, which may be a fork of the one that began it."""
        return self._process == os.getpid() and self._end.alive

    def close(self) -> None:
        """End the loop, its connections and its thread."""
        if self.is_here:
            self._end()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread, transport: AsyncHttpTransport) -> None:
    if not thread.is_alive():  # as in a fork, where the thread has stayed behind
        return
    asyncio.run_coroutine_threadsafe(_wound_up(transport), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _wound_up(transport: AsyncHttpTransport) -> None:
    """Close the connections, and let whatever is still under way end."""
    await transport.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()


class InLoop:
    """A crew of tasks in a loop that another thread runs; what goes to and fro goes in batches."""

    def __init__(self, side: LoopSide) -> None:
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
        """Give the jobs that have ended; see ``Crew.ended``."""
        found: list[Done] = []
        try:
            if timeout != 0:
                found += self._done.get(timeout=timeout)
            while True:
                found += self._done.get_nowait()
        except Empty:
            return found

    def pause(self, seconds: float) -> None:
        """Let time pass while nothing is under way."""
        asyncio.run_coroutine_threadsafe(pause(self._side.transport, seconds), self._loop).result()

    def dismiss(self, *, wait: bool) -> None:
        """Let go of the crew; without *wait*, what is under way is cancelled."""
        if not wait:
            self._loop.call_soon_threadsafe(self._tasks.cancel)

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
