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
    """Each transport in turn: the same must hold for all."""
    name: str = request.param
    return name


_NOT_ON_AIOBOTOCORE = {
    "test_the_credentials_of_a_session_are_used": "it accepts only sessions of its own",
    "test_refreshable_credentials_are_refreshed": "it accepts only sessions of its own",
    "test_an_invalid_log_tail_is_ignored": "it rejects headers that are not UTF-8",
    "test_a_broken_response_is_an_error_and_never_a_success": "tests/lab/test_matrix.py has its results for those",
    "test_a_broken_response_is_not_quoted": "tests/lab/test_matrix.py has its results for those",
}


@pytest.fixture(autouse=True)
def _skip_on_aiobotocore(request: pytest.FixtureRequest) -> None:
    if "over" in request.fixturenames and request.getfixturevalue("over") == "async boto3":
        reason = _NOT_ON_AIOBOTOCORE.get(request.function.__name__)
        if reason:
            pytest.skip(reason)


@pytest.fixture
def make_transport(over: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Create transports of one kind; arguments are those of ``BotoTransport``, as far as the others have them.

    Only the timeout of a ``Config`` is used: the other transports have a constant for it.
    """

    def create(*client: Any, config: Config | None = None, **options: Any) -> Any:
        if over == "boto3":
            return BotoTransport(*client, config=config, **options)
        if over == "async boto3":
            return AwaitedTransport(ASYNC_TRANSPORTS[over](*client, config=config, **options))
        if config is not None:
            monkeypatch.setattr(socket_options, "CONNECT_TIMEOUT", config.connect_timeout)
        if over == "async http":
            return AwaitedTransport(ASYNC_TRANSPORTS[over](*client, **options))
        return HttpTransport(*client, **options)

    return create


@pytest.fixture
def connect(server: Laboratory, make_transport: Callable[..., Any]) -> Iterator[Callable[..., LambdaClient]]:
    """Create clients that send everything to the server; see ``make_transport``."""
    made: list[LambdaClient] = []

    def create_client(*client: Any, **options: Any) -> LambdaClient:
        if not client:
            options = {"endpoint_url": server.url, **options}
        made.append(client_over(make_transport(*client, **options), retry=RetryPolicy.never()))
        return made[-1]

    yield create_client
    for client in made:
        client.close()


@pytest.fixture
def client(connect: Callable[..., LambdaClient]) -> LambdaClient:
    """A client with default settings that sends to the server.

    Botocore's client, which takes up to a second to create on a busy machine, exists already: timeouts are then
    those of the connection alone.
    """
    made = connect()
    transport: Any = made._invoker._transport
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
