"""A limit on the work of resolving values, so that references to references cannot fill the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

# More than any value of a real deployment takes: an environment may have 4 KB, a template 1 MB.
MAX_PER_VALUE: Final = 10_000_000
# A service of 400 functions with 22 variables each takes less than a hundredth of this.
MAX_PER_FILE: Final = 30_000_000
_STEP: Final = 100


class BudgetExceededError(Exception):
    """Resolving a value takes more work than any value of a real deployment."""


class WorkBudget:
    """Counts the work of resolving the values of a file, in characters; a step counts as a hundred."""

    def __init__(self) -> None:
        self._spent_on_value = 0
        self._spent_on_file = 0
        self._is_resolving = False

    def run(self, resolve: Callable[[], Any]) -> Any:
        """Call *resolve*, for a value of its own or, inside another call, for a part of that value.

        Raises:
            BudgetExceededError: It takes too much, or is nested too deeply.
        """
        if self._is_resolving:
            self.spend_step()
            return resolve()
        self._spent_on_value, self._is_resolving = 0, True
        try:
            return resolve()
        except RecursionError:
            raise BudgetExceededError("nested too deeply") from None
        finally:
            self._is_resolving = False

    def spend_step(self) -> None:
        """Count one step, which may produce no text: conditions that multiply take time only.

        Raises:
            BudgetExceededError: It is too much.
        """
        self.spend(_STEP)

    def spend(self, characters: int) -> None:
        """Count text that is about to be produced.

        Raises:
            BudgetExceededError: It is too much.
        """
        self._spent_on_value += characters
        self._spent_on_file += characters
        # A file may have thousands of values that stay just below the limit of one.
        if self._spent_on_value > MAX_PER_VALUE or self._spent_on_file > MAX_PER_FILE:
            raise BudgetExceededError("too large after its references are followed")
