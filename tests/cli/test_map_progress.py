"""The progress of a map: what a resumed run takes from it, and the errors for one that it cannot use."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdachain.cli._exit_status import InputError
from lambdachain.cli._map.database import Database
from lambdachain.cli._map.lines import (
    Input,
    Line,
    LineSplitter,
    NoLineStates,
    OutputPosition,
    Position,
    State,
    check_input,
)
from lambdachain.cli._map.output import OutputFiles
from lambdachain.cli._map.progress_store import ProgressFile, ProgressStore
from lambdachain.cli._map.results import FileSink, lost_line
from lambdachain.testing import StubTransport
from tests.cli.map_runs import MapRuns

LINES = 14
FAILING = frozenset({3, 9})
EVERY = list(range(1, LINES + 1))


@pytest.fixture
def runs(tmp_path: Path, lambda_stub: StubTransport) -> MapRuns:
    """Run maps of a few lines in this process; two of the lines fail."""
    runs = MapRuns(tmp_path, FAILING)
    runs.connect(lambda_stub)
    runs.write_input(LINES)
    return runs


@pytest.fixture
def progress(tmp_path: Path) -> Path:
    """Return the path of the database of these runs."""
    return tmp_path / "out.jsonl.progress.sqlite"


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[..., ProgressStore]]:
    """Open the progress of a map, and close it in the end."""
    stores: list[ProgressStore] = []

    def open_again(*reruns: State) -> ProgressStore:
        for store in stores:
            store.close()
        stores.append(ProgressStore(ProgressFile(tmp_path / "progress", {}, "0", lost_line), frozenset(reruns)))
        return stores[-1]

    yield open_again
    for store in stores:
        store.close()


def line(number: int, text: bytes = b"1") -> Line:
    """Return a line of the input."""
    return Line(number, text, len(text) + 1)


def reserve(store: ProgressStore, *numbers: int) -> None:
    """Reserve lines."""
    store.reserve([line(number) for number in numbers], None, None)


# What a resumed run takes from it


def test_a_second_run_calls_nothing(runs: MapRuns):
    """Every line has an outcome; failures stay what they are."""
    first, second = runs.run(), runs.run()

    assert first.called == EVERY
    assert second == first._replace(called=[])
    assert first.failures == dict.fromkeys(FAILING, "FunctionError")


def test_the_last_outcome_of_a_line_counts(open_store: Callable[..., ProgressStore]):
    """A failure, then a run of its own, then a result; a released line has no outcome; a started one is lost."""
    store = open_store()
    reserve(store, 1, 2, 3)
    store.end(1, State.UNKNOWN, b'{"line":1}', "CallTimeoutError")
    store = open_store(State.UNKNOWN)
    reserve(store, 1, 2, 3)
    store.start(1)
    store.end(1, State.DONE, b'{"line":1,"value":7}')
    store.start(2)
    store.release([2])
    store.start(3)
    store = open_store()

    assert dict(store.outcomes(1, 3)).keys() == {1, 3}
    assert (store.outcomes(1, 3)[1].state, store.outcomes(1, 3)[3].state) == (State.DONE, State.LOST)
    assert [(found, text) for found, _, text in store.outcomes_in_order(1)] == [(1, b'{"line":1,"value":7}'), (3, None)]
    assert [json.loads(text)["line"] for _, text in store.failures()] == [3]
    assert store.first_to_run == 2


def test_a_line_that_is_run_again_keeps_its_failure_until_it_is_started(open_store: Callable[..., ProgressStore]):
    """A run that ends before has not changed what is known of it."""
    store = open_store()
    reserve(store, 1)
    store.start(1)
    store.end(1, State.NOT_EXECUTED, b"{}", "ThrottledError")
    store = open_store(State.NOT_EXECUTED)
    reserve(store, 1)
    reserved = open_store(State.NOT_EXECUTED)
    reserve(reserved, 1)
    before = reserved.outcomes(1, 1)[1].state
    reserved.start(1)

    assert before is State.NOT_EXECUTED
    assert open_store().outcomes(1, 1)[1].state is State.LOST


def test_reserved_lines_may_have_run_only_where_the_machine_may_have_stopped(
    open_store: Callable[..., ProgressStore], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Within one boot, the record of a line that was sent exists; after another boot, it may be lost."""
    (tmp_path / "boot").write_text("one")
    monkeypatch.setattr("lambdachain.cli._map.progress_store._BOOT_ID", tmp_path / "boot")
    reserve(open_store(), 1, 2)
    same = open_store().count_states()
    reserve(open_store(), 1, 2)
    (tmp_path / "boot").write_text("another")
    other = open_store().count_states()
    reserve(open_store(), 3)
    (tmp_path / "boot").unlink()
    unknown = open_store().count_states()

    assert (same, other, unknown) == ({}, {State.LOST: 2}, {State.LOST: 3})


