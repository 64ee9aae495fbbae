"""Hooks: what stands around every attempt, Powertools' circuit breaker among it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import boto3
import pytest
from aws_lambda_powertools.utilities.circuit_breaker import CircuitBreakerConfig, circuit_breaker
from aws_lambda_powertools.utilities.circuit_breaker.exceptions import CircuitBreakerOpenError
from aws_lambda_powertools.utilities.circuit_breaker.persistence import CircuitBreakerDynamoDBPersistence
from moto import mock_aws

from lambdachain import (
    CallError,
    Contract,
    ContractError,
    Invocation,
    LambdaClient,
    NoAnswerError,
    Outcome,
    Progress,
    RetryPolicy,
    ServiceError,
    ThrottledError,
)

GOOD = Outcome(200, b"1", executed_version="$LATEST", request_id="r-1")
THROTTLED = Outcome(429, error_code="TooManyRequestsException")
FAILED = Outcome(500, error_code="ServiceException")
REFUSED = NoAnswerError("refused", progress=Progress.NOTHING_SENT)
EAGER = RetryPolicy(initial_delay=0.0, budget=None)
double = Contract("double", request=int, response=int)


class Line:
    """A transport that returns one reply after the other, and records what it was sent."""

    def __init__(self, *replies: Outcome | NoAnswerError) -> None:
        self.replies = list(replies)
        self.sent: list[Invocation] = []

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Return the next reply."""
        self.sent.append(invocation)
        reply = self.replies.pop(0)
        if isinstance(reply, NoAnswerError):
            raise reply
        return reply

    def close(self) -> None:
        """No-op."""


def test_hooks_stand_around_every_attempt_the_first_outermost() -> None:
    """A hook sees a failed attempt as its error."""
    seen: list[str] = []

    def noting(name: str) -> Callable[[Invocation, Callable[[], Outcome]], Outcome]:
        def hook(invocation: Invocation, proceed: Callable[[], Outcome]) -> Outcome:
            seen.append(f"{name} {invocation.function_name}")
            try:
                outcome = proceed()
            except CallError as error:
                seen.append(f"{name} {type(error).__name__}")
                raise
            seen.append(f"{name} {outcome.status}")
            return outcome

        return hook

    line = Line(THROTTLED, REFUSED, GOOD)
    client = LambdaClient(line, retry=EAGER, hooks=[noting("outer"), noting("inner")])

    result = client.invoke(double, 1)

    begun = ["outer double", "inner double"]
    ends = ["ThrottledError", "ConnectError", "200"]
    assert seen == [step for end in ends for step in (*begun, f"inner {end}", f"outer {end}")]
    assert ["ThrottledError", "ConnectError", None] == [attempt.error for attempt in result.attempts]


def test_an_exception_of_a_hook_ends_the_call_unchanged() -> None:
    """An open circuit breaker is not a failure of the function: nothing is sent, and nothing is retried."""
    opened = RuntimeError("open")

    def breaker(_invocation: Invocation, _proceed: Callable[[], Outcome]) -> Outcome:
        raise opened

    line = Line()

    with pytest.raises(RuntimeError) as raised:
        LambdaClient(line, retry=EAGER, hooks=[breaker]).call(double, 1)
    assert raised.value is opened
    assert [] == line.sent


def test_an_error_that_a_hook_raises_for_a_call_is_treated_as_one() -> None:
    """A hook may return a throttle of its own, which is retried as one of Lambda's is."""
    errors = [ThrottledError("enough for now", function="double", retryable=True)]

    def limiter(_invocation: Invocation, proceed: Callable[[], Outcome]) -> Outcome:
        if errors:
            raise errors.pop()
        return proceed()

    line = Line(GOOD)
    result = LambdaClient(line, retry=EAGER, hooks=[limiter]).invoke(double, 1)

    assert [("ThrottledError", None), (None, 200)] == [(try_.error, try_.status) for try_ in result.attempts]
    assert 1 == len(line.sent)


def test_an_outcome_of_a_hook_is_the_response() -> None:
    """A hook may have one in store."""
    line = Line()
    stored = Outcome(200, b"42", executed_version="7")

    assert 42 == LambdaClient(line, hooks=[lambda _invocation, _proceed: stored]).call(double, 1)
    assert [] == line.sent


def test_a_hook_sends_an_attempt_once() -> None:
    """Sending again is for the policy, which knows what is safe."""

    def impatient(_invocation: Invocation, proceed: Callable[[], Outcome]) -> Outcome:
        try:
            return proceed()
        except ServiceError:
            return proceed()

    line = Line(FAILED, GOOD)

    with pytest.raises(ContractError, match=r"a hook may call proceed\(\) once"):
        LambdaClient(line, hooks=[impatient]).call(double, 1)
    assert 1 == len(line.sent)


@pytest.fixture(name="persistence")
def _persistence() -> Iterator[CircuitBreakerDynamoDBPersistence]:
    with mock_aws():
        table = cast("Any", boto3).client("dynamodb")
        table.create_table(
            TableName="circuits",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield CircuitBreakerDynamoDBPersistence(table_name="circuits", boto3_client=table)


def test_the_circuit_breaker_of_powertools_works_in_a_hook(persistence: CircuitBreakerDynamoDBPersistence) -> None:
    """It counts what failed, and once it is open nothing is sent, not even the rest of the attempts."""
    config = CircuitBreakerConfig(failure_threshold=2, handled_exceptions=(ServiceError,), local_cache_max_age=0)

    def breaker(invocation: Invocation, proceed: Callable[[], Outcome]) -> Outcome:
        name = f"call-{invocation.function_name}"
        return circuit_breaker(name=name, persistence_store=persistence, config=config)(proceed)()

    idempotent = Contract("double", request=int, response=int, idempotent=True)
    line = Line(FAILED, FAILED, GOOD)
    client = LambdaClient(line, retry=EAGER, hooks=[breaker])

    with pytest.raises(CircuitBreakerOpenError):
        client.call(idempotent, 1)
    assert 2 == len(line.sent)
    with pytest.raises(CircuitBreakerOpenError):
        client.call(idempotent, 1)
    assert 2 == len(line.sent)
