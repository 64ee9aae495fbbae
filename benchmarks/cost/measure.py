"""Measuring: processes that are run one after the other in turn, and asked again and again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from .figures import Rounds, in_turn
from .place import Place

BARE = "a bare interpreter"


class Size(NamedTuple):
    """A size of payload: how many items it has, how often it is sent a round, and in how many rounds."""

    items: int
    calls: int
    rounds: int


class Cold(NamedTuple):
    """What a process took from its start to its end: CPU seconds, and KiB it held when it was done."""

    seconds: float
    resident: float


class Warm(NamedTuple):
    """What calls took: CPU seconds each, round by round; and the most KiB that their process held."""

    seconds: Rounds
    peak: dict[str, float]


def cold(place: Place, ways: Sequence[str], items: int, models: int, rounds: int) -> dict[str, list[Cold]]:
    """Run whole processes: an interpreter, its imports, models and client, and one call."""
    names = [BARE, *ways]
    found: dict[str, list[Cold]] = {name: [] for name in names}
    for position in range(-1, rounds):
        for name in in_turn(names, position):
            once = _run(place, name, items, models)
            if position >= 0:  # the first round writes .pyc files and warms the disk's cache
                found[name].append(once)
    return found


def warm(place: Place, kind: str, names: Sequence[str], size: Size) -> Warm:
    """Have one process of each name call, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    peak: dict[str, float] = {}
    with _probes(place, kind, names, size.items) as probes:
        for position in range(-1, size.rounds):
            for name in in_turn(names, position):
                took = probes[name].ask(size.calls) / size.calls
                if position >= 0:
                    seconds[name].append(took)
        for name in names:
            peak[name] = probes[name].end()
    return Warm(seconds, peak)


def instructions(place: Place, ways: Iterable[str], items: int, calls: int) -> dict[str, tuple[float, float]] | None:
    """Count instructions: of a cold start with one call, and of one more; ``None`` where valgrind is not installed.

    They do not depend on what else the machine does, so two processes run at a time.
    """
    if shutil.which("valgrind") is None:
        return None

    def count(way: str) -> tuple[float, float]:
        first, further = (_counted(place.command("cold", way, items, 0, number), place) for number in (1, 1 + calls))
        return first, (further - first) / calls

    with ThreadPoolExecutor(2) as pool:
        bare = pool.submit(_counted, [place.python, "-c", "pass"], place)
        counted = dict(zip(ways, pool.map(count, ways), strict=True))
        return {way: (first - bare.result(), further) for way, (first, further) in counted.items()}


def _counted(command: list[str], place: Place) -> float:
    tool = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    ran = subprocess.run([*tool, *command], env=place.environment, capture_output=True, text=True, check=True)  # noqa: S603
    told = re.search(r"I\s+refs:\s+([\d,]+)", ran.stderr)
    if told is None:
        raise ValueError(f"valgrind does not say how many instructions: {ran.stderr[-500:]}")
    return float(told[1].replace(",", ""))


def _run(place: Place, name: str, items: int, models: int) -> Cold:
    command = [place.python, "-c", "pass"] if name == BARE else place.command("cold", name, items, models, 1)
    process = subprocess.Popen(  # noqa: S603 - our own
        command, env=place.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None  # noqa: S101 - for type checkers
    with process.stdout:
        told = process.stdout.read().split()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{name} failed: {' '.join(command)}")
    return Cold(usage.ru_utime + usage.ru_stime, float(told[0]) if told else _bare_memory(place))


def _bare_memory(place: Place) -> float:
    code = "print(*open('/proc/self/status'))"
    ran = subprocess.run([place.python, "-c", code], env=place.environment, capture_output=True, text=True, check=False)  # noqa: S603
    told = re.search(r"VmRSS:\s+(\d+)", ran.stdout)
    return float(told[1]) if told else 0.0


class _Probe:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, calls: int) -> float:
        """Have it call, and tell the CPU seconds that took."""
        return float(self._say(str(calls)))

    def end(self) -> float:
        """End it, and tell the most KiB it held."""
        out, _ = self._process.communicate()
        return float(out.split()[-1])

    def _say(self, line: str) -> str:
        assert self._process.stdin is not None  # noqa: S101 - for type checkers
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def _probes(place: Place, kind: str, names: Sequence[str], items: int) -> Iterator[dict[str, _Probe]]:
    start: Callable[[str], subprocess.Popen[str]] = lambda name: subprocess.Popen(  # noqa: E731, S603
        place.command(kind, name, items),
        env=place.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    processes = {name: start(name) for name in names}
    try:
        yield {name: _Probe(process) for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()
