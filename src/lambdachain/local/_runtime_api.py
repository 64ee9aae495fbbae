"""The Runtime API of one sandbox: the HTTP server that its runtime client polls, and the events it reports.

Behavior follows what ``awslambdaric`` 4.2.2 and npm's ``aws-lambda-ric`` 3.3.0 were observed to need. Both expect a
host and port. A path after them breaks the first client's report of failed imports, which `python/bootstrap.py` works
around, and the second client leaves it out of its streaming requests. The first crashes on an invocation without a
request id or a content type, and sends headers of up to 1 MB with an error. The second streams its response in chunks,
and reports an error in mid-stream in trailers.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import logging
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from lambdachain._lambda_api.delivery import Body, Delivery
from lambdachain._lambda_api.limits import MAX_HEADERS, MAX_RESPONSE

from ._connection_owner import Address, is_owned_by, is_supported
from ._http1_connection import HttpConnection, ProtocolError, Request

_LOGGER: Final = logging.getLogger("lambdachain.local")

_SECRET_BYTES: Final = 24

# Seconds to read from an ended process's connections, which close with it unless a child holds them open.
_DRAIN_TIMEOUT: Final = 0.5

_NEXT: Final = "/2018-06-01/runtime/invocation/next"
_INIT_ERROR: Final = "/2018-06-01/runtime/init/error"
# Lambda's error type for a request that the runtime's state does not allow.
_INVALID_STATE: Final = "InvalidStateTransition"
_REPORT: Final = re.compile(r"/2018-06-01/runtime/invocation/([^/]+)/(response|error)")


@dataclass(frozen=True, slots=True)
class Ready:
    """The runtime client polls for the next invocation."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The handler returned a response."""

    body: Body


@dataclass(frozen=True, slots=True)
class Streaming:
    """The handler wrote a part of its response."""

    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Streamed:
    """The handler's stream has ended; *error* is its error report, if it failed."""

    error: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Raised:
    """The handler raised an exception."""

    body: Body


@dataclass(frozen=True, slots=True)
class InitFailed:
    """The handler could not be loaded; the process is about to exit."""

    body: Body


@dataclass(frozen=True, slots=True)
class Exited:
    """The process has exited, with a status or, if negative, by a signal."""

    returncode: int


RuntimeEvent: TypeAlias = Ready | Returned | Streaming | Streamed | Raised | InitFailed | Exited


class _Protocol(asyncio.StreamReaderProtocol):
    """A stream protocol that notices a disconnected client immediately: nothing reads while a client polls."""

    def __init__(self, on_accept: Callable[[_ClientConnection], None]) -> None:
        self.client: _ClientConnection | None = None
        self._on_accept = on_accept
        super().__init__(asyncio.StreamReader(limit=MAX_HEADERS), self._on_connect)

    def _on_connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        addresses: tuple[Address, Address] = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        self.client = _ClientConnection(HttpConnection(reader, writer), addresses)
        self._on_accept(self.client)

    def eof_received(self) -> bool | None:
        if self.client is not None:
            self.client.disconnect()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client is not None:
            self.client.disconnect()
        super().connection_lost(exc)


class _ClientConnection:
    """A connection to the Runtime API, and the process that made it."""

    def __init__(self, http: HttpConnection, addresses: tuple[Address, Address]) -> None:
        self.http = http
        self.pending_poll: asyncio.Future[None] | None = None
        self.is_disconnected = False
        self._addresses = addresses
        self._belongs: bool | None = None

    def disconnect(self) -> None:
        """Fail the poll that is pending on this connection."""
        self.is_disconnected = True
        if self.pending_poll is not None and not self.pending_poll.done():
            self.pending_poll.set_exception(ConnectionResetError("the client has disconnected"))

    def belongs_to(self, root: int) -> bool | None:
        """Check whether a process of the sandbox made the connection; ``None`` if the system does not report it."""
        if self._belongs is None and is_supported():
            self._belongs = is_owned_by(root, *self._addresses)
        return self._belongs


