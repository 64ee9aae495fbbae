"""The lines of the input: read, checked, and compared with those of an earlier run."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from select import select
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from zlib import crc32

from lambdachain.cli._exit_status import InputError

if TYPE_CHECKING:
    from io import BufferedReader

_CHUNK: Final = 65536
_SKIP_CHUNK: Final = 1 << 20
_SAME_INPUT: Final = "a map resumes with the same input only; for another input, choose another output"

Parse = Callable[[str, bytes], Any]
"""Makes a payload from the location and the text of a line; raises ``InputError`` or ``CallError``."""


class State(IntEnum):
    """The outcome of a line, as the progress file stores it: a number never changes its meaning."""

    BLANK = 1
    DONE = 2
    FAILED = 3
    NOT_EXECUTED = 4
    UNKNOWN = 5
    LOST = 6
    """In flight when a run ended: a failure whose outcome is unknown, as ``UNKNOWN``."""


FAILURES: Final = (State.FAILED, State.NOT_EXECUTED, State.UNKNOWN, State.LOST)


class Line(NamedTuple):
    """A line and its number, counted from 1; ``size`` includes the line break, which the last line may lack."""

    number: int
    text: bytes
    size: int


class Position(NamedTuple):
    """A place in the input: behind *line*, *offset* bytes from its start, which have this checksum."""

    line: int = 0
    offset: int = 0
    checksum: int = 0

    def advance(self, line: Line) -> Position:
        """Return the place behind the next line."""
        checksum = crc32(line.text, self.checksum)
        if line.size > len(line.text):
            checksum = crc32(b"\n", checksum)
        return Position(line.number, self.offset + line.size, checksum)


class OutputPosition(NamedTuple):
    """How far the file of results is written.

    Attributes:
        is_ordered: Whether results are in the order of their lines.
        next_line: The line whose result is next, if they are.
        last_outcome: The outcome up to which all results are written, if they are not.
        size: How many bytes are written.
        checksum: Their checksum.
    """

    is_ordered: bool
    next_line: int = 1
    last_outcome: int = 0
    size: int = 0
    checksum: int = 0


class LineOutcome(NamedTuple):
    """The outcome of a line in an earlier run.

    Attributes:
        state: The outcome.
        checksum: The checksum of the line when it was run; ``None`` if it was not.
        is_final: Whether the line is not to be run again.
    """

    state: State
    checksum: int | None
    is_final: bool


class RecordedOutcome(NamedTuple):
    """The outcome of a line that ran elsewhere, or that cannot be sent.

    Attributes:
        line: The line.
        state: The outcome.
        text: What the output files have of it; empty for a blank line.
        error: The class of its error; ``None`` for a result.
        is_checked: Whether the line must be the same when the map resumes; one that cannot be sent may be corrected.
    """

    line: Line
    state: State
    text: bytes = b""
    error: str | None = None
    is_checked: bool = True


class LineStates(Protocol):
    """The outcomes of the lines in earlier runs.

    Attributes:
        last: The last line that has one; 0 without any.
    """

    last: int

    def outcomes(self, first: int, last: int) -> Mapping[int, LineOutcome]:
        """Return the outcomes of a range of lines, both ends included."""
        ...

    def finished_position(self) -> Position:
        """Return a position in the input before which no line is to be run."""
        ...

    def forget_positions(self) -> None:
        """Drop all positions: the input is not the one in which they were taken."""
        ...

    def reopen(self, line: int) -> None:
        """Drop the outcome of a line that was blank."""
        ...


class NoLineStates:
    """The outcomes of the lines where no run came before."""

    last = 0

    def outcomes(self, first: int, last: int) -> Mapping[int, LineOutcome]:  # noqa: ARG002 - see LineStates
        """Return no outcome."""
        return {}

    def finished_position(self) -> Position:
        """Return the start of the input."""
        return Position()

    def forget_positions(self) -> None:
        """No-op: there are no positions."""

    def reopen(self, line: int) -> None:
        """No-op: no line has an outcome."""


class Input:
    """A file of lines, or standard input.

    Args:
        path: The file; ``None`` or ``-`` for standard input; text for an input that is only in *lines*.
        lines: A file that has its lines, if they are not those of *path*.

    Raises:
        InputError: It cannot be read.
    """

    def __init__(self, path: Path | str | None, lines: IO[bytes] | None = None) -> None:
        is_stdin = path is None or str(path) == "-"
        self.name = "standard input" if path is None or is_stdin else str(path)
        self._original = path if lines is not None and isinstance(path, Path) and not is_stdin else None
        try:
            file: Any = lines or (sys.stdin.buffer if path is None or is_stdin else open(path, "rb"))  # noqa: PTH123, SIM115
        except OSError as exc:
            raise InputError(f"{self.name}: {exc.strerror}") from None
        self._file: BufferedReader = file
        self.is_file = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        # A shell may pass standard input in the middle of a file: { read header; lambdachain map f; } < in.jsonl
        self._origin = self._file.tell() if self.is_file else 0
        self.start = Position()
        self._splitter = LineSplitter()

    @property
    def lines_read(self) -> int:
        """The number of the last line that was read."""
        return self._splitter.number

    def read_lines(self) -> list[Line]:
        """Return the lines that have arrived, or wait for one; return none at the end."""
        while not self._splitter.at_end:
            if lines := self._splitter.feed(self._read()):
                return lines
        return []

    def _read(self) -> bytes:
        try:
            return self._file.read1(_CHUNK)
        except OSError as exc:
            exc.filename = self.name  # those of a descriptor have none
            raise

    def would_wait(self) -> bool:
        """Check whether reading would block."""
        return not self.is_file and not self._splitter.at_end and not select([self._file], [], [], 0)[0]

    def skip_to(self, position: Position) -> bool:
        """Start at *position* from now on, if the bytes before it have its checksum; for a file only.

        The lines before it are not split, decoded or counted, so that a million of them take a fraction of a second.
        """
        self._file.seek(self._origin)
        checksum, left = 0, position.offset
        while left and (data := self._file.read(min(left, _SKIP_CHUNK))):
            checksum = crc32(data, checksum)
            left -= len(data)
        is_same = not left and checksum == position.checksum
        self.start = position if is_same else Position()
        self.rewind()
        return is_same

    def rewind(self) -> None:
        """Return to the start position; for a file only."""
        self._file.seek(self._origin + self.start.offset)
        self._splitter = LineSplitter(self.start.line)

    def close(self) -> None:
        """Close the file; standard input stays as it is."""
        if self._file is not sys.stdin.buffer:
            self._file.close()

    def is_at(self, path: Path) -> bool:
        """Check whether this is the file at *path*."""
        if self._original is not None:
            return path.exists() and self._original.samefile(path)
        return path.exists() and os.path.samestat(os.fstat(self._file.fileno()), path.stat())

    def location(self, number: int) -> str:
        """Name a line as editors and compilers do."""
        return f"{self.name}:{number}"


class LineSplitter:
    r"""Splits chunks of bytes into lines.

    A line longer than a chunk is kept in pieces until its end arrives: joining it with each chunk would copy a line of
    100 MB 1,600 times.

    >>> splitter = LineSplitter()
    >>> [line.text for line in splitter.feed(b"1\n2\n3")]
    [b'1', b'2']
    >>> splitter.feed(b"45"), splitter.feed(b"")
    ([], [Line(number=3, text=b'345', size=3)])
    """

    def __init__(self, number: int = 0) -> None:
        self.at_end = False
        self.number = number
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[Line]:
        """Return the lines that end in *data*; ``b""`` is the end of the input."""
        head, *rest = data.split(b"\n")
        self._pieces.append(head)
        if data and not rest:
            return []
        texts = [b"".join(self._pieces), *rest]
        unfinished = texts.pop()
        self._pieces = [unfinished] if data else []
        self.at_end = not data
        lines = [self._line(text, len(text) + 1) for text in texts]
        if self.at_end and unfinished:
            lines.append(self._line(unfinished, len(unfinished)))
        return lines

    def _line(self, text: bytes, size: int) -> Line:
        self.number += 1
        return Line(self.number, text, size)


def line_checksum(text: bytes) -> int:
    """Return the checksum of a line of the input, without the white space around it.

    >>> line_checksum(b'{"a": 1}') == line_checksum(b'{"a": 1} ')
    True
    """
    return crc32(text.strip())


def check_input(source: Input, states: LineStates, parse: Parse | None) -> int:
    """Read a whole file before anything is sent, and return how many lines are to be run.

    Args:
        source: The file.
        states: The outcomes of its lines in earlier runs.
        parse: Makes a payload of a line; ``None`` if a line that is not a valid payload is acceptable.

    Raises:
        InputError: A line is not JSON, or has changed since it was run.
        InvalidRequestError: A line does not match the contract.
    """
    if not source.skip_to(states.finished_position()):
        states.forget_positions()
    count = 0
    while lines := source.read_lines():
        for line in lines_to_run(source, states, lines):
            if line.text.strip():
                if parse is not None:
                    parse(source.location(line.number), line.text)
                count += 1
    check_length(source, states, source.lines_read)
    source.rewind()
    return count


def lines_to_run(source: Input, states: LineStates, lines: Sequence[Line]) -> Iterable[Line]:
    """Return those of consecutive lines that are to be run, new blank ones included.

    Raises:
        InputError: A line has changed since it was run.
    """
    if lines[0].number > states.last:
        return lines
    outcomes = states.outcomes(lines[0].number, lines[-1].number)
    return [line for line in lines if _is_to_run(source, states, line, outcomes.get(line.number))]


def check_length(source: Input, states: LineStates, last: int) -> None:
    """Raise an error if the input has lost lines that were run.

    Raises:
        InputError: It has.
    """
    if last >= states.last:
        return
    lost = (line for line, found in states.outcomes(last + 1, states.last).items() if found.state is not State.BLANK)
    if lost_line := max(lost, default=0):
        raise InputError(f"{source.name} ends at line {last}, but line {lost_line} has been run: {_SAME_INPUT}")


def _is_to_run(source: Input, states: LineStates, line: Line, outcome: LineOutcome | None) -> bool:
    if outcome is None:
        return True
    if outcome.state is State.BLANK:
        # Nothing was run for it: it may have been filled in since.
        if line.text.strip():
            states.reopen(line.number)
            return True
        return False
    if outcome.checksum is not None and outcome.checksum != line_checksum(line.text):
        raise InputError(f"{source.location(line.number)} has changed since it was run: {_SAME_INPUT}")
    return not outcome.is_final
