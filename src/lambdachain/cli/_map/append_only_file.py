"""A file that grows by whole pieces, or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_CHUNK: Final = 65536
_MODE: Final = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)


class AppendOnlyFile:
    """A file that is written at its end only, without a buffer: a killed process loses nothing of what was written.

    Args:
        path: The file; made if it is not there.
        private: Whether it is for nobody else to read.
    """

    def __init__(self, path: Path, *, private: bool = False) -> None:
        self.path = path
        self._file = open_private(path) if private else open_shared(path)
        self.size = os.fstat(self._file).st_size

    def append(self, data: bytes) -> int:
        """Write *data*, and give the place where it begins.

        Raises:
            OSError: There is no room, for example; then nothing of it is there.
        """
        begun = self.size
        try:
            with self._named():
                _write_all(self._file, data)
        except BaseException:
            os.ftruncate(self._file, begun)
            raise
        self.size += len(data)
        return begun

    def line_at(self, place: int) -> bytes:
        """Read the line that begins at a place, without its end."""
        pieces: list[bytes] = []
        while piece := os.pread(self._file, _CHUNK, place):
            end = piece.find(b"\n")
            if end >= 0:
                pieces.append(piece[:end])
                break
            pieces.append(piece)
            place += len(piece)
        return b"".join(pieces)

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        with self._named():
            os.fsync(self._file)

    def cut(self, size: int = 0) -> None:
        """Throw away what stands behind a place."""
        with self._named():
            os.ftruncate(self._file, size)
        self.size = size

    def fileno(self) -> int:
        """Return the file's descriptor."""
        return self._file

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @contextmanager
    def _named(self) -> Generator[None]:
        """Describe which file it was that failed: a descriptor's errors do not."""
        try:
            yield
        except OSError as exc:
            exc.filename = str(self.path)
            raise


def open_shared(path: Path) -> int:
    """Open a file for its owner to share, or make one as the umask says.

    Raises:
        OSError: It cannot be opened, or is a symbolic link that leads nowhere.
    """
    try:
        return os.open(path, _MODE | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        check_not_dangling(path)
    return os.open(path, _MODE)


def open_private(path: Path) -> int:
    """Open a file that only its owner can read, or make one; one that others could read is closed to them.

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


def check_not_dangling(path: Path) -> None:
    """Refuse to make a file wherever somebody's link leads.

    Raises:
        OSError: There is a symbolic link that leads nowhere.
    """
    if path.is_symlink() and not path.exists():
        raise OSError(errno.ELOOP, "is a symbolic link that leads nowhere: move it away", str(path))


def sync_directory(path: Path) -> None:
    """Wait until a directory's entry of *path*, or the lack of it, is on the disk."""
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
