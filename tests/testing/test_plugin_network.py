"""Under pytest no request of the SDK reaches another machine: not S3, and not a credential provider."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.testing.pytest_run import Run

COMMON = '''
import asyncio
import os
import socket

import boto3
import pytest

from lambdachain import *
from lambdachain.testing import RealInvokeBlockedError, StubTransport, UnstubbedCallError
from tests.support.faults import respond
from tests.support.laboratory import Fault, Laboratory

LARGE = "x" * 5000


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Fail for names and addresses of other machines, so that a call that passes the guard is noticed."""
    real, connect = socket.getaddrinfo, socket.socket.connect

    def lookup(host, *arguments, **options):
        assert host in ("127.0.0.1", "localhost", "::1"), f"looked up {host}"
        return real(host, *arguments, **options)

    def connected(self, address):
        assert not isinstance(address, tuple) or address[0] in ("127.0.0.1", "::1"), f"connected to {address}"
        return connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(socket.socket, "connect", connected)


@pytest.fixture
def recorder():
    """A server in the place of S3, and of credential providers; it records requests and keeps objects."""
    objects = {}

    def to_response(request):
        if request.method == "PUT":
            objects[request.path] = request.body
        body = objects.get(request.path, b"") if request.method == "GET" else b""
        return b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%b" % (len(body), body)

    with Laboratory() as laboratory:
        laboratory.play(Fault("recorder", respond(to_response)))
        yield laboratory


@pytest.fixture
def no_keys(monkeypatch, recorder, tmp_path):
    """Leave only credentials that come over a network."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", recorder.url)


def contract(**where):
    return Contract("echo", request=str, response=str, offload=S3Offload("orders", threshold=1000, **where))


async def drained(results):
    return [one async for one in results]


TRANSPORTS = [
    lambda: None,
    lambda: BotoTransport(),
    lambda: HttpTransport(),
    lambda: BotoTransport(boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))),
]
ASYNC_TRANSPORTS = [lambda: None, lambda: AsyncHttpTransport(), lambda: BotoTransport()]
if find_spec("aiobotocore"):
    ASYNC_TRANSPORTS.append(lambda: AsyncBotoTransport())

BLOCKING = [
    pytest.param(lambda client, what, payload: client.call(what, payload), id="call"),
    pytest.param(lambda client, what, payload: client.fire(what, payload * 300), id="fire"),
    pytest.param(lambda client, what, payload: list(client.map(what, [payload] * 3)), id="map"),
    pytest.param(lambda client, what, payload: list(client.stream(what, payload)), id="stream"),
    pytest.param(lambda client, what, payload: client.can_invoke(what), id="can_invoke"),
]
AWAITED = [
    pytest.param(lambda client, what, payload: client.call(what, payload), id="call"),
    pytest.param(lambda client, what, payload: drained(client.map(what, [payload] * 3)), id="map"),
    pytest.param(lambda client, what, payload: drained(client.stream(what, payload)), id="stream"),
    pytest.param(lambda client, what, payload: client.can_invoke(what), id="can_invoke"),
]
'''.replace(
    "import boto3\n", "from importlib.util import find_spec\n\nimport boto3\nfrom botocore.config import Config\n", 1
)

BLOCKED = '''
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("call", BLOCKING)
def test_an_offloaded_call(call, transport, recorder):
    with LambdaClient(transport()) as client:
        for where in ({}, {"endpoint_url": recorder.url}):
            with pytest.raises(RealInvokeBlockedError, match="about to call echo on"):
                call(client, contract(**where), LARGE)
    assert recorder.requests == []


@pytest.mark.parametrize("transport", ASYNC_TRANSPORTS)
@pytest.mark.parametrize("call", AWAITED)
def test_an_awaited_offloaded_call(call, transport, recorder):
    async def main():
        async with AsyncLambdaClient(transport()) as client:
            await call(client, contract(endpoint_url=recorder.url), LARGE)

    with pytest.raises(RealInvokeBlockedError, match="about to call echo on"):
        asyncio.run(main())
    assert recorder.requests == []


def test_a_call_to_this_machine_whose_payload_would_go_to_s3(recorder):
    client = LambdaClient(BotoTransport(endpoint_url=recorder.url))
    with pytest.raises(RealInvokeBlockedError, match="use the bucket orders .* on .*amazonaws"):
        client.call(contract(), LARGE)
    assert recorder.requests == []


def test_a_handler_whose_answer_would_go_to_s3():
    @remote(contract())
    def handler(text: str) -> str:
        return text * 3

    context = type("Context", (), {"client_context": type("C", (), {"custom": {"lc-v": "1", "lc-offload": "s3"}})})()
    with pytest.raises(RealInvokeBlockedError, match="use the bucket orders"):
        handler(LARGE, context)
    reference = {"bucket": "orders", "key": "lambdachain/k", "size": 1, "sha256": "0"}
    with pytest.raises(RealInvokeBlockedError, match="use the bucket orders"):
        handler({"__lambdachain_s3__": reference}, None)


def test_s3_by_itself(no_keys, recorder):
    with pytest.raises(RealInvokeBlockedError):
        S3Offload("orders", region="eu-west-1").put(b"1")
    assert recorder.requests == []


def test_a_client_of_s3_from_before():
    from lambdachain._contracts import s3_offload as _offload
    from lambdachain._transports.transport_override import network_guard as guard

    offload = S3Offload("orders", region="eu-west-1")
    guard.closed = False
    client = offload._client()
    guard.closed = True
    with pytest.raises(RealInvokeBlockedError, match="about to use S3"):
        client.list_objects_v2(Bucket="orders")


@pytest.mark.parametrize("transport", [*TRANSPORTS[:3], lambda: BotoTransport(session=boto3.Session())])
@pytest.mark.parametrize("call", BLOCKING)
def test_no_credentials_are_asked_for(call, transport, no_keys, recorder):
    with LambdaClient(transport()) as client, pytest.raises(RealInvokeBlockedError, match="call echo on lambda"):
        call(client, Contract("echo", request=str, response=str), "small")
    assert recorder.requests == []


@pytest.mark.parametrize("transport", ASYNC_TRANSPORTS)
@pytest.mark.parametrize("call", AWAITED)
def test_no_credentials_are_asked_for_by_an_event_loop(call, transport, no_keys, recorder):
    async def main():
        async with AsyncLambdaClient(transport()) as client:
            await call(client, Contract("echo", request=str, response=str), "small")

    with pytest.raises(RealInvokeBlockedError, match="call echo on lambda"):
        asyncio.run(main())
    assert recorder.requests == []


@pytest.mark.parametrize("kind", ["made here", "handed in"])
def test_a_role_is_not_assumed(kind, no_keys, recorder, monkeypatch, tmp_path):
    config = tmp_path / "config"
    config.write_text(
        "[profile p]\\nrole_arn = arn:aws:iam::123456789012:role/r\\nsource_profile = s\\nregion = eu-west-1\\n"
        "[profile s]\\naws_access_key_id = a\\naws_secret_access_key = b\\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", recorder.url)
    session = boto3.Session(profile_name="p")
    once = Config(retries={"total_max_attempts": 1})
    given = session.client("lambda", config=once)
    transport = BotoTransport(given) if kind == "handed in" else BotoTransport(session=session)
    with LambdaClient(transport) as client, pytest.raises(RealInvokeBlockedError):
        client.call("f", 1)
    assert recorder.requests == []


LOOKALIKES = """
    localhost.evil.example 127.evil.example 127.0.0.1.evil.example localhost@evil.example ::1.evil.example
    2130706433 0x7f.1 127.1 0177.0.0.1 127.0.0.1\\\\@evil.example evil.example\\\\@localhost 0.0.0.0
