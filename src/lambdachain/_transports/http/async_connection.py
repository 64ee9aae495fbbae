"""An asyncio connection, with one request at a time: the event loop watches the socket, and nothing blocks on it.

A deadline or a cancellation closes the connection while a request is in flight: its response may still arrive.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, Final, TypeVar

from lambdachain._core.errors import LambdaChainError
from lambdachain._core.invocation import Progress
from lambdachain._transports import socket_options

from .async_deadline_timer import AsyncDeadlineTimer
from .connection import (
    READ_SIZE,
    TLS_RECORD_SIZE,
    BaseConnection,
    connect_error,
    exchange_error,
    seconds_left,
    set_socket_options,
    wrap_tls,
)
from .endpoint import Endpoint
from .response import ResponseReader
from .tls import TlsConfig

Address = tuple[Any, ...]
T = TypeVar("T")

_MAX_READS: Final = 16


class AsyncConnection(BaseConnection):
    """A connection that a loop watches; it is read in the loop's callback for a readable socket."""

    __slots__ = ("_done", "_is_watched", "_loop", "_only_head", "_reader", "_timer", "_waiter")

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop, timer: AsyncDeadlineTimer) -> None:
        super().__init__(sock)
        self._loop = loop
        self._timer = timer
        # The socket stays watched between requests: add_reader and remove_reader are a system call each.
        self._is_watched = False
        self._only_head = False
        self._waiter: asyncio.Future[Any] | None = None
        self._done: asyncio.Future[bool] | None = None
        self._reader: ResponseReader | None = None

    async def send_request(
        self, reader: ResponseReader, head: bytes, payload: bytes, deadline: float, *, only_head: bool = False
    ) -> bool:
        """Send a request and read its response into *reader*; on any failure, close the connection.

        Args:
            reader: Parses the response.
            head: The request without its body.
            payload: Its body.
            deadline: When to give up, by the monotonic clock.
            only_head: Leave the rest of the response's body to ``read_more``.

        Returns:
            Whether the response is complete.

        Raises:
            NoAnswerError: There is no response; the error says how far the request got.
        """
        self._only_head = only_head
        self._timer.begin(self, deadline)
        progress = Progress.NOTHING_SENT
        try:
            # The timer fires in a later turn of the loop: past the deadline, nothing must be sent.
            seconds_left(deadline)
            request = head + payload
            first = request[:TLS_RECORD_SIZE]
            sent = self._try_send(first) or await self._send_when_writable(first)
            progress = Progress.PERHAPS_SENT
            if sent < len(request):
                await self._send_rest(memoryview(request)[sent:])
            return await self._receive(reader)
        except Exception as exc:
            self.close()
            raise exchange_error(exc, reader, progress, deadline) from exc
        except BaseException:
            self.close()
            raise
        finally:
            self._stop_waiting()

    async def read_more(self, reader: ResponseReader, deadline: float) -> bool:
        """Read more of a response whose headers have arrived; return whether it is complete.

        Raises:
            NoAnswerError: It timed out, or broke off.
        """
        self._timer.begin(self, deadline)
        try:
            seconds_left(deadline)
            return await self._receive(reader)
        except Exception as exc:
            self.close()
            raise exchange_error(exc, reader, Progress.PERHAPS_SENT, deadline) from exc
        except BaseException:
            self.close()
            raise
        finally:
            self._stop_waiting()

    def expire(self) -> None:
        """End the current wait: it has timed out."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimeoutError("timed out"))

    def close(self) -> None:
        """Close the connection, in its loop's thread if that runs: only there may the socket be unwatched."""
        if self._is_watched and not self._loop.is_closed():
            if self._loop.is_running() and not _is_running_here(self._loop):
                self._loop.call_soon_threadsafe(self.close)
                return
            self._unwatch()
        super().close()

    def abandon(self) -> None:
        """Close the connection in a forked process, whose loop shares its selector with the parent's."""
        super().close()

    def _try_send(self, data: bytes | memoryview) -> int:
        """Send as much as fits, and return how much; if this raises or returns 0, the peer can read nothing of it."""
        try:
            return self._sock.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError):
            return 0

    async def _send_when_writable(self, data: bytes | memoryview) -> int:
        """Wait until the socket is writable, and send as ``_try_send`` does."""
        while True:
            self._waiter = self._loop.create_future()
            await _wait_writable(self._sock, self._loop, self._waiter)
            sent = self._try_send(data)
            if sent:
                return sent

    async def _send_rest(self, rest: memoryview) -> None:
        with suppress(ConnectionError):  # a server that hangs up on a request may have responded before
            while rest:
                rest = rest[self._try_send(rest[:READ_SIZE]) or await self._send_when_writable(rest[:READ_SIZE]) :]

    def _receive(self, reader: ResponseReader) -> asyncio.Future[bool]:
        """Read what arrives into *reader*; the future's result is whether the response is complete."""
        self._reader = reader
        self._done = self._waiter = answered = self._loop.create_future()
        if not self._is_watched:
            self._loop.add_reader(self._sock.fileno(), self._on_readable)
            self._is_watched = True
        return answered

    def _stop_waiting(self) -> None:
        """Stop waiting, and drop the references to the response."""
        self._timer.end(self)
        self._done = self._waiter = self._reader = None
        self._used = time.time()

    def _on_readable(self) -> None:
        """Read what has arrived; the loop calls this while the socket is readable."""
        answered, reader = self._done, self._reader
        if answered is None or reader is None or answered.done():
            self._unwatch()  # data without a request, or its end: is_usable() will see it
            return
        try:
            complete = self._read(reader)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            complete = False
        except Exception as exc:  # noqa: BLE001 - raised again where the response is awaited
            answered.set_exception(exc)
            return
        if complete or (self._only_head and reader.has_head):
            answered.set_result(complete)

    def _read(self, reader: ResponseReader) -> bool:
        # A limited number of reads per callback: other connections of the loop must not starve.
        for _ in range(_MAX_READS):
            data = self._sock.recv(READ_SIZE)
            if not data:
                reader.end()
                return True
            if reader.feed(data):
                return True
            if self._only_head and reader.has_head:
                break  # first return what there is: backpressure, and an end of the connection comes after it
        return False

    def _unwatch(self) -> None:
        self._loop.remove_reader(self._sock.fileno())
        self._is_watched = False


