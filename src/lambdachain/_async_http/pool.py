"""The connections of one loop to one endpoint."""

from __future__ import annotations

import asyncio
from typing import Final

from lambdachain._http.endpoint import Endpoint
from lambdachain._http.pool import Kept
from lambdachain._http.tls import Trust

from .addresses import Addresses
from .connection import AsyncConnection, connect, in_time

# Lambda allows a sandbox 1,024 files; a program may start more calls at once than it can open sockets for.
MAX_OPEN: Final = 800


class AsyncPool(Kept[AsyncConnection]):
    """Connections of one loop: at most ``MAX_OPEN``; who finds none free waits, within its own deadline."""

    def __init__(self, endpoint: Endpoint, trust: Trust) -> None:
        super().__init__(endpoint, trust, MAX_OPEN)
        self._addresses = Addresses(endpoint)
        self._room = asyncio.Semaphore(MAX_OPEN)

    async def enter(self, deadline: float) -> None:
        """Wait until one more connection may be in use; ``leave`` makes room again."""
        if self._room.locked():
            await in_time(deadline, self._room.acquire)
        else:
            await self._room.acquire()  # at once

    def leave(self) -> None:
        """Make room for another call."""
        self._room.release()

    async def opened(self, deadline: float) -> AsyncConnection:
        """Open a connection.

        Raises:
            NoAnswerError: There is none by *deadline*.
        """
        addresses = await self._addresses.current(deadline)
        return await connect(self._endpoint, self._trust, addresses, deadline)
