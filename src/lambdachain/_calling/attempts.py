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
from .response import CallResponse
from .retry import counts_against_budget, pause_before_next
from .success import is_success

if TYPE_CHECKING:
    from logging import Logger

# The levels of the module logging, which a cold start does not import for them.
DEBUG: Final = 10
INFO: Final = 20

Reply = Outcome | NoAnswerError


class AttemptRequest(NamedTuple):
    """What to send in one attempt, the seconds it may take, when it started, and its number for interceptors."""

    invocation: Invocation
    timeout: float | None
    started_at: float
    recorded: int = 0


Hook = Callable[[Invocation, Callable[[], Outcome]], Outcome]
"""A function around every attempt: ``hook(invocation, proceed)`` calls ``proceed()`` and returns its outcome.

``proceed`` raises a ``CallError`` if the attempt fails, so a circuit breaker sees failures as failures. If the hook
returns an outcome of its own, it counts as the response; an exception of its own ends the call and reaches the caller
unchanged. In a map, a throttle after which the payload is sent again later is a ``ThrottledError``, too.
"""


Requeue = Callable[[CallError], Exception | None]
"""Called with the failure of a first attempt: returns what to raise if a map is to send the call again later."""


def send_with_retries(
    transport: Transport, call: PreparedCall, hooks: Sequence[Hook] = (), requeue: Requeue | None = None
) -> CallResponse:
    """Send a prepared call until it succeeds, or no other attempt is allowed.

    Raises:
        CallError: The failure that ended the call.
    """
    now = clock.monotonic()
    state = CallState(call, now, requeue)
    while True:
        attempt = AttemptRunner(transport, state, state.start_attempt(now))
        try:
            outcome = attempt.run(hooks)
        except CallError as exc:
            error = exc
        else:
            return state.record_success(outcome, attempt, clock.monotonic())
        pause(transport, state.record_failure(error, attempt, clock.monotonic()))
        now = clock.monotonic()


def pause(transport: Transport, seconds: float) -> None:
    """Wait before the next attempt; a transport of a test may let the time pass without waiting."""
    wait: Callable[[float], None] = getattr(transport, "pause", time.sleep)
    wait(seconds)


class PendingAttempt:
    """One attempt in flight: it keeps the reply, which hooks may replace or hide."""

    def __init__(self, state: CallState, request: AttemptRequest) -> None:
        self.reply: Reply | None = None
        self.request = request
        self._state = state
        self._begun = False

    def begin(self) -> None:
        """Mark the attempt as sent.

        Raises:
            ContractError: A hook has called ``proceed()`` twice.
        """
        if self._begun:
            raise ContractError("a hook may call proceed() once per attempt: RetryPolicy decides what is safe to retry")
        self._begun = True

    def raise_for_failure(self, reply: Reply) -> Outcome:
        """Keep the reply, and raise if it is a failure; see ``CallState.raise_for_failure``."""
        self.reply = reply
        return self._state.raise_for_failure(reply)


class AttemptRunner(PendingAttempt):
    """An attempt that a thread waits for."""

    def __init__(self, transport: Transport, state: CallState, request: AttemptRequest) -> None:
        super().__init__(state, request)
        self._transport = transport

    def run(self, hooks: Sequence[Hook]) -> Outcome:
        """Send the attempt inside *hooks*, once, and return its success; see ``Hook`` for what may be raised."""
        if not hooks:
            return self._proceed()
        # The other hooks, and the request inside them, are the proceed() of the first one.
        return hooks[0](self.request.invocation, partial(self.run, hooks[1:]))

    def _proceed(self) -> Outcome:
        self.begin()
        try:
            reply: Reply = self._transport.send(self.request.invocation, timeout=self.request.timeout)
        except NoAnswerError as exc:
            reply = exc
        return self.raise_for_failure(reply)