@pytest.mark.parametrize("content", [b"", b"half"])
def test_progress_that_was_never_begun_is_begun(runs: MapRuns, progress: Path, content: bytes):
    """The process that created the file was killed before or during its first commit."""
    progress.write_bytes(b"")
    if content:
        progress.with_name(f"{progress.name}-journal").write_bytes(content)

    assert runs.run().called == EVERY


def test_a_result_of_any_length_is_read_back_whole(open_store: Callable[..., ProgressStore]):
    """However many pages it takes."""
    texts = {number: b"%d" % number * size for number, size in enumerate((1, 1000, 1024, 65_537, 3_000_000), 1)}
    store = open_store()
    reserve(store, *texts)
    for number, text in texts.items():
        store.end(number, State.DONE, text)

    assert {number: text for number, _, text in open_store().outcomes_in_order(1)} == texts


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
        lambda path: path.write_bytes(path.read_bytes().replace(b'"line":5', b'"line":6')),
    ],
    ids=["removed", "emptied", "cut", "zeros", "edited"],
)
def test_results_that_are_not_what_was_written_are_written_again(
    runs: MapRuns, tmp_path: Path, change: Callable[[Path], None], ordered: bool
):
    """The progress has all of them."""
    first = runs.run(ordered=ordered)
    change(tmp_path / "out.jsonl")

    assert runs.run(ordered=ordered) == first._replace(called=[])


def test_results_that_are_what_was_written_are_continued(runs: MapRuns, tmp_path: Path):
    """What stands behind them is cut; nothing before it is written."""
    runs.run()
    whole = (tmp_path / "out.jsonl").read_bytes()
    with (tmp_path / "out.jsonl").open("ab") as file:
        file.write(b'{"line":15,"val')
    runs.write_input(LINES + 1)
    second = runs.run()

    assert second.called == [LINES + 1]
    assert (tmp_path / "out.jsonl").read_bytes() == whole + b'{"line":15,"value":{"line":15}}\n'


def test_the_order_may_change_between_runs(runs: MapRuns, tmp_path: Path):
    """The results are written again in the other order."""
    ordered = runs.run()
    (tmp_path / "out.jsonl").write_bytes(b"")
    as_completed = runs.run(ordered=False)

    assert sorted(as_completed.results) == ordered.results
    assert runs.run() == ordered._replace(called=[])


def test_a_line_that_is_run_again_takes_its_place_among_the_results(runs: MapRuns):
    """And lines behind it wait for it."""
    runs.run()
    connection = sqlite3.connect(runs.directory / "out.jsonl.progress.sqlite")
    with connection:
        connection.execute("UPDATE lines SET state = ? WHERE line = 3", (State.UNKNOWN,))
    connection.close()
    runs.failing = frozenset({9})
    again = runs.run(rerun_unknown=True)

    assert again.called == [3]
    assert again.results == [number for number in EVERY if number != 9]


def test_a_blank_line_that_is_filled_in_is_run(runs: MapRuns, tmp_path: Path):
    """Nothing was run for it; a line that cannot be sent may be corrected, too."""
    (tmp_path / "in.jsonl").write_text('{"line": 1}\n\n{"line": 3}\n{\n{"line": 5}\n')
    first = runs.run(skip_invalid=True)
    (tmp_path / "in.jsonl").write_text('{"line": 1}\n{"line": 2}\n{"line": 3}\n{"line": 4}\n{"line": 5}\n')
    second = runs.run()
    third = runs.run(rerun_not_executed=True)

    assert (first.called, second.called, third.called) == ([1, 3, 5], [2], [4])
    assert (second.results, third.results) == ([1, 2, 5], [1, 2, 4, 5])


def test_a_line_that_was_passed_over_takes_its_place_among_the_results(
    open_store: Callable[..., ProgressStore], tmp_path: Path
):
    """From standard input, a run learns that a blank line was filled in when the output is already beyond it."""
    store = open_store()
    store.reserve([line(1), line(2, b" "), line(3)], None, None)
    for number in (1, 3):
        store.end(number, State.DONE, b"%d" % number)
    files = OutputFiles(tmp_path / "out", tmp_path / "failures", store, is_ordered=True)
    before = (tmp_path / "out").read_bytes()
    store.reopen(2)
    reserve(store, 2)
    files.add_result(2, store.end(2, State.DONE, b"2"), b"2")
    files.close()

    assert (before, (tmp_path / "out").read_bytes()) == (b"1\n3\n", b"1\n2\n3\n")


