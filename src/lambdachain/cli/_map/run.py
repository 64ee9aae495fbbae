"""One run of a map: call the function for each line and hand the results on, until all are done or it is stopped."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
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
from lambdachain.cli._json import encode_response

from .payloads import Payloads, StoppedError
from .results import ResultSink

# Every line would fail with these: the map ends, and the line is run when it resumes.
_FATAL: Final = (AccessDeniedError, ConnectError, FunctionMisconfiguredError, FunctionNotFoundError)
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


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
        self._contract = map_request.target.contract if is_typed else None
        self._payloads = payloads
        self._sink = sink
        self._fatal: CallError | None = None

    def until_ended(self) -> None:
        """Run the lines; after a first signal wait for the calls in flight, after a second one do not.

        Raises:
            OSError: Something cannot be written.
            InputError: A line is not a valid payload, and such lines are not skipped.
            CallError: A line failed with an error that every line would have, or does not match the contract.
        """
        with self._handling_signals():
            try:
                # The input may have arrived when the signal that stops waiting for it is handled.
                with suppress(StoppedError):
                    self._call_all()
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

    def _call_all(self) -> None:
        for number, result in run_numbered_map(self._map_request, self._payloads):
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
            response = encode_response(self._contract, value, self._map_request.target.address)
        except CallError as exc:
            self._sink.fail(line, exc)
        else:
            self._sink.succeed(line, response)

    @contextmanager
    def _handling_signals(self) -> Generator[None]:
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
        self._payloads.stop()
        if self._payloads.is_waiting:
            raise StoppedError
        # Not through sys.stderr: the signal may have interrupted a write to its buffer, which cannot be entered twice.
        if in_flight := self._payloads.in_flight:
            end = "\n" if sys.stderr.isatty() else ""  # of the line that the bar is on
            calls, them = (f"{in_flight} calls", "them") if in_flight > 1 else ("1 call", "it")
            message = f"{end}stopping: waiting for {calls} in flight; press Ctrl-C again to abandon {them}\n"
            # An error here would look like one of whatever the signal has interrupted.
            with suppress(OSError):
                os.write(sys.stderr.fileno(), message.encode())
