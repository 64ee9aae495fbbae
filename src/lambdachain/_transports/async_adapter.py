"""Blocking transports for event loops: for what has no twin of its own, and for what tests put in AWS's place."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from inspect import iscoroutinefunction
from typing import TypeVar, cast

from lambdachain._core.invocation import AsyncTransport, Invocation, Outcome, Transport

from .streaming import ResponseStream, StreamEnd, open_stream
from .transport_override import AwsTransport, answers_at_once

T = TypeVar("T")


def to_async_transport(transport: Transport | AsyncTransport) -> AsyncTransport:
    """Return what an async client can send over: *transport* itself, or one that awaits what blocks."""
    if iscoroutinefunction(transport.send):
        return cast("AsyncTransport", transport)
    blocking = cast("Transport", transport)
    if answers_at_once(blocking):
        return InlineAdapter(blocking)
    return AwsInThreads(blocking) if isinstance(blocking, AwsTransport) else ThreadAdapter(blocking)


class Wrapped:
    """What stands around a transport that blocks."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.offload_memory: object = getattr(transport, "offload_memory", None)
        pause: Callable[[float], None] | None = getattr(transport, "pause", None)
        if pause is not None:
            self.pause = pause

    async def close(self) -> None:
        """Close the transport; that does not wait for anything."""
        self._transport.close()

    def __repr__(self) -> str:
        return repr(self._transport)


class StreamInThreads:
    """An answer that is read in threads; see ``AsyncResponseStream``."""

    def __init__(self, stream: ResponseStream) -> None:
        self.outcome = stream.outcome
        self._stream = stream

    async def read(self) -> bytes | StreamEnd:
        """Wait for the next piece, or the end; see ``ResponseStream.read``."""
        return await in_thread(self._stream.read)

    def close(self) -> None:
        """Let go of the connection; see ``ResponseStream.close``."""
        self._stream.close()


class InlineAdapter(Wrapped):
    """Sends over a transport that keeps nobody waiting; see ``answers_at_once``."""

    answers_at_once = True

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as AsyncTransport
        """Send *invocation* once; see ``AsyncTransport.send``."""
        return self._transport.send(invocation, timeout=timeout)

    async def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> StreamInThreads:  # noqa: ASYNC109 - as AsyncTransport
        """Send *invocation* once and give the answer as it comes; see ``StreamingTransport.open_stream``."""
        return StreamInThreads(open_stream(self._transport, invocation, timeout))


class ThreadAdapter(Wrapped):
    """Sends over a transport that blocks, each call in a thread of its own.

    No pool of threads: functions that run in this process call each other, and would wait for each other's threads. A
    call that is cancelled is let go of at once, and its thread ends by itself.
    """

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as AsyncTransport
        """Send *invocation* once; see ``AsyncTransport.send``."""
        return await in_thread(partial(self._transport.send, invocation, timeout=timeout))

    async def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> StreamInThreads:  # noqa: ASYNC109 - as AsyncTransport
        """Send *invocation* once and give the answer as it comes; see ``StreamingTransport.open_stream``."""
        return StreamInThreads(await in_thread(partial(open_stream, self._transport, invocation, timeout)))


class AwsInThreads(ThreadAdapter, AwsTransport):
    """The same, over a transport whose calls a stand-in takes."""

    def host_for(self, region: str | None, function: str) -> str:
        """Return the host that calls go to; see ``AwsTransport.host_for``."""
        return cast("AwsTransport", self._transport).host_for(region, function)


async def in_thread(work: Callable[[], T]) -> T:
    """Run *work* in a thread of its own, in a copy of this context."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()
    context = copy_context()

    def run() -> None:
        try:
            tell = partial(_settle, ended, result=context.run(work))
        except BaseException as exc:  # noqa: BLE001 - it is raised again where the call was made
            tell = partial(_settle, ended, error=exc)
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=run, name="lambdachain-call", daemon=True).start()
    return await ended


def _settle(ended: asyncio.Future[T], *, result: T | None = None, error: BaseException | None = None) -> None:
    if ended.done():
        return
    if error is not None:
        ended.set_exception(error)
    else:
        ended.set_result(result)  # type: ignore[arg-type]
