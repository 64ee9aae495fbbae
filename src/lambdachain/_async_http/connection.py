"""One connection, and one request at a time on it: the loop watches the socket, and nothing ever blocks on it.

Whatever ends a wait early, a deadline or a cancellation, closes the connection if a request is on it: the answer may
still come.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from lambdachain import _wire
from lambdachain._http.connection import (
    PIECE,
    RECORD,
    Link,
    no_answer,
    no_connection,
    prepare,
    seconds_left,
    wrapped,
)
from lambdachain._http.endpoint import Endpoint
from lambdachain._http.response import BadAnswerError, Response, ResponseReader
from lambdachain._http.tls import Trust
from lambdachain._invocation import Progress

Address = tuple[Any, ...]
T = TypeVar("T")


class AsyncConnection(Link):
    """A connection that a loop watches while somebody waits for it."""

    __slots__ = ()

    async def exchange(self, head: bytes, payload: bytes, deadline: float) -> Response:
        """Send a request and read its answer; whatever goes wrong, the connection is closed.

        Args:
            head: The request without its body.
            payload: Its body.
            deadline: When to give up, by the monotonic clock.

        Raises:
            NoAnswerError: There is no answer; it says how far the request got.
        """
        reader = ResponseReader()
        progress = Progress.NOTHING_SENT
        try:
            async with asyncio.timeout(seconds_left(deadline)):
                request = memoryview(head + payload)
                sent = await self._sent(request[:RECORD])
                progress = Progress.PERHAPS_SENT
                if sent < len(request):
                    await self._send(request[sent:])
                await self._receive(reader)
        except (OSError, BadAnswerError) as exc:
            self.close()
            progress = Progress.ANSWER_BEGUN if reader.has_begun else progress
            raise no_answer(exc, progress, deadline, reader.request_id) from exc
        except BaseException:
            self.close()
            raise
        self._used = time.time()
        return reader.response

    async def _send(self, rest: memoryview) -> None:
        with suppress(ConnectionError):  # whoever hangs up on a request may have answered it before
            while rest:
                rest = rest[await self._sent(rest[:PIECE]) :]

    async def _sent(self, data: memoryview) -> int:
        """Send some of it, and tell how much; if this raises, nobody has got anything of it to read."""
        return await _done(self._sock, lambda: self._sock.send(data), _writable)

    async def _receive(self, reader: ResponseReader) -> None:
        sock = self._sock
        await _readable(sock)  # no answer is there yet, and to find that out costs more than to wait
        while True:
            data = await _done(sock, lambda: sock.recv(PIECE), _readable)
            if not data:
                return reader.end()
            if reader.feed(data):
                return None


async def connect(endpoint: Endpoint, trust: Trust, addresses: Iterable[Address], deadline: float) -> AsyncConnection:
    """Open a connection to the first of *addresses* that answers, TLS included.

    Raises:
        NoAnswerError: There is none, and so nothing was sent.
    """
    try:
        sock = await _reach(addresses, deadline)
        if not endpoint.tls:
            return AsyncConnection(sock)
        try:
            return AsyncConnection(await _secured(sock, endpoint, trust, deadline))
        except ssl.SSLCertVerificationError as exc:
            if not trust.widen(exc):
                raise
        return AsyncConnection(await _secured(await _reach(addresses, deadline), endpoint, trust, deadline))
    except OSError as exc:
        raise no_connection(exc, deadline) from exc


async def in_time(deadline: float, wait: Callable[[], Awaitable[T]]) -> T:
    """Await what has to be there before a request can be sent, until *deadline*.

    Raises:
        NoAnswerError: It was not there in time, or the network failed; nothing was sent.
    """
    try:
        async with asyncio.timeout(seconds_left(deadline)):
            return await wait()
    except OSError as exc:
        raise no_connection(exc, deadline) from exc


async def _reach(addresses: Iterable[Address], deadline: float) -> socket.socket:
    failure: OSError = OSError("the host has no address")
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)  # noqa: FBT003 - its one argument has no name
            prepare(sock)
            async with asyncio.timeout(min(seconds_left(deadline), _wire.CONNECT_TIMEOUT)):
                await asyncio.get_running_loop().sock_connect(sock, address)
        except OSError as exc:
            sock.close()
            failure = exc
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


async def _secured(sock: socket.socket, endpoint: Endpoint, trust: Trust, deadline: float) -> ssl.SSLSocket:
    try:
        secured = wrapped(sock, endpoint, trust, handshake=False)
    except BaseException:
        sock.close()
        raise
    try:
        async with asyncio.timeout(min(seconds_left(deadline), _wire.CONNECT_TIMEOUT)):
            await _done(secured, secured.do_handshake, _readable)
    except BaseException:
        secured.close()
        raise
    return secured


async def _done(sock: socket.socket, act: Callable[[], T], free: Callable[[socket.socket], Awaitable[None]]) -> T:
    """Do what reads from a socket or writes to it, as soon as that need not wait; without TLS, for *free*."""
    while True:
        try:
            return act()
        except ssl.SSLWantReadError:
            await _readable(sock)
        except ssl.SSLWantWriteError:
            await _writable(sock)
        except BlockingIOError:
            await free(sock)


async def _readable(sock: socket.socket) -> None:
    """Wait until there is something to read."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(sock, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


async def _writable(sock: socket.socket) -> None:
    """Wait until there is room to write."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_writer(sock, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_writer(sock)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
