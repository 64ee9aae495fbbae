"""``use``: interceptors for every client and handler of the process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Self

from lambdachain._calling.interceptors import Interceptor, check_interceptors, select
from lambdachain._core.fork_hooks import lock_for

from .base_invoker import ProcessInterceptors

if TYPE_CHECKING:
    from types import TracebackType

_registrations: Final[list[Registration]] = []
_lock = lock_for(sys.modules[__name__])


class Registration:
    """Interceptors that are in use: call it, or leave it as a context manager, to remove them."""

    def __init__(self, interceptors: tuple[Interceptor, ...]) -> None:
        self.interceptors = interceptors

    def __call__(self) -> None:
        """Remove the interceptors. Calls in flight keep them, and a second time nothing happens."""
        with _lock:
            # By identity: the same interceptors may be in use twice.
            _registrations[:] = [other for other in _registrations if other is not self]
            _publish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self()

    def __repr__(self) -> str:
        return f"Registration({', '.join(type(each).__name__ for each in self.interceptors)})"


def use(*interceptors: Interceptor) -> Registration:
    """Add interceptors to the whole process: to every client, existing ones included, and to every handler.

    They stand outside a client's or a handler's own; the first that was added is outermost. They are also around the
    calls of a decorated handler as a stub (``handler.call``), but not around ``handler.local``, which only calls the
    function. Thread-safe.

    >>> import lambdachain
    >>> remove = lambdachain.use(lambdachain.Interceptor())
    >>> remove()
    >>> with lambdachain.use(lambdachain.Interceptor()):
    ...     pass

    Returns:
        What removes them: a function without arguments that may be called twice, and a context manager for tests.

    Raises:
        ContractError: One of them is not an interceptor, or cannot work.
    """
    registration = Registration(check_interceptors(interceptors))
    with _lock:
        _registrations.append(registration)
        _publish()
    return registration


def _publish() -> None:
    # New tuples, not changed ones: a call that runs in another thread keeps those that it began with.
    every = [interceptor for registration in _registrations for interceptor in registration.interceptors]
    ProcessInterceptors.calling = select(every, "calling")
    ProcessInterceptors.handling = select(every, "handling")


use.__module__ = "lambdachain"
