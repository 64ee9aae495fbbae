"""The payloads of a map, as the library takes them: what is still to be run, announced in the journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from lambdachain._core.errors import InvalidRequestError
from lambdachain._fan_out.driver import NotYetError
from lambdachain.cli._exit_status import InputError

from .line_states import LineStates, State
from .lines import Input, Line, Parse, check_length, check_same

_RESERVED_AT_ONCE: Final = 256


class Announced(Protocol):
    """Where lines are announced before they are sent."""

    ledger: LineStates

    def reserve(self, lines: Sequence[int]) -> None: ...

    def start(self, line: int, text: bytes) -> None: ...

    def refused(self, line: int, error: InputError | InvalidRequestError) -> None: ...


class StoppedError(Exception):
    """The map shall end; raised while it waits for its input."""


class Pending:
    """The open lines of an input, each read, announced and made a payload when it can be sent.

    Args:
        source: The input.
        book: Where lines are announced.
        parse: Makes a payload of a line.
        skips: Whether a line that cannot be sent is passed over, and told to the book; without, it ends the map.
    """

    def __init__(self, source: Input, book: Announced, parse: Parse, *, skips: bool = False) -> None:
        self.is_stopped = False
        self.is_waiting = False
        self._source = source
        self._book = book
        self._parse = parse
        self._skips = skips
        self._read: deque[Line] = deque()
        self._ready: deque[Line] = deque()
        self._under_way: dict[int, int] = {}
        self._given = self._last = 0

    def stop(self) -> None:
        """Hand out no more payloads."""
        self.is_stopped = True

    def line_of(self, number: int) -> int:
        """Return the line of payload *number*, which is no longer under way."""
        return self._under_way.pop(number)

    @property
    def under_way(self) -> int:
        """How many payloads have no result yet."""
        return len(self._under_way)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        while not self.is_stopped and (self._ready or self._more()):
            if not self._ready:
                continue
            line = self._ready.popleft()
            try:
                payload = self._parse(self._source.place(line.number), line.text)
            except (InputError, InvalidRequestError) as exc:
                if not self._skips:
                    raise
                self._book.refused(line.number, exc)
                continue
            self._book.start(line.number, line.text)
            self._under_way[self._given] = line.number
            self._given += 1
            return payload
        raise StopIteration

    def left(self) -> Iterator[int]:
        """Return the lines that were announced and not started."""
        return (line.number for line in self._ready)

    def _more(self) -> bool:
        """Find more open lines; false at the end of the input."""
        if not self._read:
            self._read.extend(self._lines())
            if not self._read:
                return False
        block = [self._read.popleft() for _ in range(min(len(self._read), _RESERVED_AT_ONCE))]
        self._ready.extend(line for line in block if self._is_to_run(line))
        self._book.reserve([line.number for line in self._ready])
        return True

    def _lines(self) -> list[Line]:
        if self._under_way and self._source.would_wait():
            raise NotYetError
        try:
            self.is_waiting = True
            lines = self._source.some()
        except StoppedError:
            return []
        finally:
            self.is_waiting = False
        if lines:
            self._last = lines[-1].number
        else:
            check_length(self._source, self._book.ledger, self._last)
        return lines

    def _is_to_run(self, line: Line) -> bool:
        ledger = self._book.ledger
        check_same(self._source, ledger, line)
        if not line.text.strip():
            ledger.end(line.number, State.BLANK)
        return ledger.is_open(line.number)


class Counted(Pending):
    """Pending lines of which it is known how many there are."""

    def __init__(self, source: Input, book: Announced, parse: Parse, *, skips: bool = False, count: int) -> None:
        super().__init__(source, book, parse, skips=skips)
        self._count = count

    def __len__(self) -> int:
        return self._count
