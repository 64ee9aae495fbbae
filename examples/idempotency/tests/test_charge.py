"""The charge by itself: Powertools' real layer, on moto's DynamoDB, called through a real client."""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from charge_contracts import Charge, charge
from moto import mock_aws

from lambdachain import FunctionError, Invocation, LambdaClient, NoAnswerError, Outcome, Progress, RemoteHandler

ORDER = Charge(order_id="o-1", cents=500)
LOST = NoAnswerError("the connection broke", progress=Progress.PERHAPS_SENT)


class InThisProcess:
    """Run the handler as Lambda does: the event as JSON, what the caller said in the context."""

    def __init__(self, handler: RemoteHandler[Any, Any]) -> None:
        self.handler = handler
        self.lose_next_answer = False

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        told = json.loads(base64.b64decode(invocation.client_context or "e30="))
        context = SimpleNamespace(
            aws_request_id="r-1",
            client_context=SimpleNamespace(custom=told.get("custom")),
            get_remaining_time_in_millis=lambda: 1000 * (timeout or 3),
        )
        outcome = self._run(json.loads(invocation.payload), context)
        if self.lose_next_answer:
            self.lose_next_answer = False
            raise LOST
        return outcome

    def _run(self, event: Any, context: SimpleNamespace) -> Outcome:
        try:
            answer, failed = self.handler(event, context), None
        except Exception as error:  # noqa: BLE001 - as the runtime does, whatever it is
            answer, failed = {"errorType": type(error).__name__}, "Unhandled"
        return Outcome(200, json.dumps(answer).encode(), function_error=failed, executed_version="$LATEST")

    def close(self) -> None: ...


@pytest.fixture(name="transport")
def _transport(monkeypatch: pytest.MonkeyPatch) -> Iterator[InThisProcess]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        cast("Any", boto3).client("dynamodb").create_table(
            TableName="idempotency",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        # imported here: Powertools asks boto3 for a region at once
        yield InThisProcess(importlib.import_module("charge_function").handler)


@pytest.fixture(name="client")
def _client(transport: InThisProcess) -> LambdaClient:
    return LambdaClient(transport)


@pytest.fixture(name="taken")
def _taken(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    return lambda: [line for line in capsys.readouterr().out.splitlines() if line.startswith("took")]


def test_the_same_key_twice_takes_money_once(client: LambdaClient, taken: Callable[[], list[str]]) -> None:
    first = client.call(charge, ORDER, idempotency_key="k-1")
    second = client.call(charge, ORDER, idempotency_key="k-1")

    assert first == second
    assert taken() == ["took 500 cents for o-1"]


def test_another_key_is_another_charge(client: LambdaClient, taken: Callable[[], list[str]]) -> None:
    first = client.call(charge, ORDER, idempotency_key="k-1")
    second = client.call(charge, ORDER, idempotency_key="k-2")

    assert first.charge_id != second.charge_id
    assert len(taken()) == 2


def test_without_a_key_the_order_is_the_key(client: LambdaClient, taken: Callable[[], list[str]]) -> None:
    first, second = client.call(charge, ORDER), client.call(charge, ORDER)
    client.call(charge, Charge(order_id="o-2", cents=7))

    assert first == second
    assert taken() == ["took 500 cents for o-1", "took 7 cents for o-2"]


def test_an_answer_that_was_lost_is_asked_for_again(
    client: LambdaClient, transport: InThisProcess, taken: Callable[[], list[str]]
) -> None:
    transport.lose_next_answer = True
    result = client.invoke(charge, ORDER, idempotency_key="k-1")

    assert [attempt.error for attempt in result.attempts] == ["ConnectionLostError", None]
    assert result.value.cents == 500
    assert len(taken()) == 1


def test_a_key_is_good_for_one_request(client: LambdaClient, taken: Callable[[], list[str]]) -> None:
    client.call(charge, ORDER, idempotency_key="k-1")
    with pytest.raises(FunctionError) as refused:
        client.call(charge, Charge(order_id="o-1", cents=900), idempotency_key="k-1")

    assert refused.value.error_type == "IdempotencyValidationError"
    assert len(taken()) == 1
