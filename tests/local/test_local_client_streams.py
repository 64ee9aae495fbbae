"""``stream`` of both clients on the local endpoint: they read what the function sends, however the stream ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lambdachain import (
    BotoTransport,
    Contract,
    Execution,
    FunctionCrashedError,
    FunctionError,
    FunctionNotFoundError,
    FunctionTimeoutError,
    HttpTransport,
    InvalidRequestError,
    LambdaClient,
    RemoteError,
    RetryPolicy,
    ThrottledError,
)
from lambdachain.local import LocalEndpoint, LocalFunction, LocalInvocation
from tests.support.async_as_sync import ASYNC_TRANSPORTS, AwaitedTransport, client_over

FUNCTIONS = Path(__file__).parent / "functions"
TRANSPORTS: dict[str, Callable[..., Any]] = {
    "http": HttpTransport,
    "boto3": BotoTransport,
    **{name: lambda made=made, **options: AwaitedTransport(made(**options)) for name, made in ASYNC_TRANSPORTS.items()},
}


class SoldOutError(RemoteError):
    """A declared error of the streaming function."""

    item: str


@pytest.fixture(scope="module")
def reported() -> list[LocalInvocation]:
    """Collect the invocations that the endpoint reports."""
    return []


@pytest.fixture(scope="module")
def endpoint(reported: list[LocalInvocation]) -> Iterator[LocalEndpoint]:
    """Serve functions that stream, and some that do not."""
    stream = FUNCTIONS / "streaming"
    functions = [
        LocalFunction("stream", "any", runtime="provided", directory=stream, timeout=20),
        LocalFunction("forsaken", "any", runtime="provided", directory=stream, timeout=20),
        LocalFunction("hasty", "any", runtime="provided", directory=stream, timeout=3),
        LocalFunction("parked", "any", runtime="provided", directory=stream, reserved_concurrency=0),
        LocalFunction("echo", "app.echo", directory=FUNCTIONS, timeout=20),
        LocalFunction("fail", "app.fail", directory=FUNCTIONS, timeout=20),
    ]
    with LocalEndpoint(functions, observer=reported.append) as running:
        yield running


@pytest.fixture(params=TRANSPORTS)
def client(
    request: pytest.FixtureRequest, endpoint: LocalEndpoint, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LambdaClient]:
    """Call over each transport in turn."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    transport = TRANSPORTS[request.param](endpoint_url=endpoint.url, region="us-east-1")
    with client_over(transport, timeout=20, retry=RetryPolicy.never()) as made:
        yield made


def _read_failing_stream(stream: Iterator[bytes], kind: type[FunctionError]) -> tuple[list[bytes], FunctionError]:
    """Read a stream that fails; return its parts, and the error."""
    came = list[bytes]()
    with pytest.raises(kind) as caught:
        came.extend(stream)
    return came, caught.value


def test_parts_arrive_as_the_function_sends_them(client: LambdaClient, tmp_path: Path):
    """Each arrives before the next is sent: the function waits until the one before was read."""
    arrived: list[bytes] = []
    for piece in client.stream("stream", {"parts": "abc", "gates": str(tmp_path)}):
        arrived.append(piece)
        (tmp_path / str(len(arrived))).touch()

    assert arrived == [b"a", b"b", b"c"]


def test_text_arrives_as_text(client: LambdaClient):
    """Beyond ASCII, too."""
    assert "".join(client.stream("stream", {"parts": ["eins, ", "zwölf"]}, text=True)) == "eins, zwölf"


def test_a_stream_larger_than_any_response_arrives_completely(client: LambdaClient):
    """Eight megabytes."""
    assert sum(map(len, client.stream("stream", {"parts": ["x" * 1_000_000], "times": 8}))) == 8_000_000


def test_a_function_that_sends_nothing_yields_no_parts(client: LambdaClient):
    """It is not a failure."""
    assert list(client.stream("stream", {"parts": []})) == []


def test_a_failure_in_mid_stream_has_the_parts_before_it(client: LambdaClient):
    """With the function's own error message."""
    came, error = _read_failing_stream(
        client.stream("stream", {"parts": ["one, "], "error": "TypeError"}), FunctionError
    )

    assert came == [b"one, "]
    assert (error.error_type, error.error_message) == ("TypeError", "in the middle of the stream")
    assert (error.received_bytes, error.execution) == (5, Execution.EXECUTED)


