"""The queue of asynchronous events, in an SQLite file: an accepted event survives any end of this process.

An event leaves the queue only when it has succeeded or is discarded, in one transaction with the events for its
destinations. An event in flight when the process ends is delivered again. So each is delivered at least once.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lambdachain._lambda_api.delivery import Delivery
from lambdachain._lambda_api.events import EventState

_SQLITE_SUFFIXES: Final = ("-wal", "-shm", "-journal")
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS events (
        id INTEGER PRIMARY KEY,
        function TEXT NOT NULL,
        caller TEXT,
        fired_at REAL NOT NULL,
        due REAL NOT NULL,
        runs INTEGER NOT NULL,
        throttles INTEGER NOT NULL,
        taken INTEGER NOT NULL DEFAULT 0,
        request_id TEXT NOT NULL,
        invoked_arn TEXT NOT NULL,
        trace_id TEXT NOT NULL,
        tenant_id TEXT,
        payload BLOB NOT NULL
    );
    CREATE INDEX IF NOT EXISTS waiting ON events (taken, due);
    UPDATE events SET taken = 0 WHERE taken = 1;
"""
_PUT: Final = """
    INSERT INTO events (
        function, caller, fired_at, due, runs, throttles, request_id, invoked_arn, trace_id, tenant_id, payload
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_FIRST_DUE: Final = """
    SELECT id, function, caller, fired_at, due, runs, throttles, request_id, invoked_arn, trace_id, payload, tenant_id
    FROM events WHERE taken = 0 AND function IN (SELECT value FROM json_each(?)) AND due <= ? ORDER BY due, id LIMIT 1
"""
_NEXT_DUE: Final = """
    SELECT min(due) FROM events WHERE taken = 0 AND function IN (SELECT value FROM json_each(?))
"""


class QueueError(OSError):
    """The queue could not be read or written, as on a full disk or if its file was deleted; nothing has changed."""


@dataclass(frozen=True, slots=True)
class QueuedEvent:
    """A waiting event for *function*; *caller* is the function that sent it, if one did."""

    id: int
    function: str
    caller: str | None
    state: EventState
    delivery: Delivery


class EventQueue:
    """The queue in a file, or in memory if *path* is ``None``; used by one thread.

    Raises:
        OSError: The file cannot be used; the message names it.
        QueueError: From every method: the queue cannot be read or written, for now or for good.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._db = _connect(path)
        try:
            # The first write takes the lock until close(): a second endpoint on this file fails instead of sharing it.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            # Survives a killed process without a sync per event; only a machine that stops may lose the last ones.
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as exc:
            self._db.close()
            reason = "another endpoint uses this file" if "locked" in str(exc) else str(exc)
            raise OSError(f"cannot keep events in {path}: {reason}") from None
        if path is not None:
            _restrict_permissions(path)
        self._file = _file_identity(path)

    @contextmanager
    def _translating_errors(self) -> Generator[sqlite3.Connection]:
        try:
            yield self._db
        except sqlite3.DatabaseError as exc:
            # These are bugs of ours, not conditions of the disk.
            if isinstance(exc, sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise
            raise QueueError(f"cannot keep events in {self._path or 'memory'}: {exc}") from None

    def put(self, function: str, delivery: Delivery, state: EventState, caller: str | None) -> None:
        """Add an event; once this has returned, it is stored."""
        if _file_identity(self._path) != self._file:
            raise QueueError(
                f"cannot keep events in {self._path}: the file was deleted or replaced; restart the endpoint"
            )
        row = (
            *(function, caller, state.fired_at, state.due, state.runs, state.throttles),
            *(delivery.request_id, delivery.invoked_arn, delivery.trace_id, delivery.tenant_id, delivery.payload),
        )
        with self._translating_errors() as db:
            db.execute(_PUT, row)

    def take(self, functions: Iterable[str], now: float) -> QueuedEvent | None:
        """Reserve and return the event that is due first for one of *functions*; ``None`` if none of them is due."""
        with self._translating_errors() as db:
            row = db.execute(_FIRST_DUE, (_to_json_array(functions), now)).fetchone()
            if row is None:
                return None
            db.execute("UPDATE events SET taken = 1 WHERE id = ?", (row[0],))
        request_id, invoked_arn, trace_id, payload, tenant_id = row[7:]
        delivery = Delivery(request_id, invoked_arn, trace_id, payload, tenant_id=tenant_id)
        return QueuedEvent(row[0], row[1], row[2], EventState(*row[3:7]), delivery)

    def next_due(self, functions: Iterable[str]) -> float | None:
        """Return when the first waiting event for one of *functions* is due."""
        with self._translating_errors() as db:
            due: float | None = db.execute(_NEXT_DUE, (_to_json_array(functions),)).fetchone()[0]
        return due

    def put_back(self, event: QueuedEvent, state: EventState) -> None:
        """Return an event to the queue until its next delivery is due."""
        with self._translating_errors() as db:
            db.execute(
                "UPDATE events SET taken = 0, due = ?, runs = ?, throttles = ? WHERE id = ?",
                (state.due, state.runs, state.throttles, event.id),
            )

    @contextmanager
    def completing(self, event: QueuedEvent) -> Generator[None]:
        """Remove an event, and add the events that are put inside the block: all in one transaction."""
        with self._translating_errors() as db:
            db.execute("BEGIN")
            try:
                yield
                db.execute("DELETE FROM events WHERE id = ?", (event.id,))
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # on a full disk SQLite may have rolled back already
                    db.execute("ROLLBACK")
                raise

    def unknown_functions(self, functions: Iterable[str]) -> list[str]:
        """Return the names of functions that have waiting events but are not among *functions*."""
        query = "SELECT DISTINCT function FROM events WHERE function NOT IN (SELECT value FROM json_each(?))"
        with self._translating_errors() as db:
            rows: list[tuple[Any]] = db.execute(query, (_to_json_array(functions),)).fetchall()
        return sorted(str(name) for (name,) in rows)

    def __len__(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM events").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _create_file(path: Path) -> None:
    """Create the file of a new queue, readable by its owner only.

    Raises:
        OSError: The path is a broken symbolic link.
    """
    with suppress(FileExistsError):
        if path.is_symlink() and not path.exists():
            raise OSError(f"cannot keep events in {path}: it is a broken symbolic link")
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _restrict_permissions(path: Path) -> None:
    """Make an existing queue, and the files that SQLite keeps next to it, readable by their owner only."""
    path = path.resolve()
    for file in (path, *(path.with_name(path.name + end) for end in _SQLITE_SUFFIXES)):
        if file.is_file() and file.stat().st_mode & 0o077:
            file.chmod(0o600)


def _connect(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        _create_file(path)
    try:
        return sqlite3.connect(path or ":memory:", isolation_level=None, timeout=0)
    except sqlite3.Error as exc:
        raise OSError(f"cannot keep events in {path}: {exc}") from None


def _file_identity(path: Path | None) -> tuple[int, int] | None:
    """Return the identity of the file at a path: SQLite keeps writing to a deleted file, and those events are lost."""
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


def _to_json_array(functions: Iterable[str]) -> str:
    return json.dumps(list(functions))
