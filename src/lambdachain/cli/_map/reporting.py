"""What a map prints: a progress bar while it runs, and a summary at its end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Final, Protocol

from lambdachain.cli._exit_status import echo
from lambdachain.progress import Bar, bar

from .lines import State
from .results import ResultSink

if TYPE_CHECKING:
    from pathlib import Path

_HINTS: Final = {
    (State.UNKNOWN, State.LOST): "may have run: --rerun-unknown runs {} again",
    (State.NOT_EXECUTED,): "did not run: --rerun-not-executed runs {} again",
}


class Paths(Protocol):
    """The files that a summary names."""

    @property
    def output(self) -> Path: ...

    @property
    def failures(self) -> Path: ...


@dataclass(frozen=True, slots=True)
class MapReporter:
    """Reports on standard error, and prints a summary for programs on standard output."""

    quiet: bool
    as_json: bool

    def begin(self, sink: ResultSink, count: int | None, *, is_resumed: bool) -> None:
        """Report what a resumed map has done already."""
        if is_resumed and not self.quiet:
            left = "" if count is None else f", {count:,} remaining"
            echo(f"resuming: {_format_count(sink.counts[State.DONE])} done{left}", file=sys.stderr)

    def bar(self, description: str, count: int | None, paths: Paths | None) -> Bar:
        """Make a progress bar, which is drawn on a terminal only, and not between results."""
        is_useless = self.quiet or count == 0 or (paths is None and sys.stdout.isatty())
        return bar(description, file=StringIO() if is_useless else sys.stderr)

    def end(self, sink: ResultSink, paths: Paths | None, *, is_complete: bool, left: int) -> None:
        """Report how it went; *left* is how many lines were in flight and not waited for."""
        if self.as_json:
            summary = {"complete": is_complete, "done": sink.counts[State.DONE], "failed": sink.classes.total()}
            echo(json.dumps({**summary, "classes": dict(sink.classes)}))
        if not self.quiet:
            for line in _summary(sink, paths, is_complete=is_complete, left=left):
                echo(line, file=sys.stderr)


def _summary(sink: ResultSink, paths: Paths | None, *, is_complete: bool, left: int) -> Iterator[str]:
    failed = _format_failures(sink.classes)
    prefix = "" if is_complete else "stopped: "
    output = f", in {paths.output}" if paths else ""
    failures = f", in {paths.failures}" if paths and failed else ""
    yield f"{prefix}{_format_count(sink.counts[State.DONE])} done{output}{failed}{failures}"
    if left:
        yield f"{_format_count(left)} in flight when it ended: may have run"
    if paths and not is_complete:
        yield "run the same command again to resume"
    for states, hint in _HINTS.items() if paths else ():
        if number := sum(sink.counts[state] for state in states):
            yield f"{_format_count(number)} {hint.format('it' if number == 1 else 'them')}"


def _format_failures(classes: Mapping[str, int]) -> str:
    if not classes:
        return ""
    counts = ", ".join(
        f"{number:,} {name}" for name, number in sorted(classes.items(), key=lambda item: (-item[1], item[0]))
    )
    return f"; {sum(classes.values()):,} failed ({counts})"


def _format_count(number: int) -> str:
    return f"{number:,} line{'' if number == 1 else 's'}"
