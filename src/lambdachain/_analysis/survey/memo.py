"""Working each thing out once, where things may depend on each other in circles."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from math import inf
from typing import Final, Generic, TypeVar

T = TypeVar("T")

# Python's own stack bears ten times as much.
_DEEPEST: Final = 40


class RecursiveMemo(Generic[T]):
    """Keeps what was worked out.

    What asks for itself, through whatever else, gets nothing there: of a set of possibilities that is the least one
    which holds. What was worked out inside such a circle is kept while the circle is, for it may lack something.

    Args:
        nothing: What stands for what is being worked out.
        unknown: What stands for what lies too deep.
    """

    def __init__(self, nothing: T, unknown: T) -> None:
        self._nothing = nothing
        self._unknown = unknown
        self._known: dict[Hashable, T] = {}
        self._circling: dict[Hashable, tuple[T, float]] = {}
        self._depths: dict[Hashable, int] = {}
        self._lowest: float = inf

    def get_or_compute(self, key: Hashable, work: Callable[[], T]) -> T:
        """Return what *work* gives, which is asked once for each *key*."""
        if key in self._known:
            return self._known[key]
        if key in self._circling:
            found, lowest = self._circling[key]
            self._lowest = min(self._lowest, lowest)
            return found
        if key in self._depths:
            self._lowest = min(self._lowest, self._depths[key])
            return self._nothing
        if len(self._depths) >= _DEEPEST:
            self._lowest = 0
            return self._unknown
        return self._worked_out(key, work)

    def _worked_out(self, key: Hashable, work: Callable[[], T]) -> T:
        depth = self._depths[key] = len(self._depths)
        outer, self._lowest = self._lowest, inf
        try:
            found = work()
        finally:
            del self._depths[key]
            inner, self._lowest = self._lowest, outer
        if inner >= depth:
            self._known[key] = found
            self._circling = {one: kept for one, kept in self._circling.items() if kept[1] < depth}
        else:
            # What lacks this one, which is told only in part, lacks what this one lacks.
            self._circling = {
                one: (kept, inner if lowest >= depth else lowest) for one, (kept, lowest) in self._circling.items()
            }
            self._circling[key] = (found, inner)
            self._lowest = min(outer, inner)
        return found
