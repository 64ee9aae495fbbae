"""What other code does with a client and its errors goes on working: stubs, mocks, sessions, exceptions, pickles."""

from __future__ import annotations

import base64
import copy
import gc
import io
import json
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable
from contextlib import closing
from typing import Any
from unittest.mock import MagicMock, patch

import boto3
import botocore.client
import botocore.session
import pytest
from botocore import exceptions as boto
from botocore.config import Config
from botocore.stub import ANY, Stubber
from moto import mock_aws

import lambdachain as lc
from lambdachain import compat
from lambdachain.testing import LambdaContext, RealInvokeBlockedError, StubTransport
from tests.compat.conftest import KEYS
from tests.support import faults
from tests.support.faults import service_error
from tests.support.laboratory import Laboratory, refusing

ANSWER = {"StatusCode": 200, "Payload": io.BytesIO(b"{}")}


def test_everything_else_is_boto3s():
    """The module stands in for boto3."""
    assert compat.resource is boto3.resource
    assert compat.setup_default_session is boto3.setup_default_session
    assert compat.__version__ == boto3.__version__
    assert compat.exceptions is boto3.exceptions
    s3 = compat.client("s3", **KEYS)
    assert type(s3).__mro__[1:] == type(boto3.client("s3", **KEYS)).__mro__[1:]
    with pytest.raises(AttributeError, match="no attribute 'cleint'"):
        compat.cleint  # noqa: B018


def test_importing_it_loads_nothing():
    """boto3 is loaded when a client is created, or a name of it is used."""
    script = "import sys, lambdachain.compat; print({'boto3', 'botocore', 'pydantic', 'tenacity'} & {*sys.modules})"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "set()"


def test_a_call_that_succeeds_loads_nothing_of_failures(server: Laboratory):
    """A cold start pays for what it uses."""
    script = f"""
import sys
from lambdachain import compat
client = compat.client("lambda", endpoint_url="{server.url}", **{KEYS})
assert client.invoke(FunctionName="price", Payload="{{}}")["Payload"].read()
print({{"tenacity", "lambdachain._calling.classify", "lambdachain.compat._override"}} & {{*sys.modules}})
"""
    server.play(faults.SUCCESS)
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "set()"


def test_the_client_is_boto3s(ours: Any):
    """Its class, its metadata, its other operations, its exceptions, its paginators."""
    theirs = boto3.client("lambda", **KEYS)

    assert isinstance(ours, botocore.client.BaseClient)
    assert (type(ours).__name__, type(ours).__module__) == (type(theirs).__name__, type(theirs).__module__)
    assert ours.meta.service_model.service_name == "lambda"
    assert ours.can_paginate("list_functions")
    assert ours.get_paginator("list_functions").PAGE_ITERATOR_CLS is not None
    assert ours.waiter_names == theirs.waiter_names
    assert set(dir(theirs)) <= set(dir(ours))
    assert ours.invoke.__doc__ == theirs.invoke.__doc__
    assert issubclass(ours.exceptions.ResourceNotFoundException, boto.ClientError)


@pytest.mark.parametrize(
    "create",
    [
        compat.client,
        lambda *args, **options: compat.Session().client(*args, **options),
        lambda *args, **options: compat.session.Session().client(*args, **options),
        lambda *args, **options: compat.upgrade(boto3.client(*args, **options)),
        lambda *args, **options: compat.upgrade(boto3.Session().client(*args, **options)),
        lambda *args, **options: compat.upgrade(botocore.session.get_session().create_client(*args, **options)),
        lambda *args, **options: compat.upgrade(compat.client(*args, **options)),
    ],
)
def test_every_way_to_a_client(server: Laboratory, create: Callable[..., Any]):
    """A session's, botocore's, or one that other code has created."""
    server.play(service_error("ServiceException", 500))

    with closing(create("lambda", endpoint_url=server.url, **KEYS)) as client, pytest.raises(lc.ServiceError):
        client.invoke(FunctionName="price")
    assert server.received == 1


def test_boto3s_own_clients_are_not_changed(server: Laboratory):
    """Not even those of the same session."""
    session = compat.Session(**KEYS)
    session.client("lambda")
    compat.client("lambda", **KEYS)
    server.play(service_error("ServiceException", 500), faults.SUCCESS)

    with closing(boto3.client("lambda", endpoint_url=server.url, **KEYS)) as client:
        assert client.invoke(FunctionName="price")["Payload"].read()
    assert server.received == 2


