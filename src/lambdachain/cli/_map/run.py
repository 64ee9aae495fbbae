"""One run of a map: take payloads from the input, call the function, and hand the results on, until all are done.

Lines are reserved in blocks, and each is parsed when its call can start, so that few are kept in memory.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from lambdachain._client.map import MapRequest, run_numbered_map
from lambdachain._core.errors import (
    AccessDeniedError,
    CallError,
    ConnectError,
    FunctionMisconfiguredError,
    FunctionNotFoundError,
    InvalidRequestError,
)
from lambdachain._fan_out.driver import PayloadNotReadyError
from lambdachain.cli._exit_status import InputError
from lambdachain.cli._json import encode_response

from .lines import Input, Line, Parse, Position, check_length, lines_to_run
from .results import ResultSink
from .signals import handle_signals

if TYPE_CHECKING:
    from lambdachain._fan_out.options import OnProgress

# Each block costs a sync of the disk; after the machine has stopped, a whole block may have run.
_RESERVED_AT_ONCE: Final = 256
# Every line would fail with these: the map ends, and the line is run when it resumes.
_FATAL: Final = (AccessDeniedError, ConnectError, FunctionMisconfiguredError, FunctionNotFoundError)


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

    def __init__(self, source: Input, sink: ResultSink, parse: Parse, *, skip_invalid: bool = False) -> None:
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
        self, source: Input, sink: ResultSink, parse: Parse, *, skip_invalid: bool = False, count: int
    ) -> None:
        super().__init__(source, sink, parse, skip_invalid=skip_invalid)
        self._count = count

    def __len__(self) -> int:
        return self._count


class Run:
    """A run of a map.

    Args:
        map_request: What the library is to do for each line.
        is_typed: Whether responses have the contract's type.
        payloads: The payloads of the lines.
        sink: Where results go.

    Attributes:
        signal: The signal that stopped it, if one did.
        is_complete: Whether it has reached its end, and no line is left to be run.
    """

    def __init__(self, map_request: MapRequest, *, is_typed: bool, payloads: Payloads, sink: ResultSink) -> None:
        self.signal: int | None = None
        self.is_complete = False
        self._map_request = map_request
        self._contract = map_request.bound.target.contract if is_typed else None
        self._payloads = payloads
        self._sink = sink
        self._fatal: CallError | None = None

    @property
    def in_flight(self) -> int:
        """How many calls have no result yet."""
        return self._payloads.in_flight

    def until_ended(self, on_progress: OnProgress) -> None:
        """Run the lines; after a first signal wait for the calls in flight, after a second one do not.

        Raises:
            OSError: Something cannot be written.
            InputError: A line is not a valid payload, and such lines are not skipped.
            CallError: A line failed with an error that every line would have, or does not match the contract.
        """
        with handle_signals(self._on_signal):
            try:
                # The input may have arrived when the signal that stops waiting for it is handled.
                with suppress(StoppedError):
                    self._call_all(on_progress)
            except KeyboardInterrupt:
                if self.signal is None:
                    raise
            except (InputError, CallError):
                self._release_unstarted()
                raise
        self._release_unstarted()
        if error := self._sink.broken or self._fatal:
            raise error
        self.is_complete = not self._payloads.is_stopped

    def _release_unstarted(self) -> None:
        """Withdraw the lines that were reserved and not started."""
        self._sink.release(self._payloads.not_started)

    def _call_all(self, on_progress: OnProgress) -> None:
        settings = self._map_request.settings._replace(on_progress=on_progress)
        for number, result in run_numbered_map(self._map_request._replace(settings=settings), self._payloads):
            self._handle(self._payloads.pop_line(number), result)
            if self._sink.broken or self._fatal:
                self._payloads.stop()

    def _handle(self, line: int, result: Any) -> None:
        try:
            if isinstance(result, _FATAL):
                self._fatal = self._fatal or result
                self._sink.release([line])
            elif isinstance(result, CallError):
                self._sink.fail(line, result)
            else:
                self._write_response(line, result)
        except OSError as exc:
            self._sink.broken = self._sink.broken or exc

    def _write_response(self, line: int, value: Any) -> None:
        try:
            response = encode_response(self._contract, value, self._map_request.bound.target.address)
        except CallError as exc:
            self._sink.fail(line, exc)
        else:
            self._sink.succeed(line, response)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
        self._payloads.stop()
        if self._payloads.is_waiting:
            raise StoppedError
        # Not through sys.stderr: the signal may have interrupted a write to its buffer, which cannot be entered twice.
        if in_flight := self._payloads.in_flight:
            end = "\n" if sys.stderr.isatty() else ""  # of the line that the bar is on
            calls, them = (f"{in_flight} calls", "them") if in_flight > 1 else ("1 call", "it")
            message = f"{end}stopping: waiting for {calls} in flight; press Ctrl-C again to abandon {them}\n"
            # An error raised here would be taken for one of the write or the commit that the signal has interrupted.
            with suppress(OSError):
                os.write(sys.stderr.fileno(), message.encode())
