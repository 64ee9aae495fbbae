"""What is known of each line of the input: a byte and two numbers a line, so that a million take 13 MB."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from enum import IntEnum
from typing import Final


class State(IntEnum):
    """What has become of a line."""

    OPEN = 0
    BLANK = 1
    DONE = 2
    FAILED = 3
    NOT_EXECUTED = 4
    UNKNOWN = 5


FAILURES: Final = (State.FAILED, State.NOT_EXECUTED, State.UNKNOWN)

# Beside its state: the line was to be started soon; it was started, and its end is not known.
_RESERVED: Final = 0x40
_STARTED: Final = 0x80
_STATE: Final = 0x0F
_FORGET_RESERVED: Final = bytes(byte & ~_RESERVED for byte in range(256))
_TAKE_FOR_STARTED: Final = bytes(byte & ~_RESERVED | _STARTED if byte & _RESERVED else byte for byte in range(256))


class LineStates:
    """The lines, by their numbers, counted from 1.

    >>> ledger = LineStates()
    >>> ledger.start(3, mark=7)
    >>> ledger.is_under_way(3), ledger.last
    (True, 3)
    >>> ledger.end(3, State.DONE, place=120)
    >>> ledger.is_under_way(3), ledger.state(3), ledger.place(3)
    (False, <State.DONE: 2>, 120)
    """

    def __init__(self) -> None:
        self._states = bytearray(1)
        self._places = array("Q", [0])
        self._marks = array("I", [0])

    @property
    def last(self) -> int:
        """The last line of which something is known; 0 if there is none."""
        return len(self._states) - 1

    def state(self, line: int) -> State:
        """Return what has become of a line."""
        return State(self._states[line] & _STATE) if line <= self.last else State.OPEN

    def is_open(self, line: int) -> bool:
        """Check whether a line is still to be run."""
        return line > self.last or not self._states[line] & _STATE

    def is_under_way(self, line: int) -> bool:
        """Check whether a line was started, and has no end."""
        return line <= self.last and bool(self._states[line] & _STARTED)

    def place(self, line: int) -> int:
        """Return where the journal has the end of a line."""
        return self._places[line]

    def mark(self, line: int) -> int:
        """Return the checksum of a line as it was started; 0 where none is known."""
        return self._marks[line] if line <= self.last else 0

    def reserve(self, line: int) -> None:
        """Record that a line may be started from now on."""
        self._reach(line)
        self._states[line] |= _RESERVED

    def start(self, line: int, mark: int) -> None:
        """Record that a line is sent."""
        self._reach(line)
        self._states[line] |= _STARTED
        self._marks[line] = mark

    def end(self, line: int, state: State, place: int = 0) -> None:
        """Record what has become of a line; ``State.OPEN`` if it is to be run once more."""
        self._reach(line)
        self._states[line] = state
        self._places[line] = place

    def settle(self, *, exact: bool) -> None:
        """Record that a run is over: what it had reserved was started if it says so, or may have been."""
        self._states = self._states.translate(_FORGET_RESERVED if exact else _TAKE_FOR_STARTED)

    def under_way(self) -> Iterator[int]:
        """Return the lines that were started and have no end."""
        return (line for line, byte in enumerate(self._states) if byte & _STARTED)

    def lines(self, *states: State) -> Iterator[int]:
        """Return the lines that have come to one of these states."""
        return (line for line, byte in enumerate(self._states) if line and byte in states)

    def count(self, *states: State) -> int:
        """Count the lines that have come to one of these states."""
        return sum(self._states.count(state) for state in states) - (State.OPEN in states)

    def _reach(self, line: int) -> None:
        missing = line - self.last
        if missing > 0:
            self._states.extend(bytes(missing))
            self._places.extend([0] * missing)
            self._marks.extend([0] * missing)
