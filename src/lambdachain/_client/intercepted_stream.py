"""Streams inside interceptors, which are left when the stream ends: exhausted, closed, or garbage collected.

A generator runs in the context of whoever asks for the next chunk. So that what interceptors set in context variables,
such as the current span, is neither seen by the consumer between two chunks nor left in another context than it was
entered in, each step of the stream runs in one copy of the context in which the first chunk was asked for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing, closing
from contextvars import Context, copy_context
from functools import partial
from typing import Any, TypeVar

from lambdachain._calling.compiled_call import BoundTarget
from lambdachain._calling.interceptors import StartedCall, StreamResult

from .base_invoker import BaseInvoker
from .interception import enter

T = TypeVar("T")


def intercept_stream(
    invoker: BaseInvoker[Any, Any],
    bound: BoundTarget,
    payload: object,
    start: Callable[[StartedCall], Generator[T, None, None]],
) -> Generator[T, None, None]:
    """Yield the chunks of a stream inside the interceptors of the client."""
    return _run_in_context(_stream(invoker, bound, payload, start))


def intercept_async_stream(
    invoker: BaseInvoker[Any, Any],
    bound: BoundTarget,
    payload: object,
    start: Callable[[StartedCall], AsyncGenerator[T, None]],
) -> AsyncGenerator[T, None]:
    """Yield the chunks of a stream inside the interceptors of the client; see ``intercept_stream``."""
    return _run_async_in_context(_async_stream(invoker, bound, payload, start))


def _stream(
    invoker: BaseInvoker[Any, Any],
    bound: BoundTarget,
    payload: object,
    start: Callable[[StartedCall], Generator[T, None, None]],
) -> Generator[T, None, None]:
    with enter(invoker, "stream", bound, payload) as seen:
        complete = False
        try:
            with closing(start(seen)) as chunks:
                yield from chunks
            complete = True
        except GeneratorExit:
            # Closed early, which is not a failure: the interceptors are left as after the last chunk.
            pass
        seen.finish(StreamResult(seen.recorder.received_bytes, complete))


async def _async_stream(
    invoker: BaseInvoker[Any, Any],
    bound: BoundTarget,
    payload: object,
    start: Callable[[StartedCall], AsyncGenerator[T, None]],
) -> AsyncGenerator[T, None]:
    with enter(invoker, "stream", bound, payload) as seen:
        complete = False
        try:
            async with aclosing(start(seen)) as chunks:
                async for chunk in chunks:
                    yield chunk
            complete = True
        except GeneratorExit:
            pass
        seen.finish(StreamResult(seen.recorder.received_bytes, complete))


def _run_in_context(chunks: Generator[T, None, None]) -> Generator[T, None, None]:
    context = copy_context()
    try:
        while True:
            try:
                chunk = context.run(next, chunks)
            except StopIteration:
                return
            yield chunk
    finally:
        context.run(chunks.close)


async def _run_async_in_context(chunks: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    context = copy_context()
    try:
        while True:
            try:
                chunk = await _InContext(context, chunks.__anext__())
            except StopAsyncIteration:
                return
            yield chunk
    finally:
        await _InContext(context, chunks.aclose())


class _InContext(Awaitable[T]):
    """An awaitable whose steps run in *context*, in the task that awaits it."""

    def __init__(self, context: Context, awaitable: Awaitable[T]) -> None:
        self._context = context
        self._awaitable = awaitable

    def __await__(self) -> Generator[Any, Any, T]:
        steps = self._awaitable.__await__()
        step: Callable[[], Any] = steps.__next__
        while True:
            try:
                pending = self._context.run(step)
            except StopIteration as stop:
                result: T = stop.value
                return result
            try:
                sent = yield pending
            # Also a cancellation: whatever ends the wait is for the awaitable to handle.
            except BaseException as exc:  # noqa: BLE001
                step = partial(steps.throw, exc)
            else:
                step = partial(steps.send, sent)
