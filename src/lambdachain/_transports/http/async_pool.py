"""The connections of one event loop to one endpoint, with a limit on how many are open and how many are opening."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from lambdachain._transports.socket_options import CONNECT_TIMEOUT

from .async_connection import AsyncConnection, connect, in_time
from .async_deadline_timer import Watch
from .async_dns import Addresses
from .endpoint import Endpoint
from .pool import BasePool
from .tls import TlsConfig

# Lambda allows a sandbox 1,024 file descriptors; a program may start more calls than it can open sockets for.
MAX_OPEN: Final = 800

# Handshakes are CPU work, and more of them at a time finish no sooner. So at most this many at a time, plus as many as
# start at this rate while the network round trips of one last.
OPENING_AT_ONCE: Final = 8
OPENINGS_A_SECOND: Final = 2000

_Line: TypeAlias = "deque[asyncio.Future[None]]"


class AsyncPool(BasePool[AsyncConnection]):
    """Connections of the running loop, at most ``MAX_OPEN``; a call without one waits in line until its deadline."""

    def __init__(self, endpoint: Endpoint, tls_config: TlsConfig) -> None:
        super().__init__(endpoint, tls_config, MAX_OPEN)
        self._loop = asyncio.get_running_loop()
        self._watch = Watch(self._loop)
        self._addresses = Addresses(endpoint)
        self._room = MAX_OPEN
        self._opening = 0
        self._quickest = CONNECT_TIMEOUT
        self._wanting: _Line = deque()
        self._queue: _Line = deque()

    async def enter(self, deadline: float) -> None:
        """Wait until one more connection may be in use; ``leave`` gives the place up again."""
        await self._in_line(self._queue, deadline, self.leave)

    def enters_at_once(self) -> bool:
        """Take a place without waiting, if one is free; the same as ``enter`` otherwise."""
        if self._room <= 0:
            return False
        self._room -= 1
        return True

    def leave(self) -> None:
        """Give a place up: to the call that has waited longest, if any."""
        self._wake()
        if not _called_up(self._queue):
            self._room += 1

    async def take(self, now: float, deadline: float) -> AsyncConnection:
        """Return a connection: an idle one, if it is still usable at *now* by the wall clock, or a new one.

        While many are being opened, it waits: usually one that is in use is released sooner than a new one is open.

        Raises:
            NoAnswerError: There was none by *deadline*.
        """
        while (connection := self.usable(now)) is None:
            if self._opening < OPENING_AT_ONCE + OPENINGS_A_SECOND * self._quickest:
                return await self._opened(deadline)
            await self._change(deadline)
        return connection

    async def _opened(self, deadline: float) -> AsyncConnection:
        self._opening += 1
        try:
            addresses = await self._addresses.current(deadline)
            began = time.monotonic()
            sock = await connect(self._endpoint, self._tls_config, addresses, deadline)
            self._quickest = min(self._quickest, time.monotonic() - began)
        finally:
            self._opening -= 1
            self._wake()
        return AsyncConnection(sock, self._loop, self._watch)

    async def _change(self, deadline: float) -> None:
        """Wait until a connection is idle, or a new one may be opened."""
        await self._in_line(self._wanting, deadline, self._wake)

    def _wake(self) -> None:
        """Wake the call that has waited longest, to look again."""
        _called_up(self._wanting)

    async def _in_line(self, line: _Line, deadline: float, pass_on: Callable[[], None]) -> None:
        """Wait in *line* to be woken; if it is cancelled after that, the next one is woken in its place."""
        turn: asyncio.Future[None] = self._loop.create_future()
        line.append(turn)
        try:
            await in_time(deadline, lambda: turn)
            # Woken and cancelled in the same turn of the loop: without this, the place would be lost for good.
        except BaseException:
            if turn.done() and not turn.cancelled():
                pass_on()
            raise


def _called_up(line: _Line) -> bool:
    """Wake the first in *line* that still waits; return whether there was one."""
    while line:
        turn = line.popleft()
        if not turn.done():
            turn.set_result(None)
            return True
    return False
