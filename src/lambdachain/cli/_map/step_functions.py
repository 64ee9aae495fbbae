"""A map on Step Functions: start an execution for the lines to be run, or find it; follow it, and write its results.

The progress has the execution before it is started, and its outcomes in one order: a process that is killed at any
moment finds the same execution again, and no line is in two of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from lambdachain._core.errors import CallError, InvalidRequestError, NotInvokedError
from lambdachain.cli._exit_status import InputError, echo
from lambdachain.cli._json import encode_response
from lambdachain.stepfunctions._map_run import machine
from lambdachain.stepfunctions._map_run.items import ItemsFile
from lambdachain.stepfunctions._map_run.outcomes import OutcomeReader
from lambdachain.stepfunctions._map_run.run import Follower, Poll, StepFunctionsMap, read_outcomes
from lambdachain.stepfunctions._map_run.service import MapExecution, MapService

from .execution_record import ExecutionRecord
from .lines import FAILURES, Input, Line, Parse, RecordedOutcome, State, lines_to_run
from .results import to_error_outcome, to_refusal_outcome, to_response_outcome
from .signals import handle_signals

if TYPE_CHECKING:
    from types import FrameType

    from lambdachain._client.map import MapRequest
    from lambdachain._fan_out.options import OnProgress
    from lambdachain.cli._target_options import TargetOptions
    from lambdachain.stepfunctions._map_run.results import ItemOutcomes

    from .arguments import MapArguments
    from .engine import MapSession

_AT_ONCE: Final = 256


@dataclass(slots=True)
class StepFunctionsRun:
    """A run of a map on Step Functions.

    Args:
        request: The function, the place and the service.
        source: The input, which is read more than once.
        session: Where results go.
        parse: Makes a payload of a line.
        skip_invalid: Whether a line that is not a valid payload is a failure of its own.
        is_typed: Whether responses have the contract's type.
        starts_over: Whether an execution for the same lines is not to be found again.
        redrives: Whether what has failed is run again.
        report: Prints a message for people.

    Attributes:
        signal: The signal that stopped it, if one did.
        is_complete: Whether no line is left to be run.
        in_flight: 0: what runs is not lost when this process ends.
    """

    request: StepFunctionsMap
    source: Input
    session: MapSession
    parse: Parse
    skip_invalid: bool
    is_typed: bool
    starts_over: bool
    redrives: bool
    report: Callable[[str], object]
    signal: int | None = None
    is_complete: bool = False
    in_flight: int = 0
    _refused: set[int] = field(default_factory=set[int])

    def until_ended(self, on_progress: OnProgress) -> None:
        """Start or find the execution, follow it, and write the outcome of each of its lines.

        Raises:
            InputError: A line is not a valid payload.
            CallError: The execution cannot be started or read, or ended before any item was started.
        """
        record = self.session.sink.execution
        arn: str | None = None
        try:
            with handle_signals(self._on_signal):
                arn = self._choose(record)
                if arn is None:
                    self.is_complete = True
                    return
                ended = Follower(self.request.service, arn, self.session.count, on_progress).wait(time.sleep)
                self._collect(record, ended)
        except KeyboardInterrupt:
            if self.signal is None:
                raise
            if arn is not None:
                self.report(_continues_message(arn, starts_over=self.starts_over))

    def _choose(self, record: ExecutionRecord) -> str | None:
        """Return the execution to follow, which is started if it does not exist; ``None`` without lines to run."""
        arn = record.arn
        if arn is not None and not self.starts_over:
            if record.is_followed:
                return self._resume(record, arn)
            execution = self.request.service.find(arn)
            if execution is not None:
                self._check_outcomes(record, execution)
                if self.redrives and execution.is_redrivable:
                    return self._redrive(record, arn)
        return self._start(record, None if self.starts_over else arn)

    def _resume(self, record: ExecutionRecord, arn: str) -> str:
        if self.request.service.find(arn) is None and not record.may_have_started:
            arn = self._start_recorded(record, arn)
        record.start()
        self.report(f"following {arn}")
        return arn

    def _start_recorded(self, record: ExecutionRecord, arn: str) -> str:
        """Start what a process recorded that was killed before it could start it, or whose role was not one."""
        now = self.request.arn_named(arn.rpartition(":")[2])
        if not machine.is_same_place(arn, now):
            raise InputError(
                f"{arn} was recorded in another region or account, where its lines may have run: use that one, or "
                "--overwrite"
            )
        with self._encode() as items:
            # The same lines, the same name.
            if items.digest[:32] not in arn:
                raise InputError(
                    f"the input has changed since {arn} was recorded, which does not exist: restore the input, or "
                    "use --overwrite"
                )
            record.follow(now)
            self.request.start(now, items)
        return now

    def _check_outcomes(self, record: ExecutionRecord, execution: MapExecution) -> None:
        """Raise if somebody else has redriven the execution: lines whose failures are recorded may be done by now.

        Raises:
            InputError: They are to be read first.
        """
        if execution.is_running or execution.redrives > record.redrives:
            record.follow(execution.arn, FAILURES)
            raise InputError(
                f"{execution.arn} was redriven since its outcomes were recorded: run the same command again to read "
                "them"
            )

    def _redrive(self, record: ExecutionRecord, arn: str) -> str:
        """Have Step Functions run again what has failed."""
        record.follow(arn)
        record.start()
        self.request.service.redrive(arn)
        self.report(f"redriven {arn}")
        return arn

    def _start(self, record: ExecutionRecord, before: str | None) -> str | None:
        with self._encode() as items:
            if not items.count:
                return None
            # Lines that are run again are the same items: the execution before makes it another name.
            arn = self.request.arn_for(items, uuid4().hex if self.starts_over else before or "")
            record.follow(arn)
            found = self.request.service.find(arn)
            if found is None:
                self.request.start(arn, items)
                self.report(f"started {arn}")
            else:
                self.report(f"found {arn}, started before for the same lines: --overwrite runs them again")
            record.start()
            return arn

    def _encode(self) -> ItemsFile:
        """Encode the lines that are to be run; a line that cannot be sent is a failure, or ends the map."""
        encoder, items = self.request.encoder(), ItemsFile()
        try:
            for block in self._blocks():
                refused: list[RecordedOutcome] = []
                for line in block:
                    if not line.text.strip():
                        continue
                    try:
                        payload = self.parse(self.source.location(line.number), line.text)
                        items.append(line.number, encoder.encode(payload))
                    except (InputError, InvalidRequestError) as exc:
                        if not self.skip_invalid:
                            raise
                        refused.append(to_refusal_outcome(line, exc))
                    except NotInvokedError as exc:  # too large for Step Functions
                        refused.append(to_error_outcome(line, exc))
                self._refuse(refused)
            items.finish()
        except BaseException:
            items.close()
            raise
        return items

    def _refuse(self, outcomes: list[RecordedOutcome]) -> None:
        if outcomes:
            self._refused.update(outcome.line.number for outcome in outcomes)
            self.session.sink.record(outcomes)

    def _collect(self, record: ExecutionRecord, ended: Poll) -> None:
        """Write the outcome of each line that an execution had."""
        arn, redrives = ended.execution.arn, ended.execution.redrives
        try:
            outcomes = read_outcomes(self.request.service, ended)
        except NotInvokedError:
            record.collect(arn, redrives)  # nothing ran: the next run starts another execution for the same lines
            raise
        ran = _LineSet(self.request.service.read_indexes(ended.execution))
        reader = OutcomeReader(self.request.target, arn)
        self.is_complete = True
        with closing(outcomes):
            for block in self._blocks():
                found: list[RecordedOutcome] = []
                for line in block:
                    if line.number in ran:
                        found.append(self._to_outcome(line, reader, outcomes))
                    elif not line.text.strip():
                        found.append(RecordedOutcome(line, State.BLANK))
                    elif line.number not in self._refused:
                        self.is_complete = False  # added to the input since the execution was started
                self.session.sink.record(found)
        record.collect(arn, redrives)

    def _to_outcome(self, line: Line, reader: OutcomeReader, outcomes: ItemOutcomes) -> RecordedOutcome:
        result: Any = reader.read(outcomes.get(line.number))
        if not isinstance(result, CallError):
            contract = self.request.target.contract if self.is_typed else None
            try:
                return to_response_outcome(line, encode_response(contract, result, self.request.target.address))
            except CallError as exc:
                result = exc
        return to_error_outcome(line, result)

    def _blocks(self) -> Iterator[list[Line]]:
        """Yield the lines that are to be run, new blank ones included, from the start."""
        self.source.rewind()
        lines = iter(self.source.read_lines, [])
        for read in lines:
            for start in range(0, len(read), _AT_ONCE):
                block = read[start : start + _AT_ONCE]
                if to_run := list(lines_to_run(self.source, self.session.sink.states, block)):
                    yield to_run

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        raise KeyboardInterrupt


class _LineSet:
    """A set of numbers of lines, with a byte for each."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._bytes = bytearray()
        for number in numbers:
            if number >= len(self._bytes):
                self._bytes.extend(bytes(number + 1 - len(self._bytes) + len(self._bytes) // 8))
            self._bytes[number] = 1

    def __contains__(self, number: int) -> bool:
        return number < len(self._bytes) and bool(self._bytes[number])


def _continues_message(arn: str, *, starts_over: bool) -> str:
    stop = f"to stop it: aws stepfunctions stop-execution --execution-arn {arn}"
    again = "\nto come back to it: leave out --overwrite, which starts another one" if starts_over else ""
    return f"stopped following: the execution continues\n  {arn}\n{stop}{again}"


def make_run(
    arguments: MapArguments,
    connection: TargetOptions,
    map_request: MapRequest,
    *,
    source: Input,
    session: MapSession,
    parse: Parse,
    is_typed: bool,
) -> StepFunctionsRun:
    """Return the run of a map with the arguments of the command.

    Raises:
        InputError: It has no role or bucket.
        ContractError: The role is not the ARN of one, or the concurrency is out of range.
    """
    place = arguments.place
    if place is None:
        raise InputError("--on step-functions needs --role and --bucket")
    machine.check_role(place.role)
    machine.check_concurrency(arguments.concurrency)
    service = MapService(connection.create_session(), region=connection.region, endpoint_url=connection.endpoint_url)
    compiled = map_request.bound.compile(map_request.kind)
    return StepFunctionsRun(
        request=StepFunctionsMap(service, compiled, place, arguments.concurrency),
        source=source,
        session=session,
        parse=parse,
        skip_invalid=arguments.skip_invalid,
        is_typed=is_typed,
        starts_over=arguments.overwrite,
        redrives=arguments.redrive,
        report=(lambda _: None) if arguments.quiet else partial(echo, file=sys.stderr),
    )
