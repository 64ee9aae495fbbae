"""Credentials that AWS rejects as expired are renewed and the request is sent again, seen on the wire."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.credentials import RefreshableCredentials

import lambdachain as lc
from lambdachain import BotoTransport, LambdaClient, RetryPolicy
from tests.support.responses import http_response

EXPIRED = b'{"message":"The security token included in the request is expired"}'
EAGER = RetryPolicy(initial_delay=0.0)


@pytest.fixture(name="caller")
def _caller(make_transport: Callable[..., Any]) -> Iterator[Callable[..., LambdaClient]]:
    made: list[LambdaClient] = []

    def create_client(**options: Any) -> LambdaClient:
        made.append(LambdaClient(make_transport(**options), retry=EAGER))
        return made[-1]

    yield create_client
    for client in made:
        client.close()


def _expired_then_fine(server: Any, meanwhile: Callable[[], object]) -> Callable[[Any], None]:
    """Respond with "expired" once, and run *meanwhile* before the caller reads it."""

    def script(connection: Any) -> None:
        connection.read_request()
        if len(server.requests) > 1:
            connection.send(http_response("200 OK", b"7", {"X-Amz-Executed-Version": "$LATEST"}))
            return
        meanwhile()
        error = {"x-amzn-ErrorType": "ExpiredTokenException", "Connection": "close"}
        connection.send(http_response("403 Forbidden", EXPIRED, error))

    return script


def _keys(server: Any) -> list[str]:
    """Return the access keys that the requests were signed with."""
    return [request.headers["authorization"].partition("Credential=")[2].split("/")[0] for request in server.requests]


def test_credentials_of_the_environment_are_read_again(
    server: Any, caller: Callable[..., LambdaClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A credential helper may have renewed them there."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOLD")
    renew = lambda: monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANEW")  # noqa: E731
    server.play(_expired_then_fine(server, renew), _expired_then_fine(server, renew))

    assert 7 == caller(endpoint_url=server.url).call("billing", None)
    assert ["AKIAOLD", "AKIANEW"] == _keys(server)


def test_refreshable_credentials_are_refreshed(server: Any, caller: Callable[..., LambdaClient]) -> None:
    """Even before their expiry time, because AWS has rejected them."""
    fetched: list[str] = []

    def fetch() -> dict[str, str]:
        fetched.append(f"AKIA{len(fetched)}")
        until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        return {"access_key": fetched[-1], "secret_key": "s", "token": "t", "expiry_time": until.isoformat()}

    session = botocore.session.Session()
    session._credentials = RefreshableCredentials.create_from_metadata(fetch(), refresh_using=fetch, method="test")
    server.play(_expired_then_fine(server, lambda: None), _expired_then_fine(server, lambda: None))

    client = caller(session=session, region="eu-west-1", endpoint_url=server.url)

    assert 7 == client.call("billing", None)
    assert ["AKIA0", "AKIA1"] == _keys(server) == fetched


def test_a_given_client_keeps_its_credentials(server: Any) -> None:
    """Static keys cannot be renewed: the request is sent once more, and then the call fails."""
    config = Config(retries={"total_max_attempts": 1})
    given = boto3.client("lambda", endpoint_url=server.url, config=config)
    answer = http_response("403 Forbidden", EXPIRED, {"x-amzn-ErrorType": "ExpiredTokenException"})
    server.respond(answer)

    with pytest.raises(lc.CredentialsError) as caught:
        LambdaClient(BotoTransport(given), retry=EAGER).call("billing", None)
    given.close()

    assert 2 == len(caught.value.attempts) == len(server.requests)
