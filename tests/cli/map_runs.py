"""Runs of a map in this process, for the tests of what it leaves on the disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lambdachain.cli._map.arguments import MapArguments
from lambdachain.cli._map.session import run
from lambdachain.cli._target_options import TargetOptions
from lambdachain.testing import StubTransport

CONNECTION = TargetOptions(None, None, None, None, None, None, None, None)
ARGUMENTS: dict[str, Any] = {
    "target": "f",
    "failures": None,
    "concurrency": 4,
    "ordered": True,
    "skip_invalid": False,
    "overwrite": False,
    "rerun_unknown": False,
    "rerun_not_executed": False,
    "client_context": {},
    "quiet": True,
    "as_json": False,
}


class RunResult(NamedTuple):
    """What a run has done.

    Attributes:
        called: The lines for which it called the function.
        results: The lines in the file of results, in its order.
        failures: The class of each line's error in the file of failures.
    """

    called: list[int]
    results: list[int]
    failures: dict[int, str]


@dataclass
class MapRuns:
    """Runs maps in a directory: from ``in.jsonl``, whose lines have their number, to ``out.jsonl``.

    Attributes:
        directory: The directory.
        failing: The lines for which the function raises an error.
        called: The lines for which the function was called, in that order.
        on_call: Called by the function with each line.
    """

    directory: Path
    failing: frozenset[int] = frozenset()
    called: list[int] = field(default_factory=list)
    on_call: Callable[[int], None] = lambda _: None

    def connect(self, stub: StubTransport) -> None:
        """Register the function ``f``, which returns its request."""
        stub.on("f").runs(self._handle)

    def write_input(self, count: int) -> None:
        """Write an input of so many lines."""
        (self.directory / "in.jsonl").write_text("".join(f'{{"line": {n}}}\n' for n in range(1, count + 1)))

    def run(self, **options: Any) -> RunResult:
        """Run a map to its end, and read its files."""
        self.run_only(**options)
        results = [json.loads(line)["line"] for line in (self.directory / "out.jsonl").read_text().splitlines()]
        path = self.directory / "out.failures.jsonl"
        failures = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return RunResult(sorted(self.called), results, {failure["line"]: failure["error"] for failure in failures})

    def run_only(self, **options: Any) -> None:
        """Run a map to its end."""
        self.called.clear()
        paths = {"source": self.directory / "in.jsonl", "output": self.directory / "out.jsonl"}
        run(MapArguments(**{**ARGUMENTS, **paths, **options}), CONNECTION)

    def _handle(self, request: Any) -> Any:
        self.called.append(request["line"])
        self.on_call(request["line"])
        if request["line"] in self.failing:
            raise ValueError("on purpose")
        return request
