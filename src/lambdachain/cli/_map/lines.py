"""The lines of the input, as they come; and what is wrong with them, before anything is sent."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from select import select
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lambdachain.cli._exit_status import InputError

from .journal import mark_of
from .line_states import LineStates, State

if TYPE_CHECKING:
    from io import BufferedReader

_CHUNK: Final = 65536

Parse = Callable[[str, bytes], Any]
"""Makes a payload of a line, given what to call it; raises ``InputError`` or ``CallError``."""


class Line(NamedTuple):
    """A line and its number, counted from 1."""

    number: int
    text: bytes


class Input:
    """A file of lines, or standard input.

    Args:
        path: The file; ``None`` or ``-`` for standard input.

    Raises:
        Refusal: It cannot be read.
    """

    def __init__(self, path: Path | None) -> None:
        is_stdin = path is None or str(path) == "-"
        self.name = "standard input" if path is None or is_stdin else str(path)
        try:
            file: Any = sys.stdin.buffer if path is None or is_stdin else path.open("rb")
        except OSError as exc:
            raise InputError(f"{self.name}: {exc.strerror}") from None
        self._file: BufferedReader = file
        self.is_file = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        self._begun = self._file.tell() if self.is_file else 0
        self._rest = b""
        self._number = 0
        self._at_end = False

    def some(self) -> list[Line]:
        """Return the lines that are there, or wait for one; none at the end."""
        while not self._at_end:
            data = self._file.read1(_CHUNK)
            self._at_end = not data
            *whole, rest = (self._rest + data).split(b"\n")
            if self._at_end and rest:
                whole.append(rest)
            self._rest = b"" if self._at_end else rest
            if whole:
                begun, self._number = self._number, self._number + len(whole)
                return [Line(begun + index, text) for index, text in enumerate(whole, 1)]
        return []

    def would_wait(self) -> bool:
        """Check whether nothing is there yet."""
        return not self.is_file and not self._at_end and not select([self._file], [], [], 0)[0]

    def rewind(self) -> None:
        """Begin again; for a file only."""
        self._file.seek(self._begun)
        self._rest, self._number, self._at_end = b"", 0, False

    def close(self) -> None:
        """Close the file; standard input stays as it is."""
        if self._file is not sys.stdin.buffer:
            self._file.close()

    def is_at(self, path: Path) -> bool:
        """Check whether this is the file at *path*."""
        return path.exists() and os.path.samestat(os.fstat(self._file.fileno()), path.stat())

    def place(self, number: int) -> str:
        """Name a line as editors and compilers do."""
        return f"{self.name}:{number}"

    def __iter__(self) -> Iterator[Line]:
        while lines := self.some():
            yield from lines


def check(source: Input, ledger: LineStates, parse: Parse | None) -> int:
    """Read all of a file before anything is sent, and count the lines that are to be sent.

    Args:
        source: The file.
        ledger: What is known of its lines.
        parse: Makes a payload of a line; ``None`` where it does not matter whether it can.

    Raises:
        Refusal: A line is no JSON, or another one than it was when it was run.
        InvalidRequestError: A line does not fit the contract.
    """
    count = last = 0
    for line in source:
        last = line.number
        check_same(source, ledger, line)
        if not line.text.strip():
            ledger.end(line.number, State.BLANK)
        elif ledger.is_open(line.number):
            if parse is not None:
                parse(source.place(line.number), line.text)
            count += 1
    check_length(source, ledger, last)
    source.rewind()
    return count


def check_same(source: Input, ledger: LineStates, line: Line) -> None:
    """Refuse a line that has been run and has changed since.

    Raises:
        Refusal: It has.
    """
    mark = ledger.mark(line.number)
    if mark and mark != mark_of(line.text):
        raise InputError(f"{source.place(line.number)} has changed since it was run: {_SAME}")


def check_length(source: Input, ledger: LineStates, last: int) -> None:
    """Refuse an input that has lost lines that were run.

    Raises:
        Refusal: It has.
    """
    if last < ledger.last:
        raise InputError(f"{source.name} ends at line {last}, and line {ledger.last} has been run: {_SAME}")


_SAME: Final = "a map goes on with the same input only; for another, choose another output"
