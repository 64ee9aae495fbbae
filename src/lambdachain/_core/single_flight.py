"""Single flight: run work that cannot be interrupted, such as fetching credentials, once for all that wait for it.

botocore runs a credential process, or sends a request, for as long as that takes. The work runs in a thread of its own:
a caller stops waiting at its deadline, and the next caller joins the work, or finds its result.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .fork_hooks import lock_for, register_fork_hooks

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


class SingleFlight:
    """Runs work by key, each key once at a time. Thread-safe, and safe to fork."""

    def __init__(self) -> None:
        self._lock = lock_for(self)
        self._flights: dict[object, Future[Any]] = {}
        _all.add(self)

    def run(self, key: object, work: Callable[[], T], deadline: float | None) -> T:
        """Return the result of *work*, or of the same work that another caller has started.

        Without a *deadline*, by the monotonic clock, this thread does the work itself, so that an exception of a signal
        handler reaches no other caller; *work* must tolerate running twice at a time.

        Raises:
            TimeoutError: It was not done by *deadline*; it continues to run.
        """
        if deadline is None:
            return work()
        flight = self.begin(key, work)
        if not _wait_for(flight, max(deadline - time.monotonic(), 0.0)):
            raise TimeoutError("timed out waiting for the result")
        return flight.result()

    def begin(self, key: object, work: Callable[[], T]) -> Future[T]:
        """Run *work* in a thread, or join the one that does it already."""
        from concurrent.futures import Future

        with self._lock:
            running = self._flights.get(key)
            if running is not None:
                return running
            flight = self._flights[key] = Future[Any]()
        # Running, so that no waiter can cancel it for all others.
        flight.set_running_or_notify_cancel()
        if not self._start_thread(key, work, flight):
            self._run_work(key, work, flight)
        return flight

    def forget(self) -> None:
        """Forget all work: in a forked process, the parent's threads do not exist."""
        self._flights = {}

    def _start_thread(self, key: object, work: Callable[[], Any], flight: Future[Any]) -> bool:
        arguments = (self._run_work, key, work, flight)
        thread = threading.Thread(
            target=copy_context().run, args=arguments, name="lambdachain-credentials", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the system allows no more threads: the caller does the work itself
            return False
        return True

    def _run_work(self, key: object, work: Callable[[], Any], flight: Future[Any]) -> None:
        try:
            result = work()
        except BaseException as exc:  # noqa: BLE001 - raised again where the result is awaited
            self._remove(key, flight)
            flight.set_exception(exc)
        else:
            self._remove(key, flight)
            flight.set_result(result)

    def _remove(self, key: object, flight: Future[Any]) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]


def _wait_for(flight: Future[Any], timeout: float) -> bool:
    """Wait for *flight*; not by its result(), which may raise a ``TimeoutError`` of the work's own."""
    from concurrent.futures import wait

    return bool(wait([flight], timeout).done)


_all: Final[weakref.WeakSet[SingleFlight]] = weakref.WeakSet()


def _forget_all() -> None:
    for flights in list(_all):
        flights.forget()


register_fork_hooks(in_fork=_forget_all)
