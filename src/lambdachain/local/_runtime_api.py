"""The Runtime API of one sandbox: what the runtime client asks and tells, as events.

Behaviour follows what ``awslambdaric`` 4.2.2 and npm's ``aws-lambda-ric`` 3.3.0 were seen to need. The first wants a
host and port of its own: a path in front of the API breaks its report of failed imports. It crashes when an invocation
comes without a request id or a content type, and it sends headers of up to 1 MB with an error. The second streams its
response in chunks, and tells an error amid them in trailers.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from lambdachain._service.delivery import Body, Delivery
from lambdachain._service.limits import MAX_HEADERS, MAX_RESPONSE

from ._http1 import HttpConnection, ProtocolError, Request

# A dead process's connections end at once, unless a child of it holds them.
_DRAIN_TIMEOUT: Final = 0.5

_NEXT: Final = "/2018-06-01/runtime/invocation/next"
_INIT_ERROR: Final = "/2018-06-01/runtime/init/error"
_REPORT: Final = re.compile(r"/2018-06-01/runtime/invocation/([^/]+)/(response|error)")


@dataclass(frozen=True, slots=True)
class Ready:
    """The runtime asks for the next invocation."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The handler returned."""

    body: Body


@dataclass(frozen=True, slots=True)
class Streaming:
    """The handler gives a part of its response."""

    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Streamed:
    """The handler has given the last part of its response; *error* describes how it failed, if it did."""

    error: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Raised:
    """The handler raised."""

    body: Body


@dataclass(frozen=True, slots=True)
class InitFailed:
    """The handler's module could not be loaded; the process is about to end."""

    body: Body


@dataclass(frozen=True, slots=True)
class Exited:
    """The process has ended, with an exit status or, less than 0, by a signal."""

    returncode: int


RuntimeEvent: TypeAlias = Ready | Returned | Streaming | Streamed | Raised | InitFailed | Exited


class RuntimeApi:
    """A Runtime API on a port of its own."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[RuntimeEvent] = asyncio.Queue()
        self._mailbox: asyncio.Queue[tuple[Delivery, int]] = asyncio.Queue()
        self._working_on: str | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._waiting_for_work: set[asyncio.Task[None] | None] = set()

    async def open(self) -> str:
        """Begin to serve and give the address, ``host:port``."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=16, limit=MAX_HEADERS)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def deliver(self, delivery: Delivery, deadline_ms: int) -> None:
        """Hand the next invocation to the runtime, *deadline_ms* being milliseconds of the epoch."""
        self._mailbox.put_nowait((delivery, deadline_ms))

    async def drain(self) -> None:
        """Read what a process that has ended has still said, for it may have been faster than its reader."""
        speaking = self._connections - self._waiting_for_work
        if speaking:
            await asyncio.wait(speaking, timeout=_DRAIN_TIMEOUT)

    async def close(self) -> None:
        """Stop serving, whoever is still waiting."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(HttpConnection(reader, writer)))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, http: HttpConnection) -> None:
        try:
            # A process that is killed breaks off in the middle of whatever it says.
            with suppress(ProtocolError, ConnectionError):
                while (request := await http.next_request()) is not None:
                    await self._handle(http, request)
        finally:
            http.close()

    async def _handle(self, http: HttpConnection, request: Request) -> None:
        method, path, headers = request
        report = _REPORT.fullmatch(path) if method == "POST" else None
        if (method, path) == ("GET", _NEXT):
            await _read(http)
            await self._next(http)
        elif (method, path) == ("POST", _INIT_ERROR):
            self.events.put_nowait(InitFailed(await _read(http)))
            await http.respond(202, b'{"status":"OK"}')
        elif report is None:
            await _read(http)
            await http.respond(404, b'{"errorType":"NotFound"}')
        elif report[1] != self._working_on:
            await _read(http)
            await http.respond(400, b'{"errorType":"InvalidRequestID"}')
        elif headers.get("lambda-runtime-function-response-mode", "").lower() == "streaming":
            await self._stream(http)
        else:
            await self._reported(http, report[2])

    async def _next(self, http: HttpConnection) -> None:
        self.events.put_nowait(Ready())
        this = asyncio.current_task()
        self._waiting_for_work.add(this)
        try:
            delivery, deadline_ms = await self._mailbox.get()
        finally:
            self._waiting_for_work.discard(this)
        self._working_on = delivery.request_id
        await http.respond(200, delivery.payload, next_headers(delivery, deadline_ms))

    async def _reported(self, http: HttpConnection, kind: str) -> None:
        body = await _read(http)
        self._working_on = None
        self.events.put_nowait(Returned(body) if kind == "response" else Raised(body))
        await asyncio.sleep(0)  # the caller comes first: its answer goes out before the client's receipt
        await (http.respond(202, b'{"status":"OK"}') if body.size <= MAX_RESPONSE else http.respond(413, b"{}"))

    async def _stream(self, http: HttpConnection) -> None:
        async for chunk in http.body():
            self.events.put_nowait(Streaming(chunk))
        self._working_on = None
        self.events.put_nowait(Streamed(_error_in(http.trailers)))
        await http.respond(202, b'{"status":"OK"}')


def next_headers(delivery: Delivery, deadline_ms: int) -> dict[str, str]:
    """Compose the headers of the Runtime API's next invocation."""
    headers = {
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": delivery.request_id,
        "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
        "Lambda-Runtime-Invoked-Function-Arn": delivery.invoked_arn,
        "Lambda-Runtime-Trace-Id": delivery.trace_id,
    }
    if delivery.client_context is not None:
        headers["Lambda-Runtime-Client-Context"] = delivery.client_context
    if delivery.tenant_id is not None:
        headers["Lambda-Runtime-Aws-Tenant-Id"] = delivery.tenant_id
    return headers


async def _read(http: HttpConnection) -> Body:
    """Read a body to its end, and keep no more of it than a response may have."""
    content = bytearray()
    size = 0
    async for chunk in http.body():
        size += len(chunk)
        if size <= MAX_RESPONSE:
            content += chunk
    return Body(bytes(content), size)


def _error_in(trailers: Mapping[str, str]) -> bytes | None:
    if "lambda-runtime-function-error-type" not in trailers:
        return None
    with suppress(binascii.Error):
        return base64.b64decode(trailers.get("lambda-runtime-function-error-body", ""))
    return b""
