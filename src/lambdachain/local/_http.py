"""The HTTP server of Lambda's API: bodies read to their end with bounded memory, and a listener's life."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

from aiohttp import web

from lambdachain._service.delivery import Body
from lambdachain._service.limits import MAX_HEADERS

# aiohttp reads 0 as "for ever".
SHUTDOWN_TIMEOUT: Final = 0.05

CONNECTION_OPTIONS: Final[dict[str, Any]] = {
    "access_log": None,
    "auto_decompress": False,
    "max_field_size": MAX_HEADERS,
    "max_line_size": MAX_HEADERS,
    "read_bufsize": 1 << 20,
}


async def read_body(request: web.BaseRequest, limit: int) -> Body:
    """Read a body to its end, so that the client gets to read the answer, and keep no more than *limit* bytes of it."""
    content = bytearray()
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size <= limit:
            content += chunk
    return Body(bytes(content), size)


async def serve(runner: web.BaseRunner, listener: socket.socket) -> None:
    """Serve on *listener* until `stop`."""
    await runner.setup()
    await web.SockSite(runner, listener, backlog=1024).start()


async def stop(runner: web.BaseRunner, listener: socket.socket) -> None:
    """Stop serving: whoever is connected loses the connection."""
    # A connection that is accepted while asyncio closes the server is never closed: accept no more, then close.
    asyncio.get_running_loop().remove_reader(listener.fileno())
    for _ in range(3):
        await asyncio.sleep(0)
    await runner.cleanup()
