"""Work that cannot be interrupted, such as finding credentials: done once for all who wait, each to its deadline.

botocore runs a credential process, or asks a server, for as long as that takes. Who has waited long enough goes on
without it; the work is done in a thread of its own, and whoever asks next finds its result, or joins it.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .process_copies import lock_for, register_fork_hooks

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


class SingleFlight:
    """Pieces of work under way, by what they are about: one of each at a time. Thread-safe, and safe to fork."""

    def __init__(self) -> None:
        self._lock = lock_for(self)
        self._flights: dict[object, Future[Any]] = {}
        _all.add(self)

    def run(self, key: object, work: Callable[[], T], deadline: float | None) -> T:
        """Return what *work* returns, or what it returns to another caller who has begun it.

        Without a *deadline*, by the monotonic clock, this thread does the work itself, so that whatever a signal raises
        meanwhile reaches nobody else; *work* has to bear being done twice at once.

        Raises:
            TimeoutError: It is not done by *deadline*; it goes on all the same.
        """
        if deadline is None:
            return work()
        flight = self.begin(key, work)
        if not _is_done(flight, max(deadline - time.monotonic(), 0.0)):
            raise TimeoutError("no time is left")
        return flight.result()

    def begin(self, key: object, work: Callable[[], T]) -> Future[T]:
        """Have *work* done in a thread, or join who does it already."""
        from concurrent.futures import Future

        with self._lock:
            under_way = self._flights.get(key)
            if under_way is not None:
                return under_way
            flight = self._flights[key] = Future[Any]()
        flight.set_running_or_notify_cancel()
        if not self._started(key, work, flight):
            self._fly(key, work, flight)
        return flight

    def forget(self) -> None:
        """Join nothing: in a forked process, nobody does what the parent's threads have begun."""
        self._flights = {}

    def _started(self, key: object, work: Callable[[], Any], flight: Future[Any]) -> bool:
        arguments = (self._fly, key, work, flight)
        thread = threading.Thread(
            target=copy_context().run, args=arguments, name="lambdachain-credentials", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads
            return False
        return True

    def _fly(self, key: object, work: Callable[[], Any], flight: Future[Any]) -> None:
        try:
            result = work()
        except BaseException as exc:  # noqa: BLE001 - it is raised again where the result is awaited
            self._land(key, flight)
            flight.set_exception(exc)
        else:
            self._land(key, flight)
            flight.set_result(result)

    def _land(self, key: object, flight: Future[Any]) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]


def _is_done(flight: Future[Any], timeout: float) -> bool:
    """Wait for *flight*; what it raises, a ``TimeoutError`` among that, is for its result to raise."""
    from concurrent.futures import wait

    return bool(wait([flight], timeout).done)


_all: Final[weakref.WeakSet[SingleFlight]] = weakref.WeakSet()


def _forget_all() -> None:
    for flights in list(_all):
        flights.forget()


register_fork_hooks(in_fork=_forget_all)
