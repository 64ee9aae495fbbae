"""``RetryPolicy``: what it refuses, what it takes of tenacity, and the pauses it comes to."""

from __future__ import annotations

import math
import pickle
import random
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from types import ModuleType
from typing import Any

import pytest
import tenacity
from hypothesis import example, given
from hypothesis import strategies as st

import lambdachain
from lambdachain import (
    AccessDeniedError,
    CallError,
    CallTimeoutError,
    ConnectError,
    ConnectionLostError,
    CredentialsError,
    DeadlineExceededError,
    Execution,
    FunctionError,
    FunctionNotFoundError,
    FunctionNotReadyError,
    InvalidRequestError,
    RecursiveInvocationError,
    RequestTooLargeError,
    ResponseError,
    RetryBudget,
    RetryPolicy,
    ServiceError,
    ThrottledError,
    safe_to_retry,
)
from lambdachain._calling.retry import counts_against_budget, pause_before_next
from lambdachain._transports.invoke_response import parse_retry_after

EXACT = RetryPolicy(jitter="none", max_attempts=100)


def _lost(**facts: Any) -> ConnectError:
    return ConnectError("refused", **{"retryable": True, **facts})


def _throttled(retry_after: float | None = None) -> ThrottledError:
    return ThrottledError("slow down", retryable=True, retry_after=retry_after)


@pytest.mark.parametrize("kind", [ServiceError, FunctionNotReadyError, ConnectError, CallTimeoutError])
def test_what_the_service_asks_to_wait_counts_for_every_error(kind: type[CallError]):
    """Up to ``max_delay``; a tenacity object may wait longer."""
    error = kind("later", retryable=True, requested_wait=7.0)

    assert pause_before_next(EXACT, error, 1, 0.0) == 7.0
    assert pause_before_next(RetryPolicy(max_delay=6.0), error, 1, 0.0) is None
    assert pause_before_next(RetryPolicy(initial_delay=tenacity.wait_fixed(9)), error, 1, 0.0) == 9.0
    assert pickle.loads(pickle.dumps(error)).__dict__ == error.__dict__


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after": "7, 9"}, 7.0),
        ({"x-amz-retry-after": "1500"}, 1.5),
        ({"x-amz-retry-after": "1500", "retry-after": "9"}, 1.5),
        ({"x-amz-retry-after": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:47 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 10.0),
        ({"retry-after": "Sunday, 06-Nov-94 08:49:47 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 10.0),
        ({"retry-after": "Sun Nov  6 08:49:47 1994", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 10.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:47 GMT", "date": "Sunday, 06-Nov-94 08:49:37 GMT"}, 10.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:27 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:27 GMT"}, 0.0),
        ({"retry-after": "9" * 400}, 366 * 86400.0),
        ({"x-amz-retry-after": "9" * 5000}, 366 * 86400.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 366 * 86400.0),
        *(
            ({"retry-after": text}, None)
            for text in ("", "-1", "1.5", "NaN", "inf", "1e308", "\u0663", "12:00", "a:b", ":")
        ),
        ({"retry-after": "Tue, 99 Foo 2025 99:99:99 GMT"}, None),
        ({}, None),
    ],
)
def test_a_hint_is_read_in_every_form(headers: dict[str, str], seconds: float | None):
    """Seconds, milliseconds, and HTTP's three forms of a date, by the clock of the sender; never an error."""
    assert parse_retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (ThrottledError(retryable=True), True),
        (FunctionNotReadyError(retryable=True), True),
        (ServiceError(retryable=True), True),
        (CallTimeoutError(retryable=True), True),
        (ConnectionLostError(retryable=True), True),
        (ConnectError(retryable=True), True),
        (FunctionError(), True),
        (ResponseError(), True),
        (ConnectError(), False),
        (CredentialsError(retryable=True), False),
        (AccessDeniedError(), False),
        (InvalidRequestError(), False),
        (RequestTooLargeError(), False),
        (DeadlineExceededError(), False),
        (RecursiveInvocationError(), False),
        (FunctionNotFoundError(), False),
    ],
    ids=repr,
)
def test_only_failures_of_the_callee_cost_a_token(error: CallError, counts: bool):
    """Errors on this side say nothing about the function."""
    assert counts_against_budget(error) is counts


