"""Whether a failed call may be retried, and when: pure decisions over values."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, Literal, Self, cast

from lambdachain._core.errors import (
    CallError,
    ConnectError,
    Execution,
    FunctionCrashedError,
    FunctionError,
    FunctionInitError,
    FunctionMisconfiguredError,
    FunctionNotReadyError,
    FunctionTimeoutError,
    OutcomeUnknownError,
    ResponseError,
    ThrottledError,
    requested_wait,
)
from lambdachain._core.lean_dataclass import dataclass

from .retry_budget import RetryBudget

if TYPE_CHECKING:
    from tenacity import RetryCallState, retry_base
    from tenacity.stop import stop_base
    from tenacity.wait import wait_base

# Capacity comes back in seconds where a broken connection does in milliseconds: AWS's own SDKs wait 50 ms and 1 s.
_SLOW_FACTOR: Final = 20.0
_DEFAULT_BUDGET: Final = RetryBudget()
_SLOW: Final = (ThrottledError, FunctionNotReadyError)
_CALLEE_DOWN: Final = (
    *_SLOW,
    FunctionMisconfiguredError,
    OutcomeUnknownError,
    FunctionCrashedError,
    FunctionInitError,
    FunctionTimeoutError,
)
_FAILURES_OF_CALLEE: Final = (*_SLOW, OutcomeUnknownError, FunctionError, ResponseError)


def safe_to_retry(error: CallError) -> bool:
    """Retry a call that provably did not run, or that may have run and may run twice: ``error.retryable``."""
    return error.retryable


def is_callee_down(error: BaseException) -> bool:
    """Check whether an error says that the function, or Lambda, is down: what a circuit breaker counts.

    So do throttles, a function that is not ready, crashes or times out, an unknown outcome and a connection that
    fails. A function that answered is not down: with a declared error, another exception, a request that it rejected.
    Nor are errors of the caller's own making: credentials, permissions, wrong settings, an invalid request, no time
    left.

    >>> from lambdachain import RequestRejectedError, ThrottledError, is_callee_down
    >>> is_callee_down(ThrottledError()), is_callee_down(RequestRejectedError())
    (True, False)
    """
    if isinstance(error, ConnectError):
        # One that a call raised is retryable, unless a setting of the caller is wrong.
        return error.retryable or not error.function
    return isinstance(error, _CALLEE_DOWN)


@dataclass(frozen=True, repr=False)
class RetryPolicy:
    """When a failed call is retried.

    By default, a call that provably did not run is retried; one that may have run is retried only if the contract is
    ``idempotent`` or the call has an ``idempotency_key`` or ``durable_name``; one that ran is not. A retry must also be
    within the function's ``budget`` and the call's deadline.

    >>> RetryPolicy(max_attempts=5, max_delay=2.0).max_attempts
    5
    >>> RetryPolicy.never().max_attempts
    1

    Attributes:
        max_attempts: The limit of attempts, the first one included; or a tenacity ``stop_*`` object.
        initial_delay: Seconds before the second attempt, doubled for each further one; 20 times as long for throttles
            and functions that are not ready; or a tenacity ``wait_*`` object, which then decides alone.
        max_delay: The longest pause in seconds, except for a tenacity object; if Lambda asks for a longer one, the call
            fails.
        jitter: ``"full"`` waits for a random part of each pause, ``"none"`` for all of it.
        retry_on: A function that returns whether to retry after an error; or a tenacity ``retry_*`` object. It is not
            asked about a call that may have run, unless the call may run twice.
        hedge_after: Seconds without a response after which a duplicate request is sent, if the call may run twice, up
            to ``max_attempts``; the first success counts. ``None``, the default, for no hedging.
        budget: The size of the function's token bucket for retries in this process; ``None`` for no limit.

    Raises:
        ValueError: A number is out of range.
    """

    max_attempts: int | stop_base = 3
    initial_delay: float | wait_base = 0.05
    max_delay: float = 20.0
    jitter: Literal["full", "none"] = "full"
    retry_on: Callable[[CallError], bool] | retry_base = safe_to_retry
    budget: RetryBudget | None = _DEFAULT_BUDGET
    hedge_after: float | None = None

    def __post_init__(self) -> None:
        # By type(), as True is an int, too. Checked here, since a wrong policy would raise in the middle of a failure.
        attempts: Any = self.max_attempts
        if not callable(attempts) and (type(attempts) is not int or attempts < 1):
            raise ValueError(f"max_attempts counts the first try: it must be 1 or more, not {attempts!r}")
        for name in ("initial_delay", "max_delay"):
            value: Any = getattr(self, name)
            if not (_is_seconds(value) or (callable(value) and name == "initial_delay")):
                raise ValueError(f"{name} must be 0 or more seconds, not {value!r}")
        if self.hedge_after is not None and not _is_seconds(self.hedge_after):
            raise ValueError(f"hedge_after must be 0 or more seconds, or None, not {self.hedge_after!r}")
        # An error class is a callable, too: calling it returns an error, which is true, so everything would be retried.
        if isinstance(self.retry_on, type) or not callable(self.retry_on):
            raise ValueError(f"retry_on must be a function of the error, not {self.retry_on!r}")  # noqa: TRY004
        if self.budget is not None and not isinstance(self.budget, RetryBudget):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"budget must be a RetryBudget or None, not {self.budget!r}")
        if self.jitter not in ("full", "none"):
            raise ValueError(f"jitter must be 'full' or 'none', not {self.jitter!r}")

    def __repr__(self) -> str:
        values = ((field, getattr(self, field.name)) for field in fields(self))
        changed = [f"{field.name}={_format_value(value)}" for field, value in values if value != field.default]
        return f"RetryPolicy({', '.join(changed)})"

    @classmethod
    def never(cls) -> Self:
        """Return a policy that sends every call once."""
        return cls(max_attempts=1)


def pause_before_next(policy: RetryPolicy, error: CallError, attempt: int, elapsed: float) -> float | None:
    """Return the seconds to wait before attempt number *attempt* + 1; ``None`` if it must not be sent.

    Args:
        policy: The policy of the call.
        error: The error of the attempt.
        attempt: Its number, from 1.
        elapsed: Seconds since the call began.
    """
    if isinstance(policy.max_attempts, int) and attempt >= policy.max_attempts:
        return None
    if error.execution is Execution.UNKNOWN and not error.retryable:
        return None  # no policy runs a function twice unless the contract or the call allows it
    state = _RetryState(error, attempt, elapsed)
    if not state.should_retry(policy.retry_on) or (
        not isinstance(policy.max_attempts, int) and policy.max_attempts(state.tenacity)
    ):
        return None
    asked_for = requested_wait(error) or 0.0
    return None if asked_for > policy.max_delay else max(_backoff(policy, state), asked_for)


def counts_against_budget(error: CallError) -> bool:
    """Check whether a failure is the callee's, or Lambda's: only then does it cost a token.

    Failures of the caller (credentials, permissions, configuration, request, deadline) are no sign of the callee's
    state. A failed connection is, unless a setting is wrong, which no retry can repair.
    """
    return isinstance(error, _FAILURES_OF_CALLEE) or (isinstance(error, ConnectError) and error.retryable)


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and math.isfinite(value)


def _format_value(value: object) -> str:
    return str(getattr(value, "__qualname__", None) or repr(value))


class _RetryState:
    """An attempt as tenacity's objects see it; a ``RetryCallState`` is made only if one of them is used."""

    def __init__(self, error: CallError, attempt: int, elapsed: float) -> None:
        self.error = error
        self.attempt = attempt
        self.elapsed = elapsed

    @property
    def tenacity(self) -> RetryCallState:
        from tenacity import Future, RetryCallState, Retrying

        state = RetryCallState(Retrying(), None, (), {})
        state.attempt_number = self.attempt
        state.outcome = Future.construct(self.attempt, self.error, has_exception=True)
        state.start_time = 0.0
        state.outcome_timestamp = self.elapsed
        return state

    def should_retry(self, retry_on: Callable[[CallError], bool] | retry_base) -> bool:
        # If tenacity is not loaded, this is not one of its objects, and most failures never load it. While another
        # thread imports it, the module exists without its names: hence getattr with a default.
        base = getattr(sys.modules.get("tenacity"), "retry_base", None)
        is_theirs = base is not None and isinstance(retry_on, base)
        return bool(cast("Callable[[object], object]", retry_on)(self.tenacity if is_theirs else self.error))


def _backoff(policy: RetryPolicy, state: _RetryState) -> float:
    if not isinstance(policy.initial_delay, int | float):
        return float(policy.initial_delay(state.tenacity))
    first = policy.initial_delay * (_SLOW_FACTOR if isinstance(state.error, _SLOW) else 1.0)
    longest = _exponential_pause(first, state.attempt, float(policy.max_delay))
    return _full_jitter(longest) if policy.jitter == "full" else longest


def _exponential_pause(first: float, attempt: int, longest: float) -> float:
    """Return tenacity's ``wait_exponential``, which takes 15 ms of CPU to import: in the middle of an incident."""
    try:
        return min(math.ldexp(first, attempt - 1), longest)
    except OverflowError:
        return longest


def _full_jitter(longest: float) -> float:
    from random import SystemRandom

    # Unlike tenacity's jitter, which draws from a generator whose state is part of a SnapStart snapshot, so that all
    # sandboxes restored from it would retry at the same moments.
    return SystemRandom().uniform(0, longest)


RetryPolicy.__module__ = "lambdachain"
is_callee_down.__module__ = "lambdachain"
safe_to_retry.__module__ = "lambdachain"
