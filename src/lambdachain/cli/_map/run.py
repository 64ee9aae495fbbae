"""One run of a map: it takes what comes of each line to the book, until all is done or something ends it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from lambdachain._client.map import MapRequest, run_numbered_map
from lambdachain._core.errors import (
    AccessDeniedError,
    CallError,
    ConnectError,
    FunctionMisconfiguredError,
    FunctionNotFoundError,
)
from lambdachain.cli._exit_status import InputError

from .pending import Pending, StoppedError
from .results_store import ResultSink

# What one line meets, every line will: the map ends, and the line is run when it goes on.
_EVERY_LINES: Final = (AccessDeniedError, ConnectError, FunctionMisconfiguredError, FunctionNotFoundError)
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Run:
    """A run of a map.

    Args:
        errand: What the library is to do for each line.
        is_typed: Whether answers are of the contract's type.
        pending: The lines.
        book: What keeps the results.

    Attributes:
        signal: The signal that ended it, if one did.
        is_complete: Whether it has come to its end, and no line is left to be run.
    """

    def __init__(self, map_request: MapRequest, *, is_typed: bool, pending: Pending, book: ResultSink) -> None:
        self.signal: int | None = None
        self.is_complete = False
        self._map_request = map_request
        self._contract = map_request.target.contract if is_typed else None
        self._pending = pending
        self._book = book
        self._refusal: CallError | None = None

    def until_ended(self) -> None:
        """Run the lines; a first signal lets what is under way come to its end, a second one does not.

        Raises:
            OSError: Something cannot be written.
            Refusal: A line is no payload, and none are passed over.
            CallError: A line met what every line would, or does not fit the contract.
        """
        with self._listening():
            try:
                self._go()
            except KeyboardInterrupt:
                if self.signal is None:
                    raise
            except (InputError, CallError):
                self._give_back()
                raise
        self._give_back()
        if error := self._book.broken or self._refusal:
            raise error
        self.is_complete = not self._pending.is_stopped

    def _give_back(self) -> None:
        """Withdraw what was announced and not started."""
        for line in self._pending.left():
            self._book.release(line)

    def _go(self) -> None:
        for number, result in run_numbered_map(self._map_request, self._pending):
            self._take(self._pending.line_of(number), result)
            if self._book.broken or self._refusal:
                self._pending.stop()

    def _take(self, line: int, result: Any) -> None:
        try:
            if isinstance(result, _EVERY_LINES):
                self._refusal = self._refusal or result
                self._book.release(line)
            elif isinstance(result, CallError):
                self._book.failed(line, result)
            else:
                self._answered(line, result)
        except OSError as exc:
            self._book.broken = self._book.broken or exc

    def _answered(self, line: int, value: Any) -> None:
        try:
            answer = written(self._contract, value, self._map_request.target.address)
        except CallError as exc:
            self._book.failed(line, exc)
        else:
            self._book.done(line, answer)

    @contextmanager
    def _listening(self) -> Generator[None]:
        before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
        self._pending.stop()
        if self._pending.is_waiting:
            raise StoppedError
        # Not by way of the buffered standard error, which may be amid a line.
        if under_way := self._pending.under_way:
            end = "\n" if sys.stderr.isatty() else ""  # of a bar's line
            calls, them = (f"{under_way} calls are", "them") if under_way > 1 else ("1 call is", "it")
            os.write(sys.stderr.fileno(), f"{end}stopping: {calls} under way, Ctrl-C again leaves {them}\n".encode())
