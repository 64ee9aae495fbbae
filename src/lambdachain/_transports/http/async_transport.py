"""The transport for event loops: thousands of calls in flight, in one thread."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any, Protocol

from lambdachain._core.invocation import AsyncTransport, Invocation, Outcome
from lambdachain._transports.async_adapter import ThreadAdapter
from lambdachain._transports.boto.async_transport import create_boto_transport
from lambdachain._transports.streaming import AsyncResponseStream, open_async_stream
from lambdachain._transports.transport_override import WARM_UP

from .async_connection import within_deadline
from .async_pool import MAX_OPEN_CONNECTIONS
from .async_sender import AsyncSender
from .regional_senders import EndpointConfig, RegionalSenders
from .transport import HttpTransport, deadline_for


class _RegionSender(Protocol):
    """Sends the invocations of one region."""

    async def send(self, invocation: Invocation, deadline: float) -> Outcome: ...

    async def open_stream(self, invocation: Invocation, deadline: float) -> AsyncResponseStream: ...

    async def warm_up(self, deadline: float) -> None: ...

    async def close(self) -> None: ...


class AsyncHttpTransport(RegionalSenders[_RegionSender]):
    """Send invocations from an event loop, over connections of its own, each of them once.

    It takes the arguments of ``HttpTransport`` and sends the same requests; what only botocore supports is sent over
    an ``AsyncBotoTransport`` if aiobotocore is installed, else over a ``BotoTransport`` in threads. Each event loop has
    connections of its own, which are kept from one ``asyncio.run`` or invocation to the next only as long as their loop
    is; one transport at module scope serves all loops. What could block (profiles, credentials that have to be fetched,
    DNS) runs in threads. At most 2,000 calls are in flight, and as many as four fifths of the files that the process
    may open (800 in Lambda): the next ones wait for a connection.

    >>> transport = AsyncHttpTransport(region="eu-west-1")

    Args:
        region: The region for functions whose address names none; by default the environment's or the profile's.
        endpoint_url: Where to send everything, such as a local endpoint's URL.
        session: A boto3 or botocore session to take credentials and settings from; by default boto3's default session,
            if there is one already, or the environment and the configuration file.

    Raises:
        ContractError: An argument is not valid.
    """

    max_connections = MAX_OPEN_CONNECTIONS
    _is_blocking = False

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as Transport
        """Send *invocation* once; see ``AsyncTransport.send``."""
        deadline = deadline_for(timeout)
        region = invocation.region
        sender = self._senders.get(region) or await self._sender_in_thread(region, invocation.function, deadline)
        return await sender.send(invocation, deadline)

    async def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> AsyncResponseStream:  # noqa: ASYNC109 - as StreamingTransport
        """Send *invocation* once and return the response as a stream; see ``StreamingTransport.open_stream``."""
        deadline = deadline_for(timeout)
        region = invocation.region
        sender = self._senders.get(region) or await self._sender_in_thread(region, invocation.function, deadline)
        return await sender.open_stream(invocation, deadline)

    async def warm_up(self, region: str | None = None, /, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as Transport
        """Find credentials and open a connection in this loop; see ``HttpTransport.warm_up``."""
        deadline = deadline_for(timeout)
        sender = self._senders.get(region) or await self._sender_in_thread(region, WARM_UP, deadline)
        await sender.warm_up(deadline)

    async def close(self) -> None:
        """Close every connection, of all loops; later calls raise."""
        for sender in self._take_senders():
            await sender.close()

    async def _sender_in_thread(self, region: str | None, function: str, deadline: float) -> _RegionSender:
        return await within_deadline(deadline, lambda: asyncio.to_thread(self._sender_for, region, function))

    def _create_sender(self, endpoint_config: EndpointConfig) -> _RegionSender:
        if sys.platform == "win32":  # the default loop there cannot watch sockets (add_reader)
            return _TransportSender(ThreadAdapter(HttpTransport(**self._arguments)))
        return AsyncSender(endpoint_config)

    def _create_boto_sender(self) -> _RegionSender:
        return _TransportSender(create_boto_transport(**self._arguments))


class _TransportSender:
    """Sends over another transport."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def send(self, invocation: Invocation, deadline: float) -> Outcome:
        return await self._transport.send(invocation, timeout=deadline - time.monotonic())

    async def open_stream(self, invocation: Invocation, deadline: float) -> AsyncResponseStream:
        return await open_async_stream(self._transport, invocation, deadline - time.monotonic())

    async def warm_up(self, deadline: float) -> None:
        connect: Any = getattr(self._transport, "warm_up", None)
        if connect is not None:
            await connect(None, timeout=deadline - time.monotonic())

    async def close(self) -> None:
        await self._transport.close()


AsyncHttpTransport.__module__ = "lambdachain"
