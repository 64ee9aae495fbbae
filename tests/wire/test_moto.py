"""Under moto a default client is intercepted like boto3 itself: nothing reaches a network."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any, NoReturn

import boto3
import pytest
from moto import mock_aws
from moto.awslambda_simple.models import LambdaSimpleBackend
from pydantic import BaseModel

import lambdachain as lc
from lambdachain import Contract, Execution, LambdaClient, PermissionReason


class Charge(BaseModel):
    cents: int


class Charged(BaseModel):
    charge_id: str


class CardDeclined(lc.RemoteError):
    reason: str


charge = Contract("billing", request=Charge, response=Charged, errors=[CardDeclined])


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a network was asked for")

    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, forbidden)
    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, forbidden)


@pytest.fixture
def client() -> Iterator[LambdaClient]:
    """Create a default client inside moto."""
    with mock_aws(config={"lambda": {"use_docker": False}}), LambdaClient() as made:
        yield made


def answer(monkeypatch: pytest.MonkeyPatch, body: Any, **headers: str) -> None:
    """Make moto's backend respond with *body* as Lambda would."""

    def invoke(*args: Any, response_headers: dict[str, str] | None = None, **_: Any) -> bytes:
        sent = response_headers if response_headers is not None else args[-1]
        sent.update({"x-amz-executed-version": "$LATEST"} | {k.replace("_", "-"): headers[k] for k in headers})
        return json.dumps(body).encode()

    monkeypatch.setattr(LambdaSimpleBackend, "invoke", invoke)


def test_an_event_is_queued(client: LambdaClient) -> None:
    """Moto responds with 202."""
    receipt = client.fire(charge, Charge(cents=5))

    assert [(None, 202)] == [(attempt.error, attempt.status) for attempt in receipt.attempts]


def test_can_invoke(client: LambdaClient) -> None:
    """Moto responds with 204."""
    permission = client.can_invoke(charge)

    assert (True, PermissionReason.ALLOWED) == (bool(permission), permission.reason)


def test_the_echo_of_moto_is_not_a_response_of_lambda(client: LambdaClient) -> None:
    """It lacks a header that every response of Lambda has, and the error says which."""
    with pytest.raises(lc.ResponseError, match="no X-Amz-Executed-Version") as caught:
        client.call(charge, Charge(cents=5))

    assert Execution.EXECUTED is caught.value.execution


def test_a_typed_call_succeeds_with_a_patched_backend(client: LambdaClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """One patch of moto's backend scripts the response."""
    answer(monkeypatch, {"charge_id": "c-1"})

    assert Charged(charge_id="c-1") == client.call(charge, Charge(cents=5))


def test_a_function_error_is_typed(client: LambdaClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda's header is enough."""
    body = {"errorType": "CardDeclined", "errorMessage": '{"reason": "limit"}'}
    answer(monkeypatch, body, x_amz_function_error="Unhandled")

    with pytest.raises(CardDeclined) as caught:
        client.call(charge, Charge(cents=5))

    assert CardDeclined(reason="limit") == caught.value


@pytest.mark.allow_real_invokes
def test_without_moto_the_same_client_would_use_the_network() -> None:
    """So the tests above prove something."""
    with LambdaClient() as client, pytest.raises(AssertionError, match="a network was asked for"):
        client.fire(charge, Charge(cents=5))
