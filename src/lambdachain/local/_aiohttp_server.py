"""Running aiohttp as the server of HTTP APIs: reading bodies with bounded memory, starting and stopping."""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self, TypeAlias

from aiohttp import web

from lambdachain._lambda_api.delivery import Body
from lambdachain._lambda_api.limits import MAX_HEADERS

from ._http1_server import SHUTDOWN_TIMEOUT, run_ready_callbacks

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONNECTION_OPTIONS: Final[dict[str, Any]] = {
    "access_log": None,
    "auto_decompress": False,
    "max_field_size": MAX_HEADERS,
    "max_line_size": MAX_HEADERS,
    "read_bufsize": 1 << 20,
}


async def read_body(request: web.BaseRequest, limit: int) -> Body:
    """Read a body to its end, and keep at most *limit* bytes; a client may read the response only then."""
    content = bytearray()
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size <= limit:
            content += chunk
    return Body(bytes(content), size)


async def start_server(runner: web.BaseRunner, listener: socket.socket) -> None:
    """Serve on *listener* until `stop_server`."""
    await runner.setup()
    await web.SockSite(runner, listener, backlog=1024).start()


class RequestTracker:
    """Keeps track of the requests in flight."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._tasks: set[asyncio.Task[Any]] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Handle a request."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request is handled in a task")
        self._tasks.add(task)
        try:
            return await self._handler(request)
        finally:
            self._tasks.discard(task)

    async def finish(self, seconds: float) -> None:
        """Wait up to *seconds* for the requests in flight, and cancel those that are left."""
        if tasks := set(self._tasks):
            _, pending = await asyncio.wait(tasks, timeout=seconds)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)


class AiohttpServer(ABC):
    """Serves every request on *listener* with ``_handle``, inside ``async with``."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        application = web.Application()
        self._in_flight = RequestTracker(self._handle)
        application.router.add_route("*", "/{path:.*}", self._in_flight.handle)
        self._runner = web.AppRunner(application, shutdown_timeout=SHUTDOWN_TIMEOUT, **CONNECTION_OPTIONS)

    @abstractmethod
    async def _handle(self, request: web.Request) -> web.StreamResponse:
        """Handle a request."""

    async def __aenter__(self) -> Self:
        await start_server(self._runner, self._listener)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await stop_server(self._runner, self._listener, self._in_flight)


async def stop_server(runner: web.AppRunner, listener: socket.socket, in_flight: RequestTracker) -> None:
    """Stop serving, and close every connection.

    The requests are finished or cancelled before aiohttp's own shutdown: if a request ends at the moment that aiohttp
    stops waiting for it, aiohttp raises ``InvalidStateError``.
    """
    # asyncio never closes a connection that it accepts while it closes the server: stop accepting first.
    asyncio.get_running_loop().remove_reader(listener.fileno())
    await run_ready_callbacks()
    server = runner.server
    if server is not None:
        server.pre_shutdown()  # stop reading requests
        await run_ready_callbacks()
    await in_flight.finish(SHUTDOWN_TIMEOUT)
    for connection in server.connections if server else ():
        if connection.transport is not None:
            connection.transport.abort()
    await asyncio.sleep(0)
    await runner.cleanup()
