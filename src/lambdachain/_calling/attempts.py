"""The attempts of one call: ``CallState`` decides, a driver such as ``send_with_retries`` sends and sleeps."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from lambdachain._core import clock
from lambdachain._core.errors import (
    Attempt,
    CallError,
    ContractError,
    CredentialsError,
    DeadlineExceededError,
    Execution,
)
from lambdachain._core.invocation import Invocation, NoAnswerError, Outcome, Transport

from .prepared_call import PreparedCall
from .response import Answer
from .retry import pause_before_next, tells_of_trouble
from .retry_budget import bucket_of
from .success import is_success

if TYPE_CHECKING:
    from logging import Logger

# The numbers of the module logging, which is not imported for them.
DEBUG: Final = 10
INFO: Final = 20

Reply = Outcome | NoAnswerError


class AttemptRequest(NamedTuple):
    """An attempt: what to send, the seconds it may take, and when it began."""

    invocation: Invocation
    timeout: float | None
    began: float


Hook = Callable[[Invocation, Callable[[], Outcome]], Outcome]
"""What stands around every attempt: ``hook(invocation, proceed)`` calls ``proceed()`` and gives its outcome.

``proceed`` raises the ``CallError`` that the attempt amounts to, so a circuit breaker sees failures as failures. An
outcome of the hook's own counts as the answer; an exception of its own ends the call and reaches the caller unchanged.
"""


def send_with_retries(transport: Transport, plan: PreparedCall, hooks: Sequence[Hook] = ()) -> Answer:
    """Send a planned call until it succeeds, or may not be sent again.

    Raises:
        CallError: Whatever kept the call from succeeding.
    """
    course = CallState(plan, clock.monotonic())
    while True:
        going = AttemptRunner(transport, course, course.next(clock.monotonic()))
        try:
            outcome = going.through(hooks)
        except CallError as exc:
            error = exc
        else:
            return course.succeeded(outcome, going, clock.monotonic())
        pause(transport, course.failed(error, going, clock.monotonic()))


def pause(transport: Transport, seconds: float) -> None:
    """Wait before the next attempt; a transport that is not real lets the time pass without."""
    wait: Callable[[float], None] = getattr(transport, "pause", time.sleep)
    wait(seconds)


class PendingAttempt:
    """One attempt under way: the reply to it stays here, whatever the hooks make of it."""

    def __init__(self, course: CallState, send: AttemptRequest) -> None:
        self.reply: Reply | None = None
        self.send = send
        self._course = course
        self._begun = False

    def begin(self) -> None:
        """Let the attempt be sent, once."""
        if self._begun:
            raise ContractError("a hook may proceed once: sending again is for RetryPolicy, which knows what is safe")
        self._begun = True

    def judged(self, reply: Reply) -> Outcome:
        """Classify the reply; see ``CallState.judge``."""
        self.reply = reply
        return self._course.judge(reply)


class AttemptRunner(PendingAttempt):
    """An attempt that somebody waits for."""

    def __init__(self, transport: Transport, course: CallState, send: AttemptRequest) -> None:
        super().__init__(course, send)
        self._transport = transport

    def through(self, hooks: Sequence[Hook]) -> Outcome:
        """Send the attempt inside *hooks*, once, and take its success; see ``Hook`` for what may be raised."""
        if not hooks:
            return self._proceed()
        return hooks[0](self.send.invocation, partial(self.through, hooks[1:]))

    def _proceed(self) -> Outcome:
        self.begin()
        try:
            reply: Reply = self._transport.send(self.send.invocation, timeout=self.send.timeout)
        except NoAnswerError as exc:
            reply = exc
        return self.judged(reply)


class CallState:
    """The course of one call: may it be sent, was that a success, may it be sent again, and when.

    Times are of a monotonic clock, in seconds, and always given: nothing here looks at one, sleeps or sends.
    """

    def __init__(self, plan: PreparedCall, now: float) -> None:
        policy = plan.policy
        self._plan = plan
        self._began = now
        self._launched = 0
        self._bucket = bucket_of(policy.budget, plan.callee.address) if policy.budget else None
        self._attempts: tuple[Attempt, ...] = ()
        self._failures: list[CallError] = []
        self._refused_keys: list[int | None] = []

    def next(self, now: float) -> AttemptRequest:
        """Return the next attempt.

        Raises:
            DeadlineExceededError: No time is left for it.
            CallError: As ``failed``, where the time before this attempt was spent on one that may have run.
        """
        left = self._plan.time_left(now)
        if left is not None and left <= 0:
            late = DeadlineExceededError("no time left to send it", function=self._plan.callee.address)
            self._fail(_too_late(self._failures[-1]) if self._failures else late, now)
        self._launched += 1
        return AttemptRequest(self._plan.attempt(self._launched, left), left, now)

    def may_hedge(self, now: float) -> bool:
        """Check whether one more attempt may be sent beside those under way: by number, budget and time."""
        limit = self._plan.policy.max_attempts
        left = self._plan.time_left(now)
        within = isinstance(limit, int) and self._launched < limit
        return within and (self._bucket is None or self._bucket.is_open) and (left is None or left > 0)

    def judge(self, reply: Reply) -> Outcome:
        """Classify a reply.

        Raises:
            CallError: It is no success.
        """
        plan = self._plan
        if isinstance(reply, Outcome) and is_success(plan.kind, reply):
            return reply
        from .classify import failed_answer, no_answer

        if isinstance(reply, NoAnswerError):
            raise no_answer(plan.invocation, reply, plan.expected) from reply.__cause__
        error = failed_answer(plan.invocation, reply, plan.expected)
        if error is not None:
            raise error
        return reply

    def succeeded(self, outcome: Outcome, going: PendingAttempt, now: float) -> Answer:
        """Record the answer of an attempt."""
        self._note(outcome, None, now - going.send.began)
        if self._bucket:
            self._bucket.succeeded()
        return Answer(outcome, self._attempts, now - self._began)

    def failed_beside(self, error: CallError, going: PendingAttempt, now: float) -> None:
        """Record the failure of an attempt while others are under way: they decide."""
        self._note(going.reply, error, now - going.send.began)
        self._failures.append(error)
        if self._bucket and error.retryable and tells_of_trouble(error):
            self._bucket.failed()

    def failed(self, error: CallError, going: PendingAttempt, now: float) -> float:
        """Record the failure of the last attempt under way, and tell how many seconds to wait before the next one.

        Raises:
            CallError: There shall be no other.
        """
        self._note(going.reply, error, now - going.send.began)
        self._failures.append(error)
        pause = pause_before_next(self._plan.policy, error, self._launched, now - self._began)
        counts = (error.retryable or pause is not None) and tells_of_trouble(error)
        allowed = self._bucket is None or not counts or self._bucket.failed()
        if pause is None or not allowed or self._is_refused_again(error, going.reply):
            self._fail(error, now)
        left = self._plan.time_left(now)
        if left is not None and pause >= left:
            self._fail(_too_late(error), now)
        return pause

    def _is_refused_again(self, error: CallError, reply: Reply | None) -> bool:
        """Check whether the same credentials are refused twice, which is not a matter of their age.

        Fresh ones may have been replaced before they arrived. Where nobody knows which they were, they are the same.
        """
        if not isinstance(error, CredentialsError):
            return False
        keys = reply.refused_keys if isinstance(reply, Outcome) else None
        before, self._refused_keys = self._refused_keys, [*self._refused_keys, keys]
        return bool(before) and (keys is None or keys in before or None in before)

    def _fail(self, error: CallError, now: float) -> NoReturn:
        """Return up; where an earlier attempt may have run, no later one can say that the function did not."""
        if error.execution is Execution.NOT_EXECUTED:
            error = next((e for e in reversed(self._failures) if e.execution is not Execution.NOT_EXECUTED), error)
        error.attempts = self._attempts
        error.elapsed = round(now - self._began, 6)
        raise error

    def _note(self, reply: Reply | None, error: CallError | None, elapsed: float) -> None:
        name = None if error is None else type(error).__name__
        status, request_id = (reply.status, reply.request_id) if isinstance(reply, Outcome) else (None, None)
        attempt = Attempt(name, status, request_id, round(elapsed, 6))
        self._attempts = (*self._attempts, attempt)
        _log(self._plan, len(self._attempts), attempt)


def _too_late(error: CallError) -> CallError:
    """Report that there is no time to try again; but what may have run stays what it is."""
    if error.execution is not Execution.NOT_EXECUTED:
        return error
    late = DeadlineExceededError(
        f"no time left to try again after {type(error).__name__}", function=error.function, request_id=error.request_id
    )
    late.__cause__ = error
    return late


@cache
def _logger() -> Logger:
    from logging import getLogger

    return getLogger("lambdachain")


def _log(plan: PreparedCall, number: int, attempt: Attempt) -> None:
    if "logging" not in sys.modules:
        return  # who wants to read a log has loaded it
    logger = _logger()
    level = DEBUG if attempt.error is None else INFO
    if logger.isEnabledFor(level):
        from lambdachain._core.text import printable

        logger.log(
            level,
            "%s %s: attempt %d: %s, status %s, request %s, %.3f s",
            plan.kind,
            printable(plan.callee.address),
            number,
            attempt.error or "ok",
            attempt.status,
            attempt.request_id and printable(attempt.request_id),
            attempt.elapsed,
        )
