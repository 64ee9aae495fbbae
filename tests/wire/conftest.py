"""A laboratory for each test, and a client over each transport that sends everything to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from lambdachain import AsyncBotoTransport, BotoTransport, HttpTransport, LambdaClient, RetryPolicy
from lambdachain._transports import socket_options
from tests.support.async_as_sync import ASYNC_TRANSPORTS, AwaitedTransport, awaited, client_over
from tests.support.certificates import write_self_signed
from tests.support.laboratory import Laboratory

TRANSPORTS = ("boto3", "http", *ASYNC_TRANSPORTS)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1."""
    return write_self_signed(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture
def server() -> Iterator[Laboratory]:
    """Run a server for one test."""
    with Laboratory() as running:
        yield running


@pytest.fixture(params=TRANSPORTS)
def over(request: pytest.FixtureRequest) -> str:
    """Each transport in turn: what holds for one holds for the other."""
    name: str = request.param
    return name


_NOT_ON_AIOBOTOCORE = {
    "test_a_session_says_whose_credentials_count": "it takes sessions of its own only",
    "test_credentials_that_can_be_refreshed_are": "it takes sessions of its own only",
    "test_a_garbled_log_tail_costs_nothing_but_the_log": "it reads headers as UTF-8, or not at all",
    "test_a_broken_answer_is_an_error_and_never_a_success": "tests/lab/test_matrix.py has what it makes of those",
    "test_an_answer_that_is_broken_is_not_quoted": "tests/lab/test_matrix.py has what it makes of those",
}


@pytest.fixture(autouse=True)
def _what_aiobotocore_does_not_have(request: pytest.FixtureRequest) -> None:
    if "over" in request.fixturenames and request.getfixturevalue("over") == "async boto3":
        reason = _NOT_ON_AIOBOTOCORE.get(request.function.__name__)
        if reason:
            pytest.skip(reason)


@pytest.fixture
def make_transport(over: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Make transports of one kind; arguments are those of ``BotoTransport``, as far as there is any such for the other.

    A ``Config`` is there for its timeout: what is a setting of botocore's is a constant of ours.
    """

    def made(*client: Any, config: Config | None = None, **options: Any) -> Any:
        if over == "boto3":
            return BotoTransport(*client, config=config, **options)
        if over == "async boto3":
            return AwaitedTransport(ASYNC_TRANSPORTS[over](*client, config=config, **options))
        if config is not None:
            monkeypatch.setattr(socket_options, "CONNECT_TIMEOUT", config.connect_timeout)
        if over == "async http":
            return AwaitedTransport(ASYNC_TRANSPORTS[over](*client, **options))
        return HttpTransport(*client, **options)

    return made


@pytest.fixture
def connect(server: Laboratory, make_transport: Callable[..., Any]) -> Iterator[Callable[..., LambdaClient]]:
    """Make clients of ours that send everything to the server; see ``make_transport``."""
    made: list[LambdaClient] = []

    def connected(*client: Any, **options: Any) -> LambdaClient:
        if not client:
            options = {"endpoint_url": server.url, **options}
        made.append(client_over(make_transport(*client, **options), retry=RetryPolicy.never()))
        return made[-1]

    yield connected
    for client in made:
        client.close()


@pytest.fixture
def client(connect: Callable[..., LambdaClient]) -> LambdaClient:
    """A client of ours with every default that sends to the server.

    botocore's client, which takes up to a second to make on a busy machine, is there: a timeout is the wire's alone.
    """
    made = connect()
    transport: Any = made._caller._transport
    if isinstance(transport, BotoTransport):
        transport._client_for(None, "f")
    if isinstance(transport, AsyncBotoTransport):
        awaited(transport._client_for(None, "f"))
    return made


@pytest.fixture(autouse=True)
def _fresh_default_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep boto3's default session, and the credentials in it, from outliving a test that changes the environment."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", _session_of_all_tests())


@cache
def _session_of_all_tests() -> boto3.Session:
    return boto3.Session("AKIATESTTESTTESTTEST", "test-secret-canary-access-key", "test-session-token-canary")
