"""The connections of one event loop to one endpoint, with a limit on how many are open and how many are opening."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from lambdachain._transports.socket_options import CONNECT_TIMEOUT

from .async_connection import AsyncConnection, connect, within_deadline
from .async_deadline_timer import AsyncDeadlineTimer
from .async_dns import Addresses
from .endpoint import Endpoint
from .pool import BasePool
from .tls import TlsConfig


def _find_max_open() -> int:
    """Return how many connections a loop may have open: of the files that the process may open, four fifths.

    Lambda allows a sandbox 1,024, and so 800 connections. A program may start more calls than it can open sockets for.
    """
    try:
        import resource
    except ImportError:  # Windows does not count sockets
        return _MOST_CONNECTIONS
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if allowed < 0 else min(_MOST_CONNECTIONS, allowed * 25 // 32)


# More calls in flight are no faster: one loop can send no more.
_MOST_CONNECTIONS: Final = 2000
MAX_OPEN_CONNECTIONS: Final = _find_max_open()

# Handshakes are CPU work, and more of them at a time finish no sooner. So at most this many at a time, plus as many as
# start at this rate while the network round trips of one last.
MAX_OPENING: Final = 8
MAX_OPENINGS_PER_SECOND: Final = 2000

_Waiters: TypeAlias = "deque[asyncio.Future[None]]"


class AsyncPool(BasePool[AsyncConnection]):
    """Connections of the running loop, at most ``MAX_OPEN_CONNECTIONS``: further calls wait until their deadline."""

    def __init__(self, endpoint: Endpoint, tls_config: TlsConfig) -> None:
        super().__init__(endpoint, tls_config, MAX_OPEN_CONNECTIONS)
        self._loop = asyncio.get_running_loop()
        self._timer = AsyncDeadlineTimer(self._loop)
        self._addresses = Addresses(endpoint)
        self._free_slots = MAX_OPEN_CONNECTIONS
        self._opening = 0
        self._fastest_connect = CONNECT_TIMEOUT
        self._connection_waiters: _Waiters = deque()
        self._slot_waiters: _Waiters = deque()

    async def acquire_slot(self, deadline: float) -> None:
        """Wait until one more connection may be in use; ``release_slot`` ends that."""
        await self._wait_in_line(self._slot_waiters, deadline, self.release_slot)

    def try_acquire_slot(self) -> bool:
        """Acquire a slot if that needs no waiting, and return whether it did; see ``acquire_slot``."""
        if self._free_slots <= 0:
            return False
        self._free_slots -= 1
        return True

    def release_slot(self) -> None:
        """Release a slot: to the call that has waited longest, if any."""
        self._wake()
        if not _wake_first(self._slot_waiters):
            self._free_slots += 1

    async def acquire(self, now: float, deadline: float) -> AsyncConnection:
        """Return a connection: an idle one, if it is still usable at *now* by the wall clock, or a new one.

        While many are being opened, it waits: usually one that is in use is released sooner than a new one is open.

        Raises:
            NoAnswerError: It timed out, or opening one failed.
        """
        while (connection := self.get_idle(now)) is None:
            if self._opening < MAX_OPENING + MAX_OPENINGS_PER_SECOND * self._fastest_connect:
                return await self._open(deadline)
            await self._wait_for_change(deadline)
        return connection

    async def _open(self, deadline: float) -> AsyncConnection:
        self._opening += 1
        try:
            addresses = await self._addresses.current(deadline)
            began = time.monotonic()
            sock = await connect(self._endpoint, self._tls_config, addresses, deadline)
            self._fastest_connect = min(self._fastest_connect, time.monotonic() - began)
        finally:
            self._opening -= 1
            self._wake()
        return AsyncConnection(sock, self._loop, self._timer)

    async def _wait_for_change(self, deadline: float) -> None:
        """Wait until a connection is idle, or a new one may be opened."""
        await self._wait_in_line(self._connection_waiters, deadline, self._wake)

    def _wake(self) -> None:
        """Wake the call that has waited longest, to look again."""
        _wake_first(self._connection_waiters)

    async def _wait_in_line(self, waiters: _Waiters, deadline: float, pass_on: Callable[[], None]) -> None:
        """Wait to be woken; if that call is cancelled just then, *pass_on* wakes the next one."""
        waiter: asyncio.Future[None] = self._loop.create_future()
        waiters.append(waiter)
        try:
            await within_deadline(deadline, lambda: waiter)
        except BaseException:
            # Woken and cancelled in the same turn of the loop: without this, the slot would be lost for good.
            if waiter.done() and not waiter.cancelled():
                pass_on()
            raise


def _wake_first(waiters: _Waiters) -> bool:
    """Wake the first of *waiters* that still waits; return whether there was one."""
    while waiters:
        waiter = waiters.popleft()
        if not waiter.done():
            waiter.set_result(None)
            return True
    return False
