"""The Runtime API of one sandbox: what the runtime client asks and tells, as events.

Behaviour follows what ``awslambdaric`` 4.2.2 and npm's ``aws-lambda-ric`` 3.3.0 were seen to need. Both want a host and
port: a path behind them breaks the first one's report of failed imports, which `python/bootstrap.py` mends, and the
second one leaves it out of its streams. The first crashes when an invocation comes without a request id or a content
type, and it sends headers of up to 1 MB with an error. The second streams its response in chunks, and tells an error
amid them in trailers.
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

# A dead process's connections end at once, unless a child of it holds them.
_DRAIN_TIMEOUT: Final = 0.5

_NEXT: Final = "/2018-06-01/runtime/invocation/next"
_INIT_ERROR: Final = "/2018-06-01/runtime/init/error"
# What Lambda calls a request that does not fit the state of the runtime.
_INVALID_STATE: Final = "InvalidStateTransition"
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


class _Protocol(asyncio.StreamReaderProtocol):
    """The streams' protocol, which tells at once that a client has left: nobody reads while it waits for work."""

    def __init__(self, accepted: Callable[[_ClientConnection], None]) -> None:
        self.client: _ClientConnection | None = None
        self._accepted = accepted
        super().__init__(asyncio.StreamReader(limit=MAX_HEADERS), self._connected)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        addresses: tuple[Address, Address] = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        self.client = _ClientConnection(HttpConnection(reader, writer), addresses)
        self._accepted(self.client)

    def eof_received(self) -> bool | None:
        if self.client is not None:
            self.client.disconnect()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client is not None:
            self.client.disconnect()
        super().connection_lost(exc)


class _ClientConnection:
    """Who is at the other end of a connection."""

    def __init__(self, http: HttpConnection, addresses: tuple[Address, Address]) -> None:
        self.http = http
        self.pending_poll: asyncio.Future[None] | None = None
        self.is_disconnected = False
        self._addresses = addresses
        self._belongs: bool | None = None

    def disconnect(self) -> None:
        """Wake whoever waits on this client's behalf."""
        self.is_disconnected = True
        if self.pending_poll is not None and not self.pending_poll.done():
            self.pending_poll.set_exception(ConnectionResetError("the client has left"))

    def belongs_to(self, root: int) -> bool | None:
        """Check whether a process of the sandbox has made the connection; ``None`` where the system does not say."""
        if self._belongs is None and is_supported():
            self._belongs = is_owned_by(root, *self._addresses)
        return self._belongs


