"""Under OpenTelemetry's real instrumentation of botocore: payloads are unchanged, traces are in the ClientContext."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from lambdachain import BotoTransport, Contract, LambdaClient, RetryPolicy, invocation_scope
from lambdachain.testing import LambdaContext
from tests.support.async_as_sync import ASYNC_TRANSPORTS
from tests.support.responses import http_response

pytest.importorskip("opentelemetry.instrumentation.botocore")
pytest.importorskip("opentelemetry.sdk")

from opentelemetry.instrumentation.botocore import AiobotocoreInstrumentor, BotocoreInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

VERSION = {"X-Amz-Executed-Version": "1"}
AT_ONCE = RetryPolicy(initial_delay=0, budget=None)
PAYLOADS: list[Any] = [
    {"cents": 5},
    {"cents": 5, "headers": {"x-own": "1"}},
    {"headers": {"traceparent": "own"}},
    {"headers": "text"},
    {"headers": None},
    {"text": "\u00e9\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "float": 1e22},
    {},
    [1, 2],
    [],
    5,
    "text",
    None,
    True,
]


@pytest.fixture(params=["boto3", *(name for name in ASYNC_TRANSPORTS if name == "async boto3")])
def over(request: pytest.FixtureRequest) -> str:
    """Each transport over botocore."""
    return str(request.param)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Instrument botocore for one test."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentors: list[Any] = [BotocoreInstrumentor()]
    if find_spec("aiobotocore"):
        instrumentors.append(AiobotocoreInstrumentor())
    for instrumentor in instrumentors:
        instrumentor.instrument(tracer_provider=provider, skip_dep_check=True)
    yield exporter
    for instrumentor in instrumentors:
        instrumentor.uninstrument()
    _unwrap_aiobotocore()


def _unwrap_aiobotocore() -> None:
    """Remove what the instrumentor's own uninstrument() leaves behind."""
    if find_spec("aiobotocore"):
        from aiobotocore.client import AioBaseClient

        wrapped = getattr(AioBaseClient.__dict__["_make_api_call"], "__wrapped__", None)
        if wrapped is not None:
            AioBaseClient._make_api_call = wrapped


def _custom(request: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.b64decode(request.headers["x-amz-client-context"]))["custom"]
    return found


def _traceparent(span: ReadableSpan) -> str:
    context: Any = span.context
    return f"00-{context.trace_id:032x}-{context.span_id:016x}"


@pytest.mark.parametrize("payload", PAYLOADS, ids=repr)
def test_every_attempt_sends_our_bytes_and_its_own_trace(
    payload: Any, server: Any, connect: Callable[..., LambdaClient], spans: InMemorySpanExporter, caplog: Any
):
    """For an object or any other payload; the callee sees the span of the attempt as its parent."""
    throttle = http_response("429 Too Many Requests", b"{}", {"x-amzn-ErrorType": "TooManyRequestsException"})
    server.respond(throttle, throttle, http_response("200 OK", b"1", VERSION))
    contract = Contract("f", request=Any, response=int)
    assert connect().call(contract, payload, retry=AT_ONCE, idempotency_key="k") == 1

    bodies = {request.body for request in server.requests}
    told = [_custom(request) for request in server.requests]
    assert len(server.requests) == 3
    assert [json.loads(body) for body in bodies] == [payload]
    assert [custom["traceparent"][:-3] for custom in told] == [
        _traceparent(span) for span in spans.get_finished_spans()
    ]
    assert [custom["lc-attempt"] for custom in told] == ["1", "2", "3"]
    assert {custom["lc-idem"] for custom in told} == {"k"}
    assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []


def test_without_instrumentation_nothing_changes(server: Any, connect: Callable[..., LambdaClient]):
    """No trace, the same bytes."""
    server.respond(http_response("200 OK", b"1", VERSION))
    assert connect().call(Contract("f", request=Any, response=int), {"headers": {"a": "b"}}) == 1

    assert server.requests[0].body == b'{"headers":{"a":"b"}}'
    assert "traceparent" not in _custom(server.requests[0])


@pytest.mark.parametrize("payload", [{"cents": 5}, [1], 5])
def test_an_event_is_sent_unchanged(
    payload: Any, server: Any, connect: Callable[..., LambdaClient], spans: InMemorySpanExporter
):
    """Lambda does not pass on the ClientContext of an event."""
    server.respond(http_response("202 Accepted"))
    connect().fire(Contract("f", request=Any, response=None), payload)

    assert json.loads(server.requests[0].body) == payload
    assert "x-amz-client-context" not in server.requests[0].headers
    assert len(spans.get_finished_spans()) == 1


TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


def test_the_span_of_the_call_replaces_a_forwarded_trace(
    server: Any, connect: Callable[..., LambdaClient], spans: InMemorySpanExporter
):
    """It is the nearer parent; a trace that the caller passes explicitly stays."""
    server.respond(http_response("200 OK", b"1", VERSION))
    contract = Contract("f", request=Any, response=int)
    client = connect()
    custom = {"traceparent": TRACE, "tracestate": "a=1", "own": "1"}
    with invocation_scope(LambdaContext("f", client_context={"custom": custom})):
        client.call(contract, {})
        client.call(contract, {}, client_context={"traceparent": TRACE[:-1] + "0"})
    first, second = map(_custom, server.requests)

    assert first["traceparent"][:-3] == _traceparent(spans.get_finished_spans()[0])
    assert "tracestate" not in first
    assert second["traceparent"] == TRACE[:-1] + "0"


def test_a_client_context_without_room_for_a_trace_is_unchanged(
    server: Any, connect: Callable[..., LambdaClient], spans: InMemorySpanExporter
):
    """The limit is 3,583 bytes: the user's own members and the key take precedence."""
    server.respond(http_response("200 OK", b"1", VERSION))
    own = {"own": "x" * 2500}
    connect().call(Contract("f", request=Any, response=int), {}, client_context=own, idempotency_key="k")
    request = server.requests[0]

    assert len(request.headers["x-amz-client-context"]) <= 3583
    assert _custom(request)["own"] == own["own"]
    assert _custom(request)["lc-idem"] == "k"
    assert request.body == b"{}"


def test_a_trace_takes_precedence_over_optional_metadata(
    server: Any, connect: Callable[..., LambdaClient], spans: InMemorySpanExporter
):
    """As if lambdachain itself forwards a trace."""
    server.respond(http_response("200 OK", b"1", VERSION))
    own = {"own": "x" * 2510}
    connect().call(Contract("f", request=Any, response=int), {}, client_context=own)
    custom = _custom(server.requests[0])

    assert len(server.requests[0].headers["x-amz-client-context"]) <= 3583
    assert custom["traceparent"][:-3] == _traceparent(spans.get_finished_spans()[0])
    assert custom["own"] == own["own"]
    assert custom.keys() == {"own", "traceparent", "lc-id", "lc-v", "lc-depth"}


def test_other_additions_to_the_client_context_are_kept(
    server: Any, connect: Callable[..., LambdaClient], monkeypatch: pytest.MonkeyPatch, over: str
):
    """For example those of Datadog's patch of botocore."""
    if over == "boto3":
        from botocore.client import BaseClient as Patched
    else:
        from aiobotocore.client import AioBaseClient as Patched
    original = Patched._make_api_call

    def patched(self: Any, operation: str, parameters: dict[str, Any]) -> Any:
        context = json.loads(base64.b64decode(parameters["ClientContext"]))
        context["custom"]["_datadog"] = {"x-datadog-trace-id": "1"}
        parameters["ClientContext"] = base64.b64encode(json.dumps(context).encode()).decode()
        return original(self, operation, parameters)

    monkeypatch.setattr(Patched, "_make_api_call", patched)
    server.respond(http_response("200 OK", b"1", VERSION))
    connect().call(Contract("f", request=Any, response=int), {"cents": 5})

    assert _custom(server.requests[0])["_datadog"] == {"x-datadog-trace-id": "1"}
    assert server.requests[0].body == b'{"cents":5}'


def test_a_given_client_sends_our_bytes(server: Any, spans: InMemorySpanExporter, over: str):
    """Its own calls are not changed."""
    if over != "boto3":
        pytest.skip("a client of aiobotocore's belongs to its own loop")
    import boto3
    from botocore.config import Config

    options: Any = {"region_name": "eu-west-1", "config": Config(retries={"total_max_attempts": 1})}
    own: Any = boto3.client("lambda", endpoint_url=server.url, **options)
    server.respond(http_response("200 OK", b"1", VERSION))
    assert LambdaClient(BotoTransport(own)).call(Contract("f", request=Any, response=int), {"cents": 5}) == 1
    own.invoke(FunctionName="f", Payload=b'{"cents": 5}')

    assert server.requests[0].body == b'{"cents":5}'
    assert "headers" in json.loads(server.requests[1].body)
    own.close()
