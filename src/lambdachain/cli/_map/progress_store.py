"""The progress of a map: an SQLite database beside its output, which alone decides what has become of each line.

The output files are derived from it. Two promises decide its settings:

- *A process that is killed loses nothing.* Each change is a transaction of its own, committed before anything follows
  from it. In WAL mode a commit is a write to the end of one file, without a sync: what the operating system has
  accepted survives the process.
- *A machine that stops repeats nothing.* A line is reserved in a transaction that is synced to the disk before any line
  of its block is sent, 256 lines at a time. What came after the last sync may be lost (SQLite then returns to a whole
  earlier transaction), so after another boot a reserved line without an outcome counts as started.

The locking mode is exclusive for as long as the process lives: it keeps a second run out, and needs no shared memory,
which network file systems do not have. A page has 1 KiB, not SQLite's usual 4: a commit writes whole pages, and most
results are short.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from lambdachain.cli._exit_status import Refusal

from .lines import FAILURES, Line, LineOutcome, Position, State, checksum_of
from .output import OutputPosition, open_private, sync_directory

_APPLICATION_ID: Final = 0x6C63_6D70  # "lcmp": tells `file` and us whose database it is
_FORMAT: Final = 1
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_SIDE_FILES: Final = ("-wal", "-journal", "-shm")
_PAGE_SIZE: Final = 1024
_WAL_PAGES: Final = 2048
# On a disk that may become full the log stays small: it takes room that the results of the calls in flight will need,
# and moving it to the database takes as much room again.
_WAL_PAGES_LOW_DISK: Final = 128
_LOW_DISK: Final = 32 << 20
Execute = Callable[..., sqlite3.Cursor]

_SCHEMA: Final = (
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_FORMAT}",
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    # Results and failures as the output files have them, in the order in which they came.
    """CREATE TABLE outcomes (outcome INTEGER PRIMARY KEY, line INTEGER NOT NULL, state INTEGER NOT NULL, error TEXT,
    text BLOB NOT NULL)""",
    # The last outcome of each line: small rows, which a resume can count; outcome is NULL for a blank line.
    "CREATE TABLE lines (line INTEGER PRIMARY KEY, state INTEGER NOT NULL, checksum INTEGER, outcome INTEGER)",
    # The lines that may be in flight, unless they have another outcome than before; is_started is 0 if only reserved.
    """CREATE TABLE in_flight (line INTEGER PRIMARY KEY, checksum INTEGER, is_started INTEGER NOT NULL,
    old_outcome INTEGER)""",
    # Here and not in a second statement: most of the cost of a statement is that of running it from Python.
    """CREATE TRIGGER update_lines AFTER INSERT ON outcomes BEGIN
    INSERT OR REPLACE INTO lines SELECT new.line, new.state, checksum, new.outcome FROM in_flight WHERE line = new.line;
    END""",
    "CREATE TABLE input_positions (line INTEGER PRIMARY KEY, offset INTEGER NOT NULL, checksum INTEGER NOT NULL)",
    """CREATE TABLE output_position (id INTEGER PRIMARY KEY, is_ordered INTEGER NOT NULL, next_line INTEGER NOT NULL,
    last_outcome INTEGER NOT NULL, size INTEGER NOT NULL, checksum INTEGER NOT NULL)""",
)
_FIRST_GAP: Final = """
    SELECT line + 1 FROM (SELECT ?1 - 1 AS line UNION ALL SELECT line FROM lines WHERE line >= ?1) AS known
    WHERE NOT EXISTS (SELECT 1 FROM lines AS following WHERE following.line = known.line + 1)
    ORDER BY line LIMIT 1
