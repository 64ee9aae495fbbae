"""DNS for an event loop: resolve a host in a thread, once for all connections that are opened together."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from typing import Any, Final

from .async_connection import Address, in_time
from .connection import no_connection
from .endpoint import Endpoint

# Lambda's addresses change; but a thousand connections that are opened together need one lookup.
_GOOD_FOR: Final = 5.0


class Addresses:
    """The resolved addresses of *endpoint*, for one loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._asked: asyncio.Future[Any] | None = None
        self._until = 0.0

    async def current(self, deadline: float) -> Sequence[Address]:
        """Return the addresses.

        Raises:
            NoAnswerError: The host has none, or they were not resolved by *deadline*.
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
    # As bytes, the name bypasses the codec for international names, which takes long to import.
    return socket.getaddrinfo(endpoint.host.encode(), endpoint.port, type=socket.SOCK_STREAM)


def _seen(asked: asyncio.Future[Any]) -> None:
    """Retrieve the exception: asyncio would log it if nobody awaits the lookup any more."""
    if not asked.cancelled():
        asked.exception()