def test_a_client_is_garbage(ours: Any):
    """Nothing keeps a client, or its class, that nobody uses any more."""
    client = compat.client("lambda", **KEYS)
    kept = weakref.ref(type(client))
    del client
    gc.collect()

    assert kept() is None
    assert ours


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"idempotent": "price"}, "idempotent must be the names of functions"),
        ({"idempotent": True}, "idempotent must be the names of functions"),
        ({"idempotent": ["price "]}, "idempotent must be the names of functions: invalid function name"),
        ({"idempotent": {""}}, "idempotent must be the names of functions: invalid function name"),
        ({"idempotent": [lc.FunctionArn]}, "idempotent must be the names of functions"),
        ({"timeout": 0}, "more than 0 seconds"),
        ({"timeout": "5"}, "timeout must be seconds"),
        ({"retry": 3}, "retry must be a RetryPolicy"),
        ({"retry": lc.RetryPolicy(hedge_after=1)}, "hedge_after"),
    ],
)
def test_wrong_options_are_rejected(options: dict[str, Any], words: str):
    """When the client is created."""
    with pytest.raises(lc.ContractError, match=words):
        compat.client("lambda", **KEYS, **options)


def test_options_for_another_service_are_rejected():
    """They would be ignored silently."""
    with pytest.raises(lc.ContractError, match="not for 's3'"):
        compat.client("s3", timeout=5, **KEYS)


@pytest.mark.parametrize("client", [MagicMock(), None, boto3.client("s3", **KEYS)], ids=lambda one: type(one).__name__)
def test_only_a_lambda_client_is_upgraded(client: object):
    """The error says what to pass."""
    with pytest.raises(lc.ContractError, match=r"pass boto3\.client"):
        compat.upgrade(client)


# Stubs and mocks.


def test_stubber(ours: Any):
    """The stub sees the parameters as the caller has passed them, without metadata."""
    with Stubber(ours) as stubber:
        stubber.add_response("invoke", ANSWER, {"FunctionName": "price", "Payload": "{}", "LogType": ANY})
        answer = ours.invoke(FunctionName="price", Payload="{}", LogType="None")
        stubber.add_response("get_function", {}, {"FunctionName": "price"})
        ours.get_function(FunctionName="price")

        assert answer is not None
        assert answer["Payload"].read() == b"{}"
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["TooManyRequestsException", "ServiceException", "ResourceNotFoundException", "Odd"])
def test_an_error_of_a_stub_is_raised_once(ours: Any, code: str):
    """As in boto3, nothing is retried that no request was sent for."""
    with Stubber(ours) as stubber:
        stubber.add_client_error("invoke", code, "the message", http_status_code=429)
        stubber.add_response("invoke", ANSWER)
        with pytest.raises(boto.ClientError) as caught:
            ours.invoke(FunctionName="price")
        ours.invoke(FunctionName="price")

    assert caught.value.response["Error"] == {"Code": code, "Message": "the message"}
    assert isinstance(caught.value, lc.CallError)
    assert type(caught.value).__name__ == (code if code != "Odd" else "ClientError")


def test_an_unexpected_call_of_a_stub(ours: Any):
    """The stub's own exception passes unchanged."""
    with Stubber(ours), pytest.raises(boto.UnStubbedResponseError):
        ours.invoke(FunctionName="price")


@pytest.mark.parametrize("operation_name", ["Invoke", "invoke", "test"])
def test_a_mock_of_the_api_call(ours: Any, operation_name: str):
    """Tests replace ``BaseClient._make_api_call``: the mock's answer is returned as it is."""
    calls: list[Any] = []
    error = boto.ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "m"}}, operation_name)

    def api_call(_client: Any, name: str, parameters: Any) -> Any:
        calls.append((name, parameters))
        if len(calls) > 1:
            raise error
        return {"Payload": "anything"}

    with patch("botocore.client.BaseClient._make_api_call", new=api_call):
        assert ours.invoke(FunctionName="price", Payload="{}") == {"Payload": "anything"}
        with pytest.raises(boto.ClientError) as caught:
            ours.invoke(FunctionName="price")

    assert calls == [("Invoke", {"FunctionName": "price", "Payload": "{}"}), ("Invoke", {"FunctionName": "price"})]
    assert isinstance(caught.value, lc.ThrottledError)
    assert caught.value.operation_name == operation_name


def test_a_mock_may_raise_anything(ours: Any):
    """An exception that is not botocore's passes unchanged."""
    with (
        patch("botocore.client.BaseClient._make_api_call", side_effect=ZeroDivisionError),
        pytest.raises(ZeroDivisionError),
    ):
        ours.invoke(FunctionName="price")