"""
# In one pass: GROUP BY would sort a row for each line.
_COUNT_STATES: Final = "SELECT " + ", ".join(f"total(state = {state:d})" for state in State) + " FROM lines"  # noqa: S608 - constants only
# A set of states is one number, a bit for each.
_FIRST_RERUN: Final = "SELECT min(line) FROM lines WHERE (? >> state) & 1"
_RESULTS_SINCE: Final = "SELECT outcome, text FROM outcomes WHERE outcome > ? AND state = ?"
_FAILURES: Final = (
    "SELECT error, text FROM lines JOIN outcomes USING (outcome) WHERE (? >> lines.state) & 1 ORDER BY lines.line"
)
_RESERVE: Final = "INSERT INTO in_flight SELECT ?1, ?2, 0, (SELECT outcome FROM lines WHERE line = ?1)"
_START: Final = "UPDATE in_flight SET is_started = 1 WHERE line = ?"
_END: Final = "INSERT INTO outcomes VALUES (NULL, ?, ?, ?, ?)"
_DELETE_ENDED: Final = """
    DELETE FROM in_flight WHERE EXISTS (
        SELECT 1 FROM lines WHERE lines.line = in_flight.line AND lines.outcome IS NOT in_flight.old_outcome
    )
"""
_IN_ORDER: Final = """
    SELECT lines.line, lines.state, lines.outcome, text FROM lines LEFT JOIN outcomes USING (outcome)
    WHERE lines.line >= ? ORDER BY lines.line
