"""The arguments of the command, and the files that they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from .lines import FAILURES, State
from .sources import Format

if TYPE_CHECKING:
    from lambdachain.stepfunctions._map_run.machine import MapPlace

Engine = Literal["process", "step-functions"]
"""What runs the calls: this process, or Step Functions."""


@dataclass(frozen=True, slots=True)
class MapArguments:
    """The arguments of the command, except for those of the connection; see its options."""

    target: str
    source: Path | str
    output: Path | None
    failures: Path | None
    concurrency: int
    ordered: bool
    skip_invalid: bool
    overwrite: bool
    rerun_unknown: bool
    rerun_not_executed: bool
    client_context: Mapping[str, str]
    quiet: bool
    as_json: bool
    input_format: Format | None = None
    engine: Engine = "process"
    place: MapPlace | None = None
    redrive: bool = False

    @property
    def paths(self) -> OutputPaths | None:
        """The files of a map with an output; ``None`` for standard output."""
        return None if self.output is None else output_paths(self.output, self.failures)

    def reruns(self, *, is_idempotent: bool) -> frozenset[State]:
        """Return the outcomes with which a line is run again."""
        reruns = {State.LOST} if is_idempotent else set[State]()
        if self.rerun_unknown:
            reruns |= {State.LOST, State.UNKNOWN}
        if self.rerun_not_executed:
            reruns.add(State.NOT_EXECUTED)
        if self.redrive:
            reruns.update(FAILURES)
        return frozenset(reruns)


class OutputPaths(NamedTuple):
    """The files of a map that has an output."""

    output: Path
    failures: Path
    progress: Path


def output_paths(output: Path, failures: Path | None) -> OutputPaths:
    """Name the files of a map with an output.

    >>> [path.name for path in output_paths(Path("charged.jsonl"), None)]
    ['charged.jsonl', 'charged.failures.jsonl', 'charged.jsonl.progress.sqlite']
    """
    default = output.with_name(f"{output.stem}.failures{output.suffix}")
    return OutputPaths(output, failures or default, output.with_name(f"{output.name}.progress.sqlite"))
