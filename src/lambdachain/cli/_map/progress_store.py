"""The progress of a map: a database next to its output, the only authority on the outcome of each line.

The output files are derived from it. It makes two promises:

- *A process that is killed loses nothing.* Each change is committed before anything follows from it: what the operating
  system has accepted survives the process.
- *A machine that stops repeats nothing.* A line is reserved in a transaction that is synced to the disk before any line
  of its block is sent. What came after the last sync may be lost (SQLite then returns to an earlier transaction as a
  whole), so after another boot a reserved line without an outcome counts as started.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from lambdachain.cli._exit_status import InputError

from .database import Database, Execute, delete_database
from .execution_record import find_followed, find_reruns
from .lines import FAILURES, Line, LineOutcome, OutputPosition, Position, RecordedOutcome, State, line_checksum

_APPLICATION_ID: Final = 0x6C63_6D70  # "lcmp": by it, `file` and this module recognize the database
_FORMAT: Final = 1
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

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
    SELECT line + 1 FROM (SELECT ? - 1 AS line UNION ALL SELECT line FROM lines WHERE line >= ?) AS known
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
_RESERVE: Final = "INSERT INTO in_flight SELECT ?, ?, 0, (SELECT outcome FROM lines WHERE line = ?)"
_START: Final = "UPDATE in_flight SET is_started = 1 WHERE line = ?"
_END: Final = "INSERT INTO outcomes VALUES (NULL, ?, ?, ?, ?)"
_SET_LINE: Final = "INSERT OR REPLACE INTO lines VALUES (?, ?, ?, ?)"
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
    """The file that keeps the progress of a map, and what identifies that map.

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
        overwrite: Whether to start over, regardless of what the database contains.

    Attributes:
        last: The last line that has an outcome from an earlier run.
        first_to_run: The first line that is to be run.
        is_new: Whether no run has recorded anything before.
        reruns: The outcomes with which a line is run again, those of an execution of Step Functions included that is
            not over.

    Raises:
        InputError: The database is of another map, in use, damaged, or in a format that is not known.
        OSError: It cannot be written.
    """

    def __init__(self, file: ProgressFile, reruns: frozenset[State] = frozenset(), *, overwrite: bool = False) -> None:
        self.last = self._last_old_outcome = 0
        self.first_to_run = 1
        self.is_new = False
        self.reruns = reruns
        if overwrite:
            delete_database(file.path)
        self._database = Database(file.path)
        try:
            self._open(file)
        except BaseException:
            self.close()
            raise

    def outcomes(self, first: int, last: int) -> Mapping[int, LineOutcome]:
        """Return the outcomes of a range of lines; see ``LineStates``."""
        query = "SELECT line, state, checksum FROM lines WHERE line BETWEEN ? AND ?"
        rows = self._database.rows(query, (first, last))
        return {line: LineOutcome(State(state), checksum, state not in self.reruns) for line, state, checksum in rows}

    def finished_position(self) -> Position:
        """Return the last known position in the input before which no line is to be run."""
        query = "SELECT line, offset, checksum FROM input_positions WHERE line < ? ORDER BY line DESC LIMIT 1"
        row = self._database.get(query, (self.first_to_run,))
        return Position(*row) if row else Position()

    def forget_positions(self) -> None:
        """Drop all positions; see ``LineStates``."""
        self._database.commit(lambda execute: execute("DELETE FROM input_positions"))

    def reopen(self, line: int) -> None:
        """Drop the outcome of a line that was blank; see ``LineStates``."""

        def change(execute: Execute) -> None:
            execute("DELETE FROM lines WHERE line = ?", (line,))
            # The output is written beyond this line, and has to be written again.
            execute("DELETE FROM output_position")

        self._database.commit(change)
        self.first_to_run = min(self.first_to_run, line)

    def reserve(
        self, lines: Sequence[Line], input_position: Position | None, output_position: OutputPosition | None
    ) -> None:
        """Announce lines, and sync that to the disk: from now on they may be sent, even if the machine stops."""
        announced = [(line.number, line_checksum(line.text), line.number) for line in lines if line.text.strip()]
        blank = [(line.number, State.BLANK) for line in lines if not line.text.strip()]

        def change(execute: Execute) -> None:
            execute(_DELETE_ENDED)
            self._database.execute_many(_RESERVE, announced)
            self._database.execute_many("INSERT OR REPLACE INTO lines VALUES (?, ?, NULL, NULL)", blank)
            if input_position is not None:
                execute("INSERT OR REPLACE INTO input_positions VALUES (?, ?, ?)", input_position)
            if output_position is not None:
                execute(_SAVE_OUTPUT_POSITION, output_position)

        self._database.commit(change, sync=True)
        self._database.limit_log()

    def start(self, line: int) -> None:
        """Record that a reserved line is sent next."""
        self._database.execute(_START, (line,))

    def end(self, line: int, state: State, text: bytes, error: str | None = None) -> int:
        """Record the outcome of a reserved line, and return its number.

        Args:
            line: The line.
            state: The outcome.
            text: What the output files have of it.
            error: The class of its error; ``None`` for a result.
        """
        return self._database.execute(_END, (line, state, error, text))

    def refuse(self, line: int, text: bytes, error: str) -> int:
        """Record that a reserved line cannot be sent: it may be corrected before it is run again."""

        def change(execute: Execute) -> int | None:
            execute("UPDATE in_flight SET checksum = NULL WHERE line = ?", (line,))
            return execute(_END, (line, State.NOT_EXECUTED, error, text)).lastrowid

        return int(self._database.commit(change))

    def record(self, outcomes: Iterable[RecordedOutcome]) -> None:
        """Record the outcomes of lines that were not reserved, all or none of them."""

        def change(execute: Execute) -> None:
            for line, state, text, error, is_checked in outcomes:
                if state is State.BLANK:
                    execute(_SET_LINE, (line.number, state, None, None))
                    continue
                number = execute(_END, (line.number, state, error, text)).lastrowid
                execute(_SET_LINE, (line.number, state, line_checksum(line.text) if is_checked else None, number))

        self._database.commit(change)

    def setting(self, name: str) -> str | None:
        """Return a setting of the map; ``None`` if it was never set."""
        row = self._database.get("SELECT value FROM settings WHERE name = ?", (name,))
        return None if row is None else str(row[0])

    def set_settings(self, settings: Mapping[str, str]) -> None:
        """Set settings of the map, and sync them to the disk."""
        statement = "INSERT OR REPLACE INTO settings VALUES (?, ?)"
        self._database.commit(lambda _: self._database.execute_many(statement, settings.items()), sync=True)

    def release(self, lines: Iterable[int]) -> None:
        """Record that reserved lines did not run: a later run will run them."""
        rows = [(line,) for line in lines]
        self._database.commit(lambda _: self._database.execute_many("DELETE FROM in_flight WHERE line = ?", rows))

    def outcomes_in_order(self, next_line: int) -> Iterator[tuple[int, bool, bytes | None]]:
        """Yield the lines from *next_line* on that have an outcome, whether that is final, and the result if any."""
        for line, state, outcome, text in self._database.rows(_IN_ORDER, (next_line,)):
            is_final = state not in self.reruns or outcome > self._last_old_outcome
            yield line, is_final, text if state == State.DONE else None

    def results_since(self, outcome: int) -> Iterator[tuple[int, bytes]]:
        """Yield the results that came after an outcome, with their own outcome's number."""
        yield from self._database.rows(_RESULTS_SINCE, (outcome, State.DONE))

    def failures(self) -> Iterator[tuple[str, bytes]]:
        """Yield the class and the text of each failure that is not to be run again, in the order of the lines."""
        yield from self._database.rows(_FAILURES, (_mask(set(FAILURES) - self.reruns),))

    def last_outcome(self) -> int:
        """Return the number of the last outcome; 0 without any."""
        return int(self._database.get("SELECT coalesce(max(outcome), 0) FROM outcomes")[0])

    def count_states(self) -> Counter[State]:
        """Count the lines in each state."""
        counts = self._database.get(_COUNT_STATES)
        return Counter({state: int(count) for state, count in zip(State, counts, strict=True) if count})

    def output_position(self) -> OutputPosition | None:
        """Return how far the output was written when that was last recorded."""
        query = "SELECT is_ordered, next_line, last_outcome, size, checksum FROM output_position"
        row = self._database.get(query)
        return OutputPosition(bool(row[0]), *row[1:]) if row else None

    def sync(self, output_position: OutputPosition | None = None) -> None:
        """Sync everything to the disk, with how far the output is written."""

        def change(execute: Execute) -> None:
            # A transaction without a change would not sync what came before it.
            execute(_SAVE_BOOT, (_boot_id(),))
            if output_position is not None:
                execute(_SAVE_OUTPUT_POSITION, output_position)

        self._database.commit(change, sync=True)

    def close(self) -> None:
        """Close the database, and let the next process open it."""
        self._database.close()

    def remove(self) -> None:
        """Delete the database: nothing is left to be done."""
        self._database.delete()

    def _open(self, file: ProgressFile) -> None:
        self.is_new = self._is_empty()
        if not self.is_new:
            self._check_format()  # before anything is written to what may be another program's
        self._database.use_log()
        if self.is_new:
            self._create(file)
        settings = dict(self._database.rows("SELECT name, value FROM settings"))
        _check_subject(file, settings)
        if find_followed(settings.get):
            self.reruns |= frozenset(find_reruns(settings.get))
        self._settle(file, settings.get("boot", ""))
        self.last = self._database.get("SELECT coalesce(max(line), 0) FROM lines")[0]
        self._last_old_outcome = self.last_outcome()
        self.first_to_run = self._first_to_run()
        self._database.sync_name()

    def _is_empty(self) -> bool:
        """Check whether nothing was ever committed: the process that created the file was killed, or is this one."""
        return not self._database.pragma("application_id") and not self._database.pragma("schema_version")

    def _create(self, file: ProgressFile) -> None:
        settings = {**file.subject, "lambdachain": file.version, "boot": ""}

        def change(execute: Execute) -> None:
            for statement in _SCHEMA:
                execute(statement)
            self._database.execute_many("INSERT INTO settings VALUES (?, ?)", settings.items())

        self._database.commit(change, sync=True)

    def _check_format(self) -> None:
        if self._database.pragma("application_id") != _APPLICATION_ID:
            raise InputError(
                f"{self._database.path} is an SQLite database, but not the progress of a map: "
                "move it away, or choose another output"
            )
        if (found := self._database.pragma("user_version")) != _FORMAT:
            row = self._database.get("SELECT value FROM settings WHERE name = 'lambdachain'")
            version = row[0] if row else "(unknown)"
            raise InputError(
                f"{self._database.path} is in format {found}, written by lambdachain {version}; "
                f"this version reads format {_FORMAT}: resume with that version, or choose another output"
            )

    def _settle(self, file: ProgressFile, boot: str) -> None:
        """Record an outcome for each line that was in flight when the last run ended."""
        current = _boot_id()
        # Within one boot, the last commit is there: a reserved line that is not marked as started was not started.
        is_exact = bool(boot) and boot == current
        if boot and not is_exact:
            # A disk that lost what it had reported as synced may have damaged pages which nothing else reads now.
            self._database.check()

        def change(execute: Execute) -> None:
            execute(_DELETE_ENDED)
            for (line,) in execute(_LOST_LINES, (not is_exact,)).fetchall():
                execute(_END, (line, State.LOST, "OutcomeUnknownError", file.lost_line(line)))
            execute("DELETE FROM in_flight")
            execute(_SAVE_BOOT, (current,))

        self._database.commit(change, sync=True)

    def _first_to_run(self) -> int:
        rerun = self._database.get(_FIRST_RERUN, (_mask(self.reruns),))[0]
        # What is written in order has no gap; only where results are as they come, every line is looked at.
        output = self.output_position()
        start = output.next_line if output and output.is_ordered else 1
        gap: int = self._database.get(_FIRST_GAP, (start, start))[0]
        return gap if rerun is None else min(gap, rerun)


def _check_subject(file: ProgressFile, settings: Mapping[str, str]) -> None:
    for name, value in file.subject.items():
        if settings.get(name) != value:
            raise InputError(
                f"{file.path} is the progress of a map with {name} {settings.get(name)}, not {value}: "
                "resume with the same, or choose another output"
            )


def _mask(states: Iterable[State]) -> int:
    return sum(1 << state for state in states)


def _boot_id() -> str:
    """Identify this boot of the machine; empty where that is not known."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