"""
_SAVE_BOOT: Final = "INSERT OR REPLACE INTO settings VALUES ('boot', ?)"
_SAVE_OUTPUT_POSITION: Final = "INSERT OR REPLACE INTO output_position VALUES (1, ?, ?, ?, ?, ?)"
_LOST_LINES: Final = "SELECT line FROM in_flight WHERE is_started OR ? ORDER BY line"


class ProgressFile(NamedTuple):
    """Where the progress of a map is kept, and of which map it has to be.

    Attributes:
        path: The database.
        subject: What the map is of: it must be the same when the map resumes.
        version: The version of this library, for the message of another one.
        lost_line: Formats the failure of a line that was in flight when a run ended.
    """

    path: Path
    subject: Mapping[str, str]
    version: str
    lost_line: Callable[[int], bytes]


class ProgressStore:
    """The progress of a map, open for one process.

    Args:
        file: The database, which is created if it does not exist.
        reruns: The outcomes with which a line is run again in this run.
        overwrite: Whether to start over, whatever the database contains.

    Attributes:
        last: The last line that has an outcome from an earlier run.
        first_to_run: The first line that is to be run.

    Raises:
        Refusal: The database is of another map, in use, damaged, or in a format that is not known.
        OSError: It cannot be written.
    """

    def __init__(self, file: ProgressFile, reruns: frozenset[State] = frozenset(), *, overwrite: bool = False) -> None:
        self.path = file.path
        if overwrite:
            _remove_existing(file.path)
        self.last = self._last_old_outcome = 0
        self.first_to_run = 1
        self._is_syncing = True
        self._log_limit = 0
        self._reruns = reruns
        self._connection = _connect(file.path)
        try:
            with self._translated_errors():
                self._open(file)
        except BaseException:
            self._connection.close()
            raise

    def outcomes(self, first: int, last: int) -> Mapping[int, LineOutcome]:
        """Return the outcomes of a range of lines; see ``LineStates``."""
        query = "SELECT line, state, checksum FROM lines WHERE line BETWEEN ? AND ?"
        with self._translated_errors():
            rows = self._connection.execute(query, (first, last)).fetchall()
        return {line: LineOutcome(State(state), checksum, state not in self._reruns) for line, state, checksum in rows}

    def finished_position(self) -> Position:
        """Return the last known position in the input before which no line is to be run."""
        query = "SELECT line, offset, checksum FROM input_positions WHERE line < ? ORDER BY line DESC LIMIT 1"
        with self._translated_errors():
            row = self._connection.execute(query, (self.first_to_run,)).fetchone()
        return Position(*row) if row else Position()

    def forget_positions(self) -> None:
        """Drop all positions; see ``LineStates``."""
        self._commit(lambda execute: execute("DELETE FROM input_positions"))

    def reopen(self, line: int) -> None:
        """Drop the outcome of a line that was blank; see ``LineStates``."""

        def change(execute: Execute) -> None:
            execute("DELETE FROM lines WHERE line = ?", (line,))
            # The output is written beyond this line, and has to be written again.
            execute("DELETE FROM output_position")

        self._commit(change)
        self.first_to_run = min(self.first_to_run, line)

    def reserve(
        self, lines: Sequence[Line], input_position: Position | None, output_position: OutputPosition | None
    ) -> None:
        """Announce lines, and sync that to the disk: from now on they may be sent, whatever happens to the machine."""
        announced = [(line.number, checksum_of(line.text)) for line in lines if line.text.strip()]
        blank = [(line.number, State.BLANK) for line in lines if not line.text.strip()]

        def change(execute: Execute) -> None:
            execute(_DELETE_ENDED)
            self._connection.executemany(_RESERVE, announced)
            self._connection.executemany("INSERT OR REPLACE INTO lines VALUES (?, ?, NULL, NULL)", blank)
            if input_position is not None:
                execute("INSERT OR REPLACE INTO input_positions VALUES (?, ?, ?)", input_position)
            if output_position is not None:
                execute(_SAVE_OUTPUT_POSITION, output_position)

        self._commit(change, sync=True)
        self._limit_log()

    def start(self, line: int) -> None:
        """Record that a reserved line is sent next."""
        self._execute(_START, (line,))

    def end(self, line: int, state: State, text: bytes, error: str | None = None) -> int:
        """Record the outcome of a reserved line, and return its number.

        Args:
            line: The line.
            state: The outcome.
            text: What the output files have of it.
            error: The class of its error; ``None`` for a result.
        """
        return self._execute(_END, (line, state, error, text))

    def refuse(self, line: int, text: bytes, error: str) -> int:
        """Record that a reserved line cannot be sent: it may be corrected before it is run again."""

        def change(execute: Execute) -> int | None:
            execute("UPDATE in_flight SET checksum = NULL WHERE line = ?", (line,))
            return execute(_END, (line, State.NOT_EXECUTED, error, text)).lastrowid

        return int(self._commit(change))

    def release(self, lines: Iterable[int]) -> None:
        """Record that reserved lines did not run: a later run will run them."""
        rows = [(line,) for line in lines]
        self._commit(lambda _: self._connection.executemany("DELETE FROM in_flight WHERE line = ?", rows))

    def outcomes_in_order(self, next_line: int) -> Iterator[tuple[int, bool, bytes | None]]:
        """Yield the lines from *next_line* on that have an outcome, whether that is final, and the result if any."""
        for line, state, outcome, text in self._rows(_IN_ORDER, (next_line,)):
            is_final = state not in self._reruns or outcome > self._last_old_outcome
            yield line, is_final, text if state == State.DONE else None

    def results_since(self, outcome: int) -> Iterator[tuple[int, bytes]]:
        """Yield the results that came after an outcome, with their own outcome's number."""
        yield from self._rows(_RESULTS_SINCE, (outcome, State.DONE))

    def failures(self) -> Iterator[tuple[str, bytes]]:
        """Yield the class and the text of each failure that is not to be run again, in the order of the lines."""
        yield from self._rows(_FAILURES, (_mask(set(FAILURES) - self._reruns),))

    def last_outcome(self) -> int:
        """Return the number of the last outcome; 0 without any."""
        with self._translated_errors():
            return int(self._connection.execute("SELECT coalesce(max(outcome), 0) FROM outcomes").fetchone()[0])

    def count_states(self) -> Counter[State]:
        """Count the lines in each state."""
        with self._translated_errors():
            counts = self._connection.execute(_COUNT_STATES).fetchone()
        return Counter({state: int(count) for state, count in zip(State, counts, strict=True) if count})

    def output_position(self) -> OutputPosition | None:
        """Return how far the output was written when that was last recorded."""
        query = "SELECT is_ordered, next_line, last_outcome, size, checksum FROM output_position"
        with self._translated_errors():
            row = self._connection.execute(query).fetchone()
        return OutputPosition(bool(row[0]), *row[1:]) if row else None

    def sync(self, output_position: OutputPosition | None = None) -> None:
        """Sync everything to the disk, with how far the output is written."""

        def change(execute: Execute) -> None:
            # A transaction without a change would not sync what came before it.
            execute(_SAVE_BOOT, (_boot_id(),))
            if output_position is not None:
                execute(_SAVE_OUTPUT_POSITION, output_position)

        self._commit(change, sync=True)

    def close(self) -> None:
        """Close the database, and let the next process open it."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def remove(self) -> None:
        """Close the database and delete it: nothing is left to be done."""
        self.close()
        _unlink(self.path)

    def _open(self, file: ProgressFile) -> None:
        self._lock()
        is_new = self._is_empty()
        if not is_new:
            self._check_format()  # before anything is written to what may be another program's
        self._configure()
        if is_new:
            self._create(file)
        settings = dict(self._connection.execute("SELECT name, value FROM settings"))
        _check_subject(file, settings)
        self._settle(file, settings.get("boot", ""))
        self.last = self._connection.execute("SELECT coalesce(max(line), 0) FROM lines").fetchone()[0]
        self._last_old_outcome = self.last_outcome()
        self.first_to_run = self._first_to_run()
        sync_directory(self.path)

    def _lock(self) -> None:
        execute = self._connection.execute
        execute(f"PRAGMA page_size = {_PAGE_SIZE}")  # of a database that has no page yet; otherwise without effect
        # Before the first access in WAL mode: SQLite then keeps the index of the WAL in memory of its own.
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("BEGIN IMMEDIATE")
        execute("COMMIT")

    def _configure(self) -> None:
        """Choose what the promises need; see the module."""
        execute = self._connection.execute
        execute("PRAGMA synchronous = FULL")
        execute("PRAGMA fullfsync = ON")  # macOS: fsync alone leaves data in the disk's own cache
        execute("PRAGMA checkpoint_fullfsync = ON")
        execute("PRAGMA journal_mode = WAL")
        self._limit_log()

    def _limit_log(self) -> None:
        """Choose after how many pages of the log they are moved to the database, which takes two syncs."""
        disk = os.statvfs(self.path.parent)
        pages = _WAL_PAGES if disk.f_bavail * disk.f_frsize > _LOW_DISK else _WAL_PAGES_LOW_DISK
        if pages != self._log_limit:
            with self._translated_errors():
                self._connection.execute(f"PRAGMA wal_autocheckpoint = {pages}")
            self._log_limit = pages

    def _is_empty(self) -> bool:
        """Check whether nothing was ever committed: the process that created the file was killed, or is this one."""
        return not self._pragma("application_id") and not self._pragma("schema_version")

    def _create(self, file: ProgressFile) -> None:
        settings = {**file.subject, "lambdachain": file.version, "boot": ""}

        def change(execute: Execute) -> None:
            for statement in _SCHEMA:
                execute(statement)
            self._connection.executemany("INSERT INTO settings VALUES (?, ?)", settings.items())

        self._commit(change, sync=True)

    def _check_format(self) -> None:
        if self._pragma("application_id") != _APPLICATION_ID:
            raise Refusal(
                f"{self.path} is an SQLite database, but not the progress of a map: "
                "move it away, or choose another output"
            )
        if (found := self._pragma("user_version")) != _FORMAT:
            version = self._connection.execute("SELECT value FROM settings WHERE name = 'lambdachain'").fetchone()
            raise Refusal(
                f"{self.path} is in format {found}, written by lambdachain {version[0] if version else '(unknown)'}; "
                f"this version reads format {_FORMAT}: resume with that version, or choose another output"
            )

    def _settle(self, file: ProgressFile, boot: str) -> None:
        """Give an outcome to each line that was in flight when the last run ended."""
        current = _boot_id()
        # Within one boot, what was committed last is there: a reserved line that does not say so was not started.
        is_exact = bool(boot) and boot == current
        if boot and not is_exact and (problem := self._pragma("quick_check")) != "ok":
            raise Refusal(_damaged(self.path, str(problem).splitlines()[0]))

        def change(execute: Execute) -> None:
            execute(_DELETE_ENDED)
            for (line,) in execute(_LOST_LINES, (not is_exact,)).fetchall():
                execute(_END, (line, State.LOST, "OutcomeUnknownError", file.lost_line(line)))
            execute("DELETE FROM in_flight")
            execute(_SAVE_BOOT, (current,))

        self._commit(change, sync=True)

    def _first_to_run(self) -> int:
        rerun = self._connection.execute(_FIRST_RERUN, (_mask(self._reruns),)).fetchone()[0]
        # What is written in order has no gap; only where results are as they come, every line is looked at.
        output = self.output_position()
        start = output.next_line if output and output.is_ordered else 1
        gap: int = self._connection.execute(_FIRST_GAP, (start,)).fetchone()[0]
        return gap if rerun is None else min(gap, rerun)

    def _pragma(self, name: str) -> Any:
        return self._connection.execute(f"PRAGMA {name}").fetchone()[0]

    def _rows(self, query: str, values: tuple[int, ...]) -> Iterator[Any]:
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.Error as exc:
            raise _translated(exc, self.path) from exc

    def _execute(self, statement: str, values: tuple[Any, ...]) -> int:
        """Commit one statement, and return the number of the row that it inserted; see ``_commit``."""
        try:
            self._set_sync(sync=False)
            return self._connection.execute(statement, values).lastrowid or 0
        except sqlite3.Error as exc:
            if _code(exc) != sqlite3.SQLITE_FULL:
                raise _translated(exc, self.path) from exc
        return int(self._commit(lambda execute: execute(statement, values).lastrowid or 0))

    def _commit(self, change: Callable[[Execute], Any], *, sync: bool = False) -> Any:
        """Commit a change as a whole; with *sync*, it is on the disk afterwards, and everything before it."""
        with self._translated_errors():
            self._set_sync(sync=sync)
            try:
                return self._attempt(change)
            except sqlite3.Error as exc:
                if _code(exc) != sqlite3.SQLITE_FULL:
                    raise
                # The log repeats pages that have changed often: move them to the database, and use its room again.
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                return self._attempt(change)

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
    def _translated_errors(self) -> Generator[None]:
        """Raise an error that names the file, and what to do."""
        try:
            yield
        except sqlite3.Error as exc:
            raise _translated(exc, self.path) from exc


def _connect(path: Path) -> sqlite3.Connection:
    """Open the database, or create one that only its owner can read; SQLite gives the WAL the same mode."""
    for name in (path, *(Path(f"{path}{end}") for end in _SIDE_FILES)):
        if name.is_symlink():
            raise OSError(errno.ELOOP, "is a symbolic link, which is not followed: move it away", str(name))
    # Closed before SQLite opens it: closing any descriptor of a file drops all locks that the process has on it.
    os.close(open_private(path))
    return sqlite3.connect(path, timeout=0, isolation_level=None)


def _remove_existing(path: Path) -> None:
    """Delete the database, whatever it contains, unless another run has it."""
    if not path.exists() or path.is_symlink():
        return
    connection, is_in_use = _connect(path), False
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("ROLLBACK")
    except sqlite3.Error as exc:
        is_in_use = _code(exc) == sqlite3.SQLITE_BUSY
        if is_in_use:
            raise _translated(exc, path) from exc
        # Damaged, or not a database at all: the user wants to start over.
    finally:
        if not is_in_use:
            _unlink(path)  # while the lock keeps others out
        connection.close()


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
    for end in _SIDE_FILES:
        Path(f"{path}{end}").unlink(missing_ok=True)
    sync_directory(path)


def _check_subject(file: ProgressFile, settings: Mapping[str, str]) -> None:
    for name, value in file.subject.items():
        if settings.get(name) != value:
            raise Refusal(
                f"{file.path} is the progress of a map with {name} {settings.get(name)}, not {value}: "
                "resume with the same, or choose another output"
            )


def _mask(states: Iterable[State]) -> int:
    return sum(1 << state for state in states)


def _code(error: sqlite3.Error) -> int:
    """Return the primary result code of an error; 0 if the ``sqlite3`` module raised it itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _translated(error: sqlite3.Error, path: Path) -> Refusal | OSError:
    code = _code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Refusal(f"{path} is in use by another run of map: wait for it to end, or choose another output")
    if code == sqlite3.SQLITE_FULL:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return OSError(errno.EACCES, f"{error}: the file and its directory must be writable", str(path))
    if code == sqlite3.SQLITE_NOTADB:
        return Refusal(f"{path} is not the progress of a map, or is damaged: move it away, or choose another output")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR):
        return Refusal(_damaged(path, str(error)))
    return OSError(errno.EIO, str(error), str(path))


def _damaged(path: Path, problem: str) -> str:
    return (
        f"{path} is damaged ({problem}), so which lines have run is not known: restore it from a copy, "
        "repair it with the .recover command of sqlite3, or choose another output"
    )


def _boot_id() -> str:
    """Identify this boot of the machine; empty where that is not known."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
