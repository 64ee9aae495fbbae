"""The state of one call with simulated clocks: no socket, no sleep, every invariant."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdachain import (
    CallError,
    Contract,
    DeadlineExceededError,
    Execution,
    FunctionNotReadyError,
    RetryPolicy,
    ServiceError,
    ThrottledError,
)
from lambdachain._calling.attempts import AttemptRequest, AttemptRunner, CallState, Reply
from lambdachain._calling.compiled_call import compile_call
from lambdachain._calling.options import CallOptions
from lambdachain._calling.prepared_call import Moment, PreparedCall, prepare
from lambdachain._calling.response import CallResponse
from lambdachain._calling.retry import pause_before_next
from lambdachain._calling.retry_budget import RetryBudget, TokenBucket
from lambdachain._calling.target import locate
from lambdachain._core.invocation import InvocationType, NoAnswerError, Outcome, Progress, Trouble

SOAK = int(os.environ.get("LAMBDACHAIN_SOAK", "0"))
BEGINNING = 1000.0


def process(state: CallState, request: AttemptRequest, reply: Any, now: float) -> CallResponse | float:
    """Process the reply to an attempt, as ``send_with_retries`` does."""
    attempt = AttemptRunner(None, state, request)  # type: ignore[arg-type] - nothing is sent here
    attempt.reply = reply
    try:
        outcome = state.raise_for_failure(reply)
    except CallError as exc:
        error = exc
    else:
        return state.record_success(outcome, attempt, now)
    return state.record_failure(error, attempt, now)


class Event(NamedTuple):
    """The result of one attempt: a reply, whether the function may have run, and the seconds it takes."""

    reply: Reply
    may_have_run: bool
    took: float
    overslept: float = 0.0


def _answers(status: int, code: str | None = None, **more: Any) -> Outcome:
    return Outcome(status, error_code=code, **more)


SUCCEEDED = Outcome(200, b"null", executed_version="1")
FAILED = Outcome(200, b'{"errorType":"KeyError"}', function_error="Unhandled", executed_version="1")
THROTTLED = _answers(429, "TooManyRequestsException")
BROKEN = _answers(500, "ServiceException")
NOT_READY = _answers(502, "ENINotReadyException")
REFUSED = NoAnswerError("refused", progress=Progress.NOTHING_SENT)
LOST = NoAnswerError("lost", progress=Progress.PERHAPS_SENT)

REPLIES: tuple[tuple[Reply, bool], ...] = (
    (SUCCEEDED, True),
    (FAILED, True),
    (Outcome(200, b"", executed_version="1"), True),
    (Outcome(202), True),
    (BROKEN, True),
    (_answers(503), True),
    (_answers(410, "EFSIOException"), True),
    (THROTTLED, False),
    (_answers(429, "TooManyRequestsException", retry_after=3.0), False),
    (NOT_READY, False),
    (_answers(403, "ExpiredTokenException"), False),
    (_answers(403, "AccessDeniedException"), False),
    (_answers(404, "ResourceNotFoundException"), False),
    *(
        (NoAnswerError("no answer", progress=progress, trouble=trouble), progress is not Progress.NOTHING_SENT)
        for progress in Progress
        for trouble in (Trouble.CONNECTION, Trouble.TIMEOUT)
    ),
    *((NoAnswerError(progress=Progress.NOTHING_SENT, trouble=trouble), False) for trouble in Trouble),
)


def _prepare(
    policy: RetryPolicy, *, idempotent: bool = False, timeout: float | None = None, name: str = "f"
) -> PreparedCall:
    contract = Contract[Any, Any](name, request=Any, response=Any, idempotent=idempotent)
    options: CallOptions = {"retry": policy, "timeout": timeout}
    now = Moment(BEGINNING, 0.0)
    compiled = compile_call(locate(contract), InvocationType.REQUEST_RESPONSE, options)
    return prepare(compiled, 1, within=None, now=now)


class Trip(NamedTuple):
    """A call that has ended: when its attempts started, when its sleeps should have ended, and its result."""

    began: list[float]
    slept_until: list[float]
    metadata: list[int]
    end: CallResponse | CallError


def _travel(call: PreparedCall, events: Sequence[Event]) -> Trip:
    """Run a call through *events* with a simulated clock; the last one is repeated for further attempts."""
    clock = BEGINNING
    state = CallState(call, clock)
    trip = Trip([], [], [], SUCCEEDED)  # type: ignore[arg-type]
    try:
        for number in range(100):
            event = events[min(number, len(events) - 1)]
            request = state.start_attempt(clock)
            trip.began.append(clock)
            clock += event.took if request.timeout is None else min(event.took, request.timeout)
            done = process(state, request, event.reply, clock)
            if isinstance(done, CallResponse):
                return trip._replace(end=done)
            trip.slept_until.append(clock + done)
            clock += done + event.overslept
    except CallError as exc:
        return trip._replace(end=exc)
    raise AssertionError("the call has no end")


_seconds = st.floats(0, 8)
_events = st.builds(
    lambda pair, took, overslept: Event(*pair, took, overslept),
    st.sampled_from(REPLIES),
    _seconds,
    st.sampled_from([0.0, 0.0, 0.01, 5.0]),
)


@settings(
    max_examples=SOAK or 1000,
    derandomize=not SOAK,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    events=st.lists(_events, min_size=1, max_size=8),
    attempts=st.integers(1, 6),
    delay=st.floats(0, 3),
    idempotent=st.booleans(),
    timeout=st.none() | st.floats(0.01, 30),
)
def test_any_call(events: list[Event], attempts: int, delay: float, idempotent: bool, timeout: float | None) -> None:
    """With any replies and clocks: no double run, no attempt too many or too late, no wrong ``execution``."""
    policy = RetryPolicy(max_attempts=attempts, initial_delay=delay, budget=None)

    trip = _travel(_prepare(policy, idempotent=idempotent, timeout=timeout), events)

    met = [events[min(n, len(events) - 1)] for n in range(len(trip.began))]
    deadline = BEGINNING + (float("inf") if timeout is None else timeout)
    assert len(trip.began) <= attempts
    assert idempotent or not any(event.may_have_run for event in met[:-1])
    assert all(began < deadline for began in trip.began)
    assert all(end < deadline for end in trip.slept_until)
    assert len(trip.end.attempts) == len(trip.began)
    if isinstance(trip.end, CallError):
        assert trip.end.execution is not Execution.NOT_EXECUTED or not any(event.may_have_run for event in met)
        assert trip.end.execution is not Execution.EXECUTED or any(event.may_have_run for event in met)


def test_attempts_are_numbered() -> None:
    """Each attempt has its own number and the time that is left."""
    call = _prepare(RetryPolicy(max_attempts=3, initial_delay=1.0, jitter="none", budget=None), timeout=60)
    state = CallState(call, BEGINNING)

    texts = []
    for clock in (BEGINNING, BEGINNING + 10, BEGINNING + 20):
        request = state.start_attempt(clock)
        texts.append((request.timeout, request.invocation.client_context))
        if clock < BEGINNING + 20:
            process(state, request, REFUSED, clock)

    assert [60.0, 50.0, 40.0] == [timeout for timeout, _ in texts]
    assert 3 == len({context for _, context in texts})


def test_default_delays_of_a_broken_connection() -> None:
    """The default waits up to 50 ms before the second attempt, and up to 100 ms before the third."""
    trips = [_travel(_prepare(RetryPolicy(budget=None)), [Event(REFUSED, False, 0.0)]) for _ in range(200)]

    first = [trip.slept_until[0] - BEGINNING for trip in trips]
    second = [trip.slept_until[1] - trip.slept_until[0] for trip in trips]
    assert max(first) <= 0.05 < max(second) <= 0.1
    assert min(first) < 0.02


@pytest.mark.parametrize(("reply", "error"), [(THROTTLED, ThrottledError), (NOT_READY, FunctionNotReadyError)])
def test_default_delays_of_missing_capacity(reply: Outcome, error: type[CallError]) -> None:
    """Without capacity, the default waits up to 1 s, then up to 2 s."""
    trips = [_travel(_prepare(RetryPolicy(budget=None)), [Event(reply, False, 0.0)]) for _ in range(200)]

    assert {error} == {type(trip.end) for trip in trips}
    first = [trip.slept_until[0] - BEGINNING for trip in trips]
    second = [trip.slept_until[1] - trip.slept_until[0] for trip in trips]
    assert 0.05 < max(first) <= 1.0 < max(second) <= 2.0


def test_delays_without_jitter_double() -> None:
    """Without jitter each delay is twice the one before, up to ``max_delay``."""
    policy = RetryPolicy(max_attempts=7, initial_delay=0.5, max_delay=3.0, jitter="none", budget=None)

    trip = _travel(_prepare(policy), [Event(REFUSED, False, 0.0)])

    pauses = [end - start for start, end in zip([BEGINNING, *trip.slept_until[:-1]], trip.slept_until, strict=True)]
    assert [0.5, 1.0, 2.0, 3.0, 3.0, 3.0] == pauses


@pytest.mark.parametrize(("asked", "paused"), [(None, 0.0), (0.0, 0.0), (4.0, 4.0), (20.0, 20.0), (20.5, None)])
def test_hint_is_a_floor(asked: float | None, paused: float | None) -> None:
    """A pause is at least as long as Lambda asks, unless that is longer than ``max_delay``."""
    policy = RetryPolicy(initial_delay=0.0)
    error = ThrottledError("slow down", retry_after=asked, retryable=True)

    assert paused == pause_before_next(policy, error, 1, 0.0)


def test_pause_that_would_end_at_the_deadline() -> None:
    """A pause that would end after the deadline is not made: the call fails, with the last failure as its cause."""
    policy = RetryPolicy(initial_delay=1.0, jitter="none", budget=None)

    trip = _travel(_prepare(policy, timeout=2.5), [Event(REFUSED, False, 0.5)])

    assert isinstance(trip.end, DeadlineExceededError)
    assert [BEGINNING, BEGINNING + 1.5] == trip.began
    assert [BEGINNING + 1.5] == trip.slept_until
    assert 2.0 == trip.end.elapsed


def test_oversleeping() -> None:
    """After a sleep past the deadline, nothing is sent."""
    policy = RetryPolicy(initial_delay=0.1, jitter="none", budget=None)

    trip = _travel(_prepare(policy, timeout=2.0), [Event(REFUSED, False, 0.1, overslept=5.0)])

    assert isinstance(trip.end, DeadlineExceededError)
    assert [BEGINNING] == trip.began


def test_oversleeping_in_doubt() -> None:
    """After a sleep past the deadline, it is still unknown whether the first attempt ran."""
    policy = RetryPolicy(initial_delay=0.1, jitter="none", budget=None)

    trip = _travel(_prepare(policy, idempotent=True, timeout=2.0), [Event(BROKEN, True, 0.1, overslept=5.0)])

    assert isinstance(trip.end, ServiceError)
    assert trip.end.execution is Execution.UNKNOWN


def test_budget_runs_out() -> None:
    """A function that only fails soon gets no retries, and gets them again after enough successes."""
    budget = RetryBudget(max_tokens=10, token_ratio=0.5)
    call = _prepare(RetryPolicy(initial_delay=0.0, budget=budget), name="budget-runs-out")
    down = [Event(REFUSED, False, 0.0)]

    attempts = [len(_travel(call, down).began) for _ in range(20)]
    for _ in range(40):
        _travel(call, [Event(SUCCEEDED, True, 0.0)])

    assert [3, 2, *[1] * 18] == attempts
    assert 3 == len(_travel(call, down).began)


def test_bucket_under_contention() -> None:
    """With any number of threads, a bucket holds between 0 and all tokens, and none is lost."""
    bucket = TokenBucket(RetryBudget(max_tokens=50, token_ratio=0.25))
    seen: list[float] = []
    start = threading.Barrier(8)

    def draw(ratio: int) -> None:
        start.wait()
        for turn in range(4000):
            bucket.record_failure() if turn % ratio == 0 else bucket.record_success()
            seen.append(bucket.tokens)

    threads = [threading.Thread(target=draw, args=(ratio,)) for ratio in (2, 3, 4, 5, 6, 7, 8, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert 0.0 <= min(seen) <= max(seen) <= 50.0


def test_tokens_add_up() -> None:
    """Failures recorded by many threads at the same time are all counted."""
    bucket = TokenBucket(RetryBudget(max_tokens=10_000, token_ratio=0.1))

    threads = [threading.Thread(target=lambda: [bucket.record_failure() for _ in range(1000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert 2000.0 == bucket.tokens
