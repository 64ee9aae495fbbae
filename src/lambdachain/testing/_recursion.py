"""Who calls whom while handlers run in this process."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from lambdachain._core import clock
from lambdachain._lambda_api.recursion_detection import LOOP_LIMIT


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain of invocations that led to a call.

    Attributes:
        functions: The functions that run, the last of them being the one that calls.
        system: The transport that the last one runs on; ``None`` outside handlers.
        ends: When Lambda ends the last one, by ``_clock.System``.
    """

    functions: tuple[str, ...] = ()
    system: object = None
    ends: float = math.inf

    @property
    def caller(self) -> str | None:
        """The function that calls; ``None`` for the test itself."""
        return self.functions[-1] if self.functions else None

    @property
    def is_over(self) -> bool:
        """Whether Lambda has ended the function that calls: its thread goes on, but on Lambda nothing would."""
        return clock.System.monotonic() >= self.ends

    def loops(self, function: str) -> bool:
        """Check whether Lambda would stop one more invocation of *function*."""
        return self.functions.count(function) >= LOOP_LIMIT

    def into(self, function: str, system: object, timeout: float) -> Chain:
        """Return the chain that *function* runs in, on *system* and for *timeout* seconds from now."""
        return Chain((*self.functions, function), system, clock.System.monotonic() + timeout)


_OUTSIDE: Final = Chain()
_chain: ContextVar[Chain] = ContextVar("lambdachain_chain", default=_OUTSIDE)


def current_chain() -> Chain:
    """Return the chain that this code runs in; an empty one outside handlers."""
    return _chain.get()


@contextmanager
def within(chain: Chain) -> Generator[None]:
    """Run what is inside in *chain*."""
    token = _chain.set(chain)
    try:
        yield
    finally:
        _chain.reset(token)
