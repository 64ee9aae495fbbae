"""Clients and settings that BotoTransport accepts from its user, and those that it rejects."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config

import lambdachain as lc
from lambdachain import BotoTransport, Execution, LambdaClient
from tests.support.responses import http_response

ONCE = Config(retries={"total_max_attempts": 1})
VERSION = {"X-Amz-Executed-Version": "1"}
ARN = "arn:aws:lambda:ap-southeast-2:123456789012:function:billing"


@pytest.fixture
def over() -> str:
    """Only BotoTransport takes clients."""
    return "boto3"


@pytest.fixture(autouse=True)
def _no_default_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test without a default session, as a new process does."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


def boto_client(server: Any, config: Config | None = None, service: str = "lambda") -> Any:
    """Create a client as a user's program would."""
    return boto3.client(service, endpoint_url=server.url, config=config)


@pytest.mark.parametrize(
    "config",
    [
        None,
        Config(retries={"max_attempts": 2}),
        Config(retries={"mode": "standard"}),
        Config(retries={"total_max_attempts": 2}),
    ],
    ids=["defaults", "2 retries", "standard", "2 attempts"],
)
def test_a_client_with_retries_is_rejected(config: Config | None, server: Any) -> None:
    """The message has the ``Config`` to use."""
    client = boto_client(server, config=config)

    with pytest.raises(lc.ContractError, match=r'Config\(retries=\{"total_max_attempts": 1\}\)'):
        BotoTransport(client)

    client.close()


def test_a_config_with_retries_is_rejected() -> None:
    """It would override ours."""
    with pytest.raises(lc.ContractError, match="total_max_attempts"):
        BotoTransport(config=Config(retries={"max_attempts": 2}))


def test_a_client_cannot_be_combined_with_settings(server: Any) -> None:
    """No setting is silently ignored."""
    client = boto_client(server, config=ONCE)

    with pytest.raises(lc.ContractError, match="drop the other arguments"):
        BotoTransport(client, region="eu-west-1")

    client.close()


def test_a_client_of_another_service_is_rejected(server: Any) -> None:
    """An S3 client cannot invoke anything."""
    client = boto_client(server, config=ONCE, service="s3")

    with pytest.raises(lc.ContractError, match="s3"):
        BotoTransport(client)

    client.close()


@pytest.mark.parametrize(
    ("session", "config", "environment"),
    [
        pytest.param(None, ONCE, {}, id="one attempt"),
        pytest.param(None, Config(retries={"max_attempts": 0}), {}, id="no retries"),
        pytest.param(botocore.session.Session, ONCE, {}, id="a botocore session's"),
        pytest.param(None, None, {"AWS_MAX_ATTEMPTS": "1"}, id="one attempt by the environment"),
    ],
)
def test_a_client_without_retries_is_used_unchanged(
    *,
    session: Any,
    config: Config | None,
    environment: dict[str, str],
    server: Any,
    connect: Callable[..., LambdaClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It stays open when ours is closed: it belongs to its creator."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    make = session().create_client if session else boto3.client
    given_client = make("lambda", endpoint_url=server.url, config=config, region_name="eu-west-1")
    server.respond(http_response("500 X"), http_response("200 OK", b"7", VERSION))
    client = connect(given_client)

    with pytest.raises(lc.ServiceError):
        client.call("billing", None)
    assert client.call("billing", None) == 7
    client.close()

    assert given_client.invoke(FunctionName="billing")["Payload"].read() == b"7"
    given_client.close()


def test_a_given_client_serves_its_own_region_only(server: Any, connect: Callable[..., LambdaClient]) -> None:
    """A function in another region is an error with a remedy, and nothing is sent."""
    given_client = boto_client(server, config=ONCE)

    with pytest.raises(lc.ConnectError, match="pass a session instead") as caught:
        connect(given_client).call(ARN, None)

    assert (Execution.NOT_EXECUTED, []) == (caught.value.execution, server.requests)
    given_client.close()


def test_the_user_agent_is_that_of_botocore(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the application's id and the additions of a Config, the same each time."""
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "shop")
    session: Any = botocore.session.Session()
    where = {"region": "eu-west-1", "endpoint_url": server.url}
    theirs = Config(retries={"mode": "standard", "total_max_attempts": 1}, user_agent_extra="mine/1")
    transport = BotoTransport(session=session, config=theirs, **where)
    plain = session.create_client("lambda", region_name="eu-west-1", endpoint_url=server.url, config=theirs)
    server.respond(http_response("200 OK", b"1", VERSION))
    for _ in range(2):
        transport.send(lc.Invocation("billing"), timeout=30)
    plain.invoke(FunctionName="billing")

    # The letters after m/ count features for AWS, in no fixed order; some are known only during a request.
    sent = [re.sub(r" m/\S+", "", request.headers["user-agent"]) for request in server.requests]
    assert "app/shop" in sent[0]
    assert "mine/1" in sent[0]
    assert [sent[0]] * 3 == sent


def test_botocore_does_not_validate_what_has_been_validated(server: Any) -> None:
    """It would for every call; a ``Config`` of the user may ask for it. What lambdachain rejects is not sent."""
    where: dict[str, Any] = {"region": "eu-west-1", "endpoint_url": server.url}
    server.respond(http_response("200 OK", b"1", VERSION))
    foreign = lc.Invocation("billing", tenant_id="")  # not what a client prepares
    with pytest.raises(lc.NoAnswerError, match="botocore rejected the parameters"):
        BotoTransport(config=Config(parameter_validation=True), **where).send(foreign, timeout=30)
    client = LambdaClient(BotoTransport(**where))
    rejected: list[dict[str, Any]] = [{"tenant_id": ""}, {"durable_name": "a b"}, {"qualifier": "live!"}]
    for options in rejected:
        with pytest.raises(lc.LambdaChainError):
            client.call("billing", None, **options)
    with pytest.raises(lc.InvalidArnError):
        client.call("", None)

    assert server.requests == []
    assert client.call("billing", None) == 1
