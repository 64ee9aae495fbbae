"""The attempts of one call: ``Course`` decides, a driver such as ``perform`` sends and sleeps."""

from __future__ import annotations

import logging
import time
from typing import Final, NamedTuple, NoReturn

from ._answer import Answer
from ._budget import bucket_of
from ._classify import failed_answer, no_answer
from ._errors import Attempt, CallError, CredentialsError, DeadlineExceededError, Execution
from ._invocation import Invocation, NoAnswerError, Outcome, Transport
from ._plan import Plan
from ._retry import pause_before_next

_log: Final = logging.getLogger("lambdachain")

Reply = Outcome | NoAnswerError


class Send(NamedTuple):
    """An attempt: what to send, and the seconds it may take."""

    invocation: Invocation
    timeout: float | None


def perform(transport: Transport, plan: Plan) -> Answer:
    """Send a planned call until it succeeds, or may not be sent again.

    Raises:
        CallError: Whatever kept the call from succeeding.
    """
    course = Course(plan, time.monotonic())
    while True:
        send = course.next(time.monotonic())
        done = course.take(_sent(transport, send), time.monotonic())
        if isinstance(done, Answer):
            return done
        time.sleep(done)


def _sent(transport: Transport, send: Send) -> Reply:
    try:
        return transport.send(send.invocation, timeout=send.timeout)
    except NoAnswerError as exc:
        return exc


class Course:
    """The course of one call: may it be sent, was that a success, may it be sent again, and when.

    Times are of a monotonic clock, in seconds, and always given: nothing here looks at one, sleeps or sends.
    """

    def __init__(self, plan: Plan, now: float) -> None:
        policy = plan.policy
        self._plan = plan
        self._began = self._sent = now
        self._bucket = bucket_of(policy.budget, plan.callee.address) if policy.budget else None
        self._attempts: tuple[Attempt, ...] = ()
        self._failures: list[CallError] = []

    def next(self, now: float) -> Send:
        """Give the next attempt.

        Raises:
            DeadlineExceededError: No time is left for it.
            CallError: As ``take``, where the time before this attempt was spent on one that may have run.
        """
        left = self._plan.time_left(now)
        if left is not None and left <= 0:
            late = DeadlineExceededError("no time left to send it", function=self._plan.callee.address)
            self._fail(_too_late(self._failures[-1]) if self._failures else late, now)
        self._sent = now
        return Send(self._plan.attempt(len(self._attempts) + 1, left), left)

    def take(self, reply: Reply, now: float) -> Answer | float:
        """Take what an attempt led to: the answer, or the seconds to wait before the next attempt.

        Raises:
            CallError: The attempt failed, and there shall be no other.
        """
        error = self._judge(reply)
        self._attempts = (*self._attempts, _record(reply, error, now - self._sent))
        self._note()
        if error is None and isinstance(reply, Outcome):
            if self._bucket:
                self._bucket.succeeded()
            return Answer(reply, self._attempts, now - self._began)
        return self._pause(error, now) if error else 0.0

    def _judge(self, reply: Reply) -> CallError | None:
        plan = self._plan
        if isinstance(reply, Outcome):
            return failed_answer(plan.invocation, reply, plan.expected)
        error = no_answer(plan.invocation, reply, plan.expected)
        error.__cause__ = reply.__cause__
        return error

    def _pause(self, error: CallError, now: float) -> float:
        self._failures.append(error)
        pause = pause_before_next(self._plan.policy, error, len(self._attempts), now - self._began)
        counts = error.retryable or pause is not None
        allowed = self._bucket is None or not counts or self._bucket.failed()
        if pause is None or not allowed or self._refused_again(error):
            self._fail(error, now)
        left = self._plan.time_left(now)
        if left is not None and pause >= left:
            self._fail(_too_late(error), now)
        return pause

    def _refused_again(self, error: CallError) -> bool:
        """Fresh credentials are tried once: what is refused twice is not a matter of their age."""
        name = CredentialsError.__name__
        return isinstance(error, CredentialsError) and [a.error for a in self._attempts].count(name) > 1

    def _fail(self, error: CallError, now: float) -> NoReturn:
        """Give up; where an earlier attempt may have run, no later one can say that the function did not."""
        if error.execution is Execution.NOT_EXECUTED:
            error = next((e for e in reversed(self._failures) if e.execution is not Execution.NOT_EXECUTED), error)
        error.attempts = self._attempts
        error.elapsed = round(now - self._began, 6)
        raise error

    def _note(self) -> None:
        attempt = self._attempts[-1]
        level = logging.DEBUG if attempt.error is None else logging.INFO
        _log.log(
            level,
            "%s %s: attempt %d: %s, status %s, request %s, %.3f s",
            self._plan.invocation.invocation_type,
            self._plan.callee.address,
            len(self._attempts),
            attempt.error or "ok",
            attempt.status,
            attempt.request_id,
            attempt.elapsed,
        )


def _too_late(error: CallError) -> CallError:
    """Say that there is no time to try again; but what may have run stays what it is."""
    if error.execution is not Execution.NOT_EXECUTED:
        return error
    late = DeadlineExceededError(
        f"no time left to try again after {type(error).__name__}", function=error.function, request_id=error.request_id
    )
    late.__cause__ = error
    return late


def _record(reply: Reply, error: CallError | None, elapsed: float) -> Attempt:
    answered = reply if isinstance(reply, Outcome) else None
    return Attempt(
        error=None if error is None else type(error).__name__,
        status=answered.status if answered else None,
        request_id=answered.request_id if answered else None,
        elapsed=round(elapsed, 6),
    )
