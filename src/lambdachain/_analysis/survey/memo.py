"""Compute each thing once, even if the computations depend on each other in cycles."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from math import inf
from typing import Final, Generic, TypeVar

T = TypeVar("T")

# Each level takes several Python frames, and the default recursion limit is 1000.
_MAX_DEPTH: Final = 40


class RecursiveMemo(Generic[T]):
    """Memoizes computations that may ask for their own result, directly or through others.

    Inside such a cycle the result is *empty*: of all sets of possible values that fulfill the equations, this yields
    the smallest. A result that was computed inside a cycle may therefore be incomplete; it is reused only until the
    outermost computation of the cycle is complete, and computed again afterwards. A plain cache would keep the
    incomplete one, and answers would depend on which question was asked first.

    Args:
        empty: The result of a computation that is still running.
        unknown: The result of a computation that is nested too deeply.
    """

    def __init__(self, empty: T, unknown: T) -> None:
        self._empty = empty
        self._unknown = unknown
        self._complete: dict[Hashable, T] = {}
        # Results that depend on a running computation, each with the depth of the outermost one it depends on.
        self._provisional: dict[Hashable, tuple[T, float]] = {}
        self._running: dict[Hashable, int] = {}
        # The outermost running computation that the current one has asked for so far.
        self._lowest: float = inf

    def get_or_compute(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the result for *key*; call *compute* unless it is known or running."""
        if key in self._complete:
            return self._complete[key]
        if key in self._provisional:
            result, lowest = self._provisional[key]
            self._lowest = min(self._lowest, lowest)
            return result
        if key in self._running:
            self._lowest = min(self._lowest, self._running[key])
            return self._empty
        if len(self._running) >= _MAX_DEPTH:
            # Depth 0 marks every result on the way as provisional: asked from less deep, each may succeed.
            self._lowest = 0
            return self._unknown
        return self._compute(key, compute)

    def _compute(self, key: Hashable, compute: Callable[[], T]) -> T:
        depth = self._running[key] = len(self._running)
        outer, self._lowest = self._lowest, inf
        try:
            result = compute()
        finally:
            del self._running[key]
            inner, self._lowest = self._lowest, outer
        if inner >= depth:
            # Complete, because it depends on nothing that is still running. Results that depended on it alone are
            # dropped, and computed again when they are asked for.
            self._complete[key] = result
            self._provisional = {one: kept for one, kept in self._provisional.items() if kept[1] < depth}
        else:
            # Results that depend on this one also depend on the running computations that this one depends on.
            self._provisional = {
                one: (kept, inner if lowest >= depth else lowest) for one, (kept, lowest) in self._provisional.items()
            }
            self._provisional[key] = (result, inner)
            self._lowest = min(outer, inner)
        return result
