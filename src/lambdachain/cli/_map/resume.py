"""What a map begins with: its input is looked through, and its files are opened, or made anew of the journal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from lambdachain.cli._exit_status import InputError

from .append_only_file import open_shared
from .journal import Journal
from .line_states import LineStates, State
from .lines import Input, Parse, check
from .output import Output
from .results_store import Files, ResultSink, Stream, lost_line


class OutputOptions(NamedTuple):
    """How a map keeps what comes of it.

    Attributes:
        output: Where results go; ``None`` for standard output.
        failures: Where failures go; ``None`` for a file beside the output, or standard error.
        ordered: Whether results stand in the order of the input.
        skips: Whether lines that are no payload count as failures; without, none is sent.
        overwrites: Whether files that are there are written anew.
        repeats: Whether lines that were under way when a run ended are run again.
        reruns: Failures of which states are run again.
    """

    output: Path | None
    failures: Path | None
    ordered: bool
    skips: bool
    overwrites: bool
    repeats: bool
    reruns: frozenset[State]


@dataclass(frozen=True, slots=True)
class MapSession:
    """What a map works with.

    Attributes:
        book: Where results go.
        count: How many lines are to be run; ``None`` where the input does not say.
        goes_on: Whether a run was there before.
    """

    book: ResultSink
    count: int | None
    goes_on: bool = False


class Places(NamedTuple):
    """The files of a map that has an output."""

    output: Path
    failures: Path
    journal: Path


def places_of(output: Path, failures: Path | None) -> Places:
    """Name the files beside an output.

    >>> [place.name for place in places_of(Path("charged.jsonl"), None)]
    ['charged.jsonl', 'charged.failures.jsonl', 'charged.jsonl.journal']
    """
    beside = output.with_name(f"{output.stem}.failures{output.suffix}")
    return Places(output, failures or beside, output.with_name(f"{output.name}.journal"))


def opened(source: Input, function: str, parse: Parse, manner: OutputOptions) -> MapSession:
    """Look the input through, then open what the results go to; nothing is made for an input that is refused.

    Raises:
        Refusal: The input cannot be sent or has changed, or a file is in the way.
        InvalidRequestError: A line does not fit the contract.
        OSError: A file cannot be written.
    """
    parse_first = None if manner.skips else parse
    if manner.output is None:
        count = check(source, LineStates(), parse_first) if source.is_file else None
        return MapSession(Stream(_opened_failures(manner)), count)
    places = places_of(manner.output, manner.failures)
    goes_on = places.journal.exists() and not manner.overwrites
    subject = {"function": function, "failures": os.path.relpath(places.failures, places.output.parent)}
    _check_apart(places, source)
    ledger = LineStates()
    if goes_on:
        journal = Journal(places.journal, subject, ledger)
        _settle(journal, manner)
        count = check(source, ledger, parse_first) if source.is_file else None
    else:
        _check_free(places, overwrites=manner.overwrites)
        count = check(source, ledger, parse_first) if source.is_file else None
        journal = Journal(places.journal, subject, ledger, anew=manner.overwrites)
    output = Output(places.output, places.failures, journal, ordered=manner.ordered)
    return MapSession(Files(journal, output), count, goes_on)


def _settle(journal: Journal, manner: OutputOptions) -> None:
    """Decide about lines that were under way, and about failures that are run again."""
    ledger = journal.ledger
    for line in list(ledger.under_way()):
        if manner.repeats:
            ledger.end(line, State.OPEN)
        else:
            journal.failed(line, State.UNKNOWN, lost_line(line))
    for line in list(ledger.lines(*manner.reruns)):
        ledger.end(line, State.OPEN)


def _check_apart(places: Places, source: Input) -> None:
    """Refuse files that would be written over each other."""
    for place in places:
        if source.is_at(place):
            raise InputError(f"{place} is the input: name another output")
    if len({os.path.realpath(place) for place in places}) < len(places):
        raise InputError(f"{places.failures} cannot have the failures: it is the output, or its journal")


def _check_free(places: Places, *, overwrites: bool) -> None:
    for place in (places.output, places.failures):
        if place.exists() and not overwrites:
            raise InputError(f"{place} exists and has no journal to go on from: name another output, or --overwrite")


def _opened_failures(manner: OutputOptions) -> IO[bytes] | None:
    if manner.failures is None:
        return None
    if manner.failures.exists() and not manner.overwrites:
        raise InputError(f"{manner.failures} exists: name another file, or --overwrite")
    file = os.fdopen(open_shared(manner.failures), "wb")
    if manner.failures.is_file():  # and no terminal or pipe
        file.truncate(0)
    return file
