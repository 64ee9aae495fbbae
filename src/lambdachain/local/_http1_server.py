"""A server of HTTP/1.1 connections: a task for each connection, stopped without cutting off what it can finish."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from typing import Final, Self

from ._http1_connection import HttpConnection
from ._http1_parser import ProtocolError, Request

_LOGGER: Final = logging.getLogger("lambdachain.local")
# Seconds for requests in flight to finish on shutdown. Not 0, which aiohttp takes as no limit.
SHUTDOWN_TIMEOUT: Final = 0.05


def http_date() -> str:
    """Return the time as a ``Date`` header has it: SDKs compare their clocks with it."""
    return _format_date(int(time.time()))


@lru_cache(maxsize=1)
def _format_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


class Http1Server(ABC):
    """Serves every request on *listener* with ``_handle``, inside ``async with``."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], HttpConnection] = {}
        self._in_flight: set[HttpConnection] = set()
        self._is_stopping = False

    @abstractmethod
    async def _handle(self, http: HttpConnection, request: Request) -> None:
        """Handle a request and send its response."""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: HttpConnection(self._accept), sock=self._listener, backlog=1024)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._is_stopping = True
        # asyncio never closes a connection that it accepts while it closes the server: stop accepting first.
        asyncio.get_running_loop().remove_reader(self._listener.fileno())
        await run_ready_callbacks()
        if self._server is not None:
            self._server.close()
        in_flight = {task for task, http in self._connections.items() if http in self._in_flight}
        for idle in self._connections.keys() - in_flight:
            idle.cancel()
        if in_flight:
            _, unfinished = await asyncio.wait(in_flight, timeout=SHUTDOWN_TIMEOUT)
            for task in unfinished:
                task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, http: HttpConnection) -> None:
        task = asyncio.create_task(self._serve(http))
        self._connections[task] = http
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        http = self._connections.pop(task)
        (http.abort if self._is_stopping else http.close)()
        if not task.cancelled() and (failure := task.exception()):
            _LOGGER.error("a request could not be handled", exc_info=failure)

    async def _serve(self, http: HttpConnection) -> None:
        with suppress(ConnectionError):
            try:
                while not self._is_stopping and (request := await http.next_request()) is not None:
                    self._in_flight.add(http)
                    try:
                        await self._handle(http, request)
                    finally:
                        self._in_flight.discard(http)
            except ProtocolError as exc:
                await http.respond(400, json.dumps({"message": str(exc)}).encode(), {"Connection": "close"})


async def run_ready_callbacks() -> None:
    """Wait until the event loop has run the callbacks that are ready, and those that they schedule."""
    for _ in range(3):
        await asyncio.sleep(0)
