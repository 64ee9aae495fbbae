"""How much it may take to work out one value: what is referred to twice, and that twice again, fills a machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

MAX_CHARACTERS: Final = 10_000_000
_STEP: Final = 100


class TooMuchError(Exception):
    """A value takes more than any that a deployment has."""


class Effort:
    """What the value that is being worked out has taken so far, in characters; a step counts as a hundred."""

    def __init__(self) -> None:
        self._taken = 0
        self._under_way = False

    def of(self, work: Callable[[], Any], steps: int = 1) -> Any:
        """Run *work*, a part of the value that is being worked out, or else a value of its own.

        Raises:
            TooMuchError: It takes too much, or is nested too deeply.
        """
        if self._under_way:
            self.add(steps * _STEP)
            return work()
        self._taken, self._under_way = 0, True
        try:
            return work()
        except RecursionError:
            raise TooMuchError("nested too deeply") from None
        finally:
            self._under_way = False

    def add(self, characters: int) -> None:
        """Count what is about to be made.

        Raises:
            TooMuchError: It is too much.
        """
        self._taken += characters
        if self._taken > MAX_CHARACTERS:
            raise TooMuchError("too large once its references are followed")
