"""The files that a map writes: made of its journal, and made anew of it whenever a map goes on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from .append_only_file import AppendOnlyFile, sync_directory
from .journal import Journal
from .line_states import FAILURES, State

_AT_ONCE: Final = 65536
_PASSED_OVER: Final = (State.BLANK, *FAILURES)


class Output:
    """The results, and the failures; the file of failures is there only if there are some.

    Args:
        results: The file of results.
        failures: The file of failures.
        journal: Where all of it stands.
        ordered: Whether results stand in the order of their lines, or as they came.
    """

    def __init__(self, results: Path, failures: Path, journal: Journal, *, ordered: bool) -> None:
        self.classes = Counter[str]()
        self._journal = journal
        self._ordered = ordered
        self._next = 1
        self._failures_path = failures
        failures.unlink(missing_ok=True)
        self._failures: AppendOnlyFile | None = None
        self._results = AppendOnlyFile(results)
        self._results.cut()
        self._make_anew()

    def done(self, line: int) -> None:
        """Write the result of a line, as soon as it is its turn."""
        if self._ordered:
            self.advance()
        else:
            self._copy([line])

    def failed(self, line: int) -> None:
        """Write the failure of a line."""
        if self._failures is None:
            self._failures = AppendOnlyFile(self._failures_path)
            self._failures.cut()
        text = self._journal.written(line)
        self.classes[json.loads(text)["error"]] += 1
        self._failures.append(text + b"\n")
        if self._ordered:
            self.advance()

    def advance(self) -> None:
        """Write the results whose turn it is."""
        self._copy(self._due())

    def give_way(self) -> None:
        """Leave the room on the disk to the journal, of which all of this can be made again."""
        for file in (self._results, self._failures):
            if file is not None:
                file.cut()

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        self._results.sync()
        if self._failures is not None:
            self._failures.sync()
        sync_directory(self._results.path)

    def close(self) -> None:
        """Close the files."""
        self._results.close()
        if self._failures is not None:
            self._failures.close()

    def _make_anew(self) -> None:
        for line in self._journal.ledger.lines(*FAILURES):
            self.failed(line)
        if self._ordered:
            self.advance()
        else:
            self._copy(self._journal.results())

    def _due(self) -> Iterator[int]:
        """Yield the lines that are done and next in order."""
        ledger = self._journal.ledger
        while self._next <= ledger.last and not ledger.is_under_way(self._next):
            state = ledger.state(self._next)
            if state is not State.DONE and state not in _PASSED_OVER:
                return
            self._next += 1
            if state is State.DONE:
                yield self._next - 1

    def _copy(self, lines: Iterable[int]) -> None:
        """Write the results of lines, many at once."""
        text = b""
        for line in lines:
            text += self._journal.written(line) + b"\n"
            if len(text) > _AT_ONCE:
                self._results.append(text)
                text = b""
        if text:
            self._results.append(text)
