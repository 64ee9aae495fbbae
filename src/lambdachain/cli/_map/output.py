"""The files that a map writes: derived from its progress, and continued where the last run left them."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

if TYPE_CHECKING:
    from .progress_store import ProgressStore

_CHUNK: Final = 1 << 20
_AT_ONCE: Final = 65536
_MODE: Final = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)


class OutputPosition(NamedTuple):
    """How far the file of results is written.

    Attributes:
        is_ordered: Whether results are in the order of their lines.
        next_line: The line whose result is next, if they are.
        last_outcome: The outcome up to which all results are written, if they are not.
        size: How many bytes are written.
        checksum: Their checksum.
    """

    is_ordered: bool
    next_line: int = 1
    last_outcome: int = 0
    size: int = 0
    checksum: int = 0


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


class AppendOnlyFile:
    """A file that is written at its end only, without a buffer: a killed process loses nothing of what was written.

    Args:
        path: The file, which is created if it does not exist.

    Attributes:
        size: How many bytes it has.
        checksum: Their checksum, once it was truncated or its prefix was checked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open_shared(path)
        self.size = os.fstat(self._file).st_size
        self.checksum = 0

    def append(self, data: bytes) -> None:
        """Write *data* as a whole or not at all.

        Raises:
            OSError: It cannot be written: the disk is full, for example.
        """
        try:
            # Nearly always one call; what that does not take is written from a view, without a copy of the rest.
            written = os.write(self._file, data)
            while written < len(data):
                written += os.write(self._file, memoryview(data)[written:])
        except BaseException as exc:
            os.ftruncate(self._file, self.size)
            if isinstance(exc, OSError):
                exc.filename = str(self.path)
            raise
        self.size += len(data)
        self.checksum = crc32(data, self.checksum)

    def has_prefix(self, size: int, checksum: int) -> bool:
        """Check whether the first *size* bytes have a checksum."""
        found = offset = 0
        with self._named_errors():
            while offset < size and (data := os.pread(self._file, min(_CHUNK, size - offset), offset)):
                found = crc32(data, found)
                offset += len(data)
        return (offset, found) == (size, checksum)

    def truncate(self, size: int = 0, checksum: int = 0) -> None:
        """Drop what is behind a prefix with this size and checksum."""
        with self._named_errors():
            os.ftruncate(self._file, size)
        self.size, self.checksum = size, checksum

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        with self._named_errors():
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @contextmanager
    def _named_errors(self) -> Generator[None]:
        """Add the name of the file to errors: those of a descriptor have none."""
        try:
            yield
        except OSError as exc:
            exc.filename = str(self.path)
            raise


def open_shared(path: Path) -> int:
    """Open a file, or create one with the mode that the umask leaves.

    Raises:
        OSError: It cannot be opened, or is a symbolic link to a file that does not exist.
    """
    try:
        return os.open(path, _MODE | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        # Otherwise anyone who may write in this directory could choose where a file of the user's is created.
        if path.is_symlink() and not path.exists():
            words = "is a symbolic link to a file that does not exist: move it away"
            raise OSError(errno.ELOOP, words, str(path)) from None
    return os.open(path, _MODE)


def open_private(path: Path) -> int:
    """Open a file that only its owner can read, or create one; an existing one is closed to others.

    Raises:
        OSError: It cannot be opened, or is a symbolic link.
    """
    try:
        return os.open(path, _MODE | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if path.is_symlink():
            raise OSError(errno.ELOOP, "is a symbolic link, which is not followed: move it away", str(path)) from None
    file = os.open(path, _MODE | os.O_NOFOLLOW)
    try:
        if os.fstat(file).st_mode & 0o077:
            os.fchmod(file, 0o600)
    except BaseException:
        os.close(file)
        raise
    return file


def sync_directory(path: Path) -> None:
    """Wait until a directory's entry of *path*, or its removal, is on the disk."""
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
