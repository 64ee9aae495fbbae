"""Run a map for a coroutine: payloads are taken and results yielded on demand, in the consumer's own task."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from typing import Any, NamedTuple

from lambdachain._calling.async_attempts import AsyncHook, pause
from lambdachain._core import clock
from lambdachain._core.fork_hooks import check_process
from lambdachain._core.invocation import AsyncTransport

from .async_executors import TaskExecutor
from .driver import PayloadNotReadyError, Prepare, start_calls
from .options import OnProgress
from .scheduler import FinishedJob, MapScheduler


class Inbox:
    """The jobs that have finished since the consumer last looked, and an event that wakes it."""

    def __init__(self) -> None:
        self._finished: deque[FinishedJob] = deque()
        self._wake = asyncio.Event()

    def put(self, finished: FinishedJob) -> None:
        """Add a job that has finished."""
        self._finished.append(finished)
        self._wake.set()

    def wake(self, _: object = None) -> None:
        """Wake the consumer for another reason."""
        self._wake.set()

    def deliver(self, scheduler: MapScheduler) -> None:
        """Hand the finished jobs to *scheduler*."""
        self._wake.clear()
        while self._finished:
            scheduler.complete(self._finished.popleft(), clock.monotonic())

    async def wait(self, timeout: float | None) -> None:  # noqa: ASYNC109 - it ends a wait, and is no failure
        """Wait until something happens, at most *timeout* seconds."""
        if timeout is None:
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            return


class PayloadReader(Iterator[Any]):
    """An iterator over an async iterator, whose next payload a task of its own reads while the consumer does not wait.

    Its ``__next__`` does not block: it raises ``PayloadNotReadyError`` until the payload is there.
    """

    def __init__(self, payloads: AsyncIterator[Any], inbox: Inbox) -> None:
        self._payloads = payloads
        self._inbox = inbox
        self._pending: asyncio.Future[Any] | None = None

    def __next__(self) -> Any:
        if self._pending is None:
            self._pending = asyncio.ensure_future(_read_next(self._payloads))
            self._pending.add_done_callback(self._inbox.wake)
        if not self._pending.done():
            raise PayloadNotReadyError
        pending, self._pending = self._pending, None
        found = pending.result()
        if not found:
            raise StopIteration
        return found[0]

    async def close(self) -> None:
        """Cancel the read that is pending."""
        if self._pending is not None:
            self._pending.cancel()
            await asyncio.gather(self._pending, return_exceptions=True)


async def _read_next(payloads: AsyncIterator[Any]) -> tuple[Any, ...]:
    """Return the next payload; an empty tuple at the end, since a future cannot hold a ``StopIteration``."""
    async for payload in payloads:
        return (payload,)
    return ()


class MapParts(NamedTuple):
    """What a map consists of: its scheduler, its transport, its payloads, and the function that prepares a call."""

    scheduler: MapScheduler
    transport: AsyncTransport
    payloads: Iterator[Any] | AsyncIterator[Any]
    prepare: Prepare


async def fan_out(
    create_parts: Callable[[], MapParts],
    hooks: Sequence[AsyncHook],
    *,
    on_progress: OnProgress | None,
) -> AsyncGenerator[Any, None]:
    """Yield the results of a map.

    If closed early, start nothing more and wait for the calls in flight; if cancelled, cancel them.

    Raises:
        BaseException: The error that ends the map.
    """
    # Only now: the time of a map, and its transport's loop, begin when the first result is asked for.
    scheduler, transport, payloads, prepare = create_parts()
    inbox = Inbox()
    executor = TaskExecutor(transport, hooks, inbox.put)
    source = payloads if isinstance(payloads, Iterator) else PayloadReader(payloads, inbox)
    process = os.getpid()
    try:
        while True:
            check_process(process, "map")
            inbox.deliver(scheduler)
            can_start_more = start_calls(scheduler, executor.start, source, prepare)
            result = scheduler.pop()
            if on_progress is not None:
                on_progress(scheduler.progress())
            if result is not None:
                # No call is started until the consumer asks for the next result: backpressure.
                yield result.value
            elif scheduler.is_done:
                break
            elif can_start_more:
                await asyncio.sleep(0)  # lets calls finish while a slow iterator of payloads is read
            else:
                await _wait(scheduler, inbox, transport)
    except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
        executor.cancel()
        raise
    finally:
        if process == os.getpid():  # a fork has a copy of the generator: the calls in flight are the parent's
            try:
                await _finish(executor, source)
            finally:
                inbox.deliver(scheduler)
                scheduler.abandon()
                scheduler.drop_requeued()
    if scheduler.error is not None:
        raise scheduler.error


async def _wait(scheduler: MapScheduler, inbox: Inbox, transport: AsyncTransport) -> None:
    """Wait until a call has ended, a payload is there, or the pause is over that Lambda asked for."""
    timeout = scheduler.seconds_to_wait(clock.monotonic())
    if scheduler.in_flight or timeout is None:
        await inbox.wait(timeout)
    else:
        await pause(transport, timeout)


async def _finish(executor: TaskExecutor, source: Iterator[Any]) -> None:
    """Wait for the calls in flight; if cancelled meanwhile, cancel them."""
    try:
        if isinstance(source, PayloadReader):
            await source.close()
        await executor.wait()
    except asyncio.CancelledError:
        executor.cancel()
        await executor.wait()
        raise
