"""vcrpy records the calls of a ``BotoTransport``, and replays them without the function."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import vcr
from vcr.errors import CannotOverwriteExistingCassetteException

from lambdachain import (
    BotoTransport,
    ConnectionLostError,
    Contract,
    Execution,
    LambdaClient,
    RemoteError,
)
from lambdachain.local import LocalEndpoint, LocalFunction

SECRETS = ("test-secret-canary-access-key", "test-session-token-canary", "AKIATESTTESTTESTTEST")


class Odd(RemoteError):
    """A declared error."""

    number: int


HANDLER = """
from lambdachain import Contract, RemoteError, remote

class Odd(RemoteError):
    number: int

@remote(Contract("orders-halve", request=int, response=int, errors=[Odd]))
def handler(number: int) -> int:
    if number % 2:
        raise Odd(number=number)
    return number // 2
"""
halve = Contract("orders-halve", request=int, response=int, errors=[Odd])


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEndpoint]:
    """Serve a function; a test may close the endpoint before it replays."""
    directory = tmp_path_factory.mktemp("function")
    (directory / "app.py").write_text(HANDLER)
    with LocalEndpoint([LocalFunction("orders-halve", "app.handler", directory=directory)]) as endpoint:
        yield endpoint


def cassette(path: Path, mode: str) -> vcr.VCR:
    """Return a recorder that keeps no credentials."""
    recorder = vcr.VCR(filter_headers=["authorization", "x-amz-security-token"], match_on=["method", "path", "body"])
    return recorder.use_cassette(str(path), record_mode=mode)


def call(client: LambdaClient) -> list[object]:
    """Make calls of each kind; return what they give."""
    results: list[object] = [client.call(halve, 42), client.call(halve, 10), b"".join(client.stream(halve, 8))]
    with pytest.raises(Odd) as caught:
        client.call(halve, 3)
    return [*results, caught.value]


def test_calls_are_recorded_and_replayed(endpoint: LocalEndpoint, tmp_path: Path):
    """Responses, streams and declared errors; the replay sends nothing: nothing listens at its address."""
    path = tmp_path / "cassette.yaml"
    with cassette(path, "once"), LambdaClient(BotoTransport(endpoint_url=endpoint.url)) as client:
        recorded = call(client)
    with cassette(path, "none"), LambdaClient(BotoTransport(endpoint_url="http://127.0.0.1:1")) as client:
        replayed = call(client)

    assert recorded == [21, 5, b"4", Odd(number=3)]
    assert replayed == recorded
    assert not [secret for secret in SECRETS if secret in path.read_text()]


def test_a_map_of_one_call_at_a_time_is_recorded(endpoint: LocalEndpoint, tmp_path: Path):
    """Vcrpy takes its patch away from all threads while one of them opens a connection."""
    path = tmp_path / "cassette.yaml"
    results: list[list[int]] = []
    for mode, url in (("once", endpoint.url), ("none", "http://127.0.0.1:1")):
        with cassette(path, mode), LambdaClient(BotoTransport(endpoint_url=url)) as client:
            results.append(list(client.map(halve, range(0, 12, 2), max_concurrency=1)))

    assert results == [[0, 1, 2, 3, 4, 5]] * 2
    assert path.read_text().count("- request:") == 6


def test_a_client_that_is_already_connected_is_recorded(endpoint: LocalEndpoint, tmp_path: Path):
    """And sends again afterwards."""
    path = tmp_path / "cassette.yaml"
    with LambdaClient(BotoTransport(endpoint_url=endpoint.url)) as client:
        assert client.call(halve, 2) == 1
        with cassette(path, "once"):
            assert client.call(halve, 4) == 2
        assert client.call(halve, 6) == 3
        with cassette(path, "none"):
            assert client.call(halve, 4) == 2
            with pytest.raises(CannotOverwriteExistingCassetteException):
                client.call(halve, 6)

    assert path.read_text().count("- request:") == 1


def test_a_connection_that_vcrpy_loses_may_have_sent_the_call(tmp_path: Path):
    """Its connections do not report what they sent, so the failure is not taken for one before sending."""
    received: list[bytes] = []

    def lose(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            received.append(connection.recv(65536))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=lose, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            cassette(tmp_path / "cassette.yaml", "once"),
            LambdaClient(BotoTransport(endpoint_url=url)) as client,
            pytest.raises(ConnectionLostError) as caught,
        ):
            client.call(halve, 2)
        thread.join()

    assert received[0].startswith(b"POST ")
    assert caught.value.execution is Execution.UNKNOWN
    assert len(caught.value.attempts) == 1
