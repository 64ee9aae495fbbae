"""What a map decides: which call may start now, and whose result leaves next. Without I/O, for threads and asyncio."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from lambdachain._calling.error_table import Retryability, rule_for_service_error
from lambdachain._calling.prepared_call import PreparedCall
from lambdachain._calling.response import CallResponse as Answer
from lambdachain._core.errors import CallError, DeadlineExceededError, FunctionError, ResponseError, ThrottledError
from lambdachain._core.invocation import Outcome

from .concurrency_limit import ConcurrencyLimit, Permit
from .options import MapProgress, MapSettings, Numbered
from .reorder_buffer import ReorderBuffer


class Result(NamedTuple):
    """What leaves a map for one payload: an answer, a receipt, or a failure where those are results too."""

    value: Any


Reader = Callable[[PreparedCall, Answer], Any]


class DeferredCall(NamedTuple):
    """What of a job is done where it is carried out, since it may wait for S3: its plan, and reading its answer.

    So it is, too, where a test's transport lets time pass for one call: the time of the next runs from its own start.
    """

    make: Callable[[], PreparedCall]
    read: Reader


class Job:
    """A payload that is to be sent, or under way."""

    __slots__ = ("_plan", "number", "permit", "slow")

    def __init__(self, number: int, plan: PreparedCall | DeferredCall, permit: Permit) -> None:
        self.number = number
        self.slow = plan if isinstance(plan, DeferredCall) else None
        self.permit = permit
        self._plan = None if isinstance(plan, DeferredCall) else plan

    @property
    def plan(self) -> PreparedCall:
        """What is sent; of a slow job, it is made where this is first asked for, and raises what that raises."""
        if self._plan is None:
            assert self.slow is not None  # noqa: S101 - for type checkers
            self._plan = self.slow.make()
        return self._plan

    def read(self, answer: Answer) -> Answer | Result:
        """Read an answer, if that may take long."""
        return answer if self.slow is None else Result(self.slow.read(self.plan, answer))


class Done(NamedTuple):
    """A job, and what came of it."""

    job: Job
    result: Answer | Result | BaseException


class RequeuedError(Exception):
    """A throttle that says more of how many calls there are than of this one: it is sent again when there is room.

    It goes through a client's hooks, which stand around each attempt.
    """

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("throttled; the map will send it again")
        self.retry_after = retry_after


class FirstRefusal:
    """Decides whether a job is taken back: a throttle of its only attempt so far, unless it was the only call allowed.

    What is sent again after another failure, or beside an attempt that is late, is one call with what was sent before:
    its throttles are the retry policy's to judge, and so are those of a call with nothing else in flight.
    """

    def __init__(self, job: Job) -> None:
        self._is_alone = job.permit.alone
        self._patience = job.plan.policy.max_delay
        self._sent = 0

    def sending(self) -> None:
        """Record an attempt."""
        self._sent += 1

    def check(self, outcome: Outcome) -> Outcome:
        """Let an answer pass.

        Raises:
            TakenBackError: The job is taken back.
        """
        if outcome.status >= 300 and self._sent == 1 and not self._is_alone and self._is_passing(outcome):
            raise RequeuedError(outcome.retry_after)
        return outcome

    def _is_passing(self, outcome: Outcome) -> bool:
        failure = rule_for_service_error(outcome.error_code, outcome.status)
        is_throttle = failure.error is ThrottledError and failure.retry is Retryability.SAFE
        return is_throttle and (outcome.retry_after or 0.0) <= self._patience


class MapScheduler:
    """The payloads of one map that are between their source and their consumer.

    Args:
        pace: How many calls of the function may be in flight.
        manner: How the map goes about it.
        most: How many calls its transport has connections for.
        total: How many payloads there are, if that is known.
        deadline: When the whole map is over, by the monotonic clock.
        read: Makes of a success what the consumer gets; what it raises is the payload's failure.
    """

    def __init__(
        self,
        concurrency_limit: ConcurrencyLimit,
        manner: MapSettings,
        *,
        most: int,
        total: int | None,
        deadline: float | None,
        read: Reader,
    ) -> None:
        self.under_way = 0
        self.most = min(manner.max_concurrency, most)
        self.deadline = deadline
        self._pace = concurrency_limit
        self._returns_exceptions = manner.return_exceptions
        self._is_numbered = manner.numbered
        self._read = read
        self._total = total
        self._window = ReorderBuffer[Result](ordered=manner.ordered)
        self._again: deque[Job] = deque()
        self._failure: tuple[int, BaseException] | None = None
        self._source_left = True
        self._source_error: Exception | None = None
        self._begun = self._done = self._failed = self._given = 0

    def admit(self, now: float) -> Permit | None:
        """Let a call start, that of a job taken back or of a new payload; ``None`` where it has to wait."""
        if self._failure is not None or self.under_way >= self.most or not self._has_work():
            return None
        if self.deadline is not None and now >= self.deadline:  # it will not be sent, so there is no room to wait for
            permit = self._pace.enter(math.inf, held=0)
        else:
            permit = self._pace.enter(now, held=self.under_way)
        if permit is not None:
            self.under_way += 1
        return permit

    def again(self, permit: Permit) -> Job | None:
        """Return the job that was taken back first, if there is one."""
        if not self._again:
            return None
        job = self._again.popleft()
        job.permit = permit
        return job

    def new(self, plan: PreparedCall | DeferredCall, permit: Permit) -> Job:
        """Make a job of the next payload."""
        self._begun += 1
        return Job(self._begun - 1, plan, permit)

    def unused(self, permit: Permit) -> None:
        """Accept back leave for a call that there is none for."""
        self.under_way -= 1
        self._pace.left(permit)

    def refused(self, error: Exception, permit: Permit) -> None:
        """Record that the next payload cannot be sent: it does not fit, or a model of the program's has raised."""
        self.unused(permit)
        self._begun += 1
        self._put(self._begun - 1, error)

    def exhausted(self, permit: Permit, error: Exception | None = None) -> None:
        """Record that there are no more payloads: their source has ended, or raised *error*."""
        self.unused(permit)
        self._source_left = False
        self._source_error = error

    def finished(self, done: Done, now: float) -> None:
        """Process what came of a job."""
        self.under_way -= 1
        job, result = done
        if isinstance(result, RequeuedError):
            self._pace.throttled(job.permit, now, result.retry_after)
            self._again.append(job)
            return
        _tell(self._pace, job.permit, result, now)
        self._put(job.number, self._valued(job, result) if isinstance(result, Answer) else result)

    def abandon(self) -> None:
        """Forget what is under way: nobody will tell what becomes of it."""
        self._pace.abandon(self.under_way)
        self.under_way = 0

    def drop_late(self, now: float) -> None:
        """Give up what was taken back and has less time left than Lambda asks to wait."""
        pause = self._pace.pause_left(now) if self._again else 0.0
        if pause:
            jobs, self._again = self._again, deque()
            for job in jobs:
                if job.plan.deadline is None or job.plan.deadline > now + pause:
                    self._again.append(job)
                else:
                    self._put(job.number, _no_time(job.plan))

    def pop(self) -> Result | None:
        """Return the result that leaves next; ``None`` if it is not there yet."""
        result = self._window.pop()
        if result is not None:
            self._given += 1
        return result

    @property
    def is_over(self) -> bool:
        """Whether no further result will come; ``ending`` tells why."""
        if self._failure is not None:
            return self.under_way == 0
        return not (self._source_left or self._again or self.under_way or self._window)

    @property
    def ending(self) -> BaseException | None:
        """What the map ends with, once it is over: the first failure, or what the source of payloads raised."""
        return self._failure[1] if self._failure is not None else self._source_error

    def wait(self, now: float) -> float | None:
        """Return for how many seconds to wait until a call may start again; ``None`` for until one under way ends."""
        pause = self._pace.pause_left(now)
        if not pause or self._failure is not None or not self._has_work():
            return None
        return pause if self.deadline is None else max(0.0, min(pause, self.deadline - now))

    def progress(self) -> MapProgress:
        """Return how far it has come."""
        return MapProgress(self._done, self._failed, self._total, self.under_way, self._pace.limit)

    def _has_work(self) -> bool:
        """Check whether there is something to send; what nobody has asked for yet must not pile up."""
        return bool(self._again) or (self._source_left and self._begun - self._given < 2 * self.most)

    def _valued(self, job: Job, answer: Answer) -> Result | Exception:
        try:
            return Result(self._read(job.plan, answer))
        except Exception as exc:  # noqa: BLE001 - it is a result, or raised again where the map is consumed
            return exc

    def _put(self, number: int, result: Result | BaseException) -> None:
        self._done += 1
        self._failed += not isinstance(result, Result)
        if isinstance(result, CallError) and self._returns_exceptions:
            result = Result(result)
        if isinstance(result, Result):
            self._window.put(number, Result(Numbered(number, result.value)) if self._is_numbered else result)
        elif self._failure is None or number < self._failure[0]:
            self._failure = number, result


def _tell(
    concurrency_limit: ConcurrencyLimit, permit: Permit, result: Answer | Result | BaseException, now: float
) -> None:
    """Report the pace what a call's end says about room: a function that ran had it."""
    if isinstance(result, ThrottledError):
        concurrency_limit.throttled(permit, now, result.retry_after)
    elif isinstance(result, Answer | Result | FunctionError | ResponseError):
        concurrency_limit.succeeded(permit)
    else:
        concurrency_limit.left(permit)


def _no_time(plan: PreparedCall) -> DeadlineExceededError:
    return DeadlineExceededError(
        "no time left to retry after ThrottledError: Lambda asks to wait longer", function=plan.target.address
    )
