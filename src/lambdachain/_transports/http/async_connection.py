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
from lambdachain._transports.invoke_response import MalformedResponseError

from .async_deadline_timer import Watch
from .connection import PIECE, RECORD, BaseConnection, no_answer, no_connection, prepare, seconds_left, wrapped
from .endpoint import Endpoint
from .response import ResponseReader
from .tls import TlsConfig

Address = tuple[Any, ...]
T = TypeVar("T")

_PIECES_AT_ONCE: Final = 16


class AsyncConnection(BaseConnection):
    """A connection that a loop watches; it is read in the loop's callback for a readable socket."""

    __slots__ = ("_answered", "_in_pieces", "_loop", "_reader", "_waiting", "_watch", "_watched")

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop, watch: Watch) -> None:
        super().__init__(sock)
        self._loop = loop
        self._watch = watch
        self._watched = False
        self._in_pieces = False
        self._waiting: asyncio.Future[Any] | None = None
        self._answered: asyncio.Future[bool] | None = None
        self._reader: ResponseReader | None = None

    async def ask(
        self, reader: ResponseReader, head: bytes, payload: bytes, deadline: float, *, only_head: bool = False
    ) -> bool:
        """Send a request and read its response into *reader*; on any failure, close the connection.

        Args:
            reader: Parses the response.
            head: The request without its body.
            payload: Its body.
            deadline: When to give up, by the monotonic clock.
            only_head: Leave the rest of the response's body to ``read_on``.

        Returns:
            Whether the response is complete.

        Raises:
            NoAnswerError: There is no response; the error says how far the request got.
        """
        self._in_pieces = only_head
        self._watch.begin(self, deadline)
        progress = Progress.NOTHING_SENT
        try:
            seconds_left(deadline)
            request = memoryview(head + payload)
            sent = self._put(request[:RECORD]) or await self._sent(request[:RECORD])
            progress = Progress.PERHAPS_SENT
            if sent < len(request):
                await self._send(request[sent:])
            return await self._coming(reader)
        except (OSError, MalformedResponseError) as exc:
            self.close()
            progress = Progress.ANSWER_BEGUN if reader.has_begun else progress
            raise no_answer(exc, progress, deadline, reader.request_id) from exc
        except BaseException:
            self.close()
            raise
        finally:
            self._rest()

    async def read_on(self, reader: ResponseReader, deadline: float) -> bool:
        """Read more of a response whose headers have arrived; return whether it is complete.

        Raises:
            NoAnswerError: It timed out, or broke off.
        """
        self._watch.begin(self, deadline)
        try:
            seconds_left(deadline)
            return await self._coming(reader)
        except (OSError, MalformedResponseError) as exc:
            self.close()
            raise no_answer(exc, reader.reached, deadline, reader.request_id) from exc
        except BaseException:
            self.close()
            raise
        finally:
            self._rest()

    def late(self) -> None:
        """End the current wait: it has timed out."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(TimeoutError("timed out"))

    def close(self) -> None:
        """Close the connection, in its loop's thread if that runs: only there may the socket be unwatched."""
        if self._watched and not self._loop.is_closed():
            if self._loop.is_running() and not _is_running_here(self._loop):
                self._loop.call_soon_threadsafe(self.close)
                return
            self._unwatch()
        super().close()

    def abandon(self) -> None:
        """Close the connection in a forked process, whose loop shares its selector with the parent's."""
        super().close()

    def _put(self, data: memoryview) -> int:
        """Send as much as fits, and return how much; if this raises or returns 0, the peer can read nothing of it."""
        try:
            return self._sock.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError):
            return 0

    async def _sent(self, data: memoryview) -> int:
        """Wait until the socket is writable, and send as ``_put`` does."""
        while True:
            self._waiting = self._loop.create_future()
            await _writable(self._sock, self._loop, self._waiting)
            sent = self._put(data)
            if sent:
                return sent

    async def _send(self, rest: memoryview) -> None:
        with suppress(ConnectionError):  # a server that hangs up on a request may have responded before
            while rest:
                rest = rest[self._put(rest[:PIECE]) or await self._sent(rest[:PIECE]) :]

    def _coming(self, reader: ResponseReader) -> asyncio.Future[bool]:
        """Read what arrives into *reader*; the future's result is whether the response is complete."""
        self._reader = reader
        self._answered = self._waiting = answered = self._loop.create_future()
        if not self._watched:
            self._loop.add_reader(self._sock.fileno(), self._take)
            self._watched = True
        return answered

    def _rest(self) -> None:
        """Stop waiting, and drop the references to the response."""
        self._watch.end(self)
        self._answered = self._waiting = self._reader = None
        self._used = time.time()

    def _take(self) -> None:
        """Read what has arrived; the loop calls this while the socket is readable."""
        answered, reader = self._answered, self._reader
        if answered is None or reader is None or answered.done():
            self._unwatch()  # data without a request, or its end: is_usable() will see it
            return
        try:
            whole = self._read(reader)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            whole = False
        except Exception as exc:  # noqa: BLE001 - raised again where the response is awaited
            answered.set_exception(exc)
            return
        if whole or (self._in_pieces and reader.has_head):
            answered.set_result(whole)

    def _read(self, reader: ResponseReader) -> bool:
        # A limited number of reads per callback: other connections of the loop must not starve.
        for _ in range(_PIECES_AT_ONCE):
            data = self._sock.recv(PIECE)
            if not data:
                reader.end()
                return True
            if reader.feed(data):
                return True
            if self._in_pieces and reader.has_head:
                break  # first return what there is: backpressure, and an end of the connection comes after it
        return False

    def _unwatch(self) -> None:
        self._loop.remove_reader(self._sock.fileno())
        self._watched = False