def test_text_behind_a_last_line_without_a_line_break_changes_that_line(runs: MapRuns, tmp_path: Path):
    """The bytes before are the same, but the line is another one."""
    (tmp_path / "in.jsonl").write_text('{"line": 3}\n{"line": 7}')
    runs.run()
    (tmp_path / "in.jsonl").write_text('{"line": 3}\n{"line": 7} \n{"line": 8}\n')
    longer = runs.run()
    (tmp_path / "in.jsonl").write_text('{"line": 3}\n{"line": 7}}\n')

    assert longer.called == [8]
    with pytest.raises(InputError, match=r"in\.jsonl:2 has changed since it was run"):
        runs.run()


def test_blank_lines_at_the_end_may_be_removed(runs: MapRuns, tmp_path: Path):
    """Nothing was run for them; a line that was run may not be removed."""
    whole = (tmp_path / "in.jsonl").read_text()
    (tmp_path / "in.jsonl").write_text(f"{whole}\n\n")
    first = runs.run()
    (tmp_path / "in.jsonl").write_text(whole)
    second = runs.run()
    runs.write_input(LINES - 1)

    assert second == first._replace(called=[])
    with pytest.raises(InputError, match=f"ends at line {LINES - 1}, but line {LINES} has been run"):
        runs.run()


# How much work that is


def write_finished_map(runs: MapRuns, directory: Path, count: int) -> None:
    """Write the files of a map of *count* lines whose last line was not started."""
    runs.directory = directory
    directory.mkdir()
    runs.write_input(count)
    subject = {"function": "f", "failures": "out.failures.jsonl"}
    store = ProgressStore(ProgressFile(directory / "out.jsonl.progress.sqlite", subject, "0", lost_line))
    files = OutputFiles(directory / "out.jsonl", directory / "out.failures.jsonl", store, is_ordered=True)
    sink, source, position = FileSink(store, files), Input(directory / "in.jsonl"), Position()
    while lines := source.read_lines():
        block = [each for each in lines if each.number < count]
        for each in block:
            position = position.advance(each)
        sink.reserve(block, position)
        for each in block:
            sink.start(each)
            sink.succeed(each.number, each.text)
    source.close()
    sink.close(is_complete=False)


def count_calls(action: Callable[[], Any]) -> int:
    """Count the calls of functions, those written in C included, that an action makes."""
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls


def test_a_resume_does_not_look_at_each_line_that_is_done(runs: MapRuns, tmp_path: Path):
    """Twenty times the lines take hardly more calls: input, progress and output are not split into lines."""
    runs.run()  # imports and compiles what is needed once
    calls = []
    for count in (500, 10_000):
        write_finished_map(runs, tmp_path / str(count), count)
        calls.append(count_calls(runs.run_only))
        assert runs.called == [count]

    assert calls[1] < calls[0] + 500


class CountingBytes(bytes):
    """Bytes that count how many of them are copied or searched."""

    handled = 0

    def __add__(self, other: Any) -> bytes:
        CountingBytes.handled += len(self) + len(other)
        return CountingBytes(bytes(self) + bytes(other))

    def __radd__(self, other: Any) -> bytes:
        CountingBytes.handled += len(self) + len(other)
        return CountingBytes(bytes(other) + bytes(self))

    def split(self, *arguments: Any) -> Any:
        CountingBytes.handled += len(self)
        return [CountingBytes(part) for part in bytes(self).split(*arguments)]

    def find(self, *arguments: Any) -> int:
        CountingBytes.handled += len(self)
        return bytes(self).find(*arguments)


def test_a_long_line_is_handled_once():
    """Each byte is searched once for the end of the line, and copied once: not once for each chunk."""
    CountingBytes.handled = 0
    splitter, chunks, size = LineSplitter(), 400, 4096
    found = [line for _ in range(chunks) for line in splitter.feed(CountingBytes(b"x" * size))]
    found += splitter.feed(CountingBytes(b"y\nz"))
    found += splitter.feed(b"")

    assert [(line.number, line.size) for line in found] == [(1, chunks * size + 2), (2, 1)]
    assert CountingBytes.handled <= chunks * size + 3


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_chunks_of_any_size_make_the_same_lines(ends: bytes):
    """Wherever they are cut."""
    whole = ends.join([b"1", b"", b"[1, 2]", b"x" * 50, b"last"])
    for size in range(1, 70):
        splitter = LineSplitter()
        chunks = [whole[begin : begin + size] for begin in range(0, len(whole), size)]
        lines = [line for chunk in [*chunks, b""] for line in splitter.feed(chunk)]

        assert [line.number for line in lines] == [1, 2, 3, 4, 5]
        assert [line.text.strip() for line in lines] == [b"1", b"", b"[1, 2]", b"x" * 50, b"last"]
        assert sum(line.size for line in lines) == len(whole)


