"""The version that responds: by number, by alias, and by an alias that shifts traffic."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import price_v1
import price_v2
import pytest
from price_contracts import PriceRequest, Quote, price
from versions_demo import TEN, price_function, who_answers

from lambdachain import FunctionNotFoundError, LambdaClient
from lambdachain.local import LocalAlias
from lambdachain.testing import LambdaEndpoint, StubTransport, assert_handler_fulfils

ONE = PriceRequest(product="Keyboard", quantity=1)

client = LambdaClient()


def test_callers_call_the_alias_of_the_contract(lambda_stub: StubTransport) -> None:
    quotes = lambda_stub.on(price).returns(Quote(total=Decimal(1)))

    client.call(price, ONE)

    assert [call.function for call in quotes.calls] == ["Price:live"]


def test_both_versions_fulfil_the_contract() -> None:
    for version in (price_v1.handler, price_v2.handler):
        assert_handler_fulfils(price, version, requests=[ONE, TEN])


def test_a_version_is_called_by_its_number(lambda_endpoint: LambdaEndpoint) -> None:
    lambda_endpoint(price_function(live=LocalAlias("1")))

    assert client.call(price, TEN, qualifier="1").total == Decimal("249.00")
    assert client.call(price, TEN, qualifier="2").total == Decimal("224.1")
    assert client.call(price, TEN, qualifier="$LATEST").total == Decimal("224.1")


def test_an_alias_points_to_its_version(lambda_endpoint: LambdaEndpoint) -> None:
    lambda_endpoint(price_function(live=LocalAlias("1")))
    answer = client.invoke(price, TEN)

    assert (answer.value.total, answer.executed_version) == (Decimal("249.00"), "1")


def test_an_alias_shifts_a_share_of_its_calls(lambda_endpoint: LambdaEndpoint) -> None:
    chance = Random(7)  # noqa: S311 - the same versions at each run; no secrets
    lambda_endpoint(price_function(live=LocalAlias("1", routing={"2": 0.2})), random=chance)
    answers = who_answers(client, 100)

    assert answers.keys() == {"1", "2"}
    assert answers["1"] + answers["2"] == 100
    assert 5 <= answers["2"] <= 40


def test_a_deployment_and_its_rollback(lambda_endpoint: LambdaEndpoint) -> None:
    endpoint = lambda_endpoint(price_function(live=LocalAlias("1")))
    assert who_answers(client, 3) == {"1": 3}

    endpoint.replace(price_function(live=LocalAlias("2")))
    assert who_answers(client, 3) == {"2": 3}

    endpoint.replace(price_function(live=LocalAlias("1")))
    assert who_answers(client, 3) == {"1": 3}


def test_a_version_that_is_not_published_is_not_found(lambda_endpoint: LambdaEndpoint) -> None:
    lambda_endpoint(price_function(live=LocalAlias("1")))

    assert not client.can_invoke(price, qualifier="3")
    with pytest.raises(FunctionNotFoundError):
        client.call(price, ONE, qualifier="3")
