"""What runs the lines of a map, and what it works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .results import ResultSink

if TYPE_CHECKING:
    from lambdachain._fan_out.options import OnProgress


class EngineRun(Protocol):
    """A run of a map, by this process or by Step Functions.

    Attributes:
        signal: The signal that stopped it, if one did.
        is_complete: Whether it has reached its end, and no line is left to be run.
    """

    signal: int | None
    is_complete: bool

    @property
    def in_flight(self) -> int:
        """How many lines it has left in flight."""
        ...

    def until_ended(self, on_progress: OnProgress) -> None:
        """Run the lines, or stop at a signal."""
        ...


@dataclass(frozen=True, slots=True)
class MapSession:
    """What a map works with.

    Attributes:
        sink: Where results go.
        count: How many lines are to be run; ``None`` where the input has no end yet.
        is_resumed: Whether it continues an earlier run.
    """

    sink: ResultSink
    count: int | None
    is_resumed: bool = False