def test_boto3_may_be_replaced_by_a_mock():
    """``patch("boto3.client")`` and ``patch("boto3.Session")`` are looked up for each use."""
    with patch("boto3.client") as client:
        assert compat.client("lambda") is client.return_value
    with patch("boto3.Session") as session:
        assert compat.Session is session
    assert issubclass(compat.Session, boto3.Session)


def test_a_real_call_is_blocked_in_tests():
    """By the guard of the pytest plugin, for calls of ``compat``, too."""
    with closing(compat.client("lambda", **KEYS)) as client, pytest.raises(RealInvokeBlockedError, match="price"):
        client.invoke(FunctionName="price")


def test_moto(monkeypatch: pytest.MonkeyPatch):
    """It intercepts the requests of the client, as those of boto3."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with mock_aws(config={"lambda": {"use_docker": False}}):
        client = compat.client("lambda", region_name="eu-west-1")
        answer = client.invoke(FunctionName="price", Payload='{"a": 1}')
        assert json.load(answer["Payload"]) == {"a": 1}
        assert client.list_functions()["Functions"] == []
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.get_function(FunctionName="price")


def test_lambda_stub_answers(lambda_stub: StubTransport, ours: Any):
    """A test may replace the transport before the code is typed."""
    lambda_stub.on("price").returns({"cents": 5})
    answer = ours.invoke(FunctionName="price", Payload='{"sku": "a"}')
    assert json.load(answer["Payload"]) == {"cents": 5}
    assert answer["StatusCode"] == 200

    failing = lambda_stub.on("stock").raises(KeyError("a"))
    answer = ours.invoke(FunctionName="stock", Payload="{}")
    assert answer["FunctionError"]
    assert json.load(answer["Payload"])["errorType"] == "KeyError"
    assert len(failing.calls) == 1

    lambda_stub.on("mail").accepts()
    assert ours.invoke(FunctionName="mail", InvocationType="Event", Payload="{}")["StatusCode"] == 202

    lambda_stub.on("gone").raises(lc.FunctionNotFoundError)
    with pytest.raises(ours.exceptions.ResourceNotFoundException) as caught:
        ours.invoke(FunctionName="gone", Payload="{}")
    assert isinstance(caught.value, lc.FunctionNotFoundError)

    lambda_stub.on("report").streams(b"a", b"b")
    events = [*ours.invoke_with_response_stream(FunctionName="report", Payload="{}")["EventStream"]]
    assert [event["PayloadChunk"]["Payload"] for event in events[:-1]] == [b"a", b"b"]
    assert "InvokeComplete" in events[-1]


# Errors.


def error_of(client: Any, server: Laboratory, fault: Any) -> Any:
    """Return the error of a call."""
    server.play(fault)
    with pytest.raises((boto.ClientError, boto.BotoCoreError)) as caught:
        client.invoke(FunctionName="price")
    return caught.value


ERRORS = [
    service_error("TooManyRequestsException", 429, reason="CallerRateLimitExceeded", Retry_After="7"),
    service_error("AFutureException", 400),
    faults.CONNECTION_FAULTS[3],
    faults.BODY_FAULTS[2],
]


@pytest.mark.parametrize("fault", ERRORS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("clone", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])
def test_errors_can_be_copied_and_pickled(
    server: Laboratory, connect: Callable[..., Any], fault: Any, clone: Callable[[Any], Any]
):
    """With both halves of what they know."""
    error = error_of(connect(retry=lc.RetryPolicy.never()), server, fault)

    cloned = clone(error)

    assert str(cloned) == str(error)
    assert (cloned.function, cloned.execution, cloned.attempts) == (error.function, error.execution, error.attempts)
    ours = [kind for kind in lc.CallError.__subclasses__() if isinstance(error, kind)]
    assert ours
    assert all(isinstance(cloned, kind) for kind in ours)
    if isinstance(error, boto.ClientError):
        assert isinstance(cloned, boto.ClientError)
        assert cloned.response == error.response


def test_errors_have_the_knowledge_of_both(server: Laboratory, connect: Callable[..., Any]):
    """The classes, the response, and whether a retry is safe."""
    error = error_of(connect(retry=lc.RetryPolicy.never()), server, ERRORS[0])

    assert isinstance(error, lc.ThrottledError)
    assert (error.reason, error.retry_after) == ("CallerRateLimitExceeded", 7.0)
    assert error.retryable
    assert error.response["Reason"] == "CallerRateLimitExceeded"
    assert error.request_id == error.response["ResponseMetadata"]["RequestId"]


def test_errors_do_not_quote_secrets(connect: Callable[..., Any]):
    """boto3's text has the password of the proxy."""
    with refusing() as url:
        proxy = url.replace("//", "//user:proxy-canary@")
        client = connect(
            endpoint_url="http://lambda.test", config=Config(proxies={"http": proxy}, retries={"max_attempts": 0})
        )
        with pytest.raises(boto.ProxyConnectionError) as caught:
            client.invoke(FunctionName="price")

    assert isinstance(caught.value, lc.CallError)
    assert "canary" not in f"{caught.value} {caught.value!r} {vars(caught.value)} {pickle.dumps(caught.value)!r}"


