"""Exceptions of an SDK become lambdachain errors; those of the user's code and of frameworks pass unchanged."""

from __future__ import annotations

import signal
import ssl
import threading
import traceback
from collections.abc import Iterator
from io import StringIO
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

import lambdachain as lc
from lambdachain import BotoTransport, Execution, LambdaClient, RetryPolicy
from tests.support.async_as_sync import ASYNC_TRANSPORTS, AwaitedTransport, client_over
from tests.support.responses import http_response

VERSION = {"X-Amz-Executed-Version": "1"}
ONCE = Config(retries={"total_max_attempts": 1})
ANSWER = b"HTTP/1.1 200 OK\r\nX-Amz-Executed-Version: 1\r\nContent-Length: 1\r\n\r\n7"

REGIONS = ["\u6771\u4eac", "eu-w\u00e4st-1", "eu-west-1\r\nX-Evil: 1", "eu-west-1\n", " eu-west-1", "eu west", "-eu"]
URLS = {
    "a port beyond all": "http://127.0.0.1:99999",
    "an invalid port": "http://127.0.0.1:x",
    "a blank at its end": "{url} ",
    "a line's end": "{url}\n",
    "a header": "{url}\r\nX-Evil: 1",
    "a NUL": "{url}/\0",
    "a blank in the host": "http://127.0.0. 1:9",
    "half an address": "http://[::1",
    "no address in brackets": "http://[1.2.3]:9",
    "two addresses in one": "http://[:::]:9",
    "no host": "http://",
    "another scheme": "ftp://127.0.0.1:9",
    "no URL": "localhost",
    "another script": "http://\u6771\u4eac.example",
}


def get_call_error(client: LambdaClient) -> lc.CallError:
    """Call, and return the error."""
    with pytest.raises(lc.CallError) as caught:
        client.call("billing", 1)
    return caught.value


@pytest.mark.parametrize("region", REGIONS, ids=ascii)
def test_an_invalid_region_is_rejected(*, region: Any, server: Any, connect: Any) -> None:
    """It is part of a header, and could start another one."""
    server.respond(http_response("200 OK", b"7", VERSION))

    error = get_call_error(connect(region=region))

    assert (lc.ConnectError, Execution.NOT_EXECUTED, False) == (type(error), error.execution, error.retryable)
    assert "region" in str(error)
    assert "\n" not in str(error)
    assert server.requests == []


