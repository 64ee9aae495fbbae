"""Measurements: processes that are run, or asked, in turn."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from .environment import Environment
from .figures import Rounds, in_turn

BARE = "a bare interpreter"


class Size(NamedTuple):
    """A size of payload: its number of items, calls per round, and rounds."""

    items: int
    calls: int
    rounds: int


class Cold(NamedTuple):
    """A whole process: its CPU seconds, and its KiB at the end."""

    seconds: float
    resident: float


class Warm(NamedTuple):
    """Warm calls: CPU seconds per call, for each round; and the peak KiB of the process."""

    seconds: Rounds
    peak: dict[str, float]


def cold(
    environment: Environment, variants: Sequence[str], items: int, models: int, rounds: int
) -> dict[str, list[Cold]]:
    """Run whole processes: an interpreter, its imports, models and client, and one call."""
    names = [BARE, *variants]
    found: dict[str, list[Cold]] = {name: [] for name in names}
    for position in range(-1, rounds):
        for name in in_turn(names, position):
            once = _run(environment, name, items, models)
            if position >= 0:  # the first round writes .pyc files and warms the disk's cache
                found[name].append(once)
    return found


def warm(environment: Environment, kind: str, names: Sequence[str], size: Size) -> Warm:
    """Let one process of each name call, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    peak: dict[str, float] = {}
    with _probes(environment, kind, names, size.items) as probes:
        for position in range(-1, size.rounds):
            for name in in_turn(names, position):
                took = probes[name].ask(size.calls) / size.calls
                if position >= 0:
                    seconds[name].append(took)
        for name in names:
            peak[name] = probes[name].end()
    return Warm(seconds, peak)


def instructions(
    environment: Environment, variants: Iterable[str], items: int, calls: int
) -> dict[str, tuple[float, float]] | None:
    """Count instructions: of a cold start with one call, and of a warm one; ``None`` where valgrind is not installed.

    They do not depend on what else the machine does, so two processes run at a time.
    """
    if shutil.which("valgrind") is None:
        return None

    def count(variant: str) -> tuple[float, float]:
        commands = (("cold", variant, items, 0), ("settled", variant, items, 0), ("settled", variant, items, calls))
        first, before, after = (count_instructions(environment.command(*each), environment) for each in commands)
        return first, (after - before) / calls

    with ThreadPoolExecutor(2) as pool:
        bare = pool.submit(count_instructions, _bare_command(environment), environment)
        counted = dict(zip(variants, pool.map(count, variants), strict=True))
        return {variant: (first - bare.result(), further) for variant, (first, further) in counted.items()}


def count_instructions(command: list[str], environment: Environment) -> float:
    """Count the instructions of a process."""
    tool = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    ran = subprocess.run([*tool, *command], env=environment.variables, capture_output=True, text=True, check=True)  # noqa: S603
    found = re.search(r"I\s+refs:\s+([\d,]+)", ran.stderr)
    if found is None:
        raise ValueError(f"valgrind did not report the number of instructions: {ran.stderr[-500:]}")
    return float(found[1].replace(",", ""))


def _run(environment: Environment, name: str, items: int, models: int) -> Cold:
    command = _bare_command(environment) if name == BARE else environment.command("cold", name, items, models)
    process = subprocess.Popen(  # noqa: S603 - our own
        command, env=environment.variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None  # noqa: S101 - for type checkers
    with process.stdout:
        found = process.stdout.read().split()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{name} failed: {' '.join(command)}")
    return Cold(usage.ru_utime + usage.ru_stime, float(found[0]) if found else _bare_memory(environment))


def _bare_command(environment: Environment) -> list[str]:
    return [environment.python, "-c", "import os; os._exit(0)"]


def _bare_memory(environment: Environment) -> float:
    code = "print(*open('/proc/self/status'))"
    command = [environment.python, "-c", code]
    ran = subprocess.run(command, env=environment.variables, capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"VmRSS:\s+(\d+)", ran.stdout)
    return float(found[1]) if found else 0.0


class _Probe:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, calls: int) -> float:
        """Let the process call, and return the CPU seconds."""
        return float(self._say(str(calls)))

    def end(self) -> float:
        """End the process, and return its peak KiB."""
        out, _ = self._process.communicate()
        return float(out.split()[-1])

    def _say(self, line: str) -> str:
        assert self._process.stdin is not None  # noqa: S101 - for type checkers
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def _probes(environment: Environment, kind: str, names: Sequence[str], items: int) -> Iterator[dict[str, _Probe]]:
    start: Callable[[str], subprocess.Popen[str]] = lambda name: subprocess.Popen(  # noqa: E731, S603
        environment.command(kind, name, items),
        env=environment.variables,
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
