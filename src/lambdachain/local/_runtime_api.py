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
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from lambdachain._lambda_api.delivery import Body, Delivery
from lambdachain._lambda_api.limits import MAX_RESPONSE

from ._connection_owner import is_owned_by, is_supported
from ._http1_connection import HttpConnection
from ._http1_parser import ProtocolError, Request

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


class _ClientConnection:
    """A connection to the Runtime API, and the process that made it."""

    def __init__(self, http: HttpConnection) -> None:
        self.http = http
        self.pending_poll: asyncio.Future[None] | None = None
        self._belongs: bool | None = None
        # Nothing reads while a client polls, and a poll of a client that has gone must take no invocation.
        http.on_disconnect = self._fail_poll

    def belongs_to(self, root: int) -> bool | None:
        """Check whether a process of the sandbox made the connection; ``None`` if the system does not report it."""
        if self._belongs is None and is_supported():
            self._belongs = is_owned_by(root, *self.http.addresses)
        return self._belongs

    def end_poll(self) -> None:
        """End the poll: it has its response."""
        if self.pending_poll is not None and not self.pending_poll.done():
            self.pending_poll.set_result(None)

    def _fail_poll(self) -> None:
        if self.pending_poll is not None and not self.pending_poll.done():
            self.pending_poll.set_exception(ConnectionResetError("the client has disconnected"))


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
        self._server = await loop.create_server(lambda: HttpConnection(self._accept), "127.0.0.1", 0, backlog=16)
        address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return address + self._prefix if with_path else address

    def serve_process(self, root: int) -> None:
        """Serve process *root* and its descendants; until this is called, requests wait."""
        self._root = root
        self._has_root.set()

    async def deliver(self, delivery: Delivery, deadline_ms: int) -> None:
        """Send the next invocation to the runtime client; *deadline_ms* is in milliseconds since the epoch."""
        self._next_delivery = next_delivery = delivery, deadline_ms
        client = self._polling_client
        # Otherwise it waits for the next poll: the client that was polling has gone, or has sent it back.
        if client is not None and not client.http.is_disconnected:
            with suppress(ConnectionError):
                await self._send_invocation(client, next_delivery)

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

    def _accept(self, http: HttpConnection) -> None:
        task = asyncio.create_task(self._serve(_ClientConnection(http)))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, client: _ClientConnection) -> None:
        try:
            # A killed process may stop in the middle of a request.
            with suppress(ProtocolError, ConnectionError):
                while (request := await client.http.next_request()) is not None:
                    path = await self._authorized_path(client, request.target)
                    if path is None:
                        await self._refuse(client.http, "Forbidden", "it comes from a process outside the sandbox")
                        break
                    await self._handle(client, request._replace(target=path))
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
        method, path, http = request.method, request.target, client.http
        # Every branch reads the body: the next request of the connection starts behind it.
        report = _REPORT.fullmatch(path) if method == "POST" else None
        if (method, path) == ("GET", _NEXT):
            await http.read_body(MAX_RESPONSE)
            await self._handle_next(client)
        elif (method, path) == ("POST", _INIT_ERROR):
            await self._handle_init_error(http)
        elif report is None:
            await http.read_body(MAX_RESPONSE)
            await http.respond(404, b'{"errorType":"NotFound"}')
        # A report for an earlier invocation, or a second one for this.
        elif report[1] != self._current_request_id:
            await http.read_body(MAX_RESPONSE)
            await http.respond(400, b'{"errorType":"InvalidRequestID"}')
        elif self._report_lock.locked():
            await self._refuse(http, _INVALID_STATE, "the invocation already has a response in progress")
        else:
            async with self._report_lock:
                is_stream = request.headers.get("lambda-runtime-function-response-mode", "").lower() == "streaming"
                await (self._receive_stream(http) if is_stream else self._receive_report(http, report[2]))

    async def _refuse(self, http: HttpConnection, error_type: str, reason: str) -> None:
        _LOGGER.warning("rejected a request to the Runtime API of %s: %s", self._name, reason)
        await http.read_body(MAX_RESPONSE)
        await http.respond(403, json.dumps({"errorType": error_type, "errorMessage": f"Rejected: {reason}"}).encode())

    async def _handle_init_error(self, http: HttpConnection) -> None:
        if self._served:
            await self._refuse(
                http, _INVALID_STATE, "a sandbox that has run an invocation cannot report an initialization error"
            )
        else:
            self.events.put_nowait(InitFailed(await http.read_body(MAX_RESPONSE)))
            await http.respond(202, b'{"status":"OK"}')

    async def _handle_next(self, client: _ClientConnection) -> None:
        async with self._report_lock:  # a response may still be arriving over another connection
            pass
        if self._current_request_id is not None:
            await self._refuse(
                client.http, _INVALID_STATE, "it polls for an invocation before responding to the last one"
            )
        elif client.http.is_disconnected:
            raise ConnectionResetError("the client has disconnected")
        elif self._polling_client is not None:
            await self._refuse(
                client.http, _INVALID_STATE, "it polls for an invocation while another connection is polling"
            )
        elif self._next_delivery is not None:
            await self._send_invocation(client, self._next_delivery)
        else:
            await self._wait_for_delivery(client)

    async def _wait_for_delivery(self, client: _ClientConnection) -> None:
        """Report that the client polls, and wait until `deliver` has sent it an invocation.

        Raises:
            ConnectionError: The client has disconnected; the invocation waits for the next poll.
        """
        this = asyncio.current_task()
        self._polling_client = client
        self._polling_tasks.add(this)
        client.pending_poll = asyncio.get_running_loop().create_future()
        self._announce_ready()
        try:
            await client.pending_poll
        finally:
            self._polling_tasks.discard(this)
            if self._polling_client is client:
                self._polling_client = None

    def _announce_ready(self) -> None:
        """Report `Ready` once per invocation, even if the client reconnects and polls again."""
        if not self._ready_announced:
            self._ready_announced = True
            self.events.put_nowait(Ready())

    async def _send_invocation(self, client: _ClientConnection, next_delivery: tuple[Delivery, int]) -> None:
        delivery, deadline_ms = next_delivery
        self._next_delivery, self._polling_client, self._ready_announced = None, None, False
        self._current_request_id, self._served = delivery.request_id, True
        try:
            await client.http.respond(200, delivery.payload, invocation_headers(delivery, deadline_ms))
        except ConnectionError:
            # The client disconnected before it could read the invocation, so that nothing runs it: offer it again.
            self._next_delivery, self._current_request_id = next_delivery, None
            raise
        client.end_poll()

    async def _receive_report(self, http: HttpConnection, kind: str) -> None:
        body = await http.read_body(MAX_RESPONSE)
        self._current_request_id = None
        # Reported even if it is too large: the sandbox decides what the caller gets.
        self.events.put_nowait(Returned(body) if kind == "response" else Raised(body))
        await asyncio.sleep(0)  # the caller first: its response is sent before the client's acknowledgement
        await (http.respond(202, b'{"status":"OK"}') if body.size <= MAX_RESPONSE else http.respond(413, b"{}"))

    async def _receive_stream(self, http: HttpConnection) -> None:
        while (chunk := await http.next_piece()) is not None:
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


def _parse_stream_error(trailers: Mapping[str, str]) -> bytes | None:
    if "lambda-runtime-function-error-type" not in trailers:
        return None
    # An error report that cannot be decoded is still an error, with an empty report.
    with suppress(binascii.Error):
        return base64.b64decode(trailers.get("lambda-runtime-function-error-body", ""))
    return b""
