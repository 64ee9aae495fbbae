"""Who calls whom while handlers run in this process."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

# "Approximately 16", says Lambda's page on recursive loop detection.
LOOP_LIMIT: Final = 16


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain of functions that led to a call: the last of them, and how many they are."""

    caller: str | None = None
    length: int = 0

    def with_call_of(self, function: str) -> Chain:
        """Give the chain that *function* runs in."""
        return Chain(function, self.length + 1)

    @property
    def loops(self) -> bool:
        """Whether Lambda would stop the next one."""
        return self.length >= LOOP_LIMIT


_OUTSIDE: Final = Chain()
_chain: ContextVar[Chain] = ContextVar("lambdachain_chain", default=_OUTSIDE)


def current_chain() -> Chain:
    """Give the chain that this code runs in; an empty one outside handlers."""
    return _chain.get()


@contextmanager
def within(chain: Chain) -> Generator[None]:
    """Run what is inside in *chain*."""
    token = _chain.set(chain)
    try:
        yield
    finally:
        _chain.reset(token)
