"""The connections to one endpoint that wait for a request: the youngest is taken first, so that old ones die out.

No lock is held: the ends of a ``deque`` are safe between threads. There is no limit to how many connections are in use,
for a thread that has to wait for one is what makes fan-out slow; only how many are kept is limited.
"""

from __future__ import annotations

import weakref
from collections import deque
from functools import partial
from typing import Any, Final, Generic, TypeVar

from lambdachain._core.process_copies import register_fork_hooks

from .connection import BaseConnection, Connection, connect
from .endpoint import Endpoint
from .tls import TlsConfig

MAX_KEPT: Final = 256

L = TypeVar("L", bound=BaseConnection)


class BasePool(Generic[L]):
    """Connections to *endpoint* that wait for a request, *limit* of them at most."""

    def __init__(self, endpoint: Endpoint, tls_config: TlsConfig, limit: int) -> None:
        self._endpoint = endpoint
        self._tls_config = tls_config
        self._limit = limit
        self._idle: deque[L] = deque()
        self._closed = False
        # Who drops a client without closing it leaves no socket open.
        weakref.finalize(self, _close_all, self._idle)
        _pools.add(self)

    def usable(self, now: float) -> L | None:
        """Return a connection that waits and is still good at *now* by the wall clock, if there is one."""
        idle = self._idle
        while idle:
            try:
                connection = idle.pop()
            except IndexError:  # another thread was faster
                break
            if connection.is_usable(now):
                return connection
            connection.close()
        return None

    def release(self, connection: L) -> None:
        """Accept back a connection that is free again; where there are too many, the oldest is closed for it."""
        if self._tls_config.lacks_session:
            self._tls_config.remember(connection.session)
        self._idle.append(connection)
        if self._closed:
            _close_all(self._idle)
        elif len(self._idle) > self._limit:
            self._idle.popleft().close()

    def close(self) -> None:
        """Close every connection that waits, and each in use when it comes back."""
        self._closed = True
        _close_all(self._idle)

    def forget(self, *, forked: bool) -> None:
        """Let go of what another process, or another sandbox, has as well."""
        if forked:
            while self._idle:
                self._idle.pop().abandon()
        _close_all(self._idle)
        self._tls_config.forget()


class Pool(BasePool[Connection]):
    """Connections that threads share."""

    def __init__(self, endpoint: Endpoint, tls_config: TlsConfig) -> None:
        super().__init__(endpoint, tls_config, MAX_KEPT)

    def take(self, now: float, deadline: float) -> Connection:
        """Return a connection: one that waits, if it is still good at *now* by the wall clock, or a new one.

        Raises:
            NoAnswerError: There is none by *deadline*.
        """
        return self.usable(now) or connect(self._endpoint, self._tls_config, deadline)


_pools: Final[weakref.WeakSet[BasePool[Any]]] = weakref.WeakSet()


def _close_all(idle: deque[Any]) -> None:
    while idle:
        try:
            idle.pop().close()
        except IndexError:  # another thread was faster
            return


def _forget_all(*, forked: bool = False) -> None:
    for pool in list(_pools):
        pool.forget(forked=forked)


# Every copy that kept a connection would go on with the same TLS keys.
register_fork_hooks(in_fork=partial(_forget_all, forked=True), before_snapshot=_forget_all)
