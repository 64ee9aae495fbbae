"""Retry budgets: how much a process may retry calls of one function, which is next to nothing while it is down.

After gRPC's proposal A6, "client retry support": a token bucket, which is full while calls succeed. Every failure that
could be retried takes a token, every success adds a part of one, and retries are allowed while more than half are left.
"""

from __future__ import annotations

import math
from typing import Final

from lambdachain._core.fork_hooks import lock_for
from lambdachain._core.lean_dataclass import dataclass


@dataclass(frozen=True)
class RetryBudget:
    """The size of a function's token bucket for retries in this process.

    With the default, five failures without a success stop all retries of that function, and a success adds a tenth of
    what a failure takes: an outage causes hardly more calls than there would be without retries.

    >>> RetryBudget(max_tokens=10, token_ratio=0.1)
    RetryBudget(max_tokens=10, token_ratio=0.1)

    Attributes:
        max_tokens: The tokens in a full bucket; retries are allowed while more than half of them are left.
        token_ratio: The tokens that a success adds.

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


class TokenBucket:
    """The tokens of one function; thread-safe."""

    def __init__(self, budget: RetryBudget) -> None:
        self._budget = budget
        self._tokens = float(budget.max_tokens)
        self._lock = lock_for(self)

    @property
    def tokens(self) -> float:
        """The tokens that are left, between 0 and ``max_tokens``."""
        return self._tokens

    @property
    def is_open(self) -> bool:
        """Whether retries are allowed at present."""
        return self._tokens > self._budget.max_tokens / 2

    def refill(self) -> None:
        """Fill the bucket."""
        with self._lock:
            self._tokens = float(self._budget.max_tokens)

    def record_success(self) -> None:
        """Add the tokens of a success."""
        # Checked without the lock first: the bucket is full nearly always, and a successful call need not wait for it.
        if self._tokens < self._budget.max_tokens:
            with self._lock:
                self._tokens = min(self._budget.max_tokens, self._tokens + self._budget.token_ratio)

    def record_failure(self) -> bool:
        """Withdraw a token for a failure; return whether a retry is allowed."""
        with self._lock:
            self._tokens = max(0.0, self._tokens - 1)
            return self.is_open


_buckets: Final[dict[tuple[RetryBudget, str], TokenBucket]] = {}


def forget() -> None:
    """Refill all buckets, between tests: failures in one must not limit the retries of the next."""
    for bucket in list(_buckets.values()):
        bucket.refill()


def bucket_for(budget: RetryBudget, function: str) -> TokenBucket:
    """Return the bucket of a function, which all clients of this process share."""
    key = (budget, function)
    # setdefault() is atomic: threads that make the bucket at the same time get the same one.
    return _buckets.get(key) or _buckets.setdefault(key, TokenBucket(budget))


RetryBudget.__module__ = "lambdachain"