"""


@pytest.mark.parametrize("host", LOOKALIKES.split())
def test_lookalikes(host):
    url = f"http://{host}:1"
    for transport in (BotoTransport(endpoint_url=url), HttpTransport(endpoint_url=url)):
        with pytest.raises((RealInvokeBlockedError, ConnectError)):
            LambdaClient(transport, retry=RetryPolicy.never()).call("f", 1)
    awaited = AsyncLambdaClient(AsyncHttpTransport(endpoint_url=url), retry=RetryPolicy.never())
    with pytest.raises((RealInvokeBlockedError, ConnectError)):
        asyncio.run(awaited.call("f", 1))


def test_a_proxy_on_this_machine_makes_nothing_local(recorder, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", recorder.url)
    for transport in (BotoTransport, HttpTransport):
        with pytest.raises(RealInvokeBlockedError, match="on lambda.evil.example"):
            LambdaClient(transport(endpoint_url="https://lambda.evil.example")).call("f", 1)
    assert recorder.requests == []


def test_a_connection_from_before_is_not_used(recorder, monkeypatch):
    from lambdachain._transports.transport_override import network_guard as guard

    port = int(recorder.url.rpartition(":")[2])
    monkeypatch.setattr(guard, "closed", False)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", port))])
    url = f"http://aws.example:{port}"
    given = boto3.client("lambda", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))
    client = LambdaClient(BotoTransport(given), retry=RetryPolicy.never())
    with pytest.raises(CallError):
        client.call("f", 1)
    monkeypatch.setattr(guard, "closed", True)
    with pytest.raises(RealInvokeBlockedError, match="on aws.example"):
        client.call("f", 1)
    assert len(recorder.requests) == 1


def test_the_doctor(no_keys, recorder):
    from lambdachain.doctor import examine

    with pytest.raises(RealInvokeBlockedError, match="about to connect to"):
        list(examine())
    assert recorder.requests == []
    assert [one.subject for one in examine(reach=False)][4:6] == ["credentials", "transport"]
    assert recorder.requests == []
'''

STANDING_IN = """
@pytest.fixture(params=["AWS", "loopback"])
def what(request, recorder):
    return contract(**({} if request.param == "AWS" else {"endpoint_url": recorder.url}))