async def connect(
    endpoint: Endpoint, tls_config: TlsConfig, addresses: Iterable[Address], deadline: float
) -> socket.socket:
    """Connect to the first of *addresses* that accepts, including TLS.

    Raises:
        NoAnswerError: It failed, and so nothing was sent.
    """
    try:
        sock = await _open_socket(addresses, deadline)
        if not endpoint.tls:
            return sock
        context = tls_config.context
        try:
            return await _start_tls(sock, endpoint, tls_config, context, deadline)
        except ssl.SSLCertVerificationError as exc:
            # On another connection: this one is of no use after a failed handshake.
            if not tls_config.load_all_cas(context, exc):
                raise
        sock = await _open_socket(addresses, deadline)
        return await _start_tls(sock, endpoint, tls_config, tls_config.context, deadline)
    except Exception as exc:
        raise connect_error(exc, deadline, endpoint) from exc


async def within_deadline(deadline: float, wait: Callable[[], Awaitable[T]]) -> T:
    """Await what a request needs before it can be sent, until *deadline*.

    Raises:
        NoAnswerError: It timed out, or the network failed; nothing was sent.
    """
    try:
        async with asyncio.timeout(seconds_left(deadline)):
            return await wait()
    except LambdaChainError:
        raise
    except Exception as exc:
        raise connect_error(exc, deadline) from exc


async def _open_socket(addresses: Iterable[Address], deadline: float) -> socket.socket:
    failure: OSError = OSError("the host has no address")
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)  # noqa: FBT003 - its one argument has no name
            set_socket_options(sock)
            async with asyncio.timeout(min(seconds_left(deadline), socket_options.CONNECT_TIMEOUT)):
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


async def _start_tls(
    sock: socket.socket, endpoint: Endpoint, tls_config: TlsConfig, context: ssl.SSLContext, deadline: float
) -> ssl.SSLSocket:
    try:
        secured = wrap_tls(sock, endpoint, tls_config, context, handshake=False)
    except BaseException:
        sock.close()
        raise
    try:
        async with asyncio.timeout(min(seconds_left(deadline), socket_options.CONNECT_TIMEOUT)):
            await _perform_handshake(secured)
    except BaseException:
        secured.close()
        raise
    return secured


async def _perform_handshake(sock: ssl.SSLSocket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            return sock.do_handshake()
        except ssl.SSLWantReadError:
            await _wait_readable(sock, loop, loop.create_future())
        except ssl.SSLWantWriteError:
            await _wait_writable(sock, loop, loop.create_future())


async def _wait_readable(sock: socket.socket, loop: asyncio.AbstractEventLoop, ready: asyncio.Future[None]) -> None:
    """Wait until the socket is readable, or *ready* is set."""
    loop.add_reader(sock.fileno(), _set_ready, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock.fileno())


async def _wait_writable(sock: socket.socket, loop: asyncio.AbstractEventLoop, ready: asyncio.Future[None]) -> None:
    """Wait until the socket is writable, or *ready* is set."""
    loop.add_writer(sock.fileno(), _set_ready, ready)
    try:
        await ready
    finally:
        loop.remove_writer(sock.fileno())


def _set_ready(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
