"""Run a blocking map in an event loop of a background thread, for the throughput that an async map has.

There is one loop for each client. It is kept from one map to the next, with its connections.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, cast

from lambdachain._core.invocation import AsyncTransport, NoAnswerError, Progress, Trouble
from lambdachain._transports.http.async_transport import AsyncHttpTransport
from lambdachain._transports.transport_override import WrappingTransport

from .async_executors import TaskExecutor
from .executors import wait_for_news
from .scheduler import Job, JobSteps, MapScheduler


def copy_for_loop(transport: Any) -> AsyncTransport | None:
    """Return a transport for event loops with the settings of an ``HttpTransport``, and with the wrappers around it.

    ``None`` if a wrapper has no counterpart for event loops.

    Raises:
        NoAnswerError: *transport* is closed.
    """
    if not isinstance(transport, WrappingTransport):
        copied: AsyncTransport = transport.copy_as(AsyncHttpTransport)
        return copied
    wrapper = cast("Any", transport)
    inner = copy_for_loop(wrapper.transport)
    wrapped: AsyncTransport | None = None if inner is None else wrapper.wrap_async(inner)
    return wrapped


class BackgroundLoop:
    """An event loop in a thread, and *transport* in it. Once closed, it ends with the last map that uses it."""

    def __init__(self, transport: AsyncTransport) -> None:
        self.transport = transport
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=_run_loop, args=(self.loop,), name="lambdachain-loop", daemon=True)
        self._process = os.getpid()
        self._maps = 0
        self._closed = False
        self._lock = threading.Lock()
        self.thread.start()
        self._stop = weakref.finalize(self, _stop_loop, self.loop, self.thread, self.transport)

    @property
    def is_usable(self) -> bool:
        """Whether the loop runs in this process: a fork has the object, but not the thread."""
        return self._process == os.getpid() and self._stop.alive

    def acquire(self) -> None:
        """Register a map that uses the loop, until ``release``.

        Raises:
            NoAnswerError: The loop is closed.
        """
        with self._lock:
            if self._closed:
                raise NoAnswerError("the client is closed", progress=Progress.NOTHING_SENT, trouble=Trouble.SETUP)
            self._maps += 1

    def release(self) -> None:
        """Record that a map has ended."""
        with self._lock:
            self._maps -= 1
            is_last = self._closed and not self._maps
        if is_last:
            self._stop()

    def close(self) -> None:
        """Reject later calls; end the loop, its connections and its thread once no call is in flight."""
        if not self.is_usable:
            return
        with self._lock:
            self._closed = True
            is_last = not self._maps
        if is_last:
            self._stop()
        else:
            asyncio.run_coroutine_threadsafe(self.transport.close(), self.loop).result()


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _stop_loop(loop: asyncio.AbstractEventLoop, thread: threading.Thread, transport: AsyncTransport) -> None:
    if not thread.is_alive():  # as in a fork, which has no copy of the thread
        return
    loop.call_soon_threadsafe(_start_shutdown, loop, transport)
    if thread is not threading.current_thread():  # the collector may finalize the last reference in the loop's thread
        thread.join()


def _start_shutdown(loop: asyncio.AbstractEventLoop, transport: AsyncTransport) -> None:
    loop.create_task(_shut_down(transport)).add_done_callback(lambda _: loop.stop())


async def _shut_down(transport: AsyncTransport) -> None:
    """Close the connections, and cancel the tasks that are left."""
    await transport.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    # asyncio waits for the threads of its executor in a thread of its own, which CPython 3.12.0 and 3.12.1 do not start
    # at exit. They have ended by then.
    with suppress(RuntimeError):
        await asyncio.get_running_loop().shutdown_default_executor()


class LoopExecutor:
    """Runs jobs in a background loop, which is woken once for several jobs, and wakes the consumer once for several.

    Raises:
        NoAnswerError: The loop's client is closed.
    """

    def __init__(self, background_loop: BackgroundLoop, scheduler: MapScheduler, steps: JobSteps) -> None:
        background_loop.acquire()
        self._background_loop = background_loop
        self._loop = background_loop.loop
        self._jobs: deque[Job] = deque()
        self._news: SimpleQueue[None] = SimpleQueue()
        self._tasks = TaskExecutor(
            scheduler, steps, background_loop.transport, (), partial(self._news.put, None), loop=self._loop
        )

    def start(self, job: Job) -> None:
        """Start a job."""
        self._jobs.append(job)
        if len(self._jobs) == 1:  # otherwise, the loop has been woken and has not started the earlier jobs yet
            self._loop.call_soon_threadsafe(self._start_jobs)

    def wait(self, timeout: float | None) -> None:
        """Wait until a job has finished; see ``Executor.wait``."""
        wait_for_news(self._news, timeout)

    def pause(self, seconds: float) -> None:
        """Wait while nothing is in flight."""
        time.sleep(seconds)

    def shutdown(self, *, wait: bool) -> None:
        """Release the loop; without *wait*, cancel the jobs in flight."""
        if not wait and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tasks.cancel)
        self._background_loop.release()

    @property
    def runs_in_this_thread(self) -> bool:
        """Whether the current thread is the loop's."""
        return threading.current_thread() is self._background_loop.thread

    def _start_jobs(self) -> None:
        jobs = self._jobs
        while jobs:
            self._tasks.start(jobs[0])
            jobs.popleft()  # only now: while the deque is not empty, start() does not wake the loop again
