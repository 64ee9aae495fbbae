"""Where a map keeps what comes of each line: in a journal and the files made of it, or on standard output only."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Any, Final, Protocol

from lambdachain._core.errors import CallError, Execution, InvalidRequestError
from lambdachain.cli._exit_status import Refusal, in_a_line, one_line, tell_error
from lambdachain.cli._report import failure_object

from .journal import Journal
from .line_states import FAILURES, LineStates, State
from .output import Output

_STATES: Final = {
    Execution.NOT_EXECUTED: State.NOT_EXECUTED,
    Execution.UNKNOWN: State.UNKNOWN,
    Execution.EXECUTED: State.FAILED,
}
_LOST: Final = {
    "error": "OutcomeUnknownError",
    "message": "the run of the map ended before the answer came",
    "execution": str(Execution.UNKNOWN),
    "retryable": False,
}


class ResultSink(Protocol):
    """Where a map keeps what comes of each line.

    Attributes:
        ledger: What is known of each line.
        results: How many lines have a result.
        classes: How many lines have failed, by the class of their error.
        broken: Why nothing more can be kept; ``None`` as long as it can.
    """

    ledger: LineStates
    classes: Counter[str]
    broken: OSError | None

    @property
    def results(self) -> int: ...

    def reserve(self, lines: Sequence[int]) -> None:
        """Announce lines, before any of them is sent."""
        ...

    def start(self, line: int, text: bytes) -> None:
        """Announce that a line is sent next."""
        ...

    def done(self, line: int, answer: bytes) -> None:
        """Keep an answer."""
        ...

    def failed(self, line: int, error: CallError) -> None:
        """Keep a failure."""
        ...

    def refused(self, line: int, error: Refusal | InvalidRequestError) -> None:
        """Keep that a line cannot be sent."""
        ...

    def release(self, line: int) -> None:
        """Withdraw an announcement: the line did not run, and shall."""
        ...

    def close(self, *, complete: bool) -> None:
        """Put everything on the disk; *complete* is whether nothing is left to be run."""
        ...


class Files:
    """A journal, and the files made of it.

    When the disk is full, the files make room for what is still under way: the next run makes them anew.
    """

    def __init__(self, journal: Journal, output: Output) -> None:
        self.ledger = journal.ledger
        self.classes = output.classes
        self.broken: OSError | None = None
        self._journal = journal
        self._output = output

    @property
    def results(self) -> int:
        """How many lines have a result."""
        return self.ledger.count(State.DONE)

    def reserve(self, lines: Sequence[int]) -> None:
        """Announce lines; see ``ResultSink``."""
        self._journal.reserve(lines)

    def start(self, line: int, text: bytes) -> None:
        """Announce that a line is sent; see ``ResultSink``."""
        self._journal.start(line, text)

    def done(self, line: int, answer: bytes) -> None:
        """Keep an answer; see ``ResultSink``."""
        self._keep(lambda: self._journal.done(line, result_line(line, answer)))
        self._write(lambda: self._output.done(line))

    def failed(self, line: int, error: CallError) -> None:
        """Keep a failure; see ``ResultSink``."""
        self._failed(line, _STATES[error.execution], failure_object(error))

    def refused(self, line: int, error: Refusal | InvalidRequestError) -> None:
        """Keep that a line cannot be sent; see ``ResultSink``."""
        self._failed(line, State.NOT_EXECUTED, _refusal(error))

    def release(self, line: int) -> None:
        """Withdraw an announcement; see ``ResultSink``."""
        self._keep(lambda: self._journal.release(line))

    def close(self, *, complete: bool) -> None:
        """Put everything on the disk; a journal that nobody needs any more is removed."""
        if self.broken is not None:
            with suppress(OSError):
                self._journal.sync()
        else:
            self._output.sync()
            self._journal.sync()
        self._output.close()
        if complete and self.broken is None and not self.ledger.count(*FAILURES):
            self._journal.remove()
        else:
            self._journal.close()

    def _failed(self, line: int, state: State, failure: dict[str, Any]) -> None:
        self._keep(lambda: self._journal.failed(line, state, failure_line(line, failure)))
        self._write(lambda: self._output.failed(line))

    def _keep(self, keep: Callable[[], None]) -> None:
        try:
            keep()
        except OSError as exc:
            self.broken = self.broken or exc
            self._output.give_way()
            keep()

    def _write(self, write: Callable[[], None]) -> None:
        if self.broken is None:
            try:
                write()
            except OSError as exc:
                self.broken = exc


class Stream:
    """Standard output for results, in the order in which they come here; and standard error, or a file, for failures.

    Args:
        failures: Where failures go; standard error without it.
    """

    def __init__(self, failures: IO[bytes] | None) -> None:
        self.ledger = LineStates()
        self.classes = Counter[str]()
        self.broken: OSError | None = None
        self.results = 0
        self._failures = failures

    def reserve(self, lines: Sequence[int]) -> None:
        """No-op: there is no journal."""

    def start(self, line: int, text: bytes) -> None:
        """No-op: there is no journal."""

    def release(self, line: int) -> None:
        """No-op: there is no journal."""

    def done(self, line: int, answer: bytes) -> None:
        """Print an answer."""
        self.results += 1
        self._print(result_line(line, answer), sys.stdout.buffer)

    def failed(self, line: int, error: CallError) -> None:
        """Report a failure."""
        self._failed(line, failure_object(error), in_a_line(error))

    def refused(self, line: int, error: Refusal | InvalidRequestError) -> None:
        """Report that a line cannot be sent."""
        refusal = _refusal(error)
        self._failed(line, refusal, f"{refusal['error']}: {refusal['message']}")

    def close(self, *, complete: bool) -> None:  # noqa: ARG002 - there is nothing that could be left to be run
        """Close the file of failures."""
        if self._failures is not None:
            self._failures.close()

    def _failed(self, line: int, failure: dict[str, Any], words: str) -> None:
        self.classes[failure["error"]] += 1
        if self._failures is None:
            tell_error(f"line {line}: {words}")
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


def lost_line(line: int) -> bytes:
    """Write the failure of a line that was under way when a run ended."""
    return failure_line(line, dict(_LOST))


def result_line(line: int, answer: bytes) -> bytes:
    """Write a result."""
    return b'{"line":%d,"value":%s}' % (line, answer)


def failure_line(line: int, failure: dict[str, Any]) -> bytes:
    """Write a failure."""
    return json.dumps({"line": line, **failure}, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _refusal(error: Refusal | InvalidRequestError) -> dict[str, Any]:
    message = error.message if isinstance(error, Refusal) else str(error.args[0])
    executed = {"execution": str(Execution.NOT_EXECUTED), "retryable": False}
    return {"error": "InvalidRequestError", "message": one_line(message), **executed}
