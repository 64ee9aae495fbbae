"""Send invocations to one endpoint: sign the request, send it once, read the response; a pool for each event loop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from lambdachain._core.fork_hooks import lock_for
from lambdachain._core.invocation import Invocation, Outcome
from lambdachain._transports.invoke_response import read_invoke_response
from lambdachain._transports.transport_override import network_guard

from .async_connection import within_deadline
from .async_pool import AsyncPool
from .regional_senders import EndpointConfig
from .request import RequestWriter
from .response import ResponseReader
from .signing import SigningKeys

if TYPE_CHECKING:
    from .async_stream import AsyncHttpStream


class AsyncSender:
    """Sends to one region's endpoint, from any loop."""

    def __init__(self, endpoint_config: EndpointConfig) -> None:
        self._endpoint_config = endpoint_config
        self._credentials = endpoint_config.credentials
        self._writer = RequestWriter(endpoint_config.endpoint, endpoint_config.region)
        self._pools: dict[asyncio.AbstractEventLoop, AsyncPool] = {}
        self._lock = lock_for(self)
        self._closed = False

    async def send(self, invocation: Invocation, deadline: float) -> Outcome:
        """Send *invocation* once, until *deadline* on the monotonic clock; see ``Transport.send``."""
        # No helper for what send() and open_stream() share: it would be one more coroutine for every call.
        keys = self._ready_keys(invocation) or await self._fetch_keys(deadline)
        pool = self._pool_for_loop()
        if not pool.try_acquire_slot():
            await pool.acquire_slot(deadline)
        try:
            now = time.time()
            head = self._writer.head(invocation, keys, now)
            # get_idle() first: it is no coroutine, and most calls need no more.
            connection = pool.get_idle(now) or await pool.acquire(now, deadline)
            reader = ResponseReader()
            await connection.send_request(reader, head, invocation.payload, deadline)
            response = reader.response
            if response.reusable:
                pool.release(connection)
            else:
                connection.close()
        finally:
            pool.release_slot()
        return self._credentials.renew_if_expired(
            read_invoke_response(response.status, response.headers, response.body, complete=response.complete), keys
        )

    async def open_stream(self, invocation: Invocation, deadline: float) -> AsyncHttpStream:
        """Send *invocation* once and return the response as a stream; see ``StreamingTransport.open_stream``."""
        from .async_stream import AsyncHttpStream

        keys = self._ready_keys(invocation) or await self._fetch_keys(deadline)
        pool = self._pool_for_loop()
        if not pool.try_acquire_slot():
            await pool.acquire_slot(deadline)
        try:
            now = time.time()
            head = self._writer.head(invocation, keys, now, streamed=True)
            connection = pool.get_idle(now) or await pool.acquire(now, deadline)
            reader = ResponseReader(streamed=True)
            complete = await connection.send_request(reader, head, invocation.payload, deadline, only_head=True)
            # An error is read to its end: it decides about a retry before the caller gets a stream.
            while reader.status >= 300 and not complete:
                complete = await connection.read_more(reader, deadline)
        except BaseException:
            pool.release_slot()
            raise
        stream = AsyncHttpStream(connection, reader, deadline, pool, complete=complete)
        stream.outcome = self._credentials.renew_if_expired(stream.outcome, keys)
        return stream

    async def warm_up(self, deadline: float) -> None:
        """Find credentials, derive the signing key and open a connection, until *deadline*; nothing is sent."""
        from .rehearsal import rehearse_request

        network_guard.check_access("open a connection", self._endpoint_config.endpoint.host)
        keys = self._credentials.get_ready() or await self._fetch_keys(deadline)
        pool = self._pool_for_loop()
        now = time.time()
        rehearse_request(self._writer, keys, now)
        if not pool.try_acquire_slot():  # all are in use, so nothing is cold
            return
        try:
            pool.keep(pool.get_idle(now) or await pool.acquire(now, deadline))
        finally:
            pool.release_slot()

    def _ready_keys(self, invocation: Invocation) -> SigningKeys | None:
        """Return the keys to sign with, if that needs no waiting."""
        if network_guard.closed:
            network_guard.check(invocation.function, self._endpoint_config.endpoint.host)
        return self._credentials.get_ready()

    async def _fetch_keys(self, deadline: float) -> SigningKeys:
        return await within_deadline(deadline, lambda: asyncio.wrap_future(self._credentials.fetch()))

    async def close(self) -> None:
        """Close the idle connections, of all loops; one in use is closed when its call ends."""
        with self._lock:
            self._closed = True
            for pool in self._pools.values():
                pool.close()

    def _pool_for_loop(self) -> AsyncPool:
        loop = asyncio.get_running_loop()
        return self._pools.get(loop) or self._new_pool(loop)

    def _new_pool(self, loop: asyncio.AbstractEventLoop) -> AsyncPool:
        """Create a loop's pool; the pools of closed loops are dropped."""
        with self._lock:
            for ended in [other for other in self._pools if other.is_closed()]:
                self._pools.pop(ended).close()
            pool = self._pools[loop] = AsyncPool(self._endpoint_config.endpoint, self._endpoint_config.tls_config)
            if self._closed:
                pool.close()
            return pool