def test_a_chain_of_calls_that_is_too_long(server: Laboratory, ours: Any):
    """Old code sees Lambda's own error for loops."""
    context = LambdaContext(client_context={"custom": {"lc-v": "1", "lc-cid": "c", "lc-depth": "12"}})

    with lc.invocation_scope(context), pytest.raises(boto.ClientError) as caught:
        ours.invoke(FunctionName="price")

    assert isinstance(caught.value, lc.RecursiveInvocationError)
    assert caught.value.response["Error"]["Code"] == "RecursiveInvocationException"


# Metadata and events.


def test_the_clients_context_is_merged(server: Laboratory, ours: Any):
    """The caller's own texts win, and what is not JSON is left alone."""
    server.play(faults.SUCCESS)
    own = base64.b64encode(json.dumps({"custom": {"user": "u-1"}, "env": {"a": "b"}}).encode()).decode()

    ours.invoke(FunctionName="price", ClientContext=own)

    sent = json.loads(base64.b64decode(server.requests[0].headers["x-amz-client-context"]))
    assert sent["custom"]["user"] == "u-1"
    assert sent["custom"]["lc-depth"] == "1"
    assert sent["env"] == {"a": "b"}


@pytest.mark.parametrize(
    "own", ["not base64", base64.b64encode(b"[]").decode(), "A" * 4000, base64.b64encode(b'{"custom": 5}').decode()]
)
def test_a_client_context_without_room_is_left_alone(server: Laboratory, ours: Any, own: str):
    """Of another form, or too long."""
    server.play(faults.SUCCESS)

    ours.invoke(FunctionName="price", ClientContext=own)

    assert server.requests[0].headers["x-amz-client-context"] == own


def test_metadata_can_be_turned_off(server: Laboratory, connect: Callable[..., Any]):
    """For callees that rely on having no ClientContext."""
    server.play(faults.SUCCESS)
    connect(metadata=False).invoke(FunctionName="price")
    connect().invoke(FunctionName="price", InvocationType="Event")

    assert ["x-amz-client-context" in request.headers for request in server.requests] == [False, False]


def test_event_handlers_of_the_caller_run(server: Laboratory, ours: Any):
    """As in boto3, which retries the same call: once a call, but for those of a request."""
    retries = Config(retries={"mode": "standard", "max_attempts": 2})
    events: list[list[str]] = []
    with closing(boto3.client("lambda", endpoint_url=server.url, config=retries, **KEYS)) as theirs:
        for client in (ours, theirs):
            server.play(service_error("TooManyRequestsException", 429), faults.SUCCESS)
            seen: list[str] = []
            client.meta.events.register("*.lambda.Invoke", lambda event_name, seen=seen, **_: seen.append(event_name))
            client.invoke(FunctionName="price")
            events.append([name for name in seen if not name.startswith("needs-retry")])

    assert events[0] == events[1]
    assert events[0].count("before-send.lambda.Invoke") == 2


def test_an_error_of_the_service_passes_the_event_handlers_once(server: Laboratory, ours: Any):
    """What is retried does not look like a failure to them; an exception is reported once, too."""
    server.play(service_error("TooManyRequestsException", 429))
    seen: list[Any] = []
    for name in ("after-call", "after-call-error"):
        ours.meta.events.register(f"{name}.lambda.Invoke", lambda event_name, **_: seen.append(event_name))
    with pytest.raises(lc.ThrottledError):
        compat.upgrade(ours, retry=lc.RetryPolicy(initial_delay=0, budget=None)).invoke(FunctionName="price")
    assert server.received == 3
    server.play(faults.CONNECTION_FAULTS[3])
    with pytest.raises(lc.ConnectionLostError):
        ours.invoke(FunctionName="price")

    assert seen == ["after-call.lambda.Invoke", "after-call-error.lambda.Invoke"]


def test_an_event_handler_after_the_request_does_not_repeat_it(server: Laboratory, ours: Any):
    """The function has run, whatever the handler raises."""
    server.play(faults.SUCCESS)
    error = boto.ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "m"}}, "Invoke")

    def fail(**_: Any) -> None:
        raise error

    ours.meta.events.register("after-call.lambda.Invoke", fail)
    for fault in (faults.SUCCESS, service_error("ServiceException", 500)):
        server.play(fault)
        with pytest.raises(boto.ClientError) as caught:
            ours.invoke(FunctionName="price")

        assert caught.value is error
        assert server.received == 1