def test_an_invalid_region_in_the_environment_is_rejected(
    server: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like the argument."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1\r\nX-Evil: 1")
    server.respond(http_response("200 OK", b"7", VERSION))

    assert lc.ConnectError is type(get_call_error(connect()))
    assert server.requests == []


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "local", "elasticmq", "EU", "x1"])
def test_an_unknown_region_is_allowed(*, region: str, server: Any, connect: Any) -> None:
    """Local endpoints accept any."""
    server.respond(http_response("200 OK", b"7", VERSION))

    assert connect(region=region).call("billing", 1) == 7


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
@pytest.mark.parametrize("named", ["endpoint_url", "AWS_ENDPOINT_URL"])
def test_an_invalid_url_is_rejected(
    *, url: str, named: str, server: Any, over: str, make_transport: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From every source; it is not quoted, because it may contain a password."""
    if "\0" in url and named != "endpoint_url":
        pytest.skip("no variable has a NUL")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    url = url.format(url=server.url)
    if named == "endpoint_url":
        transport = make_transport(region="eu-west-1", endpoint_url=url)
    else:
        monkeypatch.setenv(named, url)
        transport = make_transport(region="eu-west-1")

    with client_over(transport, retry=RetryPolicy.never()) as client:
        error = get_call_error(client)

    assert (lc.ConnectError, Execution.NOT_EXECUTED, False) == (type(error), error.execution, error.retryable)
    assert server.requests == []


@pytest.fixture(params=[TypeError, KeyError, RuntimeError, AttributeError, RecursionError, UnicodeError, MemoryError])
def kind(request: pytest.FixtureRequest) -> type[Exception]:
    """Exception classes that any library may raise."""
    made: type[Exception] = request.param
    return made


@pytest.mark.parametrize("over", ["http", "async http"])
def test_tls_may_raise_anything(
    *, kind: type[Exception], server: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example gevent's for a host name in bytes."""

    def broken(*_: object, **__: object) -> None:
        raise kind("wrap_socket() is broken")

    server.play(lambda connection: connection.hang())
    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", broken)

    error = get_call_error(connect(endpoint_url=server.url.replace("http:", "https:")))

    assert (lc.ConnectError, Execution.NOT_EXECUTED) == (type(error), error.execution)
    assert kind.__name__ in str(error)


@pytest.mark.parametrize("over", ["http", "async http"])
def test_the_host_name_is_an_ascii_str(*, server: Any, connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries that patch ``ssl`` expect a str, and importing the IDNA codec takes long."""
    seen: list[object] = []

    def wrap_socket(_: object, sock: object, *, server_hostname: str, **__: object) -> None:
        seen.extend([isinstance(server_hostname, str), server_hostname.encode("idna"), server_hostname])
        raise OSError("enough")

    server.play(lambda connection: connection.hang())
    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", wrap_socket)
    get_call_error(connect(endpoint_url=server.url.replace("http:", "https:")))

    assert [True, b"127.0.0.1", "127.0.0.1"] == seen


@pytest.fixture(name="passed_client")
def _passed_client(server: Any) -> Iterator[Any]:
    made = boto3.client("lambda", region_name="eu-west-1", endpoint_url=server.url, config=ONCE)
    yield made
    made.close()


def _over(passed_client: Any) -> LambdaClient:
    return LambdaClient(BotoTransport(passed_client), retry=RetryPolicy.never())


def test_botocore_may_raise_anything_before_it_sends(
    *, kind: type[Exception], passed_client: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing ran, and a retry would not help."""

    def broken(*_: object, **__: object) -> None:
        raise kind("create_request_object() is broken")

    monkeypatch.setattr("botocore.endpoint.create_request_object", broken)

    error = get_call_error(_over(passed_client))

    assert (lc.ConnectError, Execution.NOT_EXECUTED, False) == (type(error), error.execution, error.retryable)
    assert server.requests == []


def test_botocore_may_raise_anything_after_it_has_sent(
    *, kind: type[Exception], passed_client: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function may have run."""

    def broken(*_: object, **__: object) -> None:
        raise kind("parse() is broken")

    server.respond(http_response("200 OK", b"7", VERSION))
    monkeypatch.setattr("botocore.parsers.ResponseParser.parse", broken)

    error = get_call_error(_over(passed_client))

    assert (lc.ConnectionLostError, Execution.UNKNOWN) == (type(error), error.execution)
    assert len(server.requests) == 1


def test_reading_a_body_may_raise_anything(
    *, kind: type[Exception], passed_client: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function ran, and its response cannot be used."""

    def broken(*_: object, **__: object) -> None:
        raise kind("read() is broken")

    server.respond(http_response("200 OK", b"7", VERSION))
    monkeypatch.setattr("botocore.response.StreamingBody.read", broken)

    error = get_call_error(_over(passed_client))

    assert (lc.ResponseError, Execution.EXECUTED) == (type(error), error.execution)


def test_an_exception_of_an_event_hook_passes_unchanged(
    *, kind: type[Exception], passed_client: Any, server: Any
) -> None:
    """It belongs to the program, of any class."""

    def handler(**_: object) -> None:
        raise kind("the program's own")

    for event in ("provide-client-params.lambda.Invoke", "before-sign.lambda.Invoke", "before-send.lambda.Invoke"):
        passed_client.meta.events.register(event, handler)
        with pytest.raises(kind, match="the program's own"):
            _over(passed_client).call("billing", 1)
        passed_client.meta.events.unregister(event, handler)

    assert server.requests == []


@pytest.mark.parametrize("over", [name for name in ASYNC_TRANSPORTS if "boto3" in name])
def test_an_exception_of_an_event_hook_passes_unchanged_over_aiobotocore(
    *, kind: type[Exception], over: str, server: Any
) -> None:
    """The hook may be a coroutine function there."""
    from tests.support.async_as_sync import session_for

    async def handler(**_: object) -> None:
        raise kind("the program's own")

    session = session_for(over)
    session.set_credentials("AKIA", "s")
    session.register("before-sign.lambda.Invoke", handler)
    transport = AwaitedTransport(ASYNC_TRANSPORTS[over](session=session, region="eu-west-1", endpoint_url=server.url))

    with client_over(transport) as client, pytest.raises(kind, match="the program's own"):
        client.call("billing", 1)


@pytest.mark.parametrize("response", [{}, {"Payload": b"7"}, {"ExecutedVersion": "1"}])
@pytest.mark.parametrize("send", ["call", "fire", "can_invoke"])
def test_a_response_without_a_status_leaves_doubt(*, response: Any, send: str, passed_client: Any) -> None:
    """A stub or a wrapper of a client may omit it."""
    with Stubber(passed_client) as stubber:
        stubber.add_response("invoke", response)
        with pytest.raises(lc.ResponseError, match="status") as caught:
            getattr(_over(passed_client), send)("billing", *([] if send == "can_invoke" else [1]))

    assert Execution.UNKNOWN is caught.value.execution


def test_a_client_that_returns_nothing_is_a_lost_connection(
    passed_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcome is unknown."""
    monkeypatch.setattr(passed_client, "_make_api_call", lambda *_: None)

    error = get_call_error(_over(passed_client))

    assert (lc.ConnectionLostError, Execution.UNKNOWN) == (type(error), error.execution)


def test_an_invalid_header_of_an_event_hook_is_rejected_and_not_quoted(passed_client: Any, server: Any) -> None:
    """It could become two headers."""

    def spoil(request: Any, **_: object) -> None:
        request.headers["X-Spoiled"] = "secret-canary\r\nX-Evil: 1"

    passed_client.meta.events.register("before-sign.lambda.Invoke", spoil)

    error = get_call_error(_over(passed_client))

    assert (Execution.NOT_EXECUTED, False) == (error.execution, error.retryable)
    assert "canary" not in f"{error} {error!r} {error.__cause__!r}"
    assert server.requests == []


@pytest.mark.parametrize(
    "trace", ["Root=1\r\nX-Evil: 1", "Root=1\tb", "Root=\u00e4", b"Root=\xff".decode(errors="surrogateescape")]
)
@pytest.mark.parametrize("over", ["http", "async http"])
def test_a_trace_header_of_the_environment_stays_one_header(
    *, trace: str, server: Any, client: LambdaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line breaks are encoded."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
    server.respond(http_response("200 OK", b"7", VERSION))

    assert client.call("billing", 1) == 7
    assert "x-evil" not in server.requests[0].headers


@pytest.mark.parametrize(
    "error", [TimeoutError, OSError, ValueError, ConnectionError, AssertionError, KeyboardInterrupt]
)
@pytest.mark.parametrize("over", ["boto3", "http"])
@pytest.mark.parametrize("send", ["call", "stream"])
def test_an_exception_of_a_signal_handler_passes_unchanged(
    *, error: type[BaseException], send: str, server: Any, client: LambdaClient
) -> None:
    """Frameworks limit tasks that way; urllib3 and botocore wrap an ``OSError``."""

    def interrupt(connection: Any) -> None:
        connection.read_request()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        connection.hang()

    raised = error("the program's own")

    def handler(*_: object) -> None:
        raise raised

    before = signal.signal(signal.SIGUSR1, handler)
    server.play(interrupt)
    try:
        with pytest.raises(error) as caught:
            list(client.stream("billing", 1)) if send == "stream" else client.call("billing", 1)
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert caught.value is raised


@pytest.mark.parametrize("over", ["boto3", "http"])
def test_an_earlier_exception_of_a_signal_handler_is_not_raised(server: Any, client: LambdaClient) -> None:
    """A call that fails while an exception is handled raises its own error."""

    def handler(*_: object) -> None:
        raise TimeoutError("an earlier one")

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        signal.raise_signal(signal.SIGUSR1)
    except TimeoutError:
        server.play(lambda connection: connection.read_request())
        assert isinstance(get_call_error(client), lc.ConnectionLostError)
    else:
        pytest.fail("nothing was raised")
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize(
    "response",
    [
        {"StatusCode": "200"},
        {"StatusCode": None},
        {"ResponseMetadata": None},
        {"StatusCode": 200, "ExecutedVersion": "1", "Payload": 7},
        {"StatusCode": 200, "ExecutedVersion": "1", "Payload": StringIO("7")},
        {"StatusCode": 200, "ResponseMetadata": {"HTTPHeaders": None}},
    ],
    ids=str,
)
def test_a_client_may_return_anything(response: Any, passed_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unusable response is an error."""
    monkeypatch.setattr(passed_client, "_make_api_call", lambda *_: response)

    assert isinstance(get_call_error(_over(passed_client)), lc.ResponseError)


def test_a_password_of_the_endpoint_is_in_no_traceback(connect: Any, server: Any) -> None:
    """Not in the exception of botocore that caused the error either."""
    error = get_call_error(connect(endpoint_url="http://user:secret-canary@127.0.0.1:9"))

    assert "canary" not in "".join(traceback.format_exception(error))
