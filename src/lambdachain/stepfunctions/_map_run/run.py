"""A map in its steps: encode the items, upload them, start the execution or find it, follow it, read its results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lambdachain._core.errors import NotInvokedError, OutcomeUnknownError
from lambdachain._fan_out.options import MapProgress
from lambdachain.stepfunctions._failures import describe_cause

from .items import ItemEncoder, ItemsFile
from .machine import MapPlace, build_machine, check_concurrency, execution_arn, execution_name
from .outcomes import OutcomeReader
from .results import ItemOutcomes
from .service import MapCounts, MapExecution, MapRunState, MapService

if TYPE_CHECKING:
    from lambdachain._calling.compiled_call import CompiledCall
    from lambdachain._calling.target import Target
    from lambdachain._fan_out.options import OnProgress

_FIRST_WAIT: Final = 0.2
_LONGEST_WAIT: Final = 5.0
_GROWTH: Final = 1.3
# A map still writes its results when its execution was stopped: at most so many looks, ten minutes, are waited for it.
_MAX_LATE_LOOKS: Final = 120
# With the waits before them, ten seconds.
_MAX_EARLY_LOOKS: Final = 10


class StepFunctionsMap(NamedTuple):
    """A map on Step Functions that is to be started.

    Attributes:
        service: Step Functions and S3.
        compiled: The target and its options.
        place: The role and the bucket.
        max_concurrency: How many child executions run at a time.
    """

    service: MapService
    compiled: CompiledCall
    place: MapPlace
    max_concurrency: int

    @property
    def target(self) -> Target:
        """The contract and the address."""
        return self.compiled.target

    def encoder(self) -> ItemEncoder:
        """Return what encodes the payloads."""
        return ItemEncoder(self.compiled, self.service.put)

    def arn_for(self, items: ItemsFile, salt: str = "") -> str:
        """Return the ARN of the execution for finished items; with a *salt*, of another one for the same items."""
        return self.arn_named(execution_name(items.digest, salt))

    def arn_named(self, name: str) -> str:
        """Return the ARN of an execution with a name."""
        machine = build_machine(self.target, self.place)
        return execution_arn(machine.arn(self.place.role, self.service.region), name)

    def start(self, arn: str, items: ItemsFile) -> None:
        """Upload the items, and start the execution, unless it exists.

        Raises:
            NotInvokedError: It cannot be started, and no function has run.
        """
        check_concurrency(self.max_concurrency)
        service, place = self.service, self.place
        machine, name = build_machine(self.target, place), arn.rpartition(":")[2]
        service.upload(items, place)
        service.find_or_create(machine, place.role)
        arguments = {
            "bucket": place.bucket,
            "key": place.items_key(items.digest),
            "prefix": place.results_prefix(name),
            "max_concurrency": self.max_concurrency,
        }
        service.start(machine.arn(place.role, service.region), name, arguments)


class Poll(NamedTuple):
    """The state of a map at one moment.

    Attributes:
        execution: The execution.
        run: The map in it; ``None`` if it has not begun.
    """

    execution: MapExecution
    run: MapRunState | None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.execution.is_running

    @property
    def is_writing(self) -> bool:
        """Whether it was ended by somebody, and its map is not done with its results yet."""
        return not self.is_running and self.execution.status != "SUCCEEDED" and bool(self.run and self.run.is_running)

    def to_progress(self, total: int | None) -> MapProgress:
        """Return the progress as that of any map."""
        counts = self.run.counts if self.run else MapCounts()
        limit: Any = self.execution.input.get("max_concurrency", 0)
        return MapProgress(counts.done, counts.failed, total or counts.total or None, counts.running, limit)


def poll(service: MapService, arn: str) -> Poll:
    """Ask Step Functions about an execution.

    Raises:
        OutcomeUnknownError: It does not exist, or cannot be read.
    """
    if (found := _poll_once(service, arn)) is None:
        raise OutcomeUnknownError(
            f"there is no execution {arn}: check the ARN and the region; it is kept for 90 days after its end"
        )
    return found


def _poll_once(service: MapService, arn: str) -> Poll | None:
    execution = service.find(arn)
    return None if execution is None else Poll(execution, service.find_map_run(arn))


def waits() -> Iterator[float]:
    """Yield the seconds to wait before each look: fewer for a short map, and without an end."""
    wait = _FIRST_WAIT
    while True:
        yield wait
        wait = min(wait * _GROWTH, _LONGEST_WAIT)


class Follower:
    """Looks at an execution until it has ended.

    Args:
        service: Step Functions.
        arn: The execution.
        total: How many items it has; ``None`` if that is not known.
        on_progress: Called with the progress after each look.
    """

    def __init__(self, service: MapService, arn: str, total: int | None, on_progress: OnProgress | None) -> None:
        self._service = service
        self._arn = arn
        self._total = total
        self._on_progress = on_progress
        self._early_looks = self._late_looks = 0

    def look(self) -> Poll | None:
        """Return the state of an execution that has ended; ``None`` while it runs.

        Raises:
            OutcomeUnknownError: It does not exist, or cannot be read.
        """
        self._early_looks += 1
        # At first, Step Functions may not show the execution yet: what it reads is eventually consistent.
        is_early = self._early_looks <= _MAX_EARLY_LOOKS
        now = (_poll_once if is_early else poll)(self._service, self._arn)
        if now is None:
            return None
        if self._on_progress is not None:
            self._on_progress(now.to_progress(self._total))
        self._late_looks += now.is_writing
        if now.is_running or (now.is_writing and self._late_looks <= _MAX_LATE_LOOKS):
            return None
        return now

    def wait(self, sleep: Callable[[float], object]) -> Poll:
        """Wait for the end, and return the state; *sleep* waits for so many seconds."""
        pauses = waits()
        while True:
            sleep(next(pauses))
            if (ended := self.look()) is not None:
                return ended


def read_outcomes(service: MapService, ended: Poll) -> ItemOutcomes:
    """Read the outcomes of the items of an execution that has ended.

    Raises:
        NotInvokedError: The execution failed before any item was started.
    """
    outcomes = service.read_outcomes(ended.execution, ended.run)
    execution, run = ended.execution, ended.run
    if not len(outcomes) and execution.status != "SUCCEEDED" and (run is None or not run.counts.total):
        outcomes.close()
        cause = describe_cause(execution.cause or "")
        reason = ": ".join(filter(None, (execution.error, cause))) or "the reason is unknown"
        raise NotInvokedError(f"{execution.arn} ended as {execution.status}, and no item was started: {reason}")
    return outcomes


def encode_items(encoder: ItemEncoder, payloads: Iterable[Any]) -> ItemsFile:
    """Encode payloads; each has its position as its index.

    Raises:
        CallError: A payload cannot be sent; nothing was uploaded.
    """
    items = ItemsFile()
    try:
        for index, payload in enumerate(payloads):
            items.append(index, encoder.encode(payload))
        items.finish()
    except BaseException:
        items.close()
        raise
    return items


def results_in_order(reader: OutcomeReader, outcomes: ItemOutcomes, indexes: Iterable[int]) -> Iterator[Any]:
    """Yield the response or the error of each item, and close the outcomes."""
    with closing(outcomes):
        for index in indexes:
            yield reader.read(outcomes.get(index))
