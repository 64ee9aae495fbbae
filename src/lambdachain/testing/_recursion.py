"""The chain of calls while handlers run in this process, and Lambda's limit of recursion."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from lambdachain._core import clock
from lambdachain._core.context_values import set_value
from lambdachain._lambda_api.recursion_detection import LOOP_LIMIT


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain of invocations that led to a call.

    Attributes:
        functions: The functions that are running; the last one makes the call.
        system: The transport that runs the last one; ``None`` outside handlers.
        ends: When the last one times out, by ``clock.SystemClock``.
    """

    functions: tuple[str, ...] = ()
    system: object = None
    ends: float = math.inf

    @property
    def caller(self) -> str | None:
        """The function that makes the call; ``None`` for the test itself."""
        return self.functions[-1] if self.functions else None

    @property
    def is_over(self) -> bool:
        """Whether the calling function has timed out: its thread still runs, but on Lambda it would have been ended."""
        # The system's clock: time that a retry delay skips does not use up the timeout of running handlers.
        return clock.SystemClock.monotonic() >= self.ends

    def exceeds_loop_limit(self, function: str) -> bool:
        """Check whether Lambda's loop detection would stop one more invocation of *function*."""
        return self.functions.count(function) >= LOOP_LIMIT

    def extend(self, function: str, system: object, timeout: float) -> Chain:
        """Return the chain for an invocation of *function* on *system*, with *timeout* seconds from now."""
        return Chain((*self.functions, function), system, clock.SystemClock.monotonic() + timeout)


_OUTSIDE: Final = Chain()
_chain: ContextVar[Chain] = ContextVar("lambdachain_chain", default=_OUTSIDE)


def current_chain() -> Chain:
    """Return the chain that this code runs in; an empty one outside handlers."""
    return _chain.get()


def use_chain(chain: Chain) -> AbstractContextManager[None]:
    """Make *chain* the current chain inside the ``with`` block."""
    return set_value(_chain, chain)
