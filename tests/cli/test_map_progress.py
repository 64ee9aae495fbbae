"""The journal of a map, cut at every byte, damaged, out of step with the output, and after the machine has stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import pytest

from lambdachain.cli._map.journal import Journal
from lambdachain.cli._map.line_states import LineStates, State
from lambdachain.cli._map.session import MapArguments, run
from lambdachain.cli._target_options import Connection
from lambdachain.testing import StubTransport

LINES = 14
SUBJECT = {"function": "f", "failures": "out.failures.jsonl"}
FAILING = (3, 9)
HOW = Connection(None, None, None, None, None, None, None, None)


class Called(NamedTuple):
    """What a run has done: the lines that it called for, and what is in its files then."""

    lines: list[int]
    results: list[int]
    failures: dict[int, str]


@pytest.fixture
def map_again(tmp_path: Path, lambda_stub: StubTransport) -> Callable[..., Called]:
    """Run a map of a few lines in this process, two of which fail."""
    called: list[int] = []

    def answer(request: Any) -> Any:
        called.append(request["line"])
        if request["line"] in FAILING:
            raise ValueError("on purpose")
        return request

    lambda_stub.on("f").runs(answer)
    (tmp_path / "in.jsonl").write_text("".join(f'{{"line": {n}}}\n' for n in range(1, LINES + 1)))
    whole = MapArguments(
        target="f",
        source=tmp_path / "in.jsonl",
        output=tmp_path / "out.jsonl",
        failures=None,
        concurrency=4,
        ordered=True,
        skips=False,
        overwrites=False,
        reruns_unknown=False,
        reruns_not_executed=False,
        client_context={},
        quiet=True,
        as_json=False,
    )

    def to_the_end(*, ordered: bool = True, reruns_unknown: bool = False) -> Called:
        called.clear()
        asked = {name: getattr(whole, name) for name in MapArguments.__dataclass_fields__}
        run(MapArguments(**{**asked, "ordered": ordered, "reruns_unknown": reruns_unknown}), HOW)
        results = [json.loads(line)["line"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        failed = tmp_path / "out.failures.jsonl"
        failures = [json.loads(line) for line in failed.read_text().splitlines()] if failed.exists() else []
        return Called(sorted(called), results, {failure["line"]: failure["error"] for failure in failures})

    return to_the_end


class Told(NamedTuple):
    """What a journal's whole records say, read as simply as can be."""

    started: set[int]
    done: set[int]
    failed: set[int]


def told_by(journal: bytes) -> Told:
    """Read the whole records of a journal."""
    bodies = [line[9:].split(b" ") for line in journal.split(b"\n")[:-1]]
    of = {kind: {int(body[1]) for body in bodies if body[0] == kind} for kind in (b"S", b"D", b"F")}
    return Told(of[b"S"], of[b"D"], of[b"F"])


def test_a_journal_that_ends_at_any_byte_loses_and_repeats_nothing(map_again: Any, tmp_path: Path):
    """What has an end is kept and not called for again; what was started without one is unknown; the rest is run."""
    map_again()
    path = tmp_path / "out.jsonl.journal"
    whole = path.read_bytes()
    outputs = [b"", b'{"line":1,"value":{"line', (tmp_path / "out.jsonl").read_bytes()]
    begun = whole.index(b"\n") + 1
    for size in range(begun, len(whole) + 1, 7):
        path.write_bytes(whole[:size])
        (tmp_path / "out.jsonl").write_bytes(outputs[size % 3])
        told = told_by(whole[:size])
        ran = map_again(ordered=size % 2 == 0)
        unknown = told.started - told.done - told.failed

        assert set(ran.lines) == set(range(1, LINES + 1)) - told.started, size
        assert {line for line, error in ran.failures.items() if error == "OutcomeUnknownError"} == unknown, size
        assert sorted([*ran.results, *ran.failures]) == list(range(1, LINES + 1)), size
        assert size % 2 or ran.results == sorted(ran.results), size


def test_a_journal_that_was_never_begun_is_begun(map_again: Any, tmp_path: Path):
    """Its writer was killed in the first line."""
    map_again()
    path = tmp_path / "out.jsonl.journal"
    whole = path.read_bytes()
    for size in (0, 1, whole.index(b"\n")):
        path.write_bytes(whole[:size])

        assert map_again().lines == list(range(1, LINES + 1))


