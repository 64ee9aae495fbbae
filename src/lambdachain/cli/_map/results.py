"""Where the results of a map go: to its progress and the files derived from it, or to standard output."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final, Protocol, TypeVar

from lambdachain._core.errors import CallError, Execution, InvalidRequestError, NotInvokedError
from lambdachain.cli._call_output import error_to_dict
from lambdachain.cli._exit_status import InputError, format_call_error, print_error, to_one_line

from .execution_record import ExecutionRecord
from .lines import FAILURES, Line, LineStates, NoLineStates, Position, RecordedOutcome, State

if TYPE_CHECKING:
    from .output import OutputFiles
    from .progress_store import ProgressStore

_STATES: Final = {
    Execution.NOT_EXECUTED: State.NOT_EXECUTED,
    Execution.UNKNOWN: State.UNKNOWN,
    Execution.EXECUTED: State.FAILED,
}
_LOST: Final = {
    "error": "OutcomeUnknownError",
    "message": "the run of the map ended before the response came",
    "execution": str(Execution.UNKNOWN),
    "retryable": False,
}


T = TypeVar("T")


class ResultSink(Protocol):
    """Where the results of a map go.

    Attributes:
        states: The outcomes of the lines in earlier runs.
        counts: How many lines are in each state, as of the beginning; of the end once it is closed.
        classes: How many lines have failed, by the class of their error.
        broken: Why nothing more can be written; ``None`` while it can.
        execution: The execution of Step Functions that it is in, if it is.
    """

    states: LineStates
    counts: Counter[State]
    classes: Counter[str]
    broken: OSError | None
    execution: ExecutionRecord

    def reserve(self, lines: Sequence[Line], position: Position | None) -> None:
        """Announce lines before any of them is sent, and the position in the input behind them."""
        ...

    def start(self, line: Line) -> None:
        """Announce that a line is sent next."""
        ...

    def succeed(self, line: int, response: bytes) -> None:
        """Write the result of a line."""
        ...

    def fail(self, line: int, error: CallError) -> None:
        """Write the failure of a line."""
        ...

    def refuse(self, line: int, error: InputError | InvalidRequestError) -> None:
        """Write that a line cannot be sent."""
        ...

    def release(self, lines: Sequence[int]) -> None:
        """Withdraw announcements: these lines did not run, and a later run will run them."""
        ...

    def record(self, outcomes: Sequence[RecordedOutcome]) -> None:
        """Write the outcomes of lines that were not reserved, in the order of the lines."""
        ...

    def close(self, *, is_complete: bool) -> None:
        """Sync everything to the disk and close it; *is_complete* is whether no line is left to be run."""
        ...


class FileSink:
    """The progress of a map, and the output files derived from it.

    When the disk is full, the files make room for the results of the calls in flight: the next run writes them again.
    """

    def __init__(self, store: ProgressStore, files: OutputFiles) -> None:
        self.states: LineStates = store
        self.counts = store.count_states()
        self.classes = files.classes
        self.broken: OSError | None = None
        self.execution = ExecutionRecord(store)
        self._store = store
        self._files = files

    def reserve(self, lines: Sequence[Line], position: Position | None) -> None:
        """Announce lines; see ``ResultSink``."""
        # Files that have made room no longer match their position.
        self._store.reserve(lines, position, None if self.broken else self._files.position)
        if any(not line.text.strip() for line in lines):
            # A blank line has no outcome of its own that would make the results behind it due.
            self._write(self._files.write_due)

    def start(self, line: Line) -> None:
        """Announce that a line is sent; see ``ResultSink``."""
        self._store.start(line.number)

    def succeed(self, line: int, response: bytes) -> None:
        """Write a result; see ``ResultSink``."""
        text = result_line(line, response)
        outcome = self._keep(lambda: self._store.end(line, State.DONE, text))
        self._write(lambda: self._files.add_result(line, outcome, text))

    def fail(self, line: int, error: CallError) -> None:
        """Write a failure; see ``ResultSink``."""
        failure = error_to_dict(error)
        text, name = failure_line(line, failure), str(failure["error"])
        self._keep(lambda: self._store.end(line, _STATES[error.execution], text, name))
        self._write_failure(name, text)

    def refuse(self, line: int, error: InputError | InvalidRequestError) -> None:
        """Write that a line cannot be sent; see ``ResultSink``."""
        failure = _refusal_object(error)
        text, name = failure_line(line, failure), str(failure["error"])
        self._keep(lambda: self._store.refuse(line, text, name))
        self._write_failure(name, text)

    def release(self, lines: Sequence[int]) -> None:
        """Withdraw announcements; see ``ResultSink``."""
        if lines:
            self._keep(lambda: self._store.release(lines))

    def record(self, outcomes: Sequence[RecordedOutcome]) -> None:
        """Write the outcomes of lines that were not reserved; see ``ResultSink``."""
        self._keep(lambda: self._store.record(outcomes))
        for outcome in outcomes:
            if outcome.error is not None:
                self._write(partial(self._files.add_failure, outcome.error, outcome.text))
        self._write(self._files.write_due)

    def close(self, *, is_complete: bool) -> None:
        """Sync everything and close it; remove progress that no later run needs."""
        try:
            self._sync()
            self.counts = self._store.count_states()
        except BaseException:
            is_complete = False
            raise
        finally:
            self._files.close()
            if is_complete and self.broken is None and not any(self.counts[state] for state in FAILURES):
                self._store.remove()
            else:
                self._store.close()

    def _sync(self) -> None:
        if self.broken is None:
            self._files.sync()
            self._store.sync(self._files.position)
        else:
            with suppress(OSError):
                self._store.sync()

    def _write_failure(self, name: str, text: bytes) -> None:
        self._write(lambda: self._files.add_failure(name, text))
        # A failure has no place among the results, but those behind it may be due now.
        self._write(self._files.write_due)

    def _keep(self, keep: Callable[[], T]) -> T:
        try:
            return keep()
        except OSError as exc:
            self.broken = self.broken or exc
            self._files.make_room()
            return keep()

    def _write(self, write: Callable[[], None]) -> None:
        if self.broken is None:
            try:
                write()
            except OSError as exc:
                self.broken = exc


class StreamSink:
    """Standard output for results, in the order in which they come here; standard error or a file for failures.

    Args:
        failures: Where failures go; standard error without it.
    """

    def __init__(self, failures: IO[bytes] | None) -> None:
        self.states: LineStates = NoLineStates()
        self.counts = Counter[State]()
        self.classes = Counter[str]()
        self.broken: OSError | None = None
        self.execution = ExecutionRecord()
        self._failures = failures

    def reserve(self, lines: Sequence[Line], position: Position | None) -> None:
        """No-op: no later run resumes this one."""

    def start(self, line: Line) -> None:
        """No-op: no later run resumes this one."""

    def release(self, lines: Sequence[int]) -> None:
        """No-op: no later run resumes this one."""

    def succeed(self, line: int, response: bytes) -> None:
        """Print a result."""
        self.counts[State.DONE] += 1
        self._print(result_line(line, response), sys.stdout.buffer)

    def fail(self, line: int, error: CallError) -> None:
        """Print a failure."""
        self._fail(line, error_to_dict(error), format_call_error(error))

    def refuse(self, line: int, error: InputError | InvalidRequestError) -> None:
        """Print that a line cannot be sent."""
        refusal = _refusal_object(error)
        self._fail(line, refusal, f"{refusal['error']}: {refusal['message']}")

    def record(self, outcomes: Sequence[RecordedOutcome]) -> None:
        """Print outcomes."""
        for outcome in outcomes:
            if outcome.error is not None:
                failure = json.loads(outcome.text)
                self._fail(failure.pop("line"), failure, f"{outcome.error}: {failure['message']}")
            elif outcome.state is State.DONE:
                self.counts[State.DONE] += 1
                self._print(outcome.text, sys.stdout.buffer)

    def close(self, *, is_complete: bool) -> None:  # noqa: ARG002 - nothing could resume it
        """Close the file of failures."""
        if self._failures is not None:
            self._failures.close()

    def _fail(self, line: int, failure: dict[str, Any], message: str) -> None:
        self.classes[failure["error"]] += 1
        if self._failures is None:
            print_error(f"line {line}: {message}")
        else:
            self._print(failure_line(line, failure), self._failures)

    def _print(self, text: bytes, file: IO[bytes]) -> None:
        if self.broken is not None:
            return
        try:
            file.write(text + b"\n")
            file.flush()
        except OSError as exc:
            exc.filename = exc.filename or getattr(file, "name", "standard output")
            self.broken = exc


def to_response_outcome(line: Line, response: bytes) -> RecordedOutcome:
    """Return the outcome of a line with a response."""
    return RecordedOutcome(line, State.DONE, result_line(line.number, response))


def to_error_outcome(line: Line, error: CallError) -> RecordedOutcome:
    """Return the outcome of a line that failed."""
    failure = error_to_dict(error)
    text = failure_line(line.number, failure)
    return RecordedOutcome(line, _STATES[error.execution], text, str(failure["error"]))


def to_refusal_outcome(line: Line, error: InputError | NotInvokedError) -> RecordedOutcome:
    """Return the outcome of a line that cannot be sent."""
    failure = _refusal_object(error)
    text = failure_line(line.number, failure)
    return RecordedOutcome(line, State.NOT_EXECUTED, text, str(failure["error"]), is_checked=False)


def result_line(line: int, response: bytes) -> bytes:
    """Format a result."""
    return b'{"line":%d,"value":%s}' % (line, response)


def failure_line(line: int, failure: dict[str, Any]) -> bytes:
    """Format a failure."""
    return json.dumps({"line": line, **failure}, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def lost_line(line: int) -> bytes:
    """Format the failure of a line that was in flight when a run ended."""
    return failure_line(line, _LOST)


def _refusal_object(error: InputError | NotInvokedError) -> dict[str, Any]:
    message = error.message if isinstance(error, InputError) else str(error.args[0])
    execution = {"execution": str(Execution.NOT_EXECUTED), "retryable": False}
    name = "InvalidRequestError" if isinstance(error, InputError) else type(error).__name__
    return {"error": name, "message": to_one_line(message), **execution}
