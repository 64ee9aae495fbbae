"""Compute each thing once, even if the computations depend on each other in cycles."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Final, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Each level takes several Python frames, and the default recursion limit is 1000.
_MAX_DEPTH: Final = 40
# A result that had this many levels is kept for good, even if they were too few.
_ENOUGH: Final = _MAX_DEPTH // 2


@dataclass(slots=True)
class _Cycle:
    """Provisional results that depend on the same running computation: the one at depth *lowest*."""

    lowest: float
    keys: list[Hashable] = field(default_factory=list[Hashable])


class RecursiveMemo(Generic[T]):
    """Memoizes computations that may ask for their own result, directly or through others.

    Inside such a cycle the result is *empty*: of all sets of possible values that fulfill the equations, this yields
    the smallest. A result that was computed inside a cycle may therefore be incomplete; it is reused only until the
    outermost computation of the cycle is complete, and computed again afterwards. A plain cache would keep the
    incomplete one, and answers would depend on which question was asked first.

    Computations are nested to a limited depth, and a result that met the limit may be incomplete, too. It is computed
    again where many more levels are left for it, so that each is computed a few times, however large the web is of
    names that depend on each other.

    The effort is limited, too, for all together and for each question (``limit_effort``): after so much of it, whatever
    is not known for good is *unfinished*. A result that depends on something unfinished is not kept, so that one
    expensive question costs only itself: another may compute the same again, with what is known by then.

    Args:
        empty: The result of a computation that is still running.
        unknown: The result of a computation that is nested too deeply.
        unfinished: The result of a computation that is asked for when the effort has been spent; *unknown* by default.
        max_effort: How many computations are done, each counted as often as it is repeated.
    """

    def __init__(self, empty: T, unknown: T, unfinished: T | None = None, max_effort: float = inf) -> None:
        self._unfinished = unknown if unfinished is None else unfinished
        # What is left for the current question, and what only others may spend.
        self._left: float = max_effort
        self._withheld: float = 0
        self._empty = empty
        self._unknown = unknown
        self._complete: dict[Hashable, T] = {}
        # Results that depend on a computation that was nested too deeply, each with the levels that were left for it.
        self._limited: dict[Hashable, tuple[T, int]] = {}
        # Results that depend on a running computation, each with the others that depend on it.
        self._provisional: dict[Hashable, tuple[T, _Cycle]] = {}
        # By the depth of the outermost running computation that they depend on.
        self._cycles: dict[float, _Cycle] = {}
        self._running: dict[Hashable, int] = {}
        # The outermost running computation that the current one has asked for so far.
        self._lowest: float = inf
        # Whether the current computation has met the limit of the depth so far, and that of the effort.
        self._is_limited = False
        self._is_unfinished = False

    @property
    def effort_left(self) -> float:
        """How many more computations may be done for the current question; 0 if some may be unfinished."""
        return self._left

    def spend(self) -> bool:
        """Count one step of a computation; return whether there was effort left for it."""
        if self._left <= 0:
            self._is_unfinished = True
            return False
        self._left -= 1
        return True

    @contextmanager
    def limit_effort(self, effort: float) -> Generator[None]:
        """Spend at most so much on one question."""
        before = self._withheld
        withheld = max(0.0, self._left - effort)
        self._left -= withheld
        self._withheld += withheld
        try:
            yield
        finally:
            self._left += self._withheld - before
            self._withheld = before

    @contextmanager
    def lift_limit(self) -> Generator[None]:
        """Spend the effort of all questions on what each of them needs, and what is kept elsewhere."""
        own = self._left
        self._left, self._withheld = own + self._withheld, 0.0
        try:
            yield
        finally:
            self._left, self._withheld = own, self._left - own

    def get_complete(self, key: Hashable) -> T | None:
        """Return the result for *key* if it is known for good."""
        return self._complete.get(key)

    def get_or_compute(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the result for *key*; call *compute* unless it is known or running."""
        if key in self._complete:
            return self._complete[key]
        if key in self._provisional:
            result, cycle = self._provisional[key]
            self._lowest = min(self._lowest, cycle.lowest)
            return result
        if key in self._running:
            self._lowest = min(self._lowest, self._running[key])
            return self._empty
        if not self.spend():
            return self._unfinished
        levels = _MAX_DEPTH - len(self._running)
        result, had_levels = self._limited.get(key, (self._unknown, 0))
        if 2 * had_levels >= levels:
            # It is computed again only where more than twice as many levels are left for it: a few times altogether.
            self._is_limited = True
            return result
        return self._compute(key, compute)

    def compute_certain(self, compute: Callable[[], R]) -> R | None:
        """Return the result of *compute*, which asks for other results; ``None`` if one of them may be incomplete."""
        outer, self._lowest = self._lowest, inf
        was_limited, self._is_limited = self._is_limited, False
        was_unfinished, self._is_unfinished = self._is_unfinished, False
        result = compute()
        is_certain = self._lowest == inf and not self._is_limited and not self._is_unfinished
        self._lowest = min(outer, self._lowest)
        self._is_limited |= was_limited
        self._is_unfinished |= was_unfinished
        return result if is_certain else None

    def _compute(self, key: Hashable, compute: Callable[[], T]) -> T:
        depth = self._running[key] = len(self._running)
        outer, self._lowest = self._lowest, inf
        was_limited, self._is_limited = self._is_limited, False
        was_unfinished, self._is_unfinished = self._is_unfinished, False
        try:
            result = compute()
        except BaseException:
            self._drop_cycle(depth)
            raise
        finally:
            del self._running[key]
            inner, self._lowest = self._lowest, outer
            is_limited, self._is_limited = self._is_limited, was_limited
            is_unfinished, self._is_unfinished = self._is_unfinished, was_unfinished or self._is_unfinished
        if inner >= depth:
            # It depends on nothing that is still running. Results that depended on it alone are dropped, and computed
            # again when they are asked for.
            self._drop_cycle(depth)
            if is_unfinished:
                self._is_limited |= is_limited
            elif is_limited and _MAX_DEPTH - depth < _ENOUGH:
                self._limited[key] = (result, _MAX_DEPTH - depth)
                self._is_limited = True
            else:
                self._complete[key] = result
                self._limited.pop(key, None)
        else:
            self._join_cycles(depth, inner)
            if not is_unfinished:
                cycle = self._cycles.setdefault(inner, _Cycle(inner))
                cycle.keys.append(key)
                self._provisional[key] = (result, cycle)
            self._lowest = min(outer, inner)
            self._is_limited |= is_limited
        return result

    def _drop_cycle(self, depth: float) -> None:
        if (cycle := self._cycles.pop(depth, None)) is not None:
            for one in cycle.keys:
                del self._provisional[one]

    def _join_cycles(self, depth: float, inner: float) -> None:
        """Make the results that depend on *depth* depend on *inner*, because *depth* itself does.

        The smaller cycle joins the larger one: large code bases have cycles of ten thousands of results, and visiting
        all of them for each new one takes time quadratic in their number.
        """
        joining = self._cycles.pop(depth, None)
        if joining is None:
            return
        joined = self._cycles.get(inner, _Cycle(inner))
        small, large = sorted((joining, joined), key=lambda cycle: len(cycle.keys))
        for one in small.keys:
            self._provisional[one] = (self._provisional[one][0], large)
        large.keys += small.keys
        large.lowest = inner
        self._cycles[inner] = large
