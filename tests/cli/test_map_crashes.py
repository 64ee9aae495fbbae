"""A map whose process, or whose machine, stops at any moment, and which is resumed with what is on the disk then.

How it works: one real run is logged by a library that is preloaded into its process (``disk_log.c``): each write,
truncation and removal of a file in its order, each sync, and each call of the function. From that log follows what the
disk contains at any moment:

- after SIGKILL, every change up to that moment: the operating system has accepted it;
- after the machine has stopped, every change that a sync of its file came after, and of the later ones any subset, torn
  at sectors (``disk_images.py``). The resumed run sees another boot then.

Each such disk is written to a directory of its own, where the map is resumed. Nothing is simulated but the disk: the
log comes from the run's system calls, so that a sync which is missing fails these tests.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from lambdachain.testing import StubTransport
from tests.cli.disk_images import Change, files_after_kill, files_after_power_cut, read_changes
from tests.cli.map_runs import MapRuns

LINES: Final = 90
FAILING: Final = frozenset({3, 40, 41, 77})
BLOCK: Final = 16
CONCURRENCY: Final = 4
# Small blocks and a small log of the database, so that few lines have many syncs and checkpoints.
LOGGED_RUN: Final = f"""
import os, sys
from pathlib import Path
from lambdachain.cli._map import database, lines, run
from lambdachain.testing import StubTransport
from tests.cli.map_runs import MapRuns
run._RESERVED_AT_ONCE = {BLOCK}
lines._CHUNK = 512
database._WAL_PAGES = 100
directory = Path(sys.argv[1])
calls = os.open(directory / "calls", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
runs = MapRuns(directory, frozenset({sorted(FAILING)}), on_call=lambda line: os.write(calls, b"%d\\n" % line))
with StubTransport() as stub:
    runs.connect(stub)
    runs.run(ordered=sys.argv[2] == "ordered")
"""
COUNT: Final = int(os.environ.get("LAMBDACHAIN_SOAK_LINES", "4000")) // 160


@pytest.fixture(scope="module")
def preloaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the library that logs changes of files."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("disk") / "disk_log.so"
    source = Path(__file__).with_name("disk_log.c")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", library]
    # A compiler may come without the headers of the C library.
    probe = subprocess.run([*command, "-xc", "-"], input=b"#include <stdio.h>\n", capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("needs a C compiler with the headers of the C library")
    subprocess.run([*command, source, "-ldl"], check=True)
    return library


@pytest.fixture(scope="module", params=["ordered", "as completed"])
def logged(request: pytest.FixtureRequest, preloaded: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run a map whose changes on the disk are logged; return them and whether it was ordered."""
    directory = tmp_path_factory.mktemp("logged").resolve()
    log = directory.with_name(f"{directory.name}.log")
    MapRuns(directory).write_input(LINES)
    logging = {"LD_PRELOAD": str(preloaded), "DISK_LOG": str(log), "DISK_LOG_DIRECTORY": str(directory)}
    root = Path(__file__).parents[2]
    around: dict[str, Any] = {
        "cwd": root,
        "env": {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(root)]), **logging},
    }
    subprocess.run([sys.executable, "-c", LOGGED_RUN, str(directory), request.param], check=True, **around)
    return read_changes(log, directory), request.param == "ordered"


@pytest.fixture
def runs(tmp_path: Path, lambda_stub: StubTransport) -> Callable[[dict[str, bytes]], MapRuns]:
    """Return the runs in a new directory that contains some files; the function is the one of the logged run."""
    current = MapRuns(tmp_path, FAILING)
    current.connect(lambda_stub)

    def restore(files: dict[str, bytes]) -> MapRuns:
        current.directory = tmp_path / "disk"
        shutil.rmtree(current.directory, ignore_errors=True)
        current.directory.mkdir()
        current.write_input(LINES)
        for name, content in files.items():
            (current.directory / name).write_bytes(content)
        return current

    return restore


def called_before(changes: list[Change]) -> set[int]:
    """Return the lines for which the function was called."""
    return {int(line) for line in b"".join(change.data for change in changes if change.name == "calls").split()}


def synced(changes: list[Change]) -> list[Change]:
    """Return the changes before the last sync of the log of the database."""
    syncs = [index for index, change in enumerate(changes) if change.kind == "s" and change.name.endswith("-wal")]
    return changes[: syncs[-1]] if syncs else []


def results_in(files: dict[str, bytes]) -> set[int]:
    """Return the lines whose whole result is in the output."""
    output = files.get("out.jsonl", b"")
    return {int(line.split(b":")[1].split(b",")[0]) for line in output.splitlines() if line.endswith(b"}")}


def check_resumed(runs: MapRuns, before: set[int], kept: set[int], most_spare: int, *, ordered: bool, at: Any) -> None:
    """Resume a map, and check that no line is lost or called twice; then run those that may have run."""
    every = set(range(1, LINES + 1))
    resumed = runs.run(ordered=ordered)
    unknown = {line for line, error in resumed.failures.items() if error == "OutcomeUnknownError"}
    called = set(resumed.called)
    rerun = runs.run(ordered=ordered, rerun_unknown=True)

    assert called.isdisjoint(before), at
    assert called == every - before - unknown - kept, at
    assert len(resumed.called) == len(called), at
    assert sorted([*resumed.results, *resumed.failures]) == sorted(every), at
    assert kept <= set(resumed.results), at
    assert len(unknown - before) <= most_spare, at
    assert not ordered or resumed.results == sorted(resumed.results), at
    assert (set(rerun.called), sorted(rerun.results)) == (unknown, sorted(every - FAILING)), at
    assert not ordered or rerun.results == sorted(rerun.results), at


def test_a_process_that_is_killed_after_any_write_repeats_nothing(logged: Any, runs: Any):
    """What has ended is kept, what is in flight is unknown, everything else is run."""
    changes, ordered = logged
    step = max(1, len(changes) // COUNT)
    for end in range(random.randrange(step), len(changes) + 1, step):
        files = files_after_kill(changes[:end])
        check_resumed(
            runs(files), called_before(changes[:end]), results_in(files), CONCURRENCY, ordered=ordered, at=end
        )


def test_a_machine_that_stops_repeats_nothing(logged: Any, runs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What a sync came after is kept; what had been reserved since is unknown; no line is called twice."""
    changes, ordered = logged
    (tmp_path / "boot").write_text("another boot")
    monkeypatch.setattr("lambdachain.cli._map.progress_store._BOOT_ID", tmp_path / "boot")
    seed = random.randrange(1 << 32)
    moments = random.Random(seed)
    for _ in range(COUNT):
        end = moments.randrange(len(changes) + 1)
        files = files_after_power_cut(changes[:end], moments)
        before, kept = called_before(changes[:end]), results_in(files_after_kill(synced(changes[:end])))
        check_resumed(runs(files), before, kept, BLOCK, ordered=ordered, at=(seed, end))
