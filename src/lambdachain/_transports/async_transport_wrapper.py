"""The base of asynchronous transports that wrap another one; see ``transport_wrapper``."""

from __future__ import annotations

from lambdachain._core.invocation import AsyncTransport, Invocation, Outcome, Transport

from .async_adapter import to_async_transport
from .streaming import AsyncResponseStream, open_async_stream
from .transport_override import AwsTransport, WrappingTransport, transport_override


class AsyncTransportWrapper(WrappingTransport):
    """The same as ``TransportWrapper``, for event loops.

    Args:
        transport: The transport to send over; a blocking one has a thread for each call.
    """

    def __init__(self, transport: AsyncTransport | Transport) -> None:
        self._wrapped = to_async_transport(transport)

    @property
    def transport(self) -> AsyncTransport:
        """The transport to send over; in a test, the test's transport in place of one that sends to AWS."""
        override = transport_override()
        if override is not None and isinstance(self._wrapped, AwsTransport):
            return to_async_transport(override)
        return self._wrapped

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as AsyncTransport
        """Send *invocation* once; see ``AsyncTransport.send``."""
        return await self.transport.send(invocation, timeout=timeout)

    async def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> AsyncResponseStream:  # noqa: ASYNC109 - as AsyncTransport
        """Send *invocation* once and return the response as a stream; see ``TransportWrapper.open_stream``."""
        return await open_async_stream(self.transport, invocation, timeout)

    async def close(self) -> None:
        """Close the transport inside."""
        await self._wrapped.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._wrapped!r})"


AsyncTransportWrapper.__module__ = "lambdachain"
