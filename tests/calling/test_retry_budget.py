"""The budget of retries, after gRPC's proposal A6: full while all is well, empty while the function is down."""

from __future__ import annotations

import math
import threading
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdachain import CallError, LambdaClient, Outcome, RetryBudget, RetryPolicy
from lambdachain._calling.retry_budget import TokenBucket, bucket_for, forget

DOWN = Outcome(429, error_code="TooManyRequestsException")
UP = Outcome(200, b"1", executed_version="1")


class Scripted:
    """A transport that returns the outcome it is set to, and counts."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.sent = 0
        self._lock = threading.Lock()

    def send(self, invocation: object, /, *, timeout: float | None) -> Outcome:
        """Count the request, and respond."""
        with self._lock:
            self.sent += 1
        return self.outcome

    def close(self) -> None:
        """No-op."""


def _try(client: LambdaClient, function: str) -> None:
    with pytest.raises(CallError):
        client.call(function, 1)


def _eager(budget: RetryBudget | None) -> RetryPolicy:
    return RetryPolicy(max_attempts=3, initial_delay=0.0, budget=budget)


@pytest.mark.parametrize("wrong", [0, -1, math.nan, math.inf])
@pytest.mark.parametrize("field", ["max_tokens", "token_ratio"])
def test_both_numbers_must_be_positive_and_finite(field: str, wrong: float):
    """An endless bucket would never be more than half full."""
    with pytest.raises(ValueError, match="must be positive and finite"):
        RetryBudget(**{field: wrong})


def test_a_budget_is_a_value():
    """Frozen, hashable, equal by its numbers."""
    budget = RetryBudget(max_tokens=5)

    with pytest.raises(FrozenInstanceError):
        budget.max_tokens = 7  # type: ignore[misc]
    assert {RetryBudget(5, 0.1)} == {budget}


def test_a_bucket_starts_full():
    """A process that has just started may retry."""
    assert 10 == TokenBucket(RetryBudget()).tokens


def test_retries_stop_at_half():
    """With ten tokens, four failures may be retried, and the fifth may not: more than half must be left."""
    bucket = TokenBucket(RetryBudget(max_tokens=10))

    assert [True] * 4 + [False] * 8 == [bucket.record_failure() for _ in range(12)]


def test_a_bucket_is_never_less_than_empty():
    """However long the outage, as many successes bring the retries back."""
    bucket = TokenBucket(RetryBudget(max_tokens=4, token_ratio=1))
    for _ in range(1000):
        bucket.record_failure()

    assert 0 == bucket.tokens
    for _ in range(4):
        bucket.record_success()
    assert bucket.record_failure()


def test_a_bucket_is_never_more_than_full():
    """A long good time saves nothing up for a bad one."""
    bucket = TokenBucket(RetryBudget(max_tokens=2))
    for _ in range(1000):
        bucket.record_success()

    assert 2 == bucket.tokens


def test_a_success_puts_back_the_ratio():
    """Ten successes are worth one failure, by default."""
    bucket = TokenBucket(RetryBudget())
    bucket.record_failure()
    bucket.record_failure()
    bucket.record_success()

    assert pytest.approx(8.1) == bucket.tokens


@given(
    st.floats(0.5, 1000, allow_nan=False),
    st.floats(0.001, 1000, allow_nan=False),
    st.lists(st.booleans(), max_size=200),
)
def test_a_bucket_follows_its_rule(size: float, ratio: float, successes: list[bool]):
    """Between empty and full always, one out for a failure, the ratio in for a success, allowed above half."""
    bucket = TokenBucket(RetryBudget(size, ratio))
    expected = size
    for success in successes:
        if success:
            bucket.record_success()
            expected = min(size, expected + ratio)
        else:
            allowed = bucket.record_failure()
            expected = max(0.0, expected - 1)
            assert allowed == (expected > size / 2)
        assert expected == bucket.tokens
        assert 0 <= bucket.tokens <= size


def test_threads_lose_no_token():
    """What eight threads take and put back adds up."""
    bucket = TokenBucket(RetryBudget(max_tokens=100_000, token_ratio=0.5))

    def work() -> None:
        for _ in range(2000):
            bucket.record_failure()
            bucket.record_failure()
            bucket.record_success()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 100_000 - 8 * 2000 * 1.5 == bucket.tokens


def test_threads_get_one_and_the_same_bucket():
    """However many ask first at the same time."""
    budget = RetryBudget(max_tokens=31)
    start = threading.Barrier(8)
    found: list[TokenBucket] = []

    def work() -> None:
        start.wait()
        found.append(bucket_for(budget, "threads-one-bucket"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 == len({id(bucket) for bucket in found})


def test_a_function_has_a_bucket_and_a_budget_has_another():
    """One function that is down takes no retries from the others."""
    budget = RetryBudget(max_tokens=32)

    assert bucket_for(budget, "bucket-a") is bucket_for(RetryBudget(max_tokens=32), "bucket-a")
    assert bucket_for(budget, "bucket-a") is not bucket_for(budget, "bucket-b")
    assert bucket_for(budget, "bucket-a") is not bucket_for(RetryBudget(max_tokens=33), "bucket-a")


def test_a_function_that_is_down_is_soon_called_once_a_call():
    """Of thirty calls with three attempts each, the first is sent three times, the second twice, the others once."""
    transport = Scripted(DOWN)
    client = LambdaClient(transport, retry=_eager(RetryBudget(max_tokens=10)))
    for _ in range(30):
        _try(client, "budget-down")

    assert 33 == transport.sent


def test_clients_of_a_process_share_a_functions_budget():
    """A client made for each invocation does not reset it."""
    transport = Scripted(DOWN)
    for _ in range(30):
        _try(LambdaClient(transport, retry=_eager(RetryBudget(max_tokens=10))), "budget-shared")

    assert 33 == transport.sent


def test_other_functions_are_retried_meanwhile():
    """A budget belongs to one function."""
    transport = Scripted(DOWN)
    client = LambdaClient(transport, retry=_eager(RetryBudget(max_tokens=10)))
    for _ in range(30):
        _try(client, "budget-down-b")
    before = transport.sent
    _try(client, "budget-up-b")

    assert 3 == transport.sent - before


def test_without_a_budget_every_call_is_retried():
    """``budget=None`` is for those who know that the load does no harm."""
    transport = Scripted(DOWN)
    client = LambdaClient(transport, retry=_eager(None))
    for _ in range(30):
        _try(client, "budget-none")

    assert 90 == transport.sent


def test_successes_bring_the_retries_back():
    """As many as it takes to be above half again."""
    transport = Scripted(DOWN)
    client = LambdaClient(transport, retry=_eager(RetryBudget(max_tokens=4, token_ratio=1)))
    for _ in range(10):
        _try(client, "budget-recovers")
    transport.outcome = UP
    for _ in range(4):
        client.call("budget-recovers", 1)
    transport.outcome, transport.sent = DOWN, 0
    _try(client, "budget-recovers")

    assert 2 == transport.sent


def test_a_test_does_not_limit_the_retries_of_the_next():
    """Also of a client that has called the function before, such as one at module scope."""
    transport = Scripted(DOWN)
    client = LambdaClient(transport, retry=_eager(RetryBudget(max_tokens=10)))
    for _ in range(5):
        _try(client, "budget-forgotten")
    transport.sent = 0

    forget()
    _try(client, "budget-forgotten")

    assert transport.sent == 3


@pytest.mark.parametrize(
    "outcome",
    [Outcome(404, error_code="ResourceNotFoundException"), Outcome(200, b"{}", function_error="Unhandled")],
    ids=["not found", "the function failed"],
)
def test_what_nobody_would_retry_takes_no_token(outcome: Outcome):
    """A wrong name, or a function's own error, does not mean that the function is down."""
    transport = Scripted(outcome)
    budget = RetryBudget(max_tokens=34)
    for _ in range(30):
        _try(LambdaClient(transport, retry=_eager(budget)), f"budget-{outcome.status}")

    assert 34 == bucket_for(budget, f"budget-{outcome.status}").tokens


def test_what_retry_on_names_is_within_the_budget_too():
    """A function that fails always is not run three times a call for long, even where its failures are retried."""
    transport = Scripted(Outcome(200, b'{"errorType": "Flaky"}', function_error="Unhandled", executed_version="1"))
    always: Any = {"initial_delay": 0.0, "budget": RetryBudget(max_tokens=10), "retry_on": lambda _: True}
    for _ in range(30):
        _try(LambdaClient(transport, retry=RetryPolicy(**always)), "budget-named")

    assert 30 < transport.sent < 40