def test_what_was_under_way_runs_again_where_that_is_asked_for(map_again: Any, tmp_path: Path):
    """And its place in the output is that of its line."""
    map_again()
    path = tmp_path / "out.jsonl.journal"
    whole = path.read_bytes()
    cut = whole[: whole.index(b" S 6 ") + 30]
    path.write_bytes(cut)
    left = told_by(cut)
    unasked = map_again()
    asked = map_again(reruns_unknown=True)
    again = left.started - left.done - left.failed

    assert unasked.lines == sorted(set(range(1, LINES + 1)) - left.started)
    assert asked.lines == sorted(again)
    assert asked.results == [line for line in range(1, LINES + 1) if line not in FAILING]
    assert set(asked.failures) == set(FAILING)


def reboot(journal: bytes) -> bytes:
    """Have the runs of a journal be of another boot of the machine."""
    lines = journal.split(b"\n")
    return b"\n".join(_signed(b"B another") if line[9:10] == b"B" else line for line in lines)


def _signed(body: bytes) -> bytes:
    return b"%08x %s" % (crc32(body), body)


def test_after_the_machine_has_stopped_all_that_was_reserved_may_have_run(map_again: Any, tmp_path: Path):
    """The records of what was started may not have reached the disk; those of what was reserved have."""
    map_again()
    path = tmp_path / "out.jsonl.journal"
    records = path.read_bytes().split(b"\n")
    kept = [record for record in records if record[9:10] in (b"H", b"B", b"R")]
    path.write_bytes(b"\n".join([*kept, b""]))
    same = Journal(path, SUBJECT, LineStates())
    same.close()
    path.write_bytes(reboot(b"\n".join([*kept, b""])))
    ran = map_again()

    assert list(same.ledger.under_way()) == []
    assert (ran.lines, ran.results) == ([], [])
    assert set(ran.failures.values()) == {"OutcomeUnknownError"}
    assert len(ran.failures) == LINES


@pytest.mark.parametrize("at", [b" S 5 ", b" D 5 ", b" R 1,"])
def test_a_damaged_record_repeats_nothing(map_again: Any, tmp_path: Path, at: bytes):
    """What it may have said is taken for granted: the line counts as started."""
    map_again()
    path = tmp_path / "out.jsonl.journal"
    whole = bytearray(path.read_bytes())
    whole[whole.index(at) + 2] ^= 0x10
    path.write_bytes(whole)
    ran = map_again()

    assert ran.lines == []
    assert sorted([*ran.results, *ran.failures]) == list(range(1, LINES + 1))
    assert ran.failures.get(5) == ("OutcomeUnknownError" if at == b" D 5 " else None)


def test_a_later_run_decides_what_becomes_of_a_line(tmp_path: Path):
    """A failure, then a run of its own, then a result; and a line that was taken back is open."""
    journal = Journal(tmp_path / "journal", {}, LineStates())
    journal.reserve([1, 2, 3])
    journal.start(1, b"1")
    journal.failed(1, State.UNKNOWN, b'{"line":1,"error":"CallTimeoutError"}')
    journal.start(1, b"1")
    journal.done(1, b'{"line":1,"value":7}')
    journal.start(2, b"2")
    journal.release(2)
    journal.start(3, b"3")
    journal.close()
    again = Journal(tmp_path / "journal", {}, LineStates())

    assert (again.ledger.state(1), again.written(1)) == (State.DONE, b'{"line":1,"value":7}')
    assert (again.ledger.is_open(2), again.ledger.is_under_way(2)) == (True, False)
    assert list(again.ledger.under_way()) == [3]
    assert list(again.results()) == [1]
    again.close()


def test_a_record_that_cannot_be_written_leaves_a_whole_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Half of it is taken back."""
    journal = Journal(tmp_path / "journal", {}, LineStates())
    before = (tmp_path / "journal").read_bytes()
    write, written = __import__("os").write, []

    def full(file: int, data: bytes) -> int:
        if written:
            raise OSError(28, "No space left on device")
        written.append(write(file, data[:5]))
        return 5

    monkeypatch.setattr("lambdachain.cli._map.append_only_file.os.write", full)
    with pytest.raises(OSError, match="No space left on device") as refused:
        journal.done(1, b"7")
    monkeypatch.undo()
    journal.close()

    assert refused.value.filename == str(tmp_path / "journal")
    assert (written, (tmp_path / "journal").read_bytes()) == ([5], before)


def test_a_long_result_is_read_back_whole(tmp_path: Path):
    """However many reads that takes."""
    journal = Journal(tmp_path / "journal", {}, LineStates())
    written = {line: b"%d" % line * size for line, size in enumerate((1, 65_535, 65_536, 65_537, 300_000), 1)}
    for line, text in written.items():
        journal.done(line, text)
    found = {line: journal.written(line) for line in written}
    journal.close()

    assert found == written
