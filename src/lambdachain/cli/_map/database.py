"""An SQLite database that one process has for itself: its lock, its transactions, and its errors in our words.

The locking mode is exclusive for as long as the process lives: it keeps a second run out, and needs no shared memory,
which network file systems do not have. The journal mode is WAL: a commit appends to one file, and is synced only where
that is asked for. A page has 1 KiB, not SQLite's usual 4: a commit writes whole pages, and most results are short.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from lambdachain.cli._exit_status import InputError

from .files import open_private, sync_directory

SIDE_FILES: Final = ("-wal", "-journal", "-shm")
"""What SQLite appends to the name of a database, for the files that belong to it."""

_PAGE_SIZE: Final = 1024
_WAL_PAGES: Final = 8192
# On a disk that may become full the log stays small: it takes room that the results of the calls in flight will need,
# and moving it to the database takes as much room again.
_WAL_PAGES_LOW_DISK: Final = 128
_LOW_DISK: Final = 64 << 20

Execute = Callable[..., sqlite3.Cursor]


class Database:
    """An SQLite database, open and locked for one process.

    Args:
        path: The database, which is created if it does not exist, for its owner only.

    Raises:
        InputError: It is in use, damaged, or not a database.
        OSError: It cannot be opened, or is a symbolic link.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_syncing = True
        self._log_limit = 0
        self._connection, opened = _connect(path)
        error: sqlite3.Error | None = None
        try:
            self._lock()
        except sqlite3.Error as exc:
            error = exc
        # The run that had the lock may have finished, and deleted the file that was opened here.
        is_deleted = not path.exists() or not os.path.samestat(path.stat(), opened)
        if is_deleted or error:
            self._connection.close()
        if is_deleted:
            raise InputError(_in_use_message(path))
        if error:
            raise _translate(error, path) from error

    def use_log(self) -> None:
        """Write to a log from now on (WAL mode): this changes the file, so check first whose it is."""
        # macOS: without these, a sync leaves data in the cache of the disk itself.
        for pragma in ("synchronous = FULL", "fullfsync = ON", "checkpoint_fullfsync = ON", "journal_mode = WAL"):
            self.pragma(pragma)
        self.limit_log()

    def limit_log(self) -> None:
        """Choose at how many pages the log is moved to the database, which takes two syncs."""
        disk = os.statvfs(self.path.parent)
        pages = _WAL_PAGES if disk.f_bavail * disk.f_frsize > _LOW_DISK else _WAL_PAGES_LOW_DISK
        if pages != self._log_limit:
            self.pragma(f"wal_autocheckpoint = {pages}")
            self._log_limit = pages

    def pragma(self, pragma: str) -> Any:
        """Set or get one of SQLite's settings."""
        row = self.get(f"PRAGMA {pragma}")
        return row[0] if row else None

    def check(self) -> None:
        """Check the structure of the whole database.

        Raises:
            InputError: It is damaged.
        """
        if (problem := self.pragma("quick_check")) != "ok":
            raise InputError(_damage_message(self.path, str(problem).splitlines()[0]))

    def get(self, query: str, values: Iterable[Any] = ()) -> Any:
        """Return the first row of a query."""
        with self._translate_errors():
            return self._connection.execute(query, tuple(values)).fetchone()

    def rows(self, query: str, values: Iterable[Any] = ()) -> Iterator[Any]:
        """Yield the rows of a query."""
        with self._translate_errors():
            yield from self._connection.execute(query, tuple(values))

    def execute(self, statement: str, values: tuple[Any, ...]) -> int:
        """Commit one statement, and return the number of the row that it inserted."""
        # As commit() does, but without a transaction around it: this runs twice for each line of the input.
        try:
            self._set_sync(sync=False)
            return self._connection.execute(statement, values).lastrowid or 0
        except sqlite3.Error as exc:
            if not _has_no_room(exc):
                raise _translate(exc, self.path) from exc
        return int(self.commit(lambda execute: execute(statement, values).lastrowid or 0))

    def commit(self, change: Callable[[Execute], Any], *, sync: bool = False) -> Any:
        """Commit a change as a whole; with *sync*, it is on the disk afterwards, and everything before it."""
        with self._translate_errors():
            self._set_sync(sync=sync)
            try:
                return self._attempt(change)
            except sqlite3.Error as exc:
                if not _has_no_room(exc):
                    raise
                # The log repeats pages that have changed often: move them to the database, and use its room again.
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                return self._attempt(change)

    def execute_many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run a statement for each row, inside a change that is being committed."""
        self._connection.executemany(statement, rows)

    def sync_name(self) -> None:
        """Wait until the name of the database is on the disk: SQLite syncs only its contents."""
        sync_directory(self.path)

    def close(self) -> None:
        """Close the database, and let the next process open it."""
        # What could not be moved from the log stays there, for the next process to read.
        with suppress(sqlite3.Error):
            self._connection.close()

    def delete(self) -> None:
        """Delete the database, and close it."""
        # In this order: once closed, the files of these names may be another run's. SQLite sees that its file is gone,
        # and does not move the log to it.
        _unlink(self.path)
        self.close()

    def _lock(self) -> None:
        execute = self._connection.execute
        execute(f"PRAGMA page_size = {_PAGE_SIZE}")  # of a database that has no page yet; otherwise without effect
        # Before the first access in WAL mode: SQLite then keeps the index of the log in memory of its own.
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("BEGIN IMMEDIATE")
        execute("COMMIT")

    def _set_sync(self, *, sync: bool) -> None:
        if sync is not self._is_syncing:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if sync else 'NORMAL'}")
            self._is_syncing = sync

    def _attempt(self, change: Callable[[Execute], Any]) -> Any:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            value = change(execute)
            execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors, such as a full disk.
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        return value

    @contextmanager
    def _translate_errors(self) -> Generator[None]:
        """Raise an error that names the file and says what to do."""
        try:
            yield
        except sqlite3.Error as exc:
            raise _translate(exc, self.path) from exc


def delete_database(path: Path) -> None:
    """Delete a database and its log, regardless of their contents.

    Raises:
        InputError: Another process has it open.
    """
    if path.is_symlink() or not path.exists():
        return
    connection, is_in_use = _connect(path)[0], False
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("ROLLBACK")
    except sqlite3.Error as exc:
        # Any other error is one of a damaged file, or of one that is not a database: it may go.
        is_in_use = _result_code(exc) == sqlite3.SQLITE_BUSY
        if is_in_use:
            raise _translate(exc, path) from exc
    finally:
        if not is_in_use:
            _unlink(path)  # while the lock keeps others out
        connection.close()


def _unlink(path: Path) -> None:
    # The log is last: without it, the database would be one of an earlier moment.
    path.unlink(missing_ok=True)
    for suffix in SIDE_FILES:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    sync_directory(path)


def _connect(path: Path) -> tuple[sqlite3.Connection, os.stat_result]:
    """Open the database, or create one that only its owner can read; SQLite opens the log with the same mode."""
    for name in (path, *(Path(f"{path}{suffix}") for suffix in SIDE_FILES)):
        if name.is_symlink():
            raise OSError(errno.ELOOP, "is a symbolic link, which is not followed: move it away", str(name))
        if name.exists() and not name.is_file():
            raise OSError(errno.EINVAL, "is not a regular file: move it away", str(name))
    file = open_private(path)
    opened = os.fstat(file)
    # Closed before SQLite opens it: closing any descriptor of a file drops all locks that the process has on it.
    os.close(file)
    try:
        # mode=rw: SQLite would create a file that was deleted in between, and others could read it.
        uri = f"file://{quote(os.fsencode(path.absolute()))}?mode=rw"
        return sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None), opened
    except sqlite3.Error as exc:
        if not path.exists():
            raise InputError(_in_use_message(path)) from exc
        raise _translate(exc, path) from exc


def _result_code(error: sqlite3.Error) -> int:
    """Return the primary result code of an error; 0 if Python's module raised it itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _has_no_room(error: sqlite3.Error) -> bool:
    """Check whether a write failed that may succeed where the file need not grow."""
    # A quota, or a limit on the size of files, is no full disk to SQLite, but a write that failed for any reason.
    is_failed_write = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_WRITE
    return is_failed_write or _result_code(error) == sqlite3.SQLITE_FULL


def _translate(error: sqlite3.Error, path: Path) -> InputError | OSError:
    code = _result_code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return InputError(_in_use_message(path))
    if code == sqlite3.SQLITE_FULL:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return OSError(errno.EACCES, f"{error}: the file and its directory must be writable", str(path))
    if code == sqlite3.SQLITE_NOTADB:
        return InputError(f"{path} is not the progress of a map, or is damaged: move it away, or choose another output")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR):
        return InputError(_damage_message(path, str(error)))
    reason = (
        "cannot be written: a limit on the size of files or a quota may be reached" if _has_no_room(error) else error
    )
    return OSError(errno.EIO, str(reason), str(path))


def _in_use_message(path: Path) -> str:
    return f"{path} is in use by another run of map: wait for it to end, or choose another output"


def _damage_message(path: Path, problem: str) -> str:
    return (
        f"{path} is damaged ({problem}), so which lines have run is not known: restore it from a copy, "
        "repair it with the .recover command of sqlite3, or choose another output"
    )
