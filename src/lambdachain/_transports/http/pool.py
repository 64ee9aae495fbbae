"""Idle connections to one endpoint. The most recently used is taken first, so that old ones age and are closed.

No lock is held: both ends of a ``deque`` are thread-safe. The number of connections in use is not limited, because a
thread that has to wait for one is what makes fan-out slow; only the number of idle ones is. For a metric of connections
(opened, idle, reused), see ``get_idle`` and ``release``: every reuse goes through them.
"""

from __future__ import annotations

import weakref
from collections import deque
from functools import partial
from typing import Any, Final, Generic, TypeVar

from lambdachain._core.fork_hooks import register_fork_hooks

from .connection import BaseConnection, Connection, connect
from .endpoint import Endpoint
from .tls import TlsConfig

MAX_IDLE_CONNECTIONS: Final = 256

L = TypeVar("L", bound=BaseConnection)


class BasePool(Generic[L]):
    """Idle connections to *endpoint*, at most *limit*."""

    def __init__(self, endpoint: Endpoint, tls_config: TlsConfig, limit: int) -> None:
        self._endpoint = endpoint
        self._tls_config = tls_config
        self._limit = limit
        self._idle: deque[L] = deque()
        self._closed = False
        # A client that is dropped without being closed leaves no socket open.
        weakref.finalize(self, _close_all, self._idle)
        _pools.add(self)

    def get_idle(self, now: float) -> L | None:
        """Return an idle connection that is still usable at *now* by the wall clock; ``None`` without one."""
        idle = self._idle
        while idle:
            try:
                connection = idle.pop()
            except IndexError:  # another thread took it
                break
            if connection.is_usable(now):
                return connection
            connection.close()
        return None

    def release(self, connection: L) -> None:
        """Return a connection to the pool; if there are too many, the oldest is closed."""
        if self._tls_config.lacks_session:
            self._tls_config.remember(connection.session)
        self.keep(connection)

    def keep(self, connection: L) -> None:
        """Put in a connection without its TLS session, which is yet to come if the connection is new."""
        # Appended before the check: close() may run in another thread between the two, and would miss it otherwise.
        self._idle.append(connection)
        if self._closed:
            _close_all(self._idle)
        elif len(self._idle) > self._limit:
            self._idle.popleft().close()

    def close(self) -> None:
        """Close every idle connection, and each one in use when it is released."""
        self._closed = True
        _close_all(self._idle)

    def forget(self, *, forked: bool) -> None:
        """Drop what another process, or another sandbox, has a copy of."""
        if forked:
            while self._idle:
                self._idle.pop().abandon()
        _close_all(self._idle)
        self._tls_config.forget()


class Pool(BasePool[Connection]):
    """Connections that threads share."""

    def __init__(self, endpoint: Endpoint, tls_config: TlsConfig) -> None:
        super().__init__(endpoint, tls_config, MAX_IDLE_CONNECTIONS)

    def acquire(self, now: float, deadline: float) -> Connection:
        """Return a connection: an idle one, if it is still usable at *now* by the wall clock, or a new one.

        Raises:
            NoAnswerError: A new one could not be opened by *deadline*.
        """
        return self.get_idle(now) or connect(self._endpoint, self._tls_config, deadline)


_pools: Final[weakref.WeakSet[BasePool[Any]]] = weakref.WeakSet()


def _close_all(idle: deque[Any]) -> None:
    while idle:
        try:
            idle.pop().close()
        except IndexError:  # another thread took it
            return


def _forget_all(*, forked: bool = False) -> None:
    for pool in list(_pools):
        pool.forget(forked=forked)


# Every copy of the process that kept a connection would go on with the same TLS keys.
register_fork_hooks(in_fork=partial(_forget_all, forked=True), before_snapshot=_forget_all)
