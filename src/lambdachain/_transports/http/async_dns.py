"""The addresses of a host, asked for in a thread and once for all connections that are opened together."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from typing import Any, Final

from .async_connection import Address, in_time
from .connection import no_connection
from .endpoint import Endpoint

# Lambda's endpoints move; but a thousand connections that are opened at once need one answer.
_GOOD_FOR: Final = 5.0


class Addresses:
    """The addresses of *endpoint*, for one loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._asked: asyncio.Future[Any] | None = None
        self._until = 0.0

    async def current(self, deadline: float) -> Sequence[Address]:
        """Return them.

        Raises:
            NoAnswerError: The host has none, or nobody said which by *deadline*.
        """
        asked = self._asked
        if asked is None or (asked.done() and (time.monotonic() >= self._until or asked.exception() is not None)):
            asked = self._asked = self._ask()
        if not asked.done():
            await in_time(deadline, lambda: asyncio.wait([asked]))
        failure = asked.exception()
        if isinstance(failure, Exception):
            raise no_connection(failure, deadline) from failure
        found: Sequence[Address] = asked.result()
        return found

    def _ask(self) -> asyncio.Future[Any]:
        asked = asyncio.get_running_loop().run_in_executor(None, _look_up, self._endpoint)
        asked.add_done_callback(_seen)
        self._until = time.monotonic() + _GOOD_FOR
        return asked


def _look_up(endpoint: Endpoint) -> Sequence[Address]:
    # As bytes, a name is not put through the codec for international ones, which takes long to import.
    return socket.getaddrinfo(endpoint.host.encode(), endpoint.port, type=socket.SOCK_STREAM)


def _seen(asked: asyncio.Future[Any]) -> None:
    """Record a failure that nobody waits for any more."""
    if not asked.cancelled():
        asked.exception()
