"""A map as the command makes it: everything is opened, run, closed and told of."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lambdachain._client.map import MapRequest, bound_map_request
from lambdachain._core.invocation import InvocationType
from lambdachain.cli._exit_status import ExitStatus
from lambdachain.cli._target_argument import parse_target_argument
from lambdachain.cli._target_options import TargetOptions

from .line_states import State
from .lines import Input, Parse
from .pending import Counted, Pending
from .reporting import MapReporter
from .resume import MapSession, OutputOptions, opened
from .run import Run

if TYPE_CHECKING:
    from lambdachain._client.invoker import Invoker
    from lambdachain._fan_out.options import MapMethodOptions, OnProgress


@dataclass(frozen=True, slots=True)
class MapArguments:
    """What the command was given, beside whom to call; see its options."""

    target: str
    source: Path
    output: Path | None
    failures: Path | None
    concurrency: int
    ordered: bool
    skips: bool
    overwrites: bool
    reruns_unknown: bool
    reruns_not_executed: bool
    client_context: Mapping[str, str]
    quiet: bool
    as_json: bool

    def manner(self, *, idempotent: bool) -> OutputOptions:
        """Describe how the map keeps what comes of it."""
        asked = {State.UNKNOWN: self.reruns_unknown, State.NOT_EXECUTED: self.reruns_not_executed}
        return OutputOptions(
            output=self.output,
            failures=self.failures,
            ordered=self.ordered,
            skips=self.skips,
            overwrites=self.overwrites,
            repeats=idempotent or self.reruns_unknown,
            reruns=frozenset(state for state, is_asked in asked.items() if is_asked),
        )


def run(asked: MapArguments, how: TargetOptions) -> int:
    """Run a map, tell how it went, and give the status to exit with.

    Raises:
        Refusal: The target, the input or a file is not what it should be.
        CallError: A line does not fit the contract, or met what every line would.
        OSError: Something cannot be read or written.
    """
    target = parse_target_argument(asked.target)
    is_typed = not isinstance(target, str)
    teller = MapReporter(asked.quiet, asked.as_json)
    with closing(how.create_invoker()) as caller, closing(Input(asked.source)) as source:
        map_request = _map_request(asked, how, caller, target)
        manner = asked.manner(idempotent=map_request.target.contract.idempotent)
        parse = _parse(map_request, is_typed=is_typed)
        begun = opened(source, map_request.target.address, parse, manner)
        teller.begin(begun)
        pending = _pending(source, begun, parse, skips=manner.skips)
        with closing(teller.bar(map_request.target.address, begun, manner)) as bar:
            one = Run(_watched(map_request, bar), is_typed=is_typed, pending=pending, book=begun.book)
            try:
                one.until_ended()
            finally:
                begun.book.close(complete=one.is_complete)
                bar.close()
                teller.end(begun.book, manner, complete=one.is_complete, left=pending.under_way)
    return _status(one, begun)


def _map_request(asked: MapArguments, how: TargetOptions, caller: Invoker, target: object) -> MapRequest:
    """Describe what the library is to do for each line."""
    callee, kind = how.locate_target(caller, target), InvocationType.REQUEST_RESPONSE
    options = how.to_call_options(client_context=asked.client_context)
    # The order of the output is the journal's business, and the library's only where there is none.
    own: MapMethodOptions = {"max_concurrency": asked.concurrency, "ordered": asked.ordered and asked.output is None}
    return bound_map_request(caller, callee, kind, options, own, return_exceptions=True)


def _watched(map_request: MapRequest, on_progress: OnProgress | None) -> MapRequest:
    return map_request._replace(settings=map_request.settings._replace(on_progress=on_progress))


def _parse(map_request: MapRequest, *, is_typed: bool) -> Parse:
    callee = map_request.target
    return (lambda name, text: typed(callee.contract, name, text, callee.address)) if is_typed else parsed


def _pending(source: Input, begun: MapSession, parse: Parse, *, skips: bool) -> Pending:
    if begun.count is None:
        return Pending(source, begun.book, parse, skips=skips)
    return Counted(source, begun.book, parse, skips=skips, count=begun.count)


def _status(one: Run, begun: MapSession) -> int:
    if one.signal is not None:
        return 128 + one.signal
    return ExitStatus.NO if begun.book.classes else ExitStatus.DONE
