"""Adapt blocking transports to event loops: those without an asynchronous twin, and those of tests."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from lambdachain._core.errors import ContractError
from lambdachain._core.invocation import AsyncTransport, Invocation, Outcome, Transport

from .streaming import ResponseStream, StreamEnd, open_stream
from .transport_override import AwsTransport, responds_immediately

T = TypeVar("T")


def to_async_transport(transport: Transport | AsyncTransport) -> AsyncTransport:
    """Return a transport that an async client can await: *transport* itself, or an adapter around a blocking one."""
    if iscoroutinefunction(transport.send):
        return cast("AsyncTransport", transport)
    blocking = cast("Transport", transport)
    if responds_immediately(blocking):
        return InlineAdapter(blocking)
    return AwsThreadAdapter(blocking) if isinstance(blocking, AwsTransport) else ThreadAdapter(blocking)


class TransportAdapter:
    """Base of the adapters around a blocking transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.offload_memory: object = getattr(transport, "offload_memory", None)
        pause: Callable[[float], None] | None = getattr(transport, "pause", None)
        if pause is not None:
            self.pause = pause

    async def warm_up(self, region: str | None, /, *, timeout: float) -> None:  # noqa: ASYNC109 - as HttpTransport
        """Have the transport open a connection, in a thread, if it can; see ``HttpTransport.warm_up``."""
        connect: Callable[..., object] | None = getattr(self._transport, "warm_up", None)
        if connect is not None:
            await in_thread(partial(connect, region, timeout=timeout))

    async def close(self) -> None:
        """Close the transport; that does not block."""
        self._transport.close()

    def __repr__(self) -> str:
        return repr(self._transport)


class ThreadedStream:
    """A response stream that is read in threads; see ``AsyncResponseStream``."""

    def __init__(self, stream: ResponseStream) -> None:
        self.outcome = stream.outcome
        self._stream = stream

    async def read(self) -> bytes | StreamEnd:
        """Wait for the next chunk, or the end; see ``ResponseStream.read``."""
        return await in_thread(self._stream.read)

    def close(self) -> None:
        """Release the connection; see ``ResponseStream.close``."""
        self._stream.close()


class InlineAdapter(TransportAdapter):
    """Sends over a transport that never waits; see ``responds_immediately``."""

    responds_immediately = True

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as AsyncTransport
        """Send *invocation* once; see ``AsyncTransport.send``."""
        return self._transport.send(invocation, timeout=timeout)

    async def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> ThreadedStream:  # noqa: ASYNC109 - as AsyncTransport
        """Send *invocation* once and return the response as a stream; see ``StreamingTransport.open_stream``."""
        return ThreadedStream(open_stream(self._transport, invocation, timeout))


class ThreadAdapter(TransportAdapter):
    """Sends over a blocking transport, each call in a thread of its own.

    No thread pool: functions that run in this process call each other, and would wait for each other's threads. A
    cancelled call returns immediately, and its thread ends by itself.
    """

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as AsyncTransport
        """Send *invocation* once; see ``AsyncTransport.send``."""
        return await in_thread(partial(self._transport.send, invocation, timeout=timeout))

    async def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> ThreadedStream:  # noqa: ASYNC109 - as AsyncTransport
        """Send *invocation* once and return the response as a stream; see ``StreamingTransport.open_stream``."""
        return ThreadedStream(await in_thread(partial(open_stream, self._transport, invocation, timeout)))


class AwsThreadAdapter(ThreadAdapter, AwsTransport):
    """The same, for a transport to AWS, whose calls a test's transport may override."""

    def host_for(self, region: str | None, function: str) -> str:
        """Return the host that calls go to; see ``AwsTransport.host_for``."""
        return cast("AwsTransport", self._transport).host_for(region, function)


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop that is running in this thread.

    Raises:
        ContractError: No event loop runs, or it is another library's, such as trio's.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        here = "this is trio" if _is_in_trio() else "no event loop of asyncio is running here"
    raise ContractError(
        f"AsyncLambdaClient needs asyncio, and {here}: call a LambdaClient in a thread, as in "
        "`await anyio.to_thread.run_sync(client.call, contract, payload)`"
    )


def _is_in_trio() -> bool:
    # Not imported: where it runs, it is loaded. current_task() raises a RuntimeError outside of trio.
    lowlevel: Any = getattr(sys.modules.get("trio"), "lowlevel", None)
    try:
        return lowlevel is not None and lowlevel.current_task() is not None
    except RuntimeError:
        return False


async def in_thread(work: Callable[[], T]) -> T:
    """Run *work* in a thread of its own, in a copy of the current context."""
    loop = running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = copy_context()

    def run() -> None:
        try:
            report = partial(_set_result, future, result=context.run(work))
        except BaseException as exc:  # noqa: BLE001 - raised again where the call was made
            report = partial(_set_result, future, error=exc)
        # Futures are not thread-safe: the loop's own thread sets the result.
        with suppress(RuntimeError):  # the loop is closed: nothing waits for the result
            loop.call_soon_threadsafe(report)

    threading.Thread(target=run, name="lambdachain-call", daemon=True).start()
    return await future


def _set_result(future: asyncio.Future[T], *, result: T | None = None, error: BaseException | None = None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type]
