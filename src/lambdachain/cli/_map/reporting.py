"""What a map tells: a bar while it runs, and in the end how it went."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from typing import Final

from lambdachain.cli._exit_status import echo
from lambdachain.progress import Bar, bar

from .line_states import State
from .results_store import ResultSink
from .resume import MapSession, OutputOptions, places_of

_HINTS: Final = {
    State.UNKNOWN: "may have run: --rerun-unknown runs {} again",
    State.NOT_EXECUTED: "did not run: --rerun-not-executed runs {} again",
}


@dataclass(frozen=True, slots=True)
class MapReporter:
    """Returns on standard error, and a summary for programs on standard output."""

    quiet: bool
    as_json: bool

    def begin(self, opened: MapSession) -> None:
        """Report what a map that goes on has already."""
        if opened.goes_on and not self.quiet:
            left = "" if opened.count is None else f", {opened.count:,} to be run"
            echo(f"going on: {_lines(opened.book.results)} done{left}", file=sys.stderr)

    def bar(self, description: str, opened: MapSession, manner: OutputOptions) -> Bar:
        """Make a bar, for where somebody looks, something is to be run, and results are not in its way."""
        is_in_the_way = self.quiet or opened.count == 0 or (manner.output is None and sys.stdout.isatty())
        return bar(description, file=StringIO() if is_in_the_way else sys.stderr)

    def end(self, book: ResultSink, manner: OutputOptions, *, complete: bool, left: int) -> None:
        """Report how it went; *left* is how many lines were under way, and were not waited for."""
        if self.as_json:
            summary = {"complete": complete, "done": book.results, "failed": book.classes.total()}
            echo(json.dumps({**summary, "classes": dict(book.classes)}))
        if not self.quiet:
            for line in _summary(book, manner, complete=complete, left=left):
                echo(line, file=sys.stderr)


def _summary(book: ResultSink, manner: OutputOptions, *, complete: bool, left: int) -> Iterator[str]:
    failed = _failed(book.classes)
    ending = "" if complete else "stopped: "
    places = places_of(manner.output, manner.failures) if manner.output is not None else None
    into = f", in {places.output}" if places else ""
    beside = f", in {places.failures}" if places and failed else ""
    yield f"{ending}{_lines(book.results)} done{into}{failed}{beside}"
    if left:
        yield f"{_lines(left)} under way when it ended: may have run"
    if places and not complete:
        yield "the same command goes on from there"
    for state, hint in _HINTS.items() if places else ():
        if number := book.ledger.count(state):
            yield f"{_lines(number)} {hint.format('it' if number == 1 else 'them')}"


def _failed(classes: Mapping[str, int]) -> str:
    if not classes:
        return ""
    told = ", ".join(
        f"{number:,} {name}" for name, number in sorted(classes.items(), key=lambda item: (-item[1], item[0]))
    )
    return f"; {sum(classes.values()):,} failed ({told})"


def _lines(number: int) -> str:
    return f"{number:,} line{'' if number == 1 else 's'}"
