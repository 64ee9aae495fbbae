"""Files that are opened safely, written at their end only, and synced to the disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from zlib import crc32

_CHUNK: Final = 1 << 20
_MODE: Final = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)


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
        with self._name_errors():
            while offset < size and (data := os.pread(self._file, min(_CHUNK, size - offset), offset)):
                found = crc32(data, found)
                offset += len(data)
        return (offset, found) == (size, checksum)

    def truncate(self, size: int = 0, checksum: int = 0) -> None:
        """Drop what is behind a prefix with this size and checksum."""
        with self._name_errors():
            os.ftruncate(self._file, size)
        self.size, self.checksum = size, checksum

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        with self._name_errors():
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @contextmanager
    def _name_errors(self) -> Generator[None]:
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