def test_an_input_with_a_long_line_is_checked_as_any_other(tmp_path: Path):
    """A JSON array of a few megabytes between two short lines."""
    texts = [b"1", b"[" + b"1," * 1_000_000 + b"1]", b"3"]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(texts))
    source, seen = Input(tmp_path / "in.jsonl"), []
    count = check_input(source, NoLineStates(), lambda location, text: seen.append((location, text)))
    source.close()

    assert (count, [text for _, text in seen]) == (3, texts)
    assert seen[1][0].endswith("in.jsonl:2")


# What cannot be used


def refusal(runs: MapRuns, **options: Any) -> str:
    """Return why a run is refused, once it is certain that it called nothing."""
    with pytest.raises(InputError) as refused:
        runs.run(**options)
    assert runs.called == []
    return refused.value.message


def test_a_damaged_database_is_an_error_and_stays_as_it_is(runs: MapRuns, progress: Path):
    """Which lines have run is not known, so no line is run."""
    runs.run()
    content = bytearray(progress.read_bytes())
    content[1024:] = os.urandom(len(content) - 1024)
    progress.write_bytes(content)
    message = refusal(runs)

    assert f"{progress} is damaged (" in message
    assert message.endswith("or choose another output")
    assert progress.read_bytes() == bytes(content)


