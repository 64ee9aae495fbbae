"""``run_map`` and ``async_run_map``: a map on Step Functions, with the results of ``map``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, NamedTuple, TypedDict, TypeVar, Unpack, overload

from lambdachain._calling.target import UNSET
from lambdachain._client.invoker import Invoker
from lambdachain._contracts.contract import HasContract, Req, Resp
from lambdachain._core.arn import Address
from lambdachain._core.errors import CallError, ContractError
from lambdachain._core.invocation import InvocationType
from lambdachain._fan_out.options import OnProgress

from .machine import DEFAULT_CONCURRENCY, DEFAULT_PREFIX, MapPlace, check_concurrency, check_role
from .outcomes import OutcomeReader
from .run import Follower, StepFunctionsMap, encode_items, poll, read_outcomes, results_in_order, waits
from .service import MapService

if TYPE_CHECKING:
    from pydantic import JsonValue

    from lambdachain._calling.options import CallOptions

    from .run import Poll
    from .service import MapExecution

R = TypeVar("R")
_END: Final = object()


class MapRunOptions(TypedDict, total=False):
    """The options of ``run_map``.

    ``execution``: the ARN of an execution that a map has started: its results, without a new one.
    ``role``: the ARN of the role that the state machine assumes.
    ``bucket``: the bucket for items and results, in the account and region of the state machine.
    ``prefix``: the prefix of their keys; ``"lambdachain/maps/"`` by default.
    ``function``: the name or ARN of the deployed function, if it is not the contract's.
    ``qualifier``: a version or alias, in place of the contract's.
    ``max_concurrency``: how many functions run at a time, 1 to 10,000; 1,000 by default.
    ``on_progress``: called with a ``MapProgress`` after each look at the map.
    ``session``: a boto3 session; by default one of the environment.
    ``region``: the region; by default the session's.
    ``endpoint_url``: the endpoint of Step Functions and S3, if it is not AWS's.
    """

    execution: str | None
    role: str | None
    bucket: str | None
    prefix: str
    function: str | None
    qualifier: str | None
    max_concurrency: int
    on_progress: OnProgress | None
    session: object
    region: str | None
    endpoint_url: str | None


class MapRun(Generic[R]):
    """The results of a map on Step Functions, in the order of its payloads, once it has ended.

    Attributes:
        execution_arn: The execution that runs it; empty for a map without payloads.
    """

    def __init__(self, started: _StartedMap, *, return_exceptions: bool) -> None:
        self.execution_arn = started.arn
        self._results = _follow(started, return_exceptions=return_exceptions)

    def __iter__(self) -> Iterator[R]:
        return self

    def __next__(self) -> R:
        result: R = next(self._results)
        return result


class AsyncMapRun(Generic[R]):
    """The results of a map on Step Functions, as of ``MapRun``; boto3 works in a thread.

    Attributes:
        execution_arn: The execution that runs it; empty until the first result is requested.
    """

    def __init__(self, request: _MapRunRequest, *, return_exceptions: bool) -> None:
        self.execution_arn = ""
        self._results = self._follow(request, return_exceptions=return_exceptions)

    def __aiter__(self) -> AsyncIterator[R]:
        return self

    async def __anext__(self) -> R:
        result: R = await anext(self._results)
        return result

    async def _follow(self, request: _MapRunRequest, *, return_exceptions: bool) -> AsyncIterator[Any]:
        started = await asyncio.to_thread(request.start)
        self.execution_arn = started.arn
        if started.follower is None:
            return
        for seconds in waits():
            await asyncio.sleep(seconds)
            if (ended := await asyncio.to_thread(started.follower.look)) is not None:
                results = await asyncio.to_thread(started.read, ended)
                # In a thread, too: a response may be in S3.
                while (result := await asyncio.to_thread(next, results, _END)) is not _END:
                    yield _raise_or_return(result, return_exceptions=return_exceptions)
                return


class _MapRunRequest:
    """A map that is checked, and not started yet."""

    def __init__(
        self, target: object, payloads: Iterable[Any] | None, response: object, options: MapRunOptions
    ) -> None:
        _check_options(payloads, options)
        self._payloads = payloads
        self._options = options
        qualifier = options.get("qualifier")
        calls: CallOptions = {} if qualifier is None else {"qualifier": qualifier}
        bound = Invoker(None, {}).bind_target(target, calls, response=response, function=options.get("function"))
        self._compiled = bound.compile(InvocationType.REQUEST_RESPONSE)

    def start(self) -> _StartedMap:
        """Start the execution, or find it."""
        options = self._options
        # Not before: creating boto3's clients reads files, which an event loop must not wait for.
        service = MapService(
            options.get("session"), region=options.get("region"), endpoint_url=options.get("endpoint_url")
        )
        arn = options.get("execution")
        if self._payloads is None:
            _check_execution(poll(service, arn or "").execution)
            return self._started(service, arn or "", None)
        place = MapPlace(options.get("role") or "", options.get("bucket") or "", options.get("prefix", DEFAULT_PREFIX))
        number = options.get("max_concurrency", DEFAULT_CONCURRENCY)
        request = StepFunctionsMap(service, self._compiled, place, number)
        with encode_items(request.encoder(), self._payloads) as items:
            if not items.count:
                return self._started(service, "", 0)
            arn = request.arn_for(items)
            if service.find(arn) is None:
                request.start(arn, items)
            return self._started(service, arn, items.count)

    def _started(self, service: MapService, arn: str, count: int | None) -> _StartedMap:
        follower = None if count == 0 else Follower(service, arn, count, self._options.get("on_progress"))
        return _StartedMap(arn, service, OutcomeReader(self._compiled.target, arn), count, follower)


class _StartedMap(NamedTuple):
    """A map whose execution was started or found.

    Attributes:
        arn: The execution; empty without one.
        service: Step Functions and S3.
        reader: Turns outcomes into responses.
        total: How many items it has; ``None`` where only the items in S3 show it.
        follower: Waits for its end; ``None`` if there is nothing to wait for.
    """

    arn: str
    service: MapService
    reader: OutcomeReader
    total: int | None
    follower: Follower | None

    def read(self, ended: Poll) -> Iterator[Any]:
        """Read the result of each item."""
        outcomes = read_outcomes(self.service, ended)
        indexes = self.service.read_indexes(ended.execution) if self.total is None else range(self.total)
        return results_in_order(self.reader, outcomes, indexes)


def _follow(started: _StartedMap, *, return_exceptions: bool) -> Iterator[Any]:
    if started.follower is None:
        return
    for result in started.read(started.follower.wait(time.sleep)):
        yield _raise_or_return(result, return_exceptions=return_exceptions)


def _check_options(payloads: Iterable[Any] | None, options: MapRunOptions) -> None:
    if unknown := sorted(set(options) - set(MapRunOptions.__annotations__)):
        raise ContractError(f"run_map() has no option {unknown[0]!r}")
    if (payloads is None) is (options.get("execution") is None):
        raise ContractError("run_map() needs payloads for a new map, or execution= for one that was started")
    if payloads is None:
        return
    if not options.get("bucket"):
        raise ContractError("run_map() needs bucket=, the S3 bucket for items and results")
    check_role(options.get("role") or "")
    check_concurrency(options.get("max_concurrency", DEFAULT_CONCURRENCY))


def _check_execution(execution: MapExecution) -> None:
    """Raise if an execution is not one that a map has started.

    Raises:
        ContractError: It is that of another state machine.
    """
    if not all(isinstance(execution.input.get(name), str) for name in ("bucket", "key", "prefix")):
        raise ContractError(
            f"execution: {execution.arn} was not started by run_map or lambdachain map: pass the ARN that one of them "
            "returned or printed"
        )


def _raise_or_return(result: Any, *, return_exceptions: bool) -> Any:
    if isinstance(result, CallError) and not return_exceptions:
        raise result
    return result


@overload
def run_map(
    target: HasContract[Req, Resp],
    payloads: Iterable[Req] | None = None,
    /,
    *,
    return_exceptions: Literal[False] = False,
    **options: Unpack[MapRunOptions],
) -> MapRun[Resp]: ...
@overload
def run_map(
    target: HasContract[Req, Resp],
    payloads: Iterable[Req] | None = None,
    /,
    *,
    return_exceptions: bool,
    **options: Unpack[MapRunOptions],
) -> MapRun[Resp | CallError]: ...
@overload
def run_map(
    target: Address,
    payloads: Iterable[object] | None = None,
    /,
    *,
    return_exceptions: Literal[False] = False,
    **options: Unpack[MapRunOptions],
) -> MapRun[JsonValue]: ...
@overload
def run_map(
    target: Address,
    payloads: Iterable[object] | None = None,
    /,
    *,
    return_exceptions: bool,
    **options: Unpack[MapRunOptions],
) -> MapRun[JsonValue | CallError]: ...
def run_map(
    target: Any,
    payloads: Iterable[Any] | None = None,
    /,
    *,
    return_exceptions: bool = False,
    **options: Unpack[MapRunOptions],
) -> MapRun[Any]:
    """Call a function once for each payload, by a distributed map of Step Functions, and return its results.

    The payloads are validated and uploaded, and the execution is started, before this returns; the results come, in the
    order of the payloads, when it has ended. The names of the execution and its state machine follow from what they
    run: with the same payloads for the same function, a second call finds the first execution, and runs nothing again.
    Step Functions forgets an execution 90 days after its end; another role, bucket, prefix or declaration of the
    contract is another execution.

    Step Functions starts each item once. It retries what did not run; what may have run, only if the contract is
    idempotent.

    Args:
        target: A contract, a handler made by ``remote``, or a name or ARN.
        payloads: The requests; omitted with *execution*.
        return_exceptions: Yield a ``CallError`` in place of a response; by default, the first one is raised.
        execution: The ARN of an execution that a map has started: return its results.
        role: The ARN of the role of the state machine; needed for a new map.
        bucket: The bucket for items and results, in the account and region of the state machine; needed for a new map.
        prefix: The prefix of their keys; ``"lambdachain/maps/"`` by default.
        function: The name or ARN of the deployed function, if it is not the contract's.
        qualifier: A version or alias, in place of the contract's.
        max_concurrency: How many functions run at a time, 1 to 10,000; 1,000 by default.
        on_progress: Called with a ``MapProgress`` after each look at the map.
        session: A boto3 session.
        region: The region, if it is not the session's.
        endpoint_url: The endpoint of Step Functions and S3, if it is not AWS's.

    Raises:
        ContractError: An option is missing or not valid.
        InvalidRequestError: A payload does not fit the contract; nothing was started.
        NotInvokedError: It cannot be started.
    """
    return MapRun(_MapRunRequest(target, payloads, UNSET, options).start(), return_exceptions=return_exceptions)


@overload
def async_run_map(
    target: HasContract[Req, Resp],
    payloads: Iterable[Req] | None = None,
    /,
    *,
    return_exceptions: Literal[False] = False,
    **options: Unpack[MapRunOptions],
) -> AsyncMapRun[Resp]: ...
@overload
def async_run_map(
    target: HasContract[Req, Resp],
    payloads: Iterable[Req] | None = None,
    /,
    *,
    return_exceptions: bool,
    **options: Unpack[MapRunOptions],
) -> AsyncMapRun[Resp | CallError]: ...
@overload
def async_run_map(
    target: Address,
    payloads: Iterable[object] | None = None,
    /,
    *,
    return_exceptions: Literal[False] = False,
    **options: Unpack[MapRunOptions],
) -> AsyncMapRun[JsonValue]: ...
@overload
def async_run_map(
    target: Address,
    payloads: Iterable[object] | None = None,
    /,
    *,
    return_exceptions: bool,
    **options: Unpack[MapRunOptions],
) -> AsyncMapRun[JsonValue | CallError]: ...
def async_run_map(
    target: Any,
    payloads: Iterable[Any] | None = None,
    /,
    *,
    return_exceptions: bool = False,
    **options: Unpack[MapRunOptions],
) -> AsyncMapRun[Any]:
    """Run a map as ``run_map`` does, and return an asynchronous iterator; it starts when its first result is requested.

    Args:
        target: As for ``run_map``.
        payloads: The requests; they are consumed in a thread.
        return_exceptions: As for ``run_map``.
        execution: As for ``run_map``, as the other options.

    Raises:
        ContractError: An option is missing or not valid.
    """
    return AsyncMapRun(_MapRunRequest(target, payloads, UNSET, options), return_exceptions=return_exceptions)


for _public in (MapRun, AsyncMapRun, MapRunOptions, run_map, async_run_map):
    _public.__module__ = "lambdachain.stepfunctions"
