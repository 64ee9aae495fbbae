"""A map as a coroutine drives it: payloads are taken, and results given, in the consumer's own task, on demand."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from typing import Any, NamedTuple

from lambdachain._calling.async_attempts import AsyncHook, pause
from lambdachain._core import clock
from lambdachain._core.invocation import AsyncTransport
from lambdachain._core.process_copies import check_process

from .async_executors import Tasks
from .driver import NotYetError, Prepare, feed
from .options import OnProgress
from .scheduler import Done, MapScheduler


class Inbox:
    """What has happened since the consumer last looked, and what wakes it."""

    def __init__(self) -> None:
        self._done: deque[Done] = deque()
        self._wake = asyncio.Event()

    def put(self, done: Done) -> None:
        """Record that a job has ended."""
        self._done.append(done)
        self._wake.set()

    def wake(self, _: object = None) -> None:
        """Record that something else has happened."""
        self._wake.set()

    def settle(self, scheduler: MapScheduler) -> None:
        """Hand to *batch* what has ended."""
        self._wake.clear()
        while self._done:
            scheduler.finished(self._done.popleft(), clock.monotonic())

    async def wait(self, timeout: float | None) -> None:  # noqa: ASYNC109 - a pause, and no failure
        """Wait until something happens, at most *timeout* seconds."""
        if timeout is None:
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            return


class Pulled(Iterator[Any]):
    """An async iterator, asked for its next payload by a task beside the consumer."""

    def __init__(self, payloads: AsyncIterator[Any], inbox: Inbox) -> None:
        self._payloads = payloads
        self._inbox = inbox
        self._pull: asyncio.Future[Any] | None = None

    def __next__(self) -> Any:
        if self._pull is None:
            self._pull = asyncio.ensure_future(_next_of(self._payloads))
            self._pull.add_done_callback(self._inbox.wake)
        if not self._pull.done():
            raise NotYetError
        pull, self._pull = self._pull, None
        found = pull.result()
        if not found:
            raise StopIteration
        return found[0]

    async def close(self) -> None:
        """Ask for nothing more."""
        if self._pull is not None:
            self._pull.cancel()
            await asyncio.gather(self._pull, return_exceptions=True)


async def _next_of(payloads: AsyncIterator[Any]) -> tuple[Any, ...]:
    """Return the next payload; an empty tuple where there is none, for no future can hold a ``StopIteration``."""
    async for payload in payloads:
        return (payload,)
    return ()


class Begun(NamedTuple):
    """A map at its beginning: what decides, what sends, where payloads come from, and what makes them ready."""

    scheduler: MapScheduler
    transport: AsyncTransport
    payloads: Iterator[Any] | AsyncIterator[Any]
    prepare: Prepare


async def fan_out(
    begin: Callable[[], Begun],
    hooks: Sequence[AsyncHook],
    *,
    on_progress: OnProgress | None,
) -> AsyncGenerator[Any, None]:
    """Yield the results of a batch; closed early, start nothing more and wait for what is under way; cancelled, cancel.

    Raises:
        BaseException: The failure that the batch ends with.
    """
    scheduler, transport, payloads, prepare = begin()
    inbox = Inbox()
    tasks = Tasks(transport, hooks, inbox.put)
    source = payloads if isinstance(payloads, Iterator) else Pulled(payloads, inbox)
    process = os.getpid()
    try:
        while True:
            check_process(process, "map")
            inbox.settle(scheduler)
            may_go_on = feed(scheduler, tasks.start, source, prepare)
            result = scheduler.pop()
            if on_progress is not None:
                on_progress(scheduler.progress())
            if result is not None:
                yield result.value
            elif scheduler.is_over:
                break
            elif may_go_on:
                await asyncio.sleep(0)
            else:
                await _wait(scheduler, inbox, transport)
    except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
        tasks.cancel()
        raise
    finally:
        if process == os.getpid():
            try:
                await _finish(tasks, source)
            finally:
                inbox.settle(scheduler)
                scheduler.abandon()
    if scheduler.ending is not None:
        raise scheduler.ending


async def _wait(scheduler: MapScheduler, inbox: Inbox, transport: AsyncTransport) -> None:
    """Wait until something may go on: a call has ended, a payload is there, or the pause is over."""
    timeout = scheduler.wait(clock.monotonic())
    if scheduler.under_way or timeout is None:
        await inbox.wait(timeout)
    else:
        await pause(transport, timeout)


async def _finish(tasks: Tasks, source: Iterator[Any]) -> None:
    """Wait for what is under way; cancelled meanwhile, cancel it."""
    try:
        if isinstance(source, Pulled):
            await source.close()
        await tasks.gone()
    except asyncio.CancelledError:
        tasks.cancel()
        await tasks.gone()
        raise
