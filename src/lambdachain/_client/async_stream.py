"""``stream`` of an async client; what a stream amounts to is told by ``_streams``."""

from __future__ import annotations

import codecs
import os
from collections.abc import AsyncGenerator

from lambdachain._calling.async_attempts import send_with_retries
from lambdachain._calling.options import CallOptions
from lambdachain._calling.target import Target
from lambdachain._core import clock
from lambdachain._core.errors import ResponseError
from lambdachain._core.invocation import AsyncTransport, Invocation, InvocationType, NoAnswerError, Outcome
from lambdachain._core.process_copies import check_process
from lambdachain._transports.streaming import AsyncResponseStream, StreamEnd, open_async_stream

from .async_invoker import AsyncInvoker
from .stream import NOT_TEXT, Story, check_options, close_stream, in_band, is_refused, outcome_at


def streamed(
    caller: AsyncInvoker, callee: Target, payload: object, options: CallOptions
) -> AsyncGenerator[bytes, None]:
    """Run a function and give its answer piece by piece; see ``LambdaClient.stream``.

    Raises:
        InvalidRequestError: An option is none of a stream.
    """
    check_options(options, callee.address)
    return _streamed(caller, callee, payload, options)


async def _streamed(
    caller: AsyncInvoker, callee: Target, payload: object, options: CallOptions
) -> AsyncGenerator[bytes, None]:
    plan = in_band(await caller.ready(callee, payload, InvocationType.REQUEST_RESPONSE, options))
    opening = AsyncOpening(caller.transport_for(callee))
    try:
        answer = await send_with_retries(opening, plan, caller.hooks)
        story = Story(plan, answer, clock.monotonic())
        piece = opening.first
        while isinstance(piece, bytes):
            story.note(piece)
            if piece:
                yield piece
            try:
                piece = await opening.next()
            except NoAnswerError as exc:
                raise story.broken(exc) from exc.__cause__
        story.end(piece)
    finally:
        opening.let_go()


class AsyncOpening:
    """A transport, as the attempts of one stream see it; see ``Opening``."""

    first: bytes | StreamEnd

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._opened: AsyncResponseStream | None = None
        self._process = os.getpid()
        pause = getattr(transport, "pause", None)
        if pause is not None:
            self.pause = pause

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as AsyncTransport
        """Send once and wait for the first piece; see ``AsyncTransport.send``."""
        self.let_go()  # of an attempt before, whose first piece was its failure
        stream = self._opened = await open_async_stream(self._transport, invocation, timeout)
        if is_refused(stream.outcome):
            self.let_go()
            return stream.outcome
        try:
            self.first = await stream.read()
        except BaseException:
            self.let_go()
            raise
        return outcome_at(stream.outcome, self.first)

    async def next(self) -> bytes | StreamEnd:
        """Wait for the next piece, or the end; see ``Opening.next``."""
        check_process(self._process, "stream")
        assert self._opened is not None  # noqa: S101 - for type checkers
        return await self._opened.read()

    def let_go(self) -> None:
        """Close what is open."""
        close_stream(self._opened, self._process)

    async def close(self) -> None:
        """No-op: the transport is not this one's."""


async def texts(pieces: AsyncGenerator[bytes, None], function: str) -> AsyncGenerator[str, None]:
    """Decode pieces as UTF-8, whose characters may be cut anywhere.

    Raises:
        ResponseError: They are none.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        async for piece in pieces:
            text = decoder.decode(piece)
            if text:
                yield text
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        failure = ResponseError(NOT_TEXT, function=function)
    else:
        return
    finally:
        await pieces.aclose()
    raise failure