class RuntimeApi:
    """A Runtime API on a port of its own, for the processes of one sandbox of the function *name*.

    Everybody on the machine reaches the port. So a request is refused if the system says that another process has made
    its connection. Where it does not say, the request's path has to begin with a secret, which the address has.
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
        self._waiting_for_work: set[asyncio.Task[None] | None] = set()

    async def open(self, *, with_path: bool) -> str:
        """Begin to serve and return the address: ``host:port/secret``, or ``host:port`` for who takes no path."""
        self._needs_secret = with_path or is_supported()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Protocol(self._accept), "127.0.0.1", 0, backlog=16)
        address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return address + self._prefix if with_path else address

    def serve_process(self, root: int) -> None:
        """Serve process *root*, and those that it starts; until this is called, nobody."""
        self._root = root
        self._has_root.set()

    def deliver(self, delivery: Delivery, deadline_ms: int) -> None:
        """Hand the next invocation to the runtime, *deadline_ms* being milliseconds of the epoch."""
        self._next_delivery = delivery, deadline_ms
        if (
            self._polling_client is not None
            and self._polling_client.pending_poll is not None
            and not self._polling_client.pending_poll.done()
        ):
            self._polling_client.pending_poll.set_result(None)

    async def drain(self) -> None:
        """Read what a process that has ended has still said, for it may have been faster than its reader."""
        active = self._connections - self._waiting_for_work
        if active:
            await asyncio.wait(active, timeout=_DRAIN_TIMEOUT)

    async def close(self) -> None:
        """Stop serving, whoever is still waiting."""
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
            # A process that is killed breaks off in the middle of whatever it says.
            with suppress(ProtocolError, ConnectionError):
                while (request := await client.http.next_request()) is not None:
                    path = await self._authorized_path(client, request.path)
                    if path is None:
                        await self._refuse(client.http, "Forbidden", "it comes from outside the sandbox")
                        break
                    await self._handle(client, request._replace(path=path))
        finally:
            client.http.close()

    async def _authorized_path(self, client: _ClientConnection, path: str) -> str | None:
        """Return the path that a request of the sandbox's is for; ``None`` for anybody else's."""
        await self._has_root.wait()
        start, prefix = path[: len(self._prefix)].encode("latin-1"), self._prefix.encode()
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
        report = _REPORT.fullmatch(path) if method == "POST" else None
        if (method, path) == ("GET", _NEXT):
            await _read_body(http)
            await self._handle_next(client)
        elif (method, path) == ("POST", _INIT_ERROR):
            await self._handle_init_error(http)
        elif report is None:
            await _read_body(http)
            await http.respond(404, b'{"errorType":"NotFound"}')
        elif report[1] != self._current_request_id:
            await _read_body(http)
            await http.respond(400, b'{"errorType":"InvalidRequestID"}')
        elif self._report_lock.locked():
            await self._refuse(http, _INVALID_STATE, "the invocation is being answered already")
        else:
            async with self._report_lock:
                is_stream = headers.get("lambda-runtime-function-response-mode", "").lower() == "streaming"
                await (self._receive_stream(http) if is_stream else self._receive_report(http, report[2]))

    async def _refuse(self, http: HttpConnection, error_type: str, reason: str) -> None:
        _LOGGER.warning("refused a request to the Runtime API of %s, and nothing came of it: %s", self._name, reason)
        await _read_body(http)
        await http.respond(403, json.dumps({"errorType": error_type, "errorMessage": f"Refused: {reason}"}).encode())

    async def _handle_init_error(self, http: HttpConnection) -> None:
        if self._served:
            await self._refuse(http, _INVALID_STATE, "a handler that has served cannot fail to load")
        else:
            self.events.put_nowait(InitFailed(await _read_body(http)))
            await http.respond(202, b'{"status":"OK"}')

    async def _handle_next(self, client: _ClientConnection) -> None:
        async with self._report_lock:  # an answer may come over another connection, and be read still
            pass
        if self._current_request_id is not None:
            await self._refuse(client.http, _INVALID_STATE, "it asks for work before the last has been answered")
        elif client.is_disconnected:
            raise ConnectionResetError("the client has left")
        elif self._polling_client is not None:
            await self._refuse(client.http, _INVALID_STATE, "it asks for work while the runtime does already")
        else:
            await self._send_invocation(client, *await self._wait_for_invocation(client))

    async def _wait_for_invocation(self, client: _ClientConnection) -> tuple[Delivery, int]:
        """Wait for the next invocation.

        Raises:
            ConnectionError: The client has left; the invocation waits for who asks next.
        """
        this = asyncio.current_task()
        self._polling_client = client
        self._waiting_for_work.add(this)
        try:
            while (next_delivery := self._next_delivery) is None:
                self._announce_ready()
                client.pending_poll = asyncio.get_running_loop().create_future()
                await client.pending_poll
        finally:
            self._waiting_for_work.discard(this)
            self._polling_client = client.pending_poll = None
        if client.is_disconnected:
            raise ConnectionResetError("the client has left")
        return next_delivery

    def _announce_ready(self) -> None:
        """Report once for each invocation that the runtime is ready, however often it asks."""
        if not self._ready_announced:
            self._ready_announced = True
            self.events.put_nowait(Ready())

    async def _send_invocation(self, client: _ClientConnection, delivery: Delivery, deadline_ms: int) -> None:
        self._next_delivery, self._ready_announced = None, False
        self._current_request_id, self._served = delivery.request_id, True
        try:
            await client.http.respond(200, delivery.payload, invocation_headers(delivery, deadline_ms))
        except ConnectionError:
            # It has left before it could read this: nobody works on it.
            self._next_delivery, self._current_request_id = (delivery, deadline_ms), None
            raise

    async def _receive_report(self, http: HttpConnection, kind: str) -> None:
        body = await _read_body(http)
        self._current_request_id = None
        self.events.put_nowait(Returned(body) if kind == "response" else Raised(body))
        await asyncio.sleep(0)  # the caller comes first: its answer goes out before the client's receipt
        await (http.respond(202, b'{"status":"OK"}') if body.size <= MAX_RESPONSE else http.respond(413, b"{}"))

    async def _receive_stream(self, http: HttpConnection) -> None:
        async for chunk in http.body():
            self.events.put_nowait(Streaming(chunk))
        self._current_request_id = None
        self.events.put_nowait(Streamed(_parse_stream_error(http.trailers)))
        await http.respond(202, b'{"status":"OK"}')


def invocation_headers(delivery: Delivery, deadline_ms: int) -> dict[str, str]:
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


async def _read_body(http: HttpConnection) -> Body:
    """Read a body to its end, and keep no more of it than a response may have."""
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
    with suppress(binascii.Error):
        return base64.b64decode(trailers.get("lambda-runtime-function-error-body", ""))
    return b""
