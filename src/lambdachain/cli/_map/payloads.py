"""The payloads of a map, as the library takes them: lines are reserved in blocks, and parsed when a call can start."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from lambdachain._core.errors import InvalidRequestError
from lambdachain._fan_out.driver import PayloadNotReadyError
from lambdachain.cli._exit_status import InputError

from .lines import Input, Line, LineStates, Parse, Position, check_length, lines_to_run

# Each block costs a sync of the disk; after the machine has stopped, a whole block may have run.
_RESERVED_AT_ONCE: Final = 256


class Announcements(Protocol):
    """Where lines are announced before they are sent."""

    states: LineStates

    def reserve(self, lines: Sequence[Line], position: Position | None) -> None: ...

    def start(self, line: Line) -> None: ...

    def refuse(self, line: int, error: InputError | InvalidRequestError) -> None: ...


class StoppedError(Exception):
    """The map is to end; raised while it waits for its input."""


class Payloads:
    """The payloads of the lines that are to be run, each read, announced and parsed when a call can start.

    Args:
        source: The input.
        sink: Where lines are announced.
        parse: Makes a payload of a line.
        skip_invalid: Whether a line that is not a valid payload is reported to *sink*; otherwise it ends the map.
    """

    def __init__(self, source: Input, sink: Announcements, parse: Parse, *, skip_invalid: bool = False) -> None:
        self.is_stopped = False
        self.is_waiting = False
        self._source = source
        self._sink = sink
        self._parse = parse
        self._skip_invalid = skip_invalid
        self._read: deque[Line] = deque()
        self._reserved: deque[Line] = deque()
        self._in_flight: dict[int, int] = {}
        self._yielded = 0
        self._position = source.start

    def stop(self) -> None:
        """Yield no more payloads."""
        self.is_stopped = True

    def pop_line(self, number: int) -> int:
        """Return the line of payload *number*, which is no longer in flight."""
        return self._in_flight.pop(number)

    @property
    def in_flight(self) -> int:
        """How many payloads have no result yet."""
        return len(self._in_flight)

    @property
    def not_started(self) -> list[int]:
        """The lines that were reserved and not started."""
        return [line.number for line in self._reserved]

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        while not self.is_stopped and (self._reserved or self._reserve_more()):
            if not self._reserved:
                continue
            line = self._reserved.popleft()
            try:
                payload = self._parse(self._source.location(line.number), line.text)
            except (InputError, InvalidRequestError) as exc:
                if not self._skip_invalid:
                    self._reserved.appendleft(line)
                    raise
                self._sink.refuse(line.number, exc)
                continue
            self._sink.start(line)
            self._in_flight[self._yielded] = line.number
            self._yielded += 1
            return payload
        raise StopIteration

    def _reserve_more(self) -> bool:
        """Reserve the next block of lines; return false at the end of the input."""
        if not self._read:
            self._read.extend(self._read_lines())
            if not self._read:
                return False
        block = [self._read.popleft() for _ in range(min(len(self._read), _RESERVED_AT_ONCE))]
        position = self._advance(block)
        to_run = list(lines_to_run(self._source, self._sink.states, block))
        if to_run:
            self._sink.reserve(to_run, position)
        self._reserved.extend(line for line in to_run if line.text.strip())
        return True

    def _advance(self, block: Sequence[Line]) -> Position | None:
        """Return the position behind a block; ``None`` where no later run can use it."""
        if not self._source.is_file:
            return None
        for line in block:
            self._position = self._position.advance(line)
        # More text may be appended to a last line without a line break: then it would be another line.
        return self._position if block[-1].size > len(block[-1].text) else None

    def _read_lines(self) -> list[Line]:
        if self._in_flight and self._source.would_wait():
            raise PayloadNotReadyError
        try:
            self.is_waiting = True
            lines = self._source.read_lines()
        except StoppedError:
            return []
        finally:
            self.is_waiting = False
        if not lines:
            check_length(self._source, self._sink.states, self._source.lines_read)
        return lines


class CountedPayloads(Payloads):
    """Payloads whose number is known, so that a progress bar can show how many are left."""

    def __init__(
        self, source: Input, sink: Announcements, parse: Parse, *, skip_invalid: bool = False, count: int
    ) -> None:
        super().__init__(source, sink, parse, skip_invalid=skip_invalid)
        self._count = count

    def __len__(self) -> int:
        return self._count
