"""The scheduler of a map: decides which call may start now, and which result is yielded next.

Without I/O, so that threads and event loops share it. The consumer offers payloads and pops results; workers finish
jobs and take the next ones, without waiting for the consumer. Three things limit a map: ``max_concurrency`` and the
transport's connections, the ``ConcurrencyLimit`` of the function, and backpressure: a slow consumer slows the calls.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from lambdachain._calling.prepared_call import PreparedCall
from lambdachain._calling.response import CallResponse
from lambdachain._core.errors import CallError, DeadlineExceededError, FunctionError, ResponseError, ThrottledError

from .concurrency_limit import ConcurrencyLimit, Permit
from .options import MapProgress, MapSettings, Numbered
from .reorder_buffer import ReorderBuffer

if TYPE_CHECKING:
    from lambdachain._calling.interceptors import StartedCall


class MapResult(NamedTuple):
    """What a map yields for one payload: a response, a receipt, or an error if those are yielded too."""

    value: Any


class JobScope(Protocol):
    """What stands around a call from its first attempt to its result, also while a throttled payload waits."""

    context: Context

    @property
    def started(self) -> StartedCall:
        """The call as its interceptors see it, once they have been entered."""
        ...

    def run(self, work: Callable[[], MapResult]) -> MapResult:
        """Run *work*, the whole call or what is left of it."""
        ...

    async def run_async(self, work: Callable[[], Awaitable[MapResult]]) -> MapResult:
        """Await *work*; see ``run``."""
        ...

    def fail(self, error: BaseException) -> BaseException:
        """End a call that is not sent again; return the error that it ends with."""
        ...


_NO_PERMIT: Final = Permit(0, is_only_call=False)


class Job:
    """A payload that waits to be sent, or is in flight.

    Attributes:
        number: The number of the payload, from 0.
        payload: The payload.
        scope: What stands around its call; ``None`` without interceptors.
        permit: What allows the call; set when it starts.
        left: The seconds that the map had left then; ``None`` without a timeout.
        call: The prepared call, once a worker has prepared it.
    """

    __slots__ = ("call", "left", "number", "payload", "permit", "scope")

    def __init__(self, number: int, payload: Any, scope: JobScope | None) -> None:
        self.number = number
        self.payload = payload
        self.scope = scope
        self.permit = _NO_PERMIT
        self.left: float | None = None
        self.call: PreparedCall | None = None

    def check_throttle(self, error: CallError) -> RequeuedError | None:
        """Return what ends the call for now if its first attempt failed with *error*; ``None`` if nothing does.

        A first attempt that is throttled means that the map is too fast: the ``ConcurrencyLimit`` adapts. A retry or a
        hedge belongs to a call that was sent before, so its throttles are left to the retry policy. So are those of a
        call with nothing else in flight: slowing down would not help it.
        """
        assert self.call is not None  # noqa: S101 - for type checkers: a job that was sent has one
        if self.permit.is_only_call or not isinstance(error, ThrottledError) or not error.retryable:
            return None
        max_wait = self.call.compiled.policy.max_delay
        return RequeuedError(error.retry_after) if (error.retry_after or 0.0) <= max_wait else None


class JobSteps(NamedTuple):
    """What a map does with each payload, besides sending its call.

    Attributes:
        enter: Returns what stands around the call of a payload; run where payloads are taken.
        prepare: Validates and encodes the call; raises if it cannot be sent. Run by the worker that sends it.
        read: Converts the response to what the map yields; what it raises is the payload's error. Run by that worker.
        blocks: Whether *prepare* and *read* may wait for S3.
    """

    enter: Callable[[Any], JobScope | None]
    prepare: Callable[[Job], PreparedCall]
    read: Callable[[PreparedCall, CallResponse], Any]
    blocks: bool

    def prepare_once(self, job: Job) -> PreparedCall:
        """Return the call of a job, which a requeued one has already."""
        if job.call is None:
            job.call = self.prepare(job)
        return job.call


class RequeuedError(Exception):
    """A throttle that the map handles by requeuing the payload until there is capacity.

    Hooks and interceptors never see it: to them, the attempt ended in a ``ThrottledError``.
    """

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("throttled; the map requeues it")
        self.retry_after = retry_after


class MapScheduler:
    """The payloads of one map, from their source to the consumer of the results; thread-safe.

    The consumer alone calls ``offer``, ``end_source`` and ``pop``.

    Args:
        concurrency_limit: The limit of calls in flight that the function's throttles set.
        settings: The options of the map.
        max_connections: How many calls the transport has connections for.
        total: How many payloads there are, if known.
        deadline: When the whole map ends, by the monotonic clock.
    """

    def __init__(
        self,
        concurrency_limit: ConcurrencyLimit,
        settings: MapSettings,
        *,
        max_connections: int,
        total: int | None,
        deadline: float | None,
    ) -> None:
        self.in_flight = 0
        self._deadline = deadline
        self._max_in_flight = min(settings.max_concurrency, max_connections)
        self._concurrency_limit = concurrency_limit
        self._returns_exceptions = settings.return_exceptions
        self._is_numbered = settings.numbered
        self._total = total
        self._backlog: deque[Job] = deque()
        self._requeued: deque[Job] = deque()
        self._buffer = ReorderBuffer[MapResult](ordered=settings.ordered)
        self._failure: tuple[int, BaseException] | None = None
        self._has_source = True
        self._source_error: Exception | None = None
        # No more calls are started: the map was stopped, or a payload's error ends it.
        self._is_over = False
        self._is_abandoned = False
        self._offered = self._done = self._failed = self._yielded = 0
        # Reentrant: the garbage collector may close the map in a thread that is inside one of these methods.
        self._lock = threading.RLock()

    def wants_payload(self, now: float) -> bool:
        """Check whether the consumer should take another payload from the source.

        Ahead of the calls that may start, so that these do not wait for the consumer when others end; but not where
        each payload is announced before it is sent, which *numbered* maps do.
        """
        if self._is_over or not self._has_source or not self._has_room:
            return False
        return not self._is_numbered or (not self._backlog and self._may_start(now))

    def offer(self, payload: Any, scope: JobScope | None) -> None:
        """Add the next payload."""
        self._backlog.append(Job(self._offered, payload, scope))
        self._offered += 1

    def end_source(self, error: Exception | None = None) -> None:
        """Record that there are no more payloads: their iterator has ended, or raised *error*."""
        self._source_error = error
        self._has_source = False

    def next_job(self, now: float) -> Job | None:
        """Return a job to start: the one that was requeued first, or a new one; ``None`` if no call may start now."""
        # Also before the lock: most calls of a consumer that is ahead end here.
        if self.in_flight >= self._max_in_flight:
            return None
        with self._lock:
            waiting = self._requeued or self._backlog
            if not waiting or self._is_over or self.in_flight >= self._max_in_flight:
                return None
            left = None if self._deadline is None else self._deadline - now
            if left is None or left > 0:
                permit = self._concurrency_limit.acquire(now, own_in_flight=self.in_flight)
            else:
                # The call will fail without being sent, so it must not wait for capacity: inf is after every pause, and
                # a map with nothing in flight always gets a permit.
                permit = self._concurrency_limit.acquire(math.inf, own_in_flight=0)
            if permit is None:
                return None
            self.in_flight += 1
            job = waiting.popleft()
            job.permit, job.left = permit, left
            return job

    def finish(self, job: Job, result: MapResult | BaseException, now: float) -> None:
        """Record the result of a job, or requeue it."""
        with self._lock:
            if self._is_abandoned:
                return
            if isinstance(result, RequeuedError):
                self._concurrency_limit.record_throttle(job.permit, now, result.retry_after)
                self._requeued.append(job)
            else:
                _record_end(self._concurrency_limit, job.permit, result, now)
                self._put(job.number, result)
            self.in_flight -= 1

    def stop(self) -> None:
        """Start no more calls; those in flight go on."""
        self._is_over = True

    def abandon(self) -> None:
        """Start no more calls, and forget those in flight: their results will not be recorded."""
        with self._lock:
            self._is_over = self._is_abandoned = True
            self._concurrency_limit.abandon(self.in_flight)
            self.in_flight = 0

    def expire_requeued(self, now: float) -> None:
        """Fail the requeued jobs that have less time left than Lambda asks to wait."""
        pause = self._concurrency_limit.pause_left(now) if self._requeued else 0.0
        if not pause:
            return
        with self._lock:
            jobs, self._requeued = self._requeued, deque()
            expired: list[Job] = []
            for job in jobs:
                (expired if _ends_before(job, now + pause) else self._requeued).append(job)
        # Not under the lock: interceptors are the user's code.
        failed = [(job.number, _fail(job, _to_deadline_error(job))) for job in expired]
        with self._lock:
            for number, error in failed:
                self._put(number, error)

    def drop_requeued(self) -> None:
        """Forget the requeued jobs: the map is over, and they are not sent again."""
        jobs, self._requeued = self._requeued, deque()
        errors = [_fail(job, _to_dropped_error(job)) for job in jobs if job.scope is not None]
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
        with self._lock:
            if self._is_over:
                return self.in_flight == 0 and not self._buffer.has_next
            return not self._has_source and self._done == self._offered and not self._buffer

    @property
    def error(self) -> BaseException | None:
        """The exception that ends the map, once it is done: that of a payload, or of the iterator of payloads."""
        return self._failure[1] if self._failure is not None else self._source_error

    def seconds_to_wait(self, now: float) -> float | None:
        """Return how long to wait until a call may start; ``None`` to wait for a call in flight instead."""
        pause = self._concurrency_limit.pause_left(now)
        has_work = self._requeued or self._backlog or (self._has_source and self._has_room)
        if not pause or self._is_over or not has_work:
            return None
        return pause if self._deadline is None else max(0.0, min(pause, self._deadline - now))

    def progress(self) -> MapProgress:
        """Return the progress of the map."""
        with self._lock:
            return MapProgress(self._done, self._failed, self._total, self.in_flight, self._concurrency_limit.limit)

    @property
    def _has_room(self) -> bool:
        """Whether the consumer is close enough behind to take another payload.

        Backpressure: results that it has not taken must not pile up, so fewer than twice the calls that may be in
        flight are between source and consumer.
        """
        return self._offered - self._yielded < 2 * self._max_in_flight

    def _may_start(self, now: float) -> bool:
        is_late = self._deadline is not None and now >= self._deadline
        has_capacity = is_late or self._concurrency_limit.has_capacity(now, own_in_flight=self.in_flight)
        return has_capacity and self.in_flight < self._max_in_flight

    def _put(self, number: int, result: MapResult | BaseException) -> None:
        if not isinstance(result, MapResult):
            self._failed += 1
            if isinstance(result, CallError) and self._returns_exceptions:
                result = MapResult(result)
        if isinstance(result, MapResult):
            self._buffer.put(number, MapResult(Numbered(number, result.value)) if self._is_numbered else result)
        # Of several errors, that of the earliest payload is raised, not the one that happened to come first.
        elif self._failure is None or number < self._failure[0]:
            self._failure = number, result
            self._is_over = True
        self._done += 1


def _record_end(
    concurrency_limit: ConcurrencyLimit, permit: Permit, result: MapResult | BaseException, now: float
) -> None:
    """Record what the end of a call reveals about capacity: if the function ran, there was some."""
    if isinstance(result, MapResult | FunctionError | ResponseError):
        concurrency_limit.record_success(permit)
    elif isinstance(result, ThrottledError):
        concurrency_limit.record_throttle(permit, now, result.retry_after)
    else:
        concurrency_limit.release(permit)


def _ends_before(job: Job, time: float) -> bool:
    return job.call is not None and job.call.deadline is not None and job.call.deadline <= time


def _fail(job: Job, error: CallError) -> BaseException:
    return error if job.scope is None else job.scope.fail(error)


def _address(job: Job) -> str:
    assert job.call is not None  # noqa: S101 - for type checkers: a job that was sent has one
    return job.call.compiled.address


def _to_dropped_error(job: Job) -> ThrottledError:
    message = "the map ended before it was sent again after ThrottledError"
    return ThrottledError(message, function=_address(job), retryable=True)


def _to_deadline_error(job: Job) -> DeadlineExceededError:
    late = "no time left to retry after ThrottledError: Lambda asks to wait longer"
    return DeadlineExceededError(late, function=_address(job))
