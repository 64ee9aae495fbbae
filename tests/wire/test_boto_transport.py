"""What every transport guarantees apart from errors: one request per call, whose settings apply, what is sent."""

from __future__ import annotations

import base64
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.stub import Stubber

import lambdachain as lc
from lambdachain import AsyncHttpTransport, BotoTransport, Execution, HttpTransport, LambdaClient
from lambdachain._transports.boto.async_exchange import _idle_states
from tests.support.async_as_sync import client_over
from tests.support.responses import http_response

VERSION = {"X-Amz-Executed-Version": "1"}
ARN = "arn:aws:lambda:ap-southeast-2:123456789012:function:billing"


@pytest.fixture(autouse=True)
def _no_default_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test without a default session, as a new process does."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AWS_RETRY_MODE": "legacy"},
        {"AWS_MAX_ATTEMPTS": "5"},
        {"AWS_RETRY_MODE": "adaptive", "AWS_MAX_ATTEMPTS": "3"},
    ],
    ids=["defaults", "legacy", "5 attempts", "adaptive"],
)
def test_one_request_is_sent_for_any_failure_and_environment(
    environment: dict[str, str], server: Any, connect: Callable[..., LambdaClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Botocore's own retries would run a function again whose response was lost."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = connect()
    statuses = [429, 500, 502, 503, 504, 509]
    server.respond(*(http_response(f"{status} X") for status in statuses))

    for status in statuses:
        with pytest.raises(lc.CallError) as caught:
            client.call("billing", None)
        assert [status] == [attempt.status for attempt in caught.value.attempts]

    assert len(statuses) == len(server.requests)


@pytest.mark.parametrize("end", ["close", "reset", "hang"])
def test_a_lost_response_is_not_retried(
    end: str, server: Any, client: LambdaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function would run twice."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    server.play(lambda connection: (connection.read_request(), getattr(connection, end)()))

    with pytest.raises(lc.OutcomeUnknownError):
        client.call("billing", None, timeout=2)

    assert (1, 1) == (len(server.requests), server.connections)


def scope(request: Any) -> list[str]:
    """Return the region and service that a request is signed for."""
    credential = request.headers["authorization"].split("Credential=")[1].split(",")[0]
    return list(credential.split("/")[2:4])


def key_id(request: Any) -> str:
    """Return the access key that a request is signed with."""
    return str(request.headers["authorization"].split("Credential=")[1].split("/")[0])


@pytest.mark.parametrize(
    ("function", "options", "region"),
    [
        ("billing", {}, "eu-west-1"),
        ("billing", {"region": "us-east-1"}, "us-east-1"),
        (ARN, {}, "ap-southeast-2"),
        (ARN, {"region": "us-east-1"}, "ap-southeast-2"),
    ],
    ids=["the environment's", "the transport's", "the ARN's", "the ARN's before the transport's"],
)
def test_a_request_is_signed_for_the_region_of_its_function(
    *, function: str, options: dict[str, str], region: str, server: Any, connect: Callable[..., LambdaClient]
) -> None:
    """The account of an ARN is sent, too."""
    server.respond(http_response("200 OK", b"1", VERSION))

    connect(**options).call(function, None)

    [request] = server.requests
    assert [region, "lambda"] == scope(request)
    assert f"/2015-03-31/functions/{function}/invocations" == unquote(request.path)


@pytest.mark.allow_real_invokes
def test_an_arn_goes_to_the_endpoint_of_its_region(
    make_transport: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an endpoint URL, a client resolves the region's host name, in every partition."""
    asked: list[str] = []

    def unresolved(host: str | bytes, *_: object, **__: object) -> None:
        asked.append(host if isinstance(host, str) else host.decode())
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    client = client_over(make_transport(), retry=lc.RetryPolicy.never())

    for region in ("ap-southeast-2", "cn-north-1", "us-gov-west-1"):
        with pytest.raises(lc.ConnectError):
            client.call(lc.FunctionArn.build("billing", region=region, account_id="123456789012"), None)
    client.close()

    hosts = ["ap-southeast-2.amazonaws.com", "cn-north-1.amazonaws.com.cn", "us-gov-west-1.amazonaws.com"]
    assert [f"lambda.{host}" for host in hosts] == asked


@pytest.mark.parametrize("kind", ["boto3", "botocore", "profile"])
def test_the_credentials_of_a_session_are_used(
    kind: str, server: Any, connect: Callable[..., LambdaClient], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of boto3, botocore, or with a profile."""
    path = tmp_path / "credentials"
    path.write_text("[billing]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    low = botocore.session.Session()
    low.set_credentials("AKIABOTOCORE", "secret")
    sessions: dict[str, Callable[[], Any]] = {
        "boto3": lambda: boto3.Session("AKIABOTO3", "secret", region_name="eu-west-1"),
        "botocore": lambda: low,
        "profile": lambda: boto3.Session(profile_name="billing"),
    }
    server.respond(http_response("200 OK", b"1", VERSION))

    connect(session=sessions[kind]()).call("billing", None)

    assert f"AKIA{kind.upper()}" == key_id(server.requests[0])


@pytest.mark.parametrize(
    ("removed", "error", "hint"),
    [
        (["AWS_DEFAULT_REGION"], lc.ConnectError, "no AWS region: set AWS_REGION"),
        (["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], lc.CredentialsError, "AWS_ACCESS_KEY_ID"),
        (["AWS_SECRET_ACCESS_KEY"], lc.CredentialsError, "AWS_ACCESS_KEY_ID"),
    ],
    ids=["region", "credentials", "half the credentials"],
)
def test_a_missing_setting_is_reported_before_anything_is_sent(
    *,
    removed: list[str],
    error: type[lc.CallError],
    hint: str,
    server: Any,
    connect: Callable[..., LambdaClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a remedy."""
    for name in removed:
        monkeypatch.delenv(name)

    with pytest.raises(error, match=hint) as caught:
        connect().call("billing", None)

    assert (error, Execution.NOT_EXECUTED, False) == (
        type(caught.value),
        caught.value.execution,
        caught.value.retryable,
    )
    assert ([], 0) == (server.requests, server.connections)


@pytest.mark.parametrize("timeout", [0.3, timedelta(milliseconds=300)], ids=["seconds", "timedelta"])
def test_each_call_has_its_own_timeout(timeout: Any, server: Any, client: LambdaClient) -> None:
    """On one client, a call that waits and a call that cannot."""

    def script(connection: Any) -> None:
        connection.read_request()
        server.closing.wait(1.0)
        connection.send(http_response("200 OK", b"7", VERSION))

    server.play(script)

    with pytest.raises(lc.CallTimeoutError):
        client.call("billing", None, timeout=timeout)
    assert client.call("billing", None, timeout=10) == 7


def get_idle_socket(transport: Any) -> socket.socket:
    """Return the socket of the one idle connection."""
    if isinstance(transport, BotoTransport):
        [made] = transport._clients.values()
        pools = made._endpoint.http_session._manager.pools
        [found] = [c.sock for key in list(pools.keys()) for c in pools[key].pool.queue if c is not None]
    elif isinstance(transport, HttpTransport):
        [sender] = transport._senders.values()
        [found] = [connection._sock for connection in sender._pool._idle]  # type: ignore[attr-defined]
    elif isinstance(transport, AsyncHttpTransport):
        [sender] = transport._senders.values()
        [found] = [connection._sock for pool in sender._pools.values() for connection in pool._idle]  # type: ignore[attr-defined]
    else:
        found = [protocol.transport.get_extra_info("socket") for protocol in _idle_states if protocol.transport][-1]
    return found


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="this system has no such option")
def test_keep_alive_begins_before_a_nat_gateway_forgets_the_connection(server: Any, client: LambdaClient) -> None:
    """Its idle timeout is 350 seconds; the kernel's default is a first probe after two hours."""
    server.respond(http_response("200 OK", b"1", VERSION))
    client.call("billing", None)
    sock = get_idle_socket(client._invoker._transport)

    options = [
        sock.getsockopt(level, name)
        for level, name in (
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
        )
    ]

    assert [1, 45, 15, 4] == options


def test_every_option_arrives_as_the_service_model_says(server: Any, client: LambdaClient) -> None:
    """Path, query, headers and body are those of Invoke."""
    server.respond(http_response("200 OK", b"1", VERSION))

    client.call(
        "billing",
        {"cents": 5},
        qualifier="live",
        client_context={"tenant": "é"},
        tenant_id="acme corp/1",
        durable_name="order-1",
        log_tail=True,
    )

    [request] = server.requests
    assert ("POST", "/2015-03-31/functions/billing/invocations?Qualifier=live") == (request.method, request.path)
    assert {"cents": 5} == json.loads(request.body)
    sent = {name: request.headers.get(name) for name in ("x-amz-invocation-type", "x-amz-log-type")}
    assert {"x-amz-invocation-type": None, "x-amz-log-type": "Tail"} == sent  # without a type, Lambda waits
    assert ("acme corp/1", "order-1") == (
        request.headers["x-amz-tenant-id"],
        request.headers["x-amz-durable-execution-name"],
    )
    context = json.loads(base64.b64decode(request.headers["x-amz-client-context"]))
    assert ["custom"] == list(context)
    assert "é" == context["custom"]["tenant"]
    assert f"lib/lambdachain#{lc.__version__}" in request.headers["user-agent"]


def test_fire_sends_no_header_for_an_unset_option(server: Any, client: LambdaClient) -> None:
    """Lambda would reject an empty one."""
    server.respond(http_response("202 Accepted"))

    client.fire("billing", {"cents": 5})

    [request] = server.requests
    names = ("log-type", "client-context", "tenant-id", "durable-execution-name")
    assert ("Event", []) == (
        request.headers["x-amz-invocation-type"],
        [name for name in names if f"x-amz-{name}" in request.headers],
    )
    assert "/2015-03-31/functions/billing/invocations" == request.path


def test_the_trace_header_is_sent_unchanged(server: Any, client: LambdaClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda's loop detection depends on its lineage."""
    trace = "Root=1-6925a3c0-0f2b6f3d5c8b7a1e4d9c2b1a;Parent=1f2e3d4c5b6a7988;Sampled=0;Lineage=1:3e56857a:3"
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
    server.respond(http_response("200 OK", b"1", VERSION))

    client.call("billing", None)

    assert trace == server.requests[0].headers["x-amzn-trace-id"]


class SoftTimeLimitError(Exception):
    """An exception that a framework raises from a signal handler."""


@pytest.fixture
def interrupting() -> Iterator[Callable[[type[BaseException]], Callable[[], None]]]:
    """Return a function that raises an exception in the main thread when another thread calls it."""
    before = signal.getsignal(signal.SIGUSR1)

    def arrange(error: type[BaseException]) -> Callable[[], None]:
        def raising(*_: object) -> None:
            raise error("time is up")

        signal.signal(signal.SIGUSR1, raising)
        return lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    yield arrange
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("error", [SoftTimeLimitError, KeyboardInterrupt])
@pytest.mark.parametrize(
    "sent",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1", b"HTTP/1.1 500 X\r\nContent-Length: 9\r\n\r\n{"],
    ids=["no response", "half a response", "half an error"],
)
def test_an_exception_of_a_framework_during_a_call_is_raised_unchanged(
    *, error: type[BaseException], sent: bytes, interrupting: Any, server: Any, client: LambdaClient
) -> None:
    """It is not ours to translate."""
    interrupt = interrupting(error)

    def script(connection: Any) -> None:
        connection.read_request()
        connection.send(sent)
        server.closing.wait(0.2)
        interrupt()
        connection.hang()

    server.play(script)

    with pytest.raises(error, match="time is up") as caught:
        client.call("billing", None, timeout=10)

    assert error is type(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("over", ["boto3"])
def test_the_stubber_of_botocore_works_with_a_given_client(server: Any, connect: Callable[..., LambdaClient]) -> None:
    """For programs that stub boto3 in their tests."""
    given = boto3.client("lambda", endpoint_url=server.url, config=Config(retries={"total_max_attempts": 1}))
    client = connect(given)
    with Stubber(given) as stubber:
        expected = {"FunctionName": "billing", "InvocationType": "Event", "Payload": b"1"}
        stubber.add_response("invoke", {"StatusCode": 202}, expected)
        stubber.add_client_error("invoke", "TooManyRequestsException", http_status_code=429)

        assert client.fire("billing", 1).request_id is None
        with pytest.raises(lc.ThrottledError):
            client.fire("billing", 1)

    assert server.requests == []
    given.close()


def test_a_closed_client_raises(server: Any, client: LambdaClient) -> None:
    """It sends nothing; closing twice is allowed."""
    client.close()
    client.close()

    with pytest.raises(lc.ConnectError, match="closed") as caught:
        client.call("billing", None)

    assert (Execution.NOT_EXECUTED, []) == (caught.value.execution, server.requests)


def test_a_closed_transport_raises(server: Any, make_transport: Callable[..., Any]) -> None:
    """Also under a client that is open."""
    transport = make_transport(endpoint_url=server.url)
    transport.close()

    with pytest.raises(lc.ConnectError, match="closed"):
        LambdaClient(transport).call("billing", None)


def test_twenty_threads_may_share_a_client(server: Any, client: LambdaClient) -> None:
    """Each gets its own response, and botocore's client is created once."""

    def echo(connection: Any) -> None:
        while True:
            connection.send(http_response("200 OK", connection.read_request().body, VERSION))

    server.play(echo)
    start = threading.Barrier(20)

    def calls(thread: int) -> list[object]:
        start.wait()
        return [client.call("billing", [thread, n]) for n in range(10)]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(calls, range(20)))

    assert [[[thread, n] for n in range(10)] for thread in range(20)] == answers
    assert len(server.requests) == 200
    assert server.connections <= 20
