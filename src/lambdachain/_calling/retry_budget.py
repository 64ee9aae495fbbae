"""How much retrying a process may do of one function: nothing to speak of while the function is down.

After gRPC's proposal A6, "client retry support": a bucket that is full while all is well. Every failure that could be
retried takes a token, every success puts a part of one back, and retries are allowed while more than half is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from lambdachain._core.process_copies import lock_for


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """The size of a function's bucket of retries in this process.

    With the default, five failures without a success stop all retries of that function, and a success brings back a
    tenth of what a failure takes: an outage costs hardly more calls than there would be without any retry.

    >>> RetryBudget(max_tokens=10, token_ratio=0.1)
    RetryBudget(max_tokens=10, token_ratio=0.1)

    Attributes:
        max_tokens: What a full bucket holds; retries are allowed while more than half of it is left.
        token_ratio: What a success puts back.

    Raises:
        ValueError: A number is not positive and finite.
    """

    max_tokens: float = 10
    token_ratio: float = 0.1

    def __post_init__(self) -> None:
        if not all(_is_positive(number) for number in (self.max_tokens, self.token_ratio)):
            raise ValueError(f"{self!r}: both numbers must be positive and finite")


def _is_positive(number: object) -> bool:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return False
    return number > 0 and math.isfinite(number)


class Bucket:
    """The tokens of one function; thread-safe."""

    def __init__(self, budget: RetryBudget) -> None:
        self._budget = budget
        self._tokens = float(budget.max_tokens)
        self._lock = lock_for(self)

    @property
    def tokens(self) -> float:
        """What is left, between 0 and ``max_tokens``."""
        return self._tokens

    @property
    def is_open(self) -> bool:
        """Whether retries are allowed just now."""
        return self._tokens > self._budget.max_tokens / 2

    def succeeded(self) -> None:
        """Put back what a success is worth."""
        if self._tokens < self._budget.max_tokens:
            with self._lock:
                self._tokens = min(self._budget.max_tokens, self._tokens + self._budget.token_ratio)

    def failed(self) -> bool:
        """Withdraw a token for a failure, and tell whether it may be retried."""
        with self._lock:
            self._tokens = max(0.0, self._tokens - 1)
            return self.is_open


_buckets: Final[dict[tuple[RetryBudget, str], Bucket]] = {}


def forget() -> None:
    """Fill every bucket: what failed in one test is nothing to the next one."""
    _buckets.clear()


def bucket_of(budget: RetryBudget, function: str) -> Bucket:
    """Return the bucket of a function: one for all of this process."""
    key = (budget, function)
    return _buckets.get(key) or _buckets.setdefault(key, Bucket(budget))


RetryBudget.__module__ = "lambdachain"