def test_a_stub_sees_the_request_as_it_was_typed(lambda_stub, what, recorder):
    echoes = lambda_stub.on(what).returns("y" * 4000)
    assert LambdaClient().call(what, LARGE) == "y" * 4000
    assert asyncio.run(AsyncLambdaClient().call(what, LARGE)) == "y" * 4000
    assert list(LambdaClient().map(what, [LARGE, "small"])) == ["y" * 4000] * 2
    assert [call.request for call in echoes.calls] == [LARGE, LARGE, LARGE, "small"]
    assert recorder.requests == []


def test_a_stub_answers_more_than_lambda_carries(lambda_stub, what, recorder):
    lambda_stub.on(what).runs(lambda text: text)
    assert len(LambdaClient().call(what, "x" * 7_000_000)) == 7_000_000
    assert recorder.requests == []


def test_a_stub_takes_events(lambda_stub, what, recorder):
    events = lambda_stub.on(what).accepts()
    LambdaClient().fire(what, "x" * 1_500_000)
    assert len(events.calls[0].request) == 1_500_000
    assert recorder.requests == []


def test_a_stub_takes_enveloped_events(lambda_stub, recorder):
    what = Contract("log", request=str, response=None, envelope=True, offload=S3Offload("orders", threshold=10))
    events = lambda_stub.on(what).accepts()
    LambdaClient().fire(what, "x" * 1_500_000, idempotency_key="k")
    assert len(events.calls[0].request) == 1_500_000
    assert events.calls[0].metadata.idempotency_key == "k"


def test_a_handler_behind_a_stub(lambda_stub, what, recorder):
    @remote(what)
    def handler(text: str) -> str:
        return text

    lambda_stub.on(what).runs(handler)
    assert LambdaClient().call(what, LARGE) == LARGE
    assert recorder.requests == []


def test_a_stub_that_a_client_was_given(what, recorder):
    stub = StubTransport()
    echoes = stub.on(what).returns("short")
    assert LambdaClient(stub).call(what, LARGE) == "short"
    assert asyncio.run(AsyncLambdaClient(stub).call(what, LARGE)) == "short"
    assert [call.request for call in echoes.calls] == [LARGE, LARGE]
    assert recorder.requests == []


def test_nothing_said_about_an_offloaded_call(lambda_stub, what, recorder):
    with pytest.raises(UnstubbedCallError):
        LambdaClient().call(what, LARGE)
    assert recorder.requests == []


def test_a_system_in_this_process_needs_no_s3(lambda_inprocess, no_keys, recorder):
    what = contract()

    @remote(what)
    def handler(text: str) -> str:
        return text

    lambda_inprocess.add(handler)
    assert LambdaClient().call(what, LARGE) == LARGE
    assert asyncio.run(AsyncLambdaClient().call(what, LARGE)) == LARGE
    assert list(LambdaClient().map(what, [LARGE] * 3)) == [LARGE] * 3
    assert set(lambda_inprocess.calls[0].request) == {"__lambdachain_s3__"}
    assert recorder.requests == []


def test_a_system_in_this_process_uses_an_s3_that_is_here(lambda_inprocess, recorder):
    what = contract(endpoint_url=recorder.url)

    @remote(what)
    def handler(text: str) -> str:
        return text

    lambda_inprocess.add(handler)
    assert LambdaClient().call(what, LARGE) == LARGE
    assert [request.method for request in recorder.requests] == ["PUT", "GET", "PUT", "GET"]
"""


def test_nothing_leaves_the_machine(pytester: pytest.Pytester, run: Callable[..., Run]):
    """Neither payloads for S3 nor requests for credentials, from any client over any transport."""
    pytester.makepyfile(COMMON + BLOCKED)
    ran = run("-p", "no:unraisableexception")

    assert ran.status == 0, ran.text


def test_stubs_and_in_process_systems_keep_the_payloads(pytester: pytest.Pytester, run: Callable[..., Run]):
    """They send nothing to S3."""
    pytester.makepyfile(COMMON + STANDING_IN)
    ran = run()

    assert ran.status == 0, ran.text