class CallState:
    """The state of one call over its attempts: may it be sent, did it succeed, may it be retried, and when.

    Times are arguments, in seconds of a monotonic clock: nothing here reads a clock, sleeps or sends.
    """

    def __init__(self, call: PreparedCall, now: float, requeue: Requeue | None = None) -> None:
        self._call = call
        self._began = now
        self._started = 0
        self._bucket = call.compiled.bucket
        self._attempts: tuple[Attempt, ...] = ()
        self._failures: list[CallError] = []
        self._refused_keys: list[int | None] = []
        self._requeue = requeue

    def start_attempt(self, now: float) -> AttemptRequest:
        """Return the next attempt.

        Raises:
            DeadlineExceededError: No time is left for it.
            CallError: No time is left, and an earlier attempt may have run: its error is the result of the call.
        """
        # Checked again although record_failure() did: a sleep can overrun, and a frozen environment can wake up late.
        left = self._call.time_left(now)
        if left is not None and left <= 0:
            late = DeadlineExceededError("no time left to send it", function=self._call.compiled.address)
            self._raise(_no_time_to_retry(self._failures[-1]) if self._failures else late, now)
        self._started += 1
        invocation = self._call.invocation_for_attempt(self._started, left)
        recorder = self._call.recorder
        if recorder is None:
            return AttemptRequest(invocation, left, now)
        hedge = self._started - 1 > len(self._attempts)  # one that was started before has not ended
        return AttemptRequest(invocation, left, now, recorder.start(now, hedge=hedge))

    def may_hedge(self, now: float) -> bool:
        """Check whether a duplicate may be sent while others are in flight: by number, budget and time."""
        limit = self._call.compiled.policy.max_attempts
        left = self._call.time_left(now)
        # A tenacity stop_* object decides about a failure. No attempt has failed yet, so it never allows a hedge.
        within = isinstance(limit, int) and self._started < limit
        return within and (self._bucket is None or self._bucket.is_open) and (left is None or left > 0)

    def raise_for_failure(self, reply: Reply) -> Outcome:
        """Return the reply if it is a success.

        Raises:
            CallError: It is a failure.
        """
        call = self._call
        if isinstance(reply, Outcome) and is_success(call.compiled.kind, reply):
            return reply
        # A call that succeeds never imports the error table.
        from .classify import error_for_no_answer, error_for_outcome

        if isinstance(reply, NoAnswerError):
            # From the cause, the exception of the network library: NoAnswerError itself adds nothing for the user.
            raise error_for_no_answer(call.invocation, reply, call.semantics) from reply.__cause__
        error = error_for_outcome(call.invocation, reply, call.semantics)
        if error is not None:
            raise error
        return reply

    def record_success(self, outcome: Outcome, attempt: PendingAttempt, now: float) -> CallResponse:
        """Record a success; return the response to the call."""
        logged = self._record(outcome, None, now - attempt.request.started_at)
        if self._call.recorder is not None:
            self._record_for_interceptors(outcome, None, attempt, now)
        if self._bucket:
            self._bucket.record_success()
        if logged:
            self._log_end(None, now)
        # Rounded like the time of an attempt: a call is not shorter than its only one. Rounding twice would be slow.
        is_whole_call = attempt.request.started_at == self._began
        elapsed = self._attempts[-1].elapsed if is_whole_call else round(now - self._began, 6)
        return CallResponse(outcome, self._attempts, elapsed)

    def record_hedged_failure(self, error: CallError, attempt: PendingAttempt, now: float) -> None:
        """Record the failure of an attempt while others are in flight: those decide how the call ends."""
        self._record(attempt.reply, error, now - attempt.request.started_at)
        self._record_for_interceptors(attempt.reply, error, attempt, now)
        self._failures.append(error)
        if self._bucket and error.retryable and counts_against_budget(error):
            self._bucket.record_failure()

    def record_failure(self, error: CallError, attempt: PendingAttempt, now: float) -> float:
        """Record the failure of the last attempt in flight; return the seconds to wait before the next one.

        Raises:
            CallError: No other attempt is allowed.
        """
        # Not for an error of a hook, and not where an attempt before this one may have run.
        if self._requeue is not None and self._started == 1 and isinstance(attempt.reply, Outcome):
            requeued = self._requeue(error)
            if requeued is not None:
                self._record_for_interceptors(attempt.reply, error, attempt, now)
                raise requeued
        self._record(attempt.reply, error, now - attempt.request.started_at)
        self._record_for_interceptors(attempt.reply, error, attempt, now)
        self._failures.append(error)
        pause = pause_before_next(self._call.compiled.policy, error, self._started, now - self._began)
        # Only failures that could be retried cost a token: the budget limits retries, not calls.
        counts = (error.retryable or pause is not None) and counts_against_budget(error)
        allowed = self._bucket is None or not counts or self._bucket.record_failure()
        if pause is not None and not allowed:
            self._log_exhausted_budget(error)
        # The token is withdrawn above in any case: a failed last attempt, too, is a sign of the callee's state.
        if pause is None or not allowed or self._are_credentials_rejected_again(error, attempt.reply):
            self._raise(error, now)
        left = self._call.time_left(now)
        if left is not None and pause >= left:
            self._raise(_no_time_to_retry(error), now)
        self._log_retry(error, pause)
        return pause

    def _log_retry(self, error: CallError, pause: float) -> None:
        if is_logging(INFO):
            from .call_log import log_retry

            log_retry(self._call, self._started + 1, error, pause)

    def _log_exhausted_budget(self, error: CallError) -> None:
        if self._bucket is not None and is_logging(INFO):
            from .call_log import log_exhausted_budget

            log_exhausted_budget(self._call, error, self._bucket.tokens)

    def _are_credentials_rejected_again(self, error: CallError, reply: Reply | None) -> bool:
        """Check whether the same credentials are rejected for the second time: then refreshing them does not help.

        A request may have been signed just before they were replaced, so one rejection is not enough. Unknown keys
        count as the same.
        """
        if not isinstance(error, CredentialsError):
            return False
        keys = reply.refused_keys if isinstance(reply, Outcome) else None
        before, self._refused_keys = self._refused_keys, [*self._refused_keys, keys]
        return bool(before) and (keys is None or keys in before or None in before)

    def _raise(self, error: CallError, now: float) -> NoReturn:
        """Raise the error of the call: if any attempt may have run, that attempt's, since the function may have run."""
        if error.execution is Execution.NOT_EXECUTED:
            error = next((e for e in reversed(self._failures) if e.execution is not Execution.NOT_EXECUTED), error)
        error.attempts = self._attempts
        error.elapsed = round(now - self._began, 6)
        if is_logging(INFO):
            self._log_end(error, now)
        raise error

    def _log_end(self, error: CallError | None, now: float) -> None:
        from .call_log import log_call

        log_call(self._call, self._attempts, now - self._began, error)

    def _record(self, reply: Reply | None, error: CallError | None, elapsed: float) -> bool:
        """Record an attempt; return whether it was logged."""
        name = None if error is None else type(error).__name__
        status, request_id = (reply.status, reply.request_id) if isinstance(reply, Outcome) else (None, None)
        attempt = Attempt(name, status, request_id, round(elapsed, 6))
        self._attempts = (*self._attempts, attempt)
        logged = is_logging(DEBUG if error is None else INFO)
        if logged:
            from .call_log import log_attempt

            log_attempt(self._call, len(self._attempts), attempt, error)
        return logged

    def _record_for_interceptors(
        self, reply: Reply | None, error: CallError | None, attempt: PendingAttempt, now: float
    ) -> None:
        if self._call.recorder is not None:
            status, request_id = (reply.status, reply.request_id) if isinstance(reply, Outcome) else (None, None)
            self._call.recorder.end(attempt.request.recorded, now, error, status, request_id)


def _no_time_to_retry(error: CallError) -> CallError:
    """Return the error of a call that has no time for a retry: if the attempt may have run, its own error."""
    if error.execution is not Execution.NOT_EXECUTED:
        return error
    late = DeadlineExceededError(
        f"no time left to retry after {type(error).__name__}", function=error.function, request_id=error.request_id
    )
    late.__cause__ = error
    return late


@cache
def _logger() -> Logger:
    from logging import getLogger

    return getLogger("lambdachain")


def is_logging(level: int) -> bool:
    """Check whether a record is wanted: building one costs more than this check."""
    # Not imported for it: that would cost a cold start, and where nothing has imported logging, nothing listens.
    return "logging" in sys.modules and _logger().isEnabledFor(level)
