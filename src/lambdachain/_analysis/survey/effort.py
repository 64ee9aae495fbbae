"""How much each question of a survey may take, so that an expensive one costs only itself."""

from __future__ import annotations

from collections.abc import Generator, Hashable
from contextlib import contextmanager
from typing import Final

from .evaluator import Evaluator

# A question that needs more than this part of what is left would leave too little for the others.
_PART: Final = 8


class EffortBudgets:
    """A budget of steps for each of several questions, by a key: a part of what is left when it is asked first.

    So a single question may take most of what a survey needs, and when there are many, the last ones still get a part.

    Args:
        evaluator: Takes the steps.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._left: dict[Hashable, float] = {}

    @contextmanager
    def spend(self, key: Hashable) -> Generator[None]:
        """Evaluate with what is left of a budget; inside, ``effort_left`` is 0 if that was not enough."""
        left = self._left.get(key, self._evaluator.effort_left // _PART)
        with self._evaluator.limit_effort(left):
            yield
            self._left[key] = self._evaluator.effort_left
