"""``stream`` of an async client; see ``stream`` for what both clients share."""

from __future__ import annotations

import codecs
import os
from collections.abc import AsyncGenerator
from functools import partial
from typing import TYPE_CHECKING, Any

from lambdachain._calling.async_attempts import send_with_retries
from lambdachain._calling.compiled_call import BoundTarget
from lambdachain._core import clock
from lambdachain._core.errors import ResponseError
from lambdachain._core.fork_hooks import check_process
from lambdachain._core.invocation import AsyncTransport, Invocation, InvocationType, NoAnswerError, Outcome
from lambdachain._transports.streaming import AsyncResponseStream, StreamEnd, open_async_stream

from .async_invoker import AsyncInvoker
from .base_invoker import ProcessInterceptors
from .stream import (
    NOT_TEXT,
    StreamProgress,
    check_options,
    close_stream,
    is_failure,
    outcome_so_far,
    to_stream_call,
)

if TYPE_CHECKING:
    from lambdachain._calling.interceptors import StartedCall


def stream_response(
    invoker: AsyncInvoker, bound: BoundTarget, payload: object, *, text: bool
) -> AsyncGenerator[Any, None]:
    """Run a function and yield its response in chunks; see ``LambdaClient.stream``.

    Raises:
        InvalidRequestError: A stream does not have one of the options.
    """
    # Not in the generator, which would raise only when the first chunk is requested.
    check_options(invoker, bound, payload)
    if not (invoker.interceptors or ProcessInterceptors.calling):
        return _start(invoker, bound, payload, text=text)
    from .intercepted_stream import intercept_async_stream

    return intercept_async_stream(invoker, bound, payload, partial(_start, invoker, bound, payload, text=text))


def _start(
    invoker: AsyncInvoker,
    bound: BoundTarget,
    payload: object,
    seen: StartedCall | None = None,
    *,
    text: bool,
) -> AsyncGenerator[Any, None]:
    chunks = _stream(invoker, bound, payload, seen)
    return decode_chunks(chunks, bound.target.address) if text else chunks


async def _stream(
    invoker: AsyncInvoker, bound: BoundTarget, payload: object, seen: StartedCall | None
) -> AsyncGenerator[bytes, None]:
    kind = InvocationType.REQUEST_RESPONSE
    call = to_stream_call(await invoker.prepare_async(bound, payload, kind, seen))
    transport = AsyncStreamTransport(invoker.transport_for(bound.target))
    try:
        response = await send_with_retries(transport, call, invoker.hooks)
        progress = StreamProgress(call, response, clock.monotonic())
        chunk = transport.first
        while isinstance(chunk, bytes):
            progress.record(chunk)
            if chunk:
                yield chunk
            try:
                chunk = await transport.read()
            # Not retried: the consumer has seen the chunks before, and a second run may send others.
            except NoAnswerError as exc:
                raise progress.error_for_break(exc) from exc.__cause__
        progress.finish(chunk)
    finally:
        transport.release()


class AsyncStreamTransport:
    """A transport whose ``send`` returns with the first chunk of a stream; see ``StreamTransport``."""

    first: bytes | StreamEnd

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._opened: AsyncResponseStream | None = None
        self._process = os.getpid()
        # send_with_retries() sleeps by itself over a transport without this method.
        pause = getattr(transport, "pause", None)
        if pause is not None:
            self.pause = pause

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as AsyncTransport
        """Send once and wait for the first chunk; see ``AsyncTransport.send``."""
        self.release()  # the stream of the attempt before, which failed with its first chunk
        stream = self._opened = await open_async_stream(self._transport, invocation, timeout)
        if is_failure(stream.outcome):
            self.release()
            return stream.outcome
        try:
            self.first = await stream.read()
        # Also for a cancellation: an open stream would keep its connection out of the pool.
        except BaseException:
            self.release()
            raise
        return outcome_so_far(stream.outcome, self.first)

    async def read(self) -> bytes | StreamEnd:
        """Wait for the next chunk, or the end; see ``StreamTransport.read``."""
        check_process(self._process, "stream")
        assert self._opened is not None  # noqa: S101 - for type checkers
        return await self._opened.read()

    def release(self) -> None:
        """Close the stream, if one is open."""
        close_stream(self._opened, self._process)

    async def close(self) -> None:
        """No-op: the transport belongs to the client."""


async def decode_chunks(chunks: AsyncGenerator[bytes, None], function: str) -> AsyncGenerator[str, None]:
    """Decode chunks as UTF-8; a character may be split between two of them.

    Raises:
        ResponseError: They are not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        async for chunk in chunks:
            text = decoder.decode(chunk)
            if text:
                yield text
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        failure = ResponseError(NOT_TEXT, function=function)
    else:
        return
    finally:
        await chunks.aclose()
    # After the block: the UnicodeDecodeError, which holds bytes of the response, must not become its context.
    raise failure
