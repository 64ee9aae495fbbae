"""HTTP/1.1 as a server sees it, with the trailers of chunked bodies: h11 over asyncio's streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final

import h11

from lambdachain._service.limits import MAX_HEADERS

_CHUNK: Final = 1 << 18


class HttpConnection:
    """One connection of a client, which may send many requests over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.trailers: dict[str, str] = {}
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADERS)

    async def next_request(self) -> h11.Request | None:
        """Wait for the next request; ``None`` when the client is done.

        Raises:
            h11.RemoteProtocolError: The client does not speak HTTP.
            ConnectionError: The connection is lost.
        """
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        event = await self._next_event()
        return event if isinstance(event, h11.Request) else None

    async def body(self) -> AsyncGenerator[bytes]:
        """Give the body of the request as it comes; then its trailers are in *trailers*.

        Raises:
            h11.RemoteProtocolError: It is cut short.
            ConnectionError: The connection is lost.
        """
        if self._http.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))
        while isinstance(event := await self._next_event(), h11.Data):
            yield bytes(event.data)
        self.trailers = headers_of(event)

    async def respond(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Answer the request, whose body has been read."""
        lines = {"Content-Type": "application/json", **(headers or {}), "Content-Length": str(len(body))}
        start = self._http.send(h11.Response(status_code=status, headers=list(lines.items())))
        rest = self._http.send(h11.Data(data=body)) if body else b""
        end = self._http.send(h11.EndOfMessage())
        # In one piece: small writes would wait for each other's acknowledgement.
        self._writer.write((start or b"") + (rest or b"") + (end or b""))
        await self._writer.drain()

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()

    async def _send(self, event: h11.InformationalResponse) -> None:
        self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()

    async def _next_event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(_CHUNK))
        return event


def headers_of(event: h11.Request | h11.EndOfMessage) -> dict[str, str]:
    """Give the headers, or trailers, by their names in lower case."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
