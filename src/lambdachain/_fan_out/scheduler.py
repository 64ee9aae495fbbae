"""The scheduler of a map: decides which call may start now, and which result is yielded next.

Without I/O, so that threads and asyncio share it. Three things limit it: ``max_concurrency`` and the transport's
connections, the ``ConcurrencyLimit`` of the function, and backpressure: a slow consumer slows the calls.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, NamedTuple, Protocol

from lambdachain._calling.prepared_call import PreparedCall
from lambdachain._calling.response import CallResponse
from lambdachain._core.errors import CallError, DeadlineExceededError, FunctionError, ResponseError, ThrottledError

from .concurrency_limit import ConcurrencyLimit, Permit
from .options import MapProgress, MapSettings, Numbered
from .reorder_buffer import ReorderBuffer


class MapResult(NamedTuple):
    """What a map yields for one payload: a response, a receipt, or an error if those are yielded too."""

    value: Any


Reader = Callable[[PreparedCall, CallResponse], Any]


class JobScope(Protocol):
    """What stands around a call from its first attempt to its result, also while a throttled payload waits."""

    context: Context

    def run(self, work: Callable[[], MapResult]) -> MapResult:
        """Run *work*, the whole call or what is left of it."""
        ...

    async def run_async(self, work: Callable[[], Awaitable[MapResult]]) -> MapResult:
        """Await *work*; see ``run``."""
        ...

    def fail(self, error: BaseException) -> BaseException:
        """End a call that is not sent again; return the error that it ends with."""
        ...


class DeferredCall(NamedTuple):
    """A call that is prepared, and whose response is decoded, by the executor.

    Either may wait for S3, in which case it *blocks*. Over a test's transport that lets time pass, the time of each
    call runs from its own start. And interceptors, which are the *scope*, stand around both.
    """

    prepare: Callable[[], PreparedCall]
    read: Reader
    blocks: bool = False
    scope: JobScope | None = None


class Job:
    """A payload that is waiting to be sent, or in flight."""

    __slots__ = ("_call", "deferred", "number", "permit", "scope")

    def __init__(self, number: int, call: PreparedCall | DeferredCall, permit: Permit) -> None:
        self.number = number
        self.deferred = call if isinstance(call, DeferredCall) else None
        self.scope = None if self.deferred is None else self.deferred.scope
        self.permit = permit
        self._call = None if isinstance(call, DeferredCall) else call

    @property
    def call(self) -> PreparedCall:
        """The prepared call. A deferred one is prepared when this is first read, which may raise its errors."""
        if self._call is None:
            assert self.deferred is not None  # noqa: S101 - for type checkers
            self._call = self.deferred.prepare()
        return self._call

    def read(self, response: CallResponse) -> CallResponse | MapResult:
        """Decode the response of a deferred call; return any other unchanged."""
        return response if self.deferred is None else MapResult(self.deferred.read(self.call, response))


class FinishedJob(NamedTuple):
    """A job and its result."""

    job: Job
    result: CallResponse | MapResult | BaseException


def to_map_result(result: CallResponse | MapResult) -> MapResult:
    """Return the result of a call that has a scope: it is a deferred call, so its response is decoded."""
    assert isinstance(result, MapResult)  # noqa: S101 - for type checkers
    return result


class RequeuedError(Exception):
    """A throttle that the map handles by requeuing the payload until there is capacity.

    Hooks and interceptors never see it: to them, the attempt ended in a ``ThrottledError``.
    """

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("throttled; the map requeues it")
        self.retry_after = retry_after


class RequeuePolicy:
    """Decides whether a throttled job is requeued: if it was its first attempt, and not the only call in flight.

    A first attempt that is throttled means that the map is too fast: the ``ConcurrencyLimit`` adapts. A retry or a
    hedge belongs to a call that was sent before, so its throttles are left to the retry policy. So are those of a call
    with nothing else in flight: slowing down would not help it.
    """

    def __init__(self, job: Job) -> None:
        self._is_alone = job.permit.is_only_call
        self._max_wait = job.call.compiled.policy.max_delay

    def check(self, error: CallError) -> RequeuedError | None:
        """Return what ends the call for now if its first attempt failed with *error*; ``None`` if nothing does."""
        if self._is_alone or not isinstance(error, ThrottledError) or not error.retryable:
            return None
        return RequeuedError(error.retry_after) if (error.retry_after or 0.0) <= self._max_wait else None


class MapScheduler:
    """The payloads of one map, from their source to the consumer of the results.

    Args:
        concurrency_limit: The limit of calls in flight that the function's throttles set.
        settings: The options of the map.
        max_connections: How many calls the transport has connections for.
        total: How many payloads there are, if known.
        deadline: When the whole map ends, by the monotonic clock.
        read: Converts a response to what the map yields; what it raises is the payload's error.
    """

    def __init__(
        self,
        concurrency_limit: ConcurrencyLimit,
        settings: MapSettings,
        *,
        max_connections: int,
        total: int | None,
        deadline: float | None,
        read: Reader,
    ) -> None:
        self.in_flight = 0
        self.deadline = deadline
        self._max_in_flight = min(settings.max_concurrency, max_connections)
        self._concurrency_limit = concurrency_limit
        self._returns_exceptions = settings.return_exceptions
        self._is_numbered = settings.numbered
        self._read = read
        self._total = total
        self._buffer = ReorderBuffer[MapResult](ordered=settings.ordered)
        self._requeued: deque[Job] = deque()
        self._failure: tuple[int, BaseException] | None = None
        self._has_source = True
        self._source_error: Exception | None = None
        self._started = self._done = self._failed = self._yielded = 0

    def acquire(self, now: float) -> Permit | None:
        """Return a permit for a requeued job or a new payload; ``None`` if no call may start now."""
        if self._failure is not None or self.in_flight >= self._max_in_flight or not self._has_work():
            return None
        if self.deadline is not None and now >= self.deadline:
            # The call will fail without being sent, so it must not wait for capacity: inf is after every pause, and a
            # map with nothing in flight always gets a permit.
            permit = self._concurrency_limit.acquire(math.inf, own_in_flight=0)
        else:
            permit = self._concurrency_limit.acquire(now, own_in_flight=self.in_flight)
        if permit is not None:
            self.in_flight += 1
        return permit

    def pop_requeued(self, permit: Permit) -> Job | None:
        """Return the job that was requeued first; ``None`` if there is none."""
        if not self._requeued:
            return None
        job = self._requeued.popleft()
        job.permit = permit
        return job

    def create_job(self, call: PreparedCall | DeferredCall, permit: Permit) -> Job:
        """Create the job of the next payload."""
        self._started += 1
        return Job(self._started - 1, call, permit)

    def release(self, permit: Permit) -> None:
        """Return a permit that was not used."""
        self.in_flight -= 1
        self._concurrency_limit.release(permit)

    def reject(self, error: Exception, permit: Permit) -> None:
        """Record that the next payload cannot be sent, and why."""
        self.release(permit)
        self._started += 1
        self._put(self._started - 1, error)

    def source_done(self, permit: Permit, error: Exception | None = None) -> None:
        """Record that there are no more payloads: their iterator has ended, or raised *error*."""
        self.release(permit)
        self._has_source = False
        self._source_error = error

    def complete(self, finished: FinishedJob, now: float) -> None:
        """Record the result of a job, or requeue it."""
        self.in_flight -= 1
        job, result = finished
        if isinstance(result, RequeuedError):
            self._concurrency_limit.record_throttle(job.permit, now, result.retry_after)
            self._requeued.append(job)
            return
        _record_end(self._concurrency_limit, job.permit, result, now)
        self._put(job.number, self._decode(job, result) if isinstance(result, CallResponse) else result)

    def abandon(self) -> None:
        """Forget the calls in flight, whose results will not be recorded."""
        self._concurrency_limit.abandon(self.in_flight)
        self.in_flight = 0

    def expire_requeued(self, now: float) -> None:
        """Fail the requeued jobs that have less time left than Lambda asks to wait."""
        pause = self._concurrency_limit.pause_left(now) if self._requeued else 0.0
        if pause:
            jobs, self._requeued = self._requeued, deque()
            for job in jobs:
                if job.call.deadline is None or job.call.deadline > now + pause:
                    self._requeued.append(job)
                else:
                    error = _to_deadline_error(job.call)
                    self._put(job.number, error if job.scope is None else job.scope.fail(error))

    def drop_requeued(self) -> None:
        """Forget the requeued jobs: the map is over, and they are not sent again."""
        jobs, self._requeued = self._requeued, deque()
        errors = [job.scope.fail(_to_dropped_error(job.call)) for job in jobs if job.scope is not None]
        # An error that interceptors raise in its place is dropped, too: nobody asks for the result of the payload.
        for interrupt in [error for error in errors if not isinstance(error, Exception)]:
            raise interrupt

    def pop(self) -> MapResult | None:
        """Return the result that is yielded next; ``None`` if it is not there yet."""
        result = self._buffer.pop()
        if result is not None:
            self._yielded += 1
        return result

    @property
    def is_done(self) -> bool:
        """Whether no further result will come; ``error`` says why."""
        if self._failure is not None:
            return self.in_flight == 0
        return not (self._has_source or self._requeued or self.in_flight or self._buffer)

    @property
    def error(self) -> BaseException | None:
        """The exception that ends the map, once it is done: that of a payload, or of the iterator of payloads."""
        return self._failure[1] if self._failure is not None else self._source_error

    def seconds_to_wait(self, now: float) -> float | None:
        """Return how long to wait until a call may start; ``None`` to wait for a call in flight instead."""
        pause = self._concurrency_limit.pause_left(now)
        if not pause or self._failure is not None or not self._has_work():
            return None
        return pause if self.deadline is None else max(0.0, min(pause, self.deadline - now))

    def progress(self) -> MapProgress:
        """Return the progress of the map."""
        return MapProgress(self._done, self._failed, self._total, self.in_flight, self._concurrency_limit.limit)

    def _has_work(self) -> bool:
        """Check whether there is a payload to send now.

        Backpressure: results that the consumer has not taken must not pile up, so a new payload is taken only while
        fewer than twice the calls that may be in flight are between source and consumer.
        """
        return bool(self._requeued) or (self._has_source and self._started - self._yielded < 2 * self._max_in_flight)

    def _decode(self, job: Job, response: CallResponse) -> MapResult | Exception:
        try:
            return MapResult(self._read(job.call, response))
        except Exception as exc:  # noqa: BLE001 - it is a result, or raised again where the map is consumed
            return exc

    def _put(self, number: int, result: MapResult | BaseException) -> None:
        self._done += 1
        self._failed += not isinstance(result, MapResult)
        if isinstance(result, CallError) and self._returns_exceptions:
            result = MapResult(result)
        if isinstance(result, MapResult):
            self._buffer.put(number, MapResult(Numbered(number, result.value)) if self._is_numbered else result)
        # Of several errors, that of the earliest payload is raised, not the one that happened to come first.
        elif self._failure is None or number < self._failure[0]:
            self._failure = number, result


def _record_end(
    concurrency_limit: ConcurrencyLimit, permit: Permit, result: CallResponse | MapResult | BaseException, now: float
) -> None:
    """Record what the end of a call reveals about capacity: if the function ran, there was some."""
    if isinstance(result, ThrottledError):
        concurrency_limit.record_throttle(permit, now, result.retry_after)
    elif isinstance(result, CallResponse | MapResult | FunctionError | ResponseError):
        concurrency_limit.record_success(permit)
    else:
        concurrency_limit.release(permit)


def _to_dropped_error(call: PreparedCall) -> ThrottledError:
    message = "the map ended before it was sent again after ThrottledError"
    return ThrottledError(message, function=call.compiled.address, retryable=True)


def _to_deadline_error(call: PreparedCall) -> DeadlineExceededError:
    return DeadlineExceededError(
        "no time left to retry after ThrottledError: Lambda asks to wait longer", function=call.compiled.address
    )
