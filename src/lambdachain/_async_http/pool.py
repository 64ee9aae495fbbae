"""The connections of one loop to one endpoint."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from lambdachain._http.endpoint import Endpoint
from lambdachain._http.pool import Kept
from lambdachain._http.tls import Trust

from .addresses import Addresses
from .connection import AsyncConnection, connect, in_time
from .watch import Watch

# Lambda allows a sandbox 1,024 files; a program may start more calls at once than it can open sockets for.
MAX_OPEN: Final = 800


class AsyncPool(Kept[AsyncConnection]):
    """Connections of the running loop: at most ``MAX_OPEN``; who finds none free waits, within its own deadline."""

    def __init__(self, endpoint: Endpoint, trust: Trust) -> None:
        super().__init__(endpoint, trust, MAX_OPEN)
        self._loop = asyncio.get_running_loop()
        self._watch = Watch(self._loop)
        self._addresses = Addresses(endpoint)
        self._room = MAX_OPEN
        self._queue: deque[asyncio.Future[None]] = deque()

    async def enter(self, deadline: float) -> None:
        """Wait until one more connection may be in use; ``leave`` makes room again."""
        place: asyncio.Future[None] = self._loop.create_future()
        self._queue.append(place)
        try:
            await in_time(deadline, lambda: place)
        except BaseException:
            if place.done() and not place.cancelled():
                self.leave()
            raise

    def enters_at_once(self) -> bool:
        """Do as ``enter``, where nobody has to wait for that."""
        if self._room <= 0:
            return False
        self._room -= 1
        return True

    def leave(self) -> None:
        """Make room for another call: for the one that has waited longest, if any does."""
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._room += 1

    async def opened(self, deadline: float) -> AsyncConnection:
        """Open a connection.

        Raises:
            NoAnswerError: There is none by *deadline*.
        """
        addresses = await self._addresses.current(deadline)
        sock = await connect(self._endpoint, self._trust, addresses, deadline)
        return AsyncConnection(sock, self._loop, self._watch)
