"""Run a map for a coroutine: payloads are taken and results yielded on demand, in the consumer's own task.

Between two results, other tasks start the calls of the payloads that have been taken, without waiting for the consumer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from lambdachain._calling.async_attempts import AsyncHook, pause
from lambdachain._core import clock
from lambdachain._core.fork_hooks import check_process
from lambdachain._core.invocation import AsyncTransport

from .async_executors import TaskExecutor
from .driver import PayloadNotReadyError, start_calls
from .options import OnProgress
from .scheduler import JobSteps, MapScheduler


class PayloadReader(Iterator[Any]):
    """An iterator over an async iterator, whose next payload a task of its own reads while the consumer does not wait.

    Its ``__next__`` does not block: it raises ``PayloadNotReadyError`` until the payload is there.
    """

    def __init__(self, payloads: AsyncIterator[Any], news: asyncio.Event) -> None:
        self._payloads = payloads
        self._news = news
        self._pending: asyncio.Future[Any] | None = None

    def __next__(self) -> Any:
        if self._pending is None:
            self._pending = asyncio.ensure_future(_read_next(self._payloads))
            self._pending.add_done_callback(lambda _: self._news.set())
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
    """What a map consists of: its scheduler, its transport, its payloads, and what it does with each of them."""

    scheduler: MapScheduler
    transport: AsyncTransport
    payloads: Iterator[Any] | AsyncIterator[Any]
    steps: JobSteps


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
    scheduler, transport, payloads, steps = create_parts()
    news = asyncio.Event()
    executor = TaskExecutor(scheduler, steps, transport, hooks, news.set, loop=asyncio.get_running_loop())
    source = payloads if isinstance(payloads, Iterator) else PayloadReader(payloads, news)
    process = os.getpid()
    try:
        while True:
            check_process(process, "map")
            news.clear()
            can_take_more = start_calls(scheduler, executor.start, source, steps.enter)
            result = scheduler.pop()
            if on_progress is not None:
                on_progress(scheduler.progress())
            if result is not None:
                # No payload is taken until the consumer asks for the next result: backpressure.
                yield result.value
            elif scheduler.is_done:
                break
            elif can_take_more:
                await asyncio.sleep(0)  # lets calls finish while a slow iterator of payloads is read
            else:
                await _wait(scheduler, news, transport)
    except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
        executor.cancel()
        raise
    finally:
        if process == os.getpid():  # a fork has a copy of the generator: the calls in flight are the parent's
            scheduler.stop()
            try:
                await _finish(executor, source)
            finally:
                scheduler.abandon()
                scheduler.drop_requeued()
    if scheduler.error is not None:
        raise scheduler.error


async def _wait(scheduler: MapScheduler, news: asyncio.Event, transport: AsyncTransport) -> None:
    """Wait until a call has ended, a payload is there, or the pause is over that Lambda asked for."""
    timeout = scheduler.seconds_to_wait(clock.monotonic())
    if timeout is not None and not scheduler.in_flight:
        await pause(transport, timeout)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await news.wait()


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
