"""The transport for event loops: thousands of calls at once, in one thread."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Protocol

from lambdachain._core.invocation import AsyncTransport, Invocation, Outcome
from lambdachain._transports.async_adapter import ThreadAdapter
from lambdachain._transports.boto.async_transport import over_botocore
from lambdachain._transports.socket_options import HEADROOM, LONGEST_FUNCTION
from lambdachain._transports.streaming import AsyncResponseStream, open_async_stream

from .async_connection import in_time
from .async_pool import MAX_OPEN
from .async_sender import AsyncSender
from .regional_senders import EndpointConfig, RegionalSenders
from .transport import HttpTransport


class _Way(Protocol):
    """How invocations in one region go out."""

    async def send(self, invocation: Invocation, deadline: float) -> Outcome: ...

    async def open_stream(self, invocation: Invocation, deadline: float) -> AsyncResponseStream: ...

    async def close(self) -> None: ...


class AsyncHttpTransport(RegionalSenders[_Way]):
    """Send invocations from an event loop, over connections of its own, each of them once.

    What it needs, sends and hands over is that of ``HttpTransport``; what only botocore knows goes out over an
    ``AsyncBotoTransport`` where aiobotocore is installed, else over a ``BotoTransport`` in threads. Each event loop has
    connections of its own, kept from one ``asyncio.run`` or invocation to the next only as long as their loop is; one
    transport at module scope serves them all. What could block (profiles, credentials that have to be fetched, names)
    is done in threads. Nothing waits for more than 800 calls at once: the next ones wait for a connection.

    >>> transport = AsyncHttpTransport(region="eu-west-1")

    Args:
        region: The region for functions whose address names none; the environment's or the profile's without it.
        endpoint_url: Where to send everything, such as a local endpoint's URL.
        session: A boto3 or botocore session whose credentials and settings count; without it boto3's default session,
            if there is one already, or the environment and the configuration file.

    Raises:
        ContractError: An argument is not what it has to be.
    """

    max_connections = MAX_OPEN
    _is_blocking = False

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as Transport
        """Send *invocation* once; see ``AsyncTransport.send``."""
        deadline = _deadline(timeout)
        way = self._ways.get(invocation.region) or await self._way_of(invocation, deadline)
        return await way.send(invocation, deadline)

    async def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> AsyncResponseStream:  # noqa: ASYNC109 - as StreamingTransport
        """Send *invocation* once and give the answer as it comes; see ``StreamingTransport.open_stream``."""
        deadline = _deadline(timeout)
        way = self._ways.get(invocation.region) or await self._way_of(invocation, deadline)
        return await way.open_stream(invocation, deadline)

    async def close(self) -> None:
        """Close every connection, of all loops; later calls are refused."""
        for way in self._taken_down():
            await way.close()

    async def _way_of(self, invocation: Invocation, deadline: float) -> _Way:
        region, function = invocation.region, invocation.function
        return await in_time(deadline, lambda: asyncio.to_thread(self._way, region, function))

    def _straight(self, endpoint_config: EndpointConfig) -> _Way:
        if sys.platform == "win32":  # its loop watches no sockets
            return _Over(ThreadAdapter(HttpTransport(**self._arguments)))
        return AsyncSender(endpoint_config)

    def _over_boto(self) -> _Way:
        return _Over(over_botocore(**self._arguments))


def _deadline(timeout: float | None) -> float:
    return time.monotonic() + (LONGEST_FUNCTION + HEADROOM if timeout is None else timeout)


class _Over:
    """The way over another transport."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def send(self, invocation: Invocation, deadline: float) -> Outcome:
        return await self._transport.send(invocation, timeout=deadline - time.monotonic())

    async def open_stream(self, invocation: Invocation, deadline: float) -> AsyncResponseStream:
        return await open_async_stream(self._transport, invocation, deadline - time.monotonic())

    async def close(self) -> None:
        await self._transport.close()


AsyncHttpTransport.__module__ = "lambdachain"