def test_what_wraps_botocores_method_may_call_it_again(server: Laboratory, ours: Any):
    """Each time is a call of its own."""
    real: Any = vars(botocore.client.BaseClient)["_make_api_call"]

    def call_twice(client: Any, *args: Any) -> Any:
        with pytest.raises(boto.ClientError):
            real(client, *args)
        server.play(service_error("TooManyRequestsException", 429), faults.SUCCESS)
        return real(client, *args)

    server.play(service_error("ServiceException", 500))
    with patch("botocore.client.BaseClient._make_api_call", new=call_twice):
        answer = ours.invoke(FunctionName="price")

    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
    assert server.received == 2


def test_a_replaced_method_of_the_endpoint_is_kept(server: Laboratory):
    """Of a client that was created before, by other code."""
    client: Any = boto3.client("lambda", endpoint_url=server.url, **KEYS)
    real, seen = client._endpoint.make_request, list[str]()
    client._endpoint.make_request = lambda model, request: (seen.append(model.name), real(model, request))[1]
    server.play(faults.SUCCESS)
    with closing(compat.upgrade(client)):
        client.invoke(FunctionName="price")

    assert seen == ["Invoke"]


@pytest.mark.parametrize("name", ["Endpoint.make_request", "Endpoint._send_request"])
def test_a_mock_of_the_request(ours: Any, name: str):
    """Tests replace botocore's endpoint, too; nothing that a mock raises is retried."""
    http = MagicMock(status_code=200)
    with patch(f"botocore.endpoint.{name}", return_value=(http, {"Payload": "anything"})):
        assert ours.invoke(FunctionName="price") == {"Payload": "anything"}
    error = boto.EndpointConnectionError(endpoint_url="http://mocked")
    replaced = patch("botocore.endpoint.Endpoint.make_request", side_effect=[error])
    with replaced as mocked, pytest.raises(boto.EndpointConnectionError) as caught:
        ours.invoke(FunctionName="price")

    assert isinstance(caught.value, lc.ConnectError)
    assert mocked.call_count == 1


def test_a_call_inside_an_event_handler(server: Laboratory, ours: Any):
    """It is a call of its own."""
    server.play(faults.SUCCESS)
    inner: list[Any] = []

    def call(**_: Any) -> None:
        if not inner:
            inner.append(None)
            inner.append(ours.invoke(FunctionName="inner")["Payload"].read())

    ours.meta.events.register("before-call.lambda.Invoke", call)
    answer = ours.invoke(FunctionName="outer")

    assert (inner[1], answer["Payload"].read()) == (faults.RESULT, faults.RESULT)
    assert [request.path.split("/")[3] for request in server.requests] == ["inner", "outer"]


# Payloads and streams.


@pytest.mark.parametrize(
    "use",
    [
        lambda body: body.read(),
        lambda body: body.read(5) + body.read(),
        lambda body: b"".join(body.iter_chunks(3)),
        lambda body: b"".join(body.iter_lines()),
        b"".join,
        lambda body: json.dumps(json.load(body), separators=(",", ":")).encode(),
        lambda body: [body.read(), body.read()][0],
    ],
)
def test_a_payload_is_read_as_boto3s(server: Laboratory, ours: Any, use: Callable[[Any], bytes]):
    """It is a ``StreamingBody``."""
    server.play(faults.SUCCESS)
    body = ours.invoke(FunctionName="price")["Payload"]

    assert type(body).__name__ == "StreamingBody"
    assert use(body) == faults.RESULT
    body.close()


@pytest.mark.parametrize("use", [lambda body: body.read(), lambda body: [*body], lambda body: body.tell()])
def test_a_payload_that_is_closed(server: Laboratory, ours: Any, theirs: Any, use: Callable[[Any], object]):
    """It has ended, as boto3's."""
    server.play(faults.SUCCESS)
    found: list[object] = []
    for client in (ours, theirs):
        body = client.invoke(FunctionName="price")["Payload"]
        body.read()
        body.close()
        found.append(use(body))

    assert found[0] == found[1]


def test_a_payload_is_a_context_manager(server: Laboratory, ours: Any):
    """And knows its position."""
    server.play(faults.SUCCESS)
    with ours.invoke(FunctionName="price")["Payload"] as body:
        assert body.tell() == 0
        assert body.read() == faults.RESULT
