"""The server side of an HTTP/1.1 connection: of the Invoke API, and of the Runtime API of each sandbox.

Its time adds to the latency of every call: a request costs a third of what it costs in aiohttp, and two thirds of what
it costs over asyncio's streams. aiohttp also drops trailers, in which the error of a stream arrives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, TypeAlias, cast

from multidict import CIMultiDict

from lambdachain._lambda_api.delivery import Body

from ._http1_parser import IncomingBody, ProtocolError, Request, RequestParser

Address: TypeAlias = tuple[str, int]

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_MAX_WAITING_PIECES: Final = 16  # of up to 256 KB, what asyncio reads at a time


class HttpConnection(asyncio.Protocol):
    """One connection of a client, which may send many requests.

    Args:
        on_connect: Called with the connection once it is established.
    """

    def __init__(self, on_connect: Callable[[HttpConnection], None]) -> None:
        self.is_disconnected = False
        self.on_disconnect: Callable[[], None] = lambda: None
        self._on_connect = on_connect
        self._transport: asyncio.Transport
        self._parser = RequestParser()
        self._request = Request("", "", CIMultiDict())
        self._body = IncomingBody()
        self._reader: asyncio.Future[None] | None = None
        self._is_writable = asyncio.Event()

    @property
    def addresses(self) -> tuple[Address, Address]:
        """The addresses of the client and of this server."""
        return self._transport.get_extra_info("peername"), self._transport.get_extra_info("sockname")

    @property
    def trailers(self) -> Mapping[str, str]:
        """The trailers of the request by their names in lower case, once its body has been read."""
        return self._body.trailers

    async def next_request(self) -> Request | None:
        """Wait for the next request; return ``None`` when the client closes the connection.

        Raises:
            ProtocolError: The request is not valid HTTP.
        """
        if self._request.is_last:
            return None
        while not self._parser.requests:
            if self._parser.failure is not None:
                raise self._parser.failure
            if self.is_disconnected:
                return None
            await self._wait_for_data()
        self._request, self._body = self._parser.requests.popleft()
        if not self._parser.requests:
            self._transport.resume_reading()
        return self._request

    async def next_piece(self) -> bytes | None:
        """Wait for the next piece of the body; return ``None`` at its end, when *trailers* holds its trailers.

        Raises:
            ProtocolError: The body is incomplete.
        """
        # The client waits for this before it sends the body.
        if self._request.headers.popall("Expect", None):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._body
        while not body.pieces:
            if body.is_complete:
                return None
            if self._parser.failure is not None or self.is_disconnected:
                raise self._parser.failure or ProtocolError("the body is incomplete")
            await self._wait_for_data()
        return body.pieces.popleft()

    async def read_body(self, limit: int) -> Body:
        """Read what is left of the body, and keep at most *limit* bytes.

        Raises:
            ProtocolError: The body is incomplete.
        """
        content = bytearray()
        size = 0
        while (piece := await self.next_piece()) is not None:
            size += len(piece)
            if size <= limit:
                content += piece
        return Body(bytes(content), size)

    async def respond(self, status: int, body: bytes = b"", headers: Mapping[str, str] = _NO_HEADERS) -> None:
        """Send the response to the request, whose body must have been read.

        Raises:
            ConnectionError: The client has disconnected.
        """
        length = {} if status == HTTPStatus.NO_CONTENT else {"Content-Length": str(len(body))}
        content = b"" if self._request.method == "HEAD" else body
        # In one write: a small response is one packet, for which the client wakes up once.
        await self._write(self._head(status, {"Content-Type": "application/json", **headers, **length}) + content)

    async def start_stream(self, headers: Mapping[str, str]) -> None:
        """Send the head of a response that `send_part` and `end_stream` continue.

        Raises:
            ConnectionError: The client has disconnected.
        """
        framing = {"Transfer-Encoding": "chunked"} if self._can_chunk else {}
        await self._write(self._head(200, {**headers, **framing}))

    async def send_part(self, content: bytes) -> None:
        """Send a part of the response's body.

        Raises:
            ConnectionError: The client has disconnected.
        """
        await self._write(b"%x\r\n%b\r\n" % (len(content), content) if self._can_chunk else content)

    async def end_stream(self) -> None:
        """End the response.

        Raises:
            ConnectionError: The client has disconnected.
        """
        if self._can_chunk:
            await self._write(b"0\r\n\r\n")

    def close(self) -> None:
        """Close the connection, once what was written has been sent."""
        self._transport.close()

    def abort(self) -> None:
        """Close the connection, whatever the client has not read."""
        self._transport.abort()

    # asyncio calls the methods below.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass the connection on."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is of another class
        self._is_writable.set()
        self._on_connect(self)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived."""
        self._parser.feed(data)
        # While the last request is being handled: the client has to wait, so that what it sends takes bounded memory.
        if self._reader is None and (self._parser.requests or len(self._body.pieces) > _MAX_WAITING_PIECES):
            self._transport.pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        """Report that the client sends nothing more; it may still read a response."""
        self._parser.feed_eof()
        self._disconnect()
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Report that the client has disconnected."""
        self._parser.feed_eof()
        self._is_writable.set()
        self._disconnect()

    def pause_writing(self) -> None:
        """Make responses wait: the client does not read."""
        self._is_writable.clear()

    def resume_writing(self) -> None:
        """Continue to write."""
        self._is_writable.set()

    @property
    def _can_chunk(self) -> bool:
        """Whether the client understands chunks; otherwise a response ends with its connection."""
        return self._request.version == "1.1"

    def _head(self, status: int, headers: Mapping[str, str]) -> bytes:
        closing = {"Connection": "close"} if self._request.is_last else {}
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**headers, **closing}.items())
        return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{lines}\r\n".encode("latin-1")

    async def _write(self, content: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(content)
            await self._is_writable.wait()
        if self._transport.is_closing():
            raise ConnectionResetError("the client has disconnected")

    async def _wait_for_data(self) -> None:
        self._transport.resume_reading()
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _disconnect(self) -> None:
        if not self.is_disconnected:
            self.is_disconnected = True
            self.on_disconnect()
        self._wake_reader()