def test_a_declared_error_in_mid_stream_has_its_own_class(client: LambdaClient):
    """If its fields do not fit the contract, it is reported by its name, as in a call."""
    contract = Contract("stream", request=dict[str, Any], response=str, errors=[SoldOutError])
    _, error = _read_failing_stream(
        client.stream(contract, {"parts": ["one, "], "error": "SoldOutError"}), FunctionError
    )

    assert error.error_type == "SoldOutError"
    assert error.received_bytes == 5


def test_a_process_that_exits_in_mid_stream_has_crashed(client: LambdaClient):
    """The next stream has a new process."""
    came, error = _read_failing_stream(client.stream("stream", {"parts": ["one, "], "exit": 3}), FunctionCrashedError)

    assert (came, error.received_bytes) == ([b"one, "], 5)
    assert list(client.stream("stream", {"parts": ["whole"]})) == [b"whole"]


def test_a_function_times_out_in_mid_stream(client: LambdaClient):
    """By its own timeout, not the caller's."""
    came, error = _read_failing_stream(
        client.stream("hasty", {"parts": ["one, ", "two"], "pause": 60}), FunctionTimeoutError
    )

    assert (came, error.received_bytes) == ([b"one, "], 5)


def test_a_stream_closed_early_does_not_stop_the_function(
    client: LambdaClient, reported: list[LocalInvocation], eventually: Callable[..., None]
):
    """As on Lambda; the client can be used for the next stream."""
    reported.clear()
    with closing(client.stream("forsaken", {"parts": ["one"] * 10, "pause": 0.05})) as pieces:
        assert next(pieces) == b"one"

    def endings() -> list[tuple[int, str | None]]:
        return [(one.status, one.error) for one in reported if one.function == "forsaken"]

    eventually(endings)
    assert endings() == [(200, None)]
    assert list(client.stream("stream", {"parts": ["again"]})) == [b"again"]


def test_a_function_that_does_not_stream_responds_in_one_part(client: LambdaClient):
    """Its JSON, as in a call."""
    assert [json.loads(piece) for piece in client.stream("echo", {"order": 1})] == [{"order": 1}]


def test_a_function_that_does_not_stream_fails_as_in_a_call(client: LambdaClient):
    """There are no parts."""
    came, error = _read_failing_stream(client.stream("fail", {"message": "sold out"}), FunctionError)

    assert came == []
    assert (error.error_type, error.error_message) == ("LookupError", "sold out")


@pytest.mark.parametrize(
    ("function", "options", "expected"),
    [
        ("nope", {}, FunctionNotFoundError),
        ("parked", {}, ThrottledError),
        ("stream", {"qualifier": "7"}, FunctionNotFoundError),
        ("stream", {"durable_name": "d"}, InvalidRequestError),
    ],
)
def test_a_refusal_comes_before_any_part(
    client: LambdaClient, function: str, options: dict[str, Any], expected: type[Exception]
):
    """As in a call."""
    with pytest.raises(expected):
        list(client.stream(function, {}, **options))


def test_a_requested_log_comes_with_the_failure(client: LambdaClient):
    """At the end of the stream."""
    _, error = _read_failing_stream(
        client.stream("stream", {"parts": ["1"], "error": "TypeError"}, log_tail=True), FunctionError
    )

    assert "END RequestId: " in str(error.log_tail)


def test_a_failure_before_the_first_part_is_retried_over_the_same_connection(endpoint: LocalEndpoint):
    """If the policy allows it; each attempt releases its connection."""
    attempts = list[str]()

    def retry(error: Any) -> bool:
        attempts.append(type(error).__name__)
        return True

    policy = RetryPolicy(max_attempts=3, initial_delay=0.0, retry_on=retry)
    for kind in (HttpTransport, ASYNC_TRANSPORTS["async http"]):
        transport = kind(endpoint_url=endpoint.url, region="us-east-1")
        over = transport if kind is HttpTransport else AwaitedTransport(transport)
        with client_over(over, retry=policy) as client, pytest.raises(FunctionError):
            list(client.stream("fail", {"message": "sold out"}))

    assert attempts == ["FunctionError"] * 4