async def connect(
    endpoint: Endpoint, tls_config: TlsConfig, addresses: Iterable[Address], deadline: float
) -> socket.socket:
    """Connect to the first of *addresses* that accepts, including TLS.

    Raises:
        NoAnswerError: It failed, and so nothing was sent.
    """
    try:
        sock = await _reach(addresses, deadline)
        if not endpoint.tls:
            return sock
        context = tls_config.context
        try:
            return await _secured(sock, endpoint, tls_config, context, deadline)
        except ssl.SSLCertVerificationError as exc:
            if not tls_config.load_all_cas(context, exc):
                raise
        sock = await _reach(addresses, deadline)
        return await _secured(sock, endpoint, tls_config, tls_config.context, deadline)
    except Exception as exc:
        raise no_connection(exc, deadline) from exc


async def in_time(deadline: float, wait: Callable[[], Awaitable[T]]) -> T:
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
        raise no_connection(exc, deadline) from exc


async def _reach(addresses: Iterable[Address], deadline: float) -> socket.socket:
    failure: OSError = OSError("the host has no address")
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)  # noqa: FBT003 - its one argument has no name
            prepare(sock)
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


async def _secured(
    sock: socket.socket, endpoint: Endpoint, tls_config: TlsConfig, context: ssl.SSLContext, deadline: float
) -> ssl.SSLSocket:
    try:
        secured = wrapped(sock, endpoint, tls_config, context, handshake=False)
    except BaseException:
        sock.close()
        raise
    try:
        async with asyncio.timeout(min(seconds_left(deadline), socket_options.CONNECT_TIMEOUT)):
            await _handshaken(secured)
    except BaseException:
        secured.close()
        raise
    return secured


async def _handshaken(sock: ssl.SSLSocket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            return sock.do_handshake()
        except ssl.SSLWantReadError:
            await _readable(sock, loop, loop.create_future())
        except ssl.SSLWantWriteError:
            await _writable(sock, loop, loop.create_future())


async def _readable(sock: socket.socket, loop: asyncio.AbstractEventLoop, ready: asyncio.Future[None]) -> None:
    """Wait until the socket is readable, or *ready* is set."""
    loop.add_reader(sock.fileno(), _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock.fileno())


async def _writable(sock: socket.socket, loop: asyncio.AbstractEventLoop, ready: asyncio.Future[None]) -> None:
    """Wait until the socket is writable, or *ready* is set."""
    loop.add_writer(sock.fileno(), _settle, ready)
    try:
        await ready
    finally:
        loop.remove_writer(sock.fileno())


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
