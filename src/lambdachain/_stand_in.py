"""What a test puts in the place of AWS: a transport for every client whose own goes there, and a guard before it."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from ._errors import LambdaChainError

if TYPE_CHECKING:
    from ._invocation import Transport

_LOOPBACK: Final = ("127.", "::1", "localhost")


class StubError(LambdaChainError, AssertionError):
    """A test did what its stand-ins for AWS do not allow; raised by ``lambdachain.testing`` only."""


class RealInvokeBlockedError(StubError):
    """A test was about to call a function on AWS itself."""


class SendsToAws:
    """Base of the transports that send to AWS, and whose calls a stand-in takes while there is one."""


# Threads begin with an empty context: what a fixture puts in place must hold for them too.
_everywhere: Final[list[Transport]] = []
_here: ContextVar[Transport | None] = ContextVar("lambdachain_stand_in", default=None)
_lock: Final = threading.Lock()


def stand_in() -> Transport | None:
    """Give what takes the calls that would go to AWS; ``None`` outside tests."""
    here = _here.get()
    if here is not None:
        return here
    return _everywhere[-1] if _everywhere else None


@contextmanager
def standing_in(transport: Transport) -> Generator[None]:
    """Have *transport* take, in every thread, the calls that would go to AWS."""
    with _lock:
        _everywhere.append(transport)
    try:
        yield
    finally:
        with _lock:
            _everywhere.remove(transport)


@contextmanager
def standing_in_here(transport: Transport) -> Generator[None]:
    """Have *transport* take them in this context only: a handler that runs in it calls through what called it."""
    token = _here.set(transport)
    try:
        yield
    finally:
        _here.reset(token)


def answers_at_once(transport: object) -> bool:
    """Tell whether a transport keeps nobody waiting, as a test's does: its answers then have one order."""
    return getattr(transport, "answers_at_once", False)


class Guard:
    """Whether calls to AWS itself are let through; the pytest plugin closes it."""

    def __init__(self) -> None:
        self.closed = False

    def check(self, function: str, host: str) -> None:
        """Let a call of *function* through to *host*, or refuse.

        Raises:
            RealInvokeBlockedError: The guard is closed, and the host is not this machine.
        """
        if self.blocks(host):
            raise RealInvokeBlockedError(_blocked(function, host))

    def blocks(self, host: str) -> bool:
        """Tell whether no call may go to *host*."""
        return self.closed and not host.strip("[]").startswith(_LOOPBACK)


guard: Final = Guard()


def _blocked(function: str, host: str) -> str:
    return (
        f"this test was about to call {function} on {host}, and nothing was sent. "
        "Take the fixture lambda_stub and say what the function answers: lambda_stub.on(contract).returns(...); "
        "or run the real handlers with lambda_inprocess or lambda_endpoint. "
        "A test that shall call AWS says so: @pytest.mark.allow_real_invokes"
    )