class RuntimeApi:
    """A Runtime API on its own port, for the processes of one sandbox of the function *name*.

    Every process on the machine can connect to the port. So a request is rejected if the system reports that a process
    outside the sandbox made the connection. If the system does not report it, the request's path must start with a
    secret that is part of the address.
    """

    def __init__(self, name: str) -> None:
        self.events: asyncio.Queue[RuntimeEvent] = asyncio.Queue()
        self._name = name
        self._prefix = f"/{secrets.token_urlsafe(_SECRET_BYTES)}"
        self._needs_secret = True
        self._root = 0
        self._has_root = asyncio.Event()
        self._next_delivery: tuple[Delivery, int] | None = None
        self._polling_client: _ClientConnection | None = None
        self._ready_announced = False
        self._current_request_id: str | None = None
        self._served = False
        self._report_lock = asyncio.Lock()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._polling_tasks: set[asyncio.Task[None] | None] = set()

    async def open(self, *, with_path: bool) -> str:
        """Start serving and return the address: ``host:port/secret``, or ``host:port`` if the client takes no path."""
        self._needs_secret = with_path or is_supported()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Protocol(self._accept), "127.0.0.1", 0, backlog=16)
        address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return address + self._prefix if with_path else address

    def serve_process(self, root: int) -> None:
        """Serve process *root* and its descendants; until this is called, requests wait."""
        self._root = root
        self._has_root.set()

    def deliver(self, delivery: Delivery, deadline_ms: int) -> None:
        """Set the next invocation for the runtime client; *deadline_ms* is in milliseconds since the epoch."""
        # Kept until a client takes it: the one that is polling may disconnect before it does.
        self._next_delivery = delivery, deadline_ms
        if (
            self._polling_client is not None
            and self._polling_client.pending_poll is not None
            and not self._polling_client.pending_poll.done()
        ):
            self._polling_client.pending_poll.set_result(None)

    async def drain(self) -> None:
        """Finish reading the requests that an ended process sent before it exited."""
        active = self._connections - self._polling_tasks
        if active:
            await asyncio.wait(active, timeout=_DRAIN_TIMEOUT)

    async def close(self) -> None:
        """Stop serving, and close every connection."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, client: _ClientConnection) -> None:
        task = asyncio.create_task(self._serve(client))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, client: _ClientConnection) -> None:
        try:
            # A killed process may stop in the middle of a request.
            with suppress(ProtocolError, ConnectionError):
                while (request := await client.http.next_request()) is not None:
                    path = await self._authorized_path(client, request.path)
                    if path is None:
                        await self._refuse(client.http, "Forbidden", "it comes from a process outside the sandbox")
                        break
                    await self._handle(client, request._replace(path=path))
        finally:
            client.http.close()

    async def _authorized_path(self, client: _ClientConnection, path: str) -> str | None:
        """Return the path of a request without the secret; ``None`` if the request is not from the sandbox."""
        # The process may connect before its id is known here.
        await self._has_root.wait()
        start, prefix = path[: len(self._prefix)].encode("latin-1"), self._prefix.encode()
        # compare_digest: the time of a plain comparison would reveal how much of a guess is right
        has_secret = hmac.compare_digest(start, prefix)
        is_welcome = client.belongs_to(self._root)
        if is_welcome is None:
            is_welcome = has_secret or not self._needs_secret
        if not is_welcome:
            return None
        return path[len(prefix) :] if has_secret else path

    async def _handle(self, client: _ClientConnection, request: Request) -> None:
        method, path, headers = request
        http = client.http
        # Every branch reads the body: the next request of the connection starts behind it.
        report = _REPORT.fullmatch(path) if method == "POST" else None
        if (method, path) == ("GET", _NEXT):
            await _read_body(http)
            await self._handle_next(client)
        elif (method, path) == ("POST", _INIT_ERROR):
            await self._handle_init_error(http)
        elif report is None:
            await _read_body(http)
            await http.respond(404, b'{"errorType":"NotFound"}')
        # A report for an earlier invocation, or a second one for this.
        elif report[1] != self._current_request_id:
            await _read_body(http)
            await http.respond(400, b'{"errorType":"InvalidRequestID"}')
        elif self._report_lock.locked():
            await self._refuse(http, _INVALID_STATE, "the invocation already has a response in progress")
        else:
            async with self._report_lock:
                is_stream = headers.get("lambda-runtime-function-response-mode", "").lower() == "streaming"
                await (self._receive_stream(http) if is_stream else self._receive_report(http, report[2]))

    async def _refuse(self, http: HttpConnection, error_type: str, reason: str) -> None:
        _LOGGER.warning("rejected a request to the Runtime API of %s: %s", self._name, reason)
        await _read_body(http)
        await http.respond(403, json.dumps({"errorType": error_type, "errorMessage": f"Rejected: {reason}"}).encode())

    async def _handle_init_error(self, http: HttpConnection) -> None:
        if self._served:
            await self._refuse(
                http, _INVALID_STATE, "a sandbox that has run an invocation cannot report an initialization error"
            )
        else:
            self.events.put_nowait(InitFailed(await _read_body(http)))
            await http.respond(202, b'{"status":"OK"}')

    async def _handle_next(self, client: _ClientConnection) -> None:
        async with self._report_lock:  # a response may still be arriving over another connection
            pass
        if self._current_request_id is not None:
            await self._refuse(
                client.http, _INVALID_STATE, "it polls for an invocation before responding to the last one"
            )
        elif client.is_disconnected:
            raise ConnectionResetError("the client has disconnected")
        elif self._polling_client is not None:
            await self._refuse(
                client.http, _INVALID_STATE, "it polls for an invocation while another connection is polling"
            )
        else:
            await self._send_invocation(client, *await self._wait_for_invocation(client))

    async def _wait_for_invocation(self, client: _ClientConnection) -> tuple[Delivery, int]:
        """Wait for the next invocation.

        Raises:
            ConnectionError: The client has disconnected; the invocation waits for the next poll.
        """
        this = asyncio.current_task()
        self._polling_client = client
        self._polling_tasks.add(this)
        try:
            while (next_delivery := self._next_delivery) is None:
                self._announce_ready()
                client.pending_poll = asyncio.get_running_loop().create_future()
                await client.pending_poll
        finally:
            self._polling_tasks.discard(this)
            self._polling_client = client.pending_poll = None
        if client.is_disconnected:
            raise ConnectionResetError("the client has disconnected")
        return next_delivery

    def _announce_ready(self) -> None:
        """Report `Ready` once per invocation, even if the client reconnects and polls again."""
        if not self._ready_announced:
            self._ready_announced = True
            self.events.put_nowait(Ready())

    async def _send_invocation(self, client: _ClientConnection, delivery: Delivery, deadline_ms: int) -> None:
        self._next_delivery, self._ready_announced = None, False
        self._current_request_id, self._served = delivery.request_id, True
        try:
            await client.http.respond(200, delivery.payload, invocation_headers(delivery, deadline_ms))
        except ConnectionError:
            # The client disconnected before it could read the invocation, so that nothing runs it: offer it again.
            self._next_delivery, self._current_request_id = (delivery, deadline_ms), None
            raise

    async def _receive_report(self, http: HttpConnection, kind: str) -> None:
        body = await _read_body(http)
        self._current_request_id = None
        # Reported even if it is too large: the sandbox decides what the caller gets.
        self.events.put_nowait(Returned(body) if kind == "response" else Raised(body))
        await asyncio.sleep(0)  # the caller first: its response is sent before the client's acknowledgement
        await (http.respond(202, b'{"status":"OK"}') if body.size <= MAX_RESPONSE else http.respond(413, b"{}"))

    async def _receive_stream(self, http: HttpConnection) -> None:
        async for chunk in http.body():
            self.events.put_nowait(Streaming(chunk))
        self._current_request_id = None
        self.events.put_nowait(Streamed(_parse_stream_error(http.trailers)))
        await http.respond(202, b'{"status":"OK"}')


def invocation_headers(delivery: Delivery, deadline_ms: int) -> dict[str, str]:
    """Build the headers with which an invocation is sent to the function."""
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


async def _read_body(http: HttpConnection) -> Body:
    """Read a body to its end, and keep at most the maximum size of a response."""
    content = bytearray()
    size = 0
    async for chunk in http.body():
        size += len(chunk)
        if size <= MAX_RESPONSE:
            content += chunk
    return Body(bytes(content), size)


def _parse_stream_error(trailers: Mapping[str, str]) -> bytes | None:
    if "lambda-runtime-function-error-type" not in trailers:
        return None
    # An error report that cannot be decoded is still an error, with an empty report.
    with suppress(binascii.Error):
        return base64.b64decode(trailers.get("lambda-runtime-function-error-body", ""))
    return b""
