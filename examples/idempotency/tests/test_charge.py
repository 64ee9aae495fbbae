"""The charge alone: Powertools' real layer, on moto's DynamoDB, called as Lambda would call it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, cast

import boto3
import pytest
from charge_contracts import Charge, charge
from moto import mock_aws

from lambdachain import FunctionError, InProcessTransport, LambdaClient

ORDER = Charge(order_id="o-1", cents=500)

client = LambdaClient()


@pytest.fixture(autouse=True, name="system")
def _system(lambda_inprocess: InProcessTransport, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        cast("Any", boto3).client("dynamodb").create_table(
            TableName="idempotency",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        # imported here: importing Powertools needs a region
        lambda_inprocess.add(importlib.import_module("charge_function").handler)
        yield lambda_inprocess


@pytest.fixture(name="taken")
def _taken(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    return lambda: [line for line in capsys.readouterr().out.splitlines() if line.startswith("took")]


def test_the_same_key_twice_charges_once(taken: Callable[[], list[str]]) -> None:
    first = client.call(charge, ORDER, idempotency_key="k-1")
    second = client.call(charge, ORDER, idempotency_key="k-1")

    assert first == second
    assert taken() == ["took 500 cents for o-1"]


def test_another_key_is_another_charge(taken: Callable[[], list[str]]) -> None:
    first = client.call(charge, ORDER, idempotency_key="k-1")
    second = client.call(charge, ORDER, idempotency_key="k-2")

    assert first.charge_id != second.charge_id
    assert len(taken()) == 2


def test_without_a_key_the_order_is_the_key(taken: Callable[[], list[str]]) -> None:
    first, second = client.call(charge, ORDER), client.call(charge, ORDER)
    client.call(charge, Charge(order_id="o-2", cents=7))

    assert first == second
    assert taken() == ["took 500 cents for o-1", "took 7 cents for o-2"]


def test_a_lost_response_is_retried(system: InProcessTransport, taken: Callable[[], list[str]]) -> None:
    system.lose_answers(charge, times=1)
    result = client.invoke(charge, ORDER, idempotency_key="k-1")

    assert [attempt.error for attempt in result.attempts] == ["ConnectionLostError", None]
    assert result.value.cents == 500
    assert len(taken()) == 1


def test_a_key_belongs_to_one_request(taken: Callable[[], list[str]]) -> None:
    client.call(charge, ORDER, idempotency_key="k-1")
    with pytest.raises(FunctionError) as refused:
        client.call(charge, Charge(order_id="o-1", cents=900), idempotency_key="k-1")

    assert refused.value.error_type == "IdempotencyValidationError"
    assert len(taken()) == 1