def test_the_defaults_are_those_of_the_documentation():
    """Three attempts, 50 ms, at most 20 s, full jitter, what is safe, within a budget."""
    policy = RetryPolicy()

    assert (3, 0.05, 20.0, "full", safe_to_retry, RetryBudget()) == (
        policy.max_attempts,
        policy.initial_delay,
        policy.max_delay,
        policy.jitter,
        policy.retry_on,
        policy.budget,
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_attempts": 0}, "max_attempts counts the first try: it must be 1 or more, not 0"),
        ({"max_attempts": -1}, "not -1"),
        ({"max_attempts": 2.5}, "not 2.5"),
        ({"max_attempts": True}, "not True"),
        ({"max_attempts": None}, "not None"),
        ({"max_attempts": "3"}, "not '3'"),
        ({"initial_delay": -0.1}, "initial_delay must be 0 or more seconds, not -0.1"),
        ({"initial_delay": math.nan}, "not nan"),
        ({"initial_delay": math.inf}, "not inf"),
        ({"initial_delay": "1"}, "not '1'"),
        ({"initial_delay": True}, "not True"),
        ({"max_delay": -1}, "max_delay must be 0 or more seconds, not -1"),
        ({"max_delay": math.inf}, "not inf"),
        ({"max_delay": tenacity.wait_fixed(1)}, "max_delay must be 0 or more seconds"),
        ({"jitter": "some"}, "jitter must be 'full' or 'none', not 'some'"),
        ({"retry_on": ConnectError}, "retry_on must be a function of the error, not <class"),
        ({"retry_on": (ConnectError,)}, "retry_on must be a function of the error"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_value_is_refused(wrong: dict[str, Any], message: str):
    """The message has the name, the allowed values and the actual one."""
    with pytest.raises(ValueError, match="must be") as refused:
        RetryPolicy(**wrong)

    assert message in str(refused.value)


@pytest.mark.parametrize("fine", [{"initial_delay": 0}, {"max_delay": 0}, {"max_attempts": 1}, {"budget": None}])
def test_the_edges_of_the_ranges_are_allowed(fine: dict[str, Any]):
    """No pause at all, one attempt, no budget."""
    assert RetryPolicy(**fine) == replace(RetryPolicy(), **fine)


def test_a_policy_is_a_value():
    """Frozen, hashable, equal by value, and pickles."""
    policy = RetryPolicy(max_attempts=5)

    with pytest.raises(FrozenInstanceError):
        policy.max_attempts = 1  # type: ignore[misc]
    assert {policy: 1} == {RetryPolicy(max_attempts=5): 1}
    assert policy != RetryPolicy()
    assert policy == pickle.loads(pickle.dumps(policy))


def test_never_is_one_attempt():
    """``never()`` differs from the default by ``max_attempts`` alone."""
    assert RetryPolicy(max_attempts=1) == RetryPolicy.never()
    assert pause_before_next(RetryPolicy.never(), _lost(), 1, 0.0) is None


def test_a_repr_has_what_differs_from_the_default():
    """As one would write it; a function by its name."""
    assert "RetryPolicy()" == repr(RetryPolicy())
    assert "RetryPolicy(max_attempts=1)" == repr(RetryPolicy.never())
    assert "RetryPolicy(max_delay=2.0, jitter='none', retry_on=_lost, budget=None)" == repr(
        RetryPolicy(max_delay=2.0, jitter="none", retry_on=_lost, budget=None)  # type: ignore[arg-type]
    )


def test_safe_to_retry_returns_error_retryable():
    """The default predicate, importable to build on."""
    assert lambdachain.safe_to_retry is RetryPolicy().retry_on
    assert safe_to_retry(ServiceError("500", retryable=True))
    assert not safe_to_retry(ServiceError("500"))


@pytest.mark.parametrize(
    ("attempt", "pause"), [(1, 0.05), (2, 0.1), (3, 0.2), (5, 0.8), (9, 12.8), (10, 20.0), (99, 20.0)]
)
def test_without_jitter_pauses_double_up_to_the_longest(attempt: int, pause: float):
    """Of an error that has nothing to do with capacity: from 50 ms to 20 s."""
    assert pause == pytest.approx(pause_before_next(EXACT, _lost(), attempt, 0.0))


@pytest.mark.parametrize("error", [_throttled(), FunctionNotReadyError("pending", retryable=True)], ids=["429", "409"])
@pytest.mark.parametrize(("attempt", "pause"), [(1, 1.0), (2, 2.0), (5, 16.0), (6, 20.0)])
def test_capacity_is_waited_for_longer(error: CallError, attempt: int, pause: float):
    """Throttles and functions that are not ready: twenty times the pause, within the same longest."""
    assert pause == pytest.approx(pause_before_next(EXACT, error, attempt, 0.0))


@given(
    attempt=st.integers(1, 60),
    initial=st.floats(0, 100, allow_nan=False),
    longest=st.floats(0, 100, allow_nan=False),
    slow=st.booleans(),
)
def test_full_jitter_takes_a_part_of_the_pause(attempt: int, initial: float, longest: float, slow: bool):
    """A random pause is between nothing and the one without jitter."""
    error = _throttled() if slow else _lost()
    policy = RetryPolicy(max_attempts=100, initial_delay=initial, max_delay=longest)
    whole = pause_before_next(replace(policy, jitter="none"), error, attempt, 0.0)
    part = pause_before_next(policy, error, attempt, 0.0)

    assert whole is not None
    assert part is not None
    assert 0 <= part <= whole <= longest


_SECONDS = st.floats(0, 1e6, allow_nan=False)


def _wait(strategy: tenacity.wait.wait_base, attempt: int) -> float:
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    state.attempt_number = attempt
    return float(strategy(state))


# tenacity multiplies an integer, too large for a float after 1,024 attempts: then it waits longest, for 0 seconds, too.
@given(attempt=st.integers(1, 1_000), initial=_SECONDS, longest=_SECONDS)
@example(attempt=1_000, initial=1e6, longest=1e6)
@example(attempt=1_000, initial=0.0, longest=20.0)
@example(attempt=1, initial=5e-324, longest=5e-324)
def test_pauses_are_those_of_tenacity(attempt: int, initial: float, longest: float):
    """Without jitter ``wait_exponential``; only that rounds its logarithms where a pause reaches the longest."""
    policy = RetryPolicy(max_attempts=10_000, jitter="none", initial_delay=initial, max_delay=longest)
    theirs = _wait(tenacity.wait_exponential(multiplier=initial, max=longest), attempt)

    assert pause_before_next(policy, _lost(), attempt, 0.0) == pytest.approx(theirs, rel=1e-12, abs=0)


@given(attempt=st.integers(1, 1_000), initial=_SECONDS, longest=_SECONDS, seed=st.integers(0, 2**32))
def test_jitter_is_that_of_tenacity(attempt: int, initial: float, longest: float, seed: int):
    """``wait_random_exponential``, if both draw the same random numbers."""
    policy = RetryPolicy(max_attempts=10_000, initial_delay=initial, max_delay=longest)
    random.seed(seed)
    theirs = _wait(tenacity.wait_random_exponential(multiplier=initial, max=longest), attempt)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(random, "SystemRandom", lambda: random.Random(seed))
        ours = pause_before_next(policy, _lost(), attempt, 0.0)

    assert ours == pytest.approx(theirs, rel=1e-12, abs=0)


@pytest.mark.parametrize("attempt", [1_025, 10**6, 10**30])
def test_after_any_number_of_attempts_the_pause_is_the_longest(attempt: int):
    """Where the doubled pause is no longer a float."""
    policy = RetryPolicy(max_attempts=10**31, jitter="none")

    assert pause_before_next(policy, _lost(), attempt, 0.0) == 20.0
    assert pause_before_next(replace(policy, initial_delay=0.0), _lost(), attempt, 0.0) == 0.0


def test_full_jitter_spreads_over_the_whole_pause():
    """Low and high parts come up alike, so that callers do not come back together."""
    pauses = [pause_before_next(RetryPolicy(), _throttled(), 1, 0.0) or 0.0 for _ in range(400)]

    assert min(pauses) < 0.1
    assert max(pauses) > 0.9
    assert 0.4 < sum(pauses) / len(pauses) < 0.6


def test_sandboxes_restored_from_one_snapshot_draw_their_own_pauses():
    """Each has the same state of the module ``random``."""
    drawn = set[float | None]()
    for _ in range(3):
        random.seed(4111)
        drawn.add(pause_before_next(RetryPolicy(), _throttled(), 1, 0.0))

    assert len(drawn) == 3


@pytest.mark.parametrize(
    ("retry_after", "pause"), [(0.2, 1.0), (1.0, 1.0), (3.0, 3.0), (20.0, 20.0), (0.0, 1.0), (None, 1.0)]
)
def test_a_hint_of_the_server_is_a_floor(retry_after: float | None, pause: float):
    """It lengthens the pause and never shortens it."""
    assert pause == pytest.approx(pause_before_next(EXACT, _throttled(retry_after), 1, 0.0))


@pytest.mark.parametrize("policy", [RetryPolicy(), RetryPolicy(initial_delay=tenacity.wait_fixed(1))], ids=repr)
@pytest.mark.parametrize("retry_after", [20.001, 3600.0, math.inf])
def test_a_hint_beyond_the_longest_pause_ends_the_retries(policy: RetryPolicy, retry_after: float):
    """A retry sooner than requested would be throttled again, with tenacity's pauses too."""
    assert pause_before_next(policy, _throttled(retry_after), 1, 0.0) is None


@pytest.mark.parametrize(("attempt", "again"), [(1, True), (2, True), (3, False), (4, False)])
def test_max_attempts_counts_the_first(attempt: int, again: bool):
    """With three, the third is the last."""
    assert again == (pause_before_next(RetryPolicy(), _lost(), attempt, 0.0) is not None)


@pytest.mark.parametrize(
    ("stop", "again"),
    [
        (tenacity.stop_after_attempt(5), [True, True, True, True, False]),
        (tenacity.stop_after_delay(3), [True, True, False, False, False]),
        (tenacity.stop_after_attempt(2) | tenacity.stop_after_delay(100), [True, False, False, False, False]),
        (tenacity.stop_after_attempt(2) & tenacity.stop_after_delay(4), [True, True, True, False, False]),
        (tenacity.stop_never, [True] * 5),
    ],
    ids=["attempt", "delay", "either", "both", "never"],
)
def test_tenacity_may_decide_when_to_stop(stop: Any, again: list[bool]):
    """Its ``stop_*`` objects see the number of the attempt and the seconds since the call began."""
    policy = RetryPolicy(max_attempts=stop)

    assert again == [pause_before_next(policy, _lost(), n, float(n)) is not None for n in range(1, 6)]


@pytest.mark.parametrize(
    ("wait", "pauses"),
    [
        (tenacity.wait_fixed(7), [7, 7, 7]),
        (tenacity.wait_none(), [0, 0, 0]),
        (tenacity.wait_incrementing(start=1, increment=2), [1, 3, 5]),
        (tenacity.wait_fixed(1) + tenacity.wait_fixed(2), [3, 3, 3]),
        (tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(60)), [1, 60, 60]),
    ],
    ids=["fixed", "none", "incrementing", "combined", "chain"],
)
def test_tenacity_may_decide_how_long_to_wait(wait: Any, pauses: list[float]):
    """Its ``wait_*`` objects decide alone: no factor for throttles, no longest pause."""
    policy = RetryPolicy(max_attempts=10, initial_delay=wait)

    assert pauses == [pause_before_next(policy, _throttled(), n, 0.0) for n in (1, 2, 3)]


def test_a_hint_is_a_floor_for_tenacity_too():
    """What Lambda asks for comes before what any policy prefers."""
    policy = RetryPolicy(initial_delay=tenacity.wait_fixed(1))

    assert 4.0 == pause_before_next(policy, _throttled(4.0), 1, 0.0)


@pytest.mark.parametrize(
    ("predicate", "again"),
    [
        (tenacity.retry_if_exception_type(ThrottledError), [True, False]),
        (tenacity.retry_if_not_exception_type(ThrottledError), [False, True]),
        (
            tenacity.retry_if_exception_type(ThrottledError) | tenacity.retry_if_exception_type(ConnectError),
            [True, True],
        ),
        (tenacity.retry_if_exception(safe_to_retry) & tenacity.retry_if_exception_message(match="slow"), [True, False]),  # type: ignore[arg-type]
        (tenacity.retry_if_exception_message(match="refused"), [False, True]),
        (tenacity.retry_always, [True, True]),
        (tenacity.retry_never, [False, False]),
    ],
    ids=["type", "not type", "either", "both", "message", "always", "never"],
)
def test_tenacity_may_decide_what_to_retry(predicate: Any, again: list[bool]):
    """Its ``retry_*`` objects see the error as the outcome of the attempt."""
    policy = RetryPolicy(retry_on=predicate)

    assert again == [pause_before_next(policy, error, 1, 0.0) is not None for error in (_throttled(), _lost())]


def test_what_ran_is_retried_where_retry_on_names_it():
    """The default leaves a failed function alone; a predicate of one's own may pick errors by their type."""
    stumbled = FunctionError("it failed", error_type="Deadlock")
    named = RetryPolicy(retry_on=lambda error: isinstance(error, FunctionError) and error.error_type == "Deadlock")

    assert Execution.EXECUTED == stumbled.execution
    assert pause_before_next(RetryPolicy(), stumbled, 1, 0.0) is None
    assert pause_before_next(named, stumbled, 1, 0.0) is not None
    assert pause_before_next(named, FunctionError("no", error_type="KeyError"), 1, 0.0) is None


@pytest.mark.parametrize("error", [CallTimeoutError("late"), ConnectionLostError("gone"), ServiceError("500")])
def test_what_may_have_run_is_not_retried_by_default(error: CallError):
    """Nothing declares that it may run twice."""
    assert pause_before_next(RetryPolicy(), error, 1, 0.0) is None


@pytest.mark.parametrize(
    "retry_on", [lambda _: True, tenacity.retry_if_exception_type(CallError)], ids=["ours", "theirs"]
)
def test_no_policy_retries_what_may_have_run_unless_it_may_run_twice(retry_on: Any):
    """A predicate that is always true does not allow running a function twice."""
    policy = RetryPolicy(retry_on=retry_on, jitter="none")

    assert None is pause_before_next(policy, ServiceError(), 1, 0.0)
    assert 0.05 == pause_before_next(policy, ServiceError(retryable=True), 1, 0.0)


def test_an_exception_of_retry_on_passes_unchanged():
    """A predicate that fails is the user's own affair."""

    def broken(error: CallError) -> bool:
        raise LookupError("no such rule")

    with pytest.raises(LookupError, match="no such rule"):
        pause_before_next(RetryPolicy(retry_on=broken), _lost(), 1, 0.0)


_CALL = """
import sys
from lambdachain import FunctionError, LambdaClient, Outcome, RetryPolicy
class Transport:
    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
    def send(self, invocation, /, *, timeout):
        return self.outcomes.pop(0)
    def close(self): ...
GOOD = Outcome(200, b"1", executed_version="1")
BAD = Outcome(429, error_code="TooManyRequestsException")
policy = RetryPolicy(max_attempts=4, initial_delay=0.0)
"""


def test_a_failure_is_judged_while_another_thread_loads_tenacity(monkeypatch: pytest.MonkeyPatch):
    """A module that is being loaded is in ``sys.modules`` already, without content."""
    monkeypatch.setitem(sys.modules, "tenacity", ModuleType("tenacity"))
    policy = RetryPolicy(retry_on=lambda _: False)

    assert pause_before_next(policy, ConnectError("refused"), 1, 0.0) is None


@pytest.mark.parametrize(
    "script",
    [
        "LambdaClient(Transport(GOOD), retry=policy).call('f', 1)",
        "LambdaClient(Transport(BAD, BAD, GOOD), retry=policy).call('f', 1)",
        """
try: LambdaClient(Transport(Outcome(200, b"{}", function_error="Unhandled")), retry=policy).call("f", 1)
except FunctionError: pass
""",
    ],
    ids=["a success", "throttled and retried", "a failure that is not retried"],
)
def test_no_call_loads_tenacity_for_a_policy_without_its_objects(script: str):
    """Importing it would cost 15 ms of CPU before a first retry."""
    command = [sys.executable, "-c", f"{_CALL}{script}\nprint('tenacity' in sys.modules)"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "False"
