"""DNS for an event loop: resolve a host in a thread, once for all connections that are opened together."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from typing import Any, Final

from .async_connection import Address, within_deadline
from .connection import connect_error
from .endpoint import Endpoint

# Lambda's addresses change; but a thousand connections that are opened together need one lookup.
_CACHE_SECONDS: Final = 5.0


class Addresses:
    """The resolved addresses of *endpoint*, for one loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._lookup: asyncio.Future[Any] | None = None
        self._expires = 0.0

    async def current(self, deadline: float) -> Sequence[Address]:
        """Return the addresses.

        Raises:
            NoAnswerError: The host has none, or they were not resolved by *deadline*.
        """
        lookup = self._lookup
        if lookup is None or (lookup.done() and (time.monotonic() >= self._expires or lookup.exception() is not None)):
            lookup = self._lookup = self._start_lookup()
        if not lookup.done():
            await within_deadline(deadline, lambda: asyncio.wait([lookup]))
        failure = lookup.exception()
        if isinstance(failure, Exception):
            raise connect_error(failure, deadline, self._endpoint) from failure
        found: Sequence[Address] = lookup.result()
        return found

    def _start_lookup(self) -> asyncio.Future[Any]:
        lookup = asyncio.get_running_loop().run_in_executor(None, _resolve, self._endpoint)
        lookup.add_done_callback(_retrieve_exception)
        self._expires = time.monotonic() + _CACHE_SECONDS
        return lookup


def _resolve(endpoint: Endpoint) -> Sequence[Address]:
    # As bytes, the name bypasses the codec for international names, which takes long to import.
    return socket.getaddrinfo(endpoint.host.encode(), endpoint.port, type=socket.SOCK_STREAM)


def _retrieve_exception(lookup: asyncio.Future[Any]) -> None:
    """Retrieve the exception: asyncio would log it if nobody awaits the lookup any more."""
    if not lookup.cancelled():
        lookup.exception()