def test_after_another_boot_the_whole_database_is_checked(
    runs: MapRuns, progress: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A disk that lies about what it has written shows then, in pages which a resume would not read."""
    runs.write_input(400)
    runs.run()
    (tmp_path / "boot").write_text("another")
    monkeypatch.setattr("lambdachain.cli._map.progress_store._BOOT_ID", tmp_path / "boot")
    content = bytearray(progress.read_bytes())
    for page in range(20, len(content) // 1024):
        content[page * 1024 : page * 1024 + 8] = b"\xff" * 8
    progress.write_bytes(content)

    assert f"{progress} is damaged (" in refusal(runs)


def test_a_database_of_a_newer_format_is_an_error(runs: MapRuns, progress: Path):
    """It names the version that wrote it."""
    runs.run()
    connection = sqlite3.connect(progress)
    with connection:
        connection.execute("PRAGMA user_version = 2")
        connection.execute("UPDATE settings SET value = '7.1' WHERE name = 'lambdachain'")
    connection.close()
    before = progress.read_bytes()

    assert f"{progress} is in format 2, written by lambdachain 7.1; this version reads format 1" in refusal(runs)
    assert progress.read_bytes() == before


def test_the_database_of_another_program_is_an_error(runs: MapRuns, progress: Path):
    """And is not changed."""
    connection = sqlite3.connect(progress)
    with connection:
        connection.execute("CREATE TABLE diary (entry TEXT)")
    connection.close()
    before = progress.read_bytes()

    assert "is an SQLite database, but not the progress of a map" in refusal(runs)
    assert progress.read_bytes() == before
    progress.unlink()
    assert runs.run().called == EVERY


OLD_JOURNAL = b'3c6cd1d2 H {"lambdachain map": 1, "function": "f", "failures": "out.failures.jsonl"}\n'


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_old_journal_is_an_error_that_says_what_to_do(runs: MapRuns, tmp_path: Path, overwrite: bool):
    """Only the version that wrote it can resume it; it is not changed or deleted."""
    journal = tmp_path / "out.jsonl.journal"
    journal.write_bytes(OLD_JOURNAL)
    (tmp_path / "out.jsonl").write_text("before")
    message = refusal(runs, overwrite=overwrite)

    assert f"{journal} is the journal (format 1) of an unfinished map of an earlier version of lambdachain" in message
    assert "finish the map with the version that began it, or move the journal away and start over" in message
    assert (journal.read_bytes(), (tmp_path / "out.jsonl").read_text()) == (OLD_JOURNAL, "before")
    journal.rename(tmp_path / "elsewhere")
    assert runs.run(overwrite=True).called == EVERY


def test_a_file_that_is_only_named_as_an_old_journal_does_not_matter(runs: MapRuns, tmp_path: Path):
    """It belongs to another program."""
    (tmp_path / "out.jsonl.journal").write_text("Dear diary\n")

    assert runs.run().called == EVERY
    assert (tmp_path / "out.jsonl.journal").read_text() == "Dear diary\n"


def test_a_database_that_another_connection_has_is_an_error(runs: MapRuns, progress: Path):
    """Somebody may be reading it with a tool of their own, or repairing it."""
    runs.run()
    connection = sqlite3.connect(progress, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    messages = [refusal(runs), refusal(runs, overwrite=True)]
    connection.close()

    assert all(f"{progress} is in use by another run of map" in message for message in messages)


@pytest.mark.parametrize("name", ["out.jsonl", "out.failures.jsonl"])
def test_progress_that_was_never_begun_does_not_replace_other_files(
    runs: MapRuns, progress: Path, tmp_path: Path, name: str
):
    """They may be of a map that finished since this run has looked, or of one whose progress was emptied."""
    (tmp_path / name).write_text("before")
    progress.write_bytes(b"")
    messages = [refusal(runs), refusal(runs)]

    assert all(f"{name} exists, and there is no {progress.name} to resume from" in message for message in messages)
    assert ((tmp_path / name).read_text(), progress.exists()) == ("before", False)
    assert runs.run(overwrite=True).called == EVERY


OPEN_WHILE_ANOTHER_RUN_FINISHES = """
import sys
from pathlib import Path
from lambdachain.cli._exit_status import InputError
from lambdachain.cli._map.database import Database

def finish(event, _arguments):
    if event == sys.argv[1] and finishing:
        finishing.pop().delete()

path, finishing = Path("progress"), []
finished = Database(path)
finished.use_log()
finishing.append(finished)
sys.addaudithook(finish)
try:
    Database(path)
except InputError as exc:
    print(exc.message, path.exists())
"""


@pytest.mark.parametrize("moment", ["sqlite3.connect", "sqlite3.connect/handle"])
def test_a_database_that_was_deleted_before_it_was_locked_is_an_error(tmp_path: Path, moment: str):
    """What is recorded in it would be lost, or recorded in a file that others can read."""
    command = [sys.executable, "-c", OPEN_WHILE_ANOTHER_RUN_FINISHES, moment]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert ran.stdout.startswith("progress is in use by another run of map")
    assert ran.stdout.endswith(" False\n")


def test_a_log_without_its_database_is_not_used(runs: MapRuns, progress: Path, tmp_path: Path):
    """A run that finished was killed while it deleted them."""
    database = Database(tmp_path / "old")
    database.use_log()
    database.commit(lambda execute: execute("CREATE TABLE diary (entry TEXT)"))
    shutil.copy(tmp_path / "old-wal", tmp_path / f"{progress.name}-wal")
    database.close()

    assert runs.run().called == EVERY
    assert runs.run().called == []


@pytest.mark.parametrize("content", [b"Dear diary\n", bytes(5000), b"SQLite format 3\0" + b"x" * 5000])
def test_overwrite_starts_over_whatever_the_progress_contains(runs: MapRuns, progress: Path, content: bytes):
    """Damaged, or not a database at all."""
    progress.write_bytes(content)
    progress.with_name(f"{progress.name}-wal").write_bytes(b"of another time")

    assert runs.run(overwrite=True).called == EVERY
    assert runs.run().called == []


def test_a_python_without_sqlite_can_map_to_standard_output_only(tmp_path: Path):
    """Some Pythons are built without the headers of SQLite."""
    (tmp_path / "in.jsonl").write_text("")
    script = "import sys; sys.modules['_sqlite3'] = None; from lambdachain.cli import main; main()"
    command = [sys.executable, "-c", script, "map", "f", "in.jsonl", "--endpoint-url", "http://127.0.0.1:9"]
    around: Any = {"cwd": tmp_path, "capture_output": True, "text": True}
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "k", "AWS_REGION": "us-east-1"}
    around["env"] = {**os.environ, **keys}
    refused, streamed = (
        subprocess.run([*command, *more], check=False, **around) for more in (["--output", "out.jsonl"], ["--quiet"])
    )

    assert (refused.returncode, streamed.returncode) == (2, 0), (refused.stderr, streamed.stderr)
    assert refused.stderr.startswith("error: map --output needs Python's sqlite3 module, which this Python was built")
    assert list(tmp_path.iterdir()) == [tmp_path / "in.jsonl"]


def test_only_a_map_with_an_output_imports_sqlite(tmp_path: Path):
    """No other command pays for it."""
    script = (
        "import sys; from lambdachain.cli._map import command, session, run, results; "
        "print('sqlite3' in sys.modules, '_sqlite3' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert ran.stdout == "False False\n"


def test_an_output_position_of_an_empty_file_is_the_start():
    """Nothing is known of it yet."""
    assert OutputPosition(is_ordered=True) == (True, 1, 0, 0, 0)
