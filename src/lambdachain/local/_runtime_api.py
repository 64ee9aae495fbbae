"""The Runtime API of one sandbox: what the runtime client asks and tells, as events.

Behaviour follows what ``awslambdaric`` 4.2.2 was seen to need. It wants a host and port of its own: a path in front of
the API breaks its report of failed imports. It crashes when an invocation comes without a request id or a content type,
and it sends headers of up to 1 MB with an error.
"""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import dataclass
from typing import Final, TypeAlias

from aiohttp import web

from lambdachain._service.delivery import Body, Delivery
from lambdachain._service.limits import MAX_RESPONSE

from ._http import CONNECTION_OPTIONS, SHUTDOWN_TIMEOUT, read_body, serve

_REPORT: Final = re.compile(r"/2018-06-01/runtime/invocation/([^/]+)/(response|error)")


@dataclass(frozen=True, slots=True)
class Ready:
    """The runtime asks for the next invocation."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The handler returned."""

    body: Body


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


RuntimeEvent: TypeAlias = Ready | Returned | Raised | InitFailed | Exited


class RuntimeApi:
    """A Runtime API on a port of its own."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[RuntimeEvent] = asyncio.Queue()
        self._mailbox: asyncio.Queue[tuple[Delivery, int] | None] = asyncio.Queue()
        self._working_on: str | None = None
        self._runner: web.ServerRunner | None = None

    async def open(self) -> str:
        """Begin to serve and give the address, ``host:port``."""
        listener = socket.create_server(("127.0.0.1", 0))
        server = web.Server(self._handle, **CONNECTION_OPTIONS)
        self._runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_TIMEOUT)
        await serve(self._runner, listener)
        return f"127.0.0.1:{listener.getsockname()[1]}"

    def deliver(self, delivery: Delivery, deadline_ms: int) -> None:
        """Hand the next invocation to the runtime, *deadline_ms* being milliseconds of the epoch."""
        self._mailbox.put_nowait((delivery, deadline_ms))

    async def close(self) -> None:
        """Stop serving, whoever is still waiting."""
        self._mailbox.put_nowait(None)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        if (request.method, request.path) == ("GET", "/2018-06-01/runtime/invocation/next"):
            return await self._next()
        if (request.method, request.path) == ("POST", "/2018-06-01/runtime/init/error"):
            self.events.put_nowait(InitFailed(await read_body(request, MAX_RESPONSE)))
            return _accepted()
        report = _REPORT.fullmatch(request.path) if request.method == "POST" else None
        if report is None:
            return web.json_response({"errorType": "NotFound"}, status=404)
        return await self._reported(request, *report.groups())

    async def _next(self) -> web.Response:
        self.events.put_nowait(Ready())
        mail = await self._mailbox.get()
        if mail is None:
            return web.Response(status=410)
        delivery, deadline_ms = mail
        self._working_on = delivery.request_id
        return web.Response(body=delivery.payload, headers=next_headers(delivery, deadline_ms))

    async def _reported(self, request: web.BaseRequest, request_id: str, kind: str) -> web.Response:
        body = await read_body(request, MAX_RESPONSE)
        if request_id != self._working_on:
            return web.json_response({"errorType": "InvalidRequestID"}, status=400)
        self._working_on = None
        self.events.put_nowait(Returned(body) if kind == "response" else Raised(body))
        return _accepted() if body.size <= MAX_RESPONSE else web.json_response({}, status=413)


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


def _accepted() -> web.Response:
    return web.json_response({"status": "OK"}, status=202)
