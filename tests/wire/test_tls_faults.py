"""TLS faults: before the request they prove that nothing ran, after the request they prove nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

import lambdachain as lc
from lambdachain import Execution, LambdaClient
from tests.support.laboratory import Laboratory

SUCCESS = b"HTTP/1.1 200 OK\r\nX-Amz-Executed-Version: 1\r\nContent-Length: 1\r\n\r\n7"
QUICK = Config(connect_timeout=0.5)


@pytest.fixture
def server(certificate: Path) -> Iterator[Laboratory]:
    """A server whose scripts decide when to perform the TLS handshake."""
    with Laboratory(certificate) as running:
        yield running


@pytest.fixture
def over_tls(
    server: Any, connect: Callable[..., LambdaClient], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., LambdaClient]:
    """Create clients that speak TLS with the server and by default trust its certificate."""

    def create_client(*, trusting: bool = True, **options: Any) -> LambdaClient:
        if trusting:
            monkeypatch.setenv("AWS_CA_BUNDLE", str(server.certificate))
        return connect(**options)

    return create_client


def failure(client: LambdaClient) -> tuple[type, Execution, bool]:
    """Call, and return the attributes of the error."""
    with pytest.raises(lc.CallError) as caught:
        client.call("billing", None, timeout=2)
    assert len(caught.value.attempts) == 1
    return type(caught.value), caught.value.execution, caught.value.retryable


def test_a_call_over_tls_with_a_trusted_certificate_succeeds(
    server: Any, over_tls: Callable[..., LambdaClient]
) -> None:
    """So the tests below fail because of their faults."""

    def script(connection: Any) -> None:
        connection.start_tls()
        connection.read_request()
        connection.send(SUCCESS)

    server.play(script)

    assert over_tls().call("billing", None) == 7


def test_an_untrusted_certificate_is_a_wrong_configuration(server: Any, over_tls: Callable[..., LambdaClient]) -> None:
    """Nothing was sent, and a retry would not help."""
    server.play(lambda connection: connection.start_tls())

    seen = failure(over_tls(trusting=False))

    assert (lc.ConnectError, Execution.NOT_EXECUTED, False) == seen
    assert server.requests == []


def test_a_server_without_tls_is_a_wrong_configuration(server: Any, over_tls: Callable[..., LambdaClient]) -> None:
    """If OpenSSL's error has the name for it; otherwise it may be temporary."""

    def script(connection: Any) -> None:
        connection.read(5)
        connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        connection.hang()

    server.play(script)

    seen = failure(over_tls())

    assert seen in (
        (lc.ConnectError, Execution.NOT_EXECUTED, False),
        (lc.ConnectError, Execution.NOT_EXECUTED, True),
    )
    assert server.requests == []


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_handshake_that_breaks_off_is_a_connect_error(
    end: str, server: Any, over_tls: Callable[..., LambdaClient]
) -> None:
    """The exception is the same as after the request, but the connection knows that nothing was sent."""

    def script(connection: Any) -> None:
        connection.read(5)
        getattr(connection, end)()

    server.play(script)

    assert (lc.ConnectError, Execution.NOT_EXECUTED, True) == failure(over_tls())
    assert server.requests == []


def test_a_handshake_that_hangs_is_a_connect_error(server: Any, over_tls: Callable[..., LambdaClient]) -> None:
    """The exception is the same as for a missing response, but nothing was sent."""
    server.play(lambda connection: connection.hang())

    error, execution, retryable = failure(over_tls(config=QUICK))

    assert (lc.ConnectError, Execution.NOT_EXECUTED, True) == (error, execution, retryable)
    assert server.requests == []


@pytest.mark.parametrize(
    "garbage",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x17\x03\x03\x00\x05hello", b"\x15\x03\x01\x00\x02\x02\x46", b"\x00" * 64],
    ids=["plain HTTP", "a record that does not decrypt", "an alert in the clear", "zeros"],
)
def test_an_invalid_record_after_the_request_leaves_doubt(
    garbage: bytes, server: Any, over_tls: Callable[..., LambdaClient]
) -> None:
    """OpenSSL may report it like a server without TLS."""

    def script(connection: Any) -> None:
        connection.start_tls()
        connection.read_request()
        connection.send_below_tls(garbage)
        connection.hang()

    server.play(script)

    seen = failure(over_tls())

    assert (lc.ConnectionLostError, Execution.UNKNOWN, False) == seen
    assert len(server.requests) == 1
