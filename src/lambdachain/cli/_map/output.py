"""The files that a map writes: derived from its progress, and continued where the last run left them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .files import AppendOnlyFile, sync_directory
from .lines import OutputPosition

if TYPE_CHECKING:
    from .progress_store import ProgressStore

_AT_ONCE: Final = 65536


class OutputFiles:
    """The results and the failures of a map; the file of failures exists only if there are some.

    A run continues the results of the last one if their bytes have the recorded checksum. Otherwise (the file was
    edited, the machine stopped before its bytes were on the disk, the disk was full) they are written again from the
    start: the progress has all of them.

    Args:
        results: The file of results.
        failures: The file of failures.
        store: The progress of the map.
        is_ordered: Whether results are in the order of their lines, or as they come.
    """

    def __init__(self, results: Path, failures: Path, store: ProgressStore, *, is_ordered: bool) -> None:
        self.classes = Counter[str]()
        self._store = store
        self._is_ordered = is_ordered
        self._next_line, self._last_outcome = 1, 0
        self._has_later = True
        self._results = AppendOnlyFile(results)
        self._continue()
        self._failures_path = failures
        self._failures: AppendOnlyFile | None = None
        failures.unlink(missing_ok=True)
        for error, text in store.failures():
            self.add_failure(error, text)
        self.write_due()

    @property
    def position(self) -> OutputPosition:
        """How far the file of results is written."""
        results = self._results
        return OutputPosition(self._is_ordered, self._next_line, self._last_outcome, results.size, results.checksum)

    def add_result(self, line: int, outcome: int, text: bytes) -> None:
        """Write a result, as soon as it is its turn."""
        if not self._is_ordered:
            self._results.append(text + b"\n")
            self._last_outcome = outcome
        elif line > self._next_line:
            self._has_later = True
        elif line < self._next_line:
            # It was blank in an earlier run, and passed over: its place is in the middle.
            self._results.truncate()
            self._next_line = 1
            self.write_due()
        else:
            self._results.append(text + b"\n")
            self._next_line += 1
            if self._has_later:
                self.write_due()

    def add_failure(self, error: str, text: bytes) -> None:
        """Write a failure."""
        if self._failures is None:
            self._failures = AppendOnlyFile(self._failures_path)
            self._failures.truncate()
        self.classes[error] += 1
        self._failures.append(text + b"\n")

    def write_due(self) -> None:
        """Write the results whose turn it is."""
        pieces: list[bytes] = []
        size = 0
        for text in self._due_in_order() if self._is_ordered else self._due_as_completed():
            pieces += (text, b"\n")
            size += len(text)
            if size > _AT_ONCE:
                self._results.append(b"".join(pieces))
                pieces, size = [], 0
        if pieces:
            self._results.append(b"".join(pieces))

    def make_room(self) -> None:
        """Leave the room on a full disk to the progress, from which the files can be written again."""
        for file in (self._results, self._failures):
            if file is not None:
                file.truncate()

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

    def _continue(self) -> None:
        """Cut the results to what is known to be right, and continue behind it."""
        position = self._store.output_position()
        if (
            position is not None
            and position.is_ordered == self._is_ordered
            # A line that is run again has its place in the middle.
            and (not self._is_ordered or position.next_line <= self._store.first_to_run)
            and self._results.has_prefix(position.size, position.checksum)
        ):
            self._results.truncate(position.size, position.checksum)
            self._next_line, self._last_outcome = position.next_line, position.last_outcome
        else:
            self._results.truncate()

    def _due_in_order(self) -> Iterator[bytes]:
        """Yield results up to the first line without an outcome, passing over blank lines and failures."""
        self._has_later = False
        for line, is_final, text in self._store.outcomes_in_order(self._next_line):
            if line != self._next_line or not is_final:
                self._has_later = True
                return
            self._next_line += 1
            if text is not None:
                yield text

    def _due_as_completed(self) -> Iterator[bytes]:
        for outcome, text in self._store.results_since(self._last_outcome):
            self._last_outcome = outcome
            yield text
