"""Every kind of call is one trace, from the caller's span to that of a handler in a real runtime process."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.propagators.textmap import TextMapPropagator, default_setter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

import lambdachain
from lambdachain import (
    AsyncHttpTransport,
    AsyncLambdaClient,
    BotoTransport,
    CallError,
    Contract,
    FunctionError,
    HttpTransport,
    Interceptor,
    InvalidRequestError,
    LambdaClient,
    OutgoingCall,
    RetryPolicy,
    remote,
)
from lambdachain._lambda_api.proxy_events import HttpRequest, ProxyIntegration, to_proxy_event
from lambdachain.local import LocalEndpoint, LocalFunction
from lambdachain.otel import LambdaChainInstrumentor
from lambdachain.otel._interceptor import TelemetryInterceptor
from lambdachain.otel._metrics import ClientMetrics, HandlerMetrics
from lambdachain.sqs import queue
from lambdachain.testing import InProcessTransport, LambdaContext, StubTransport, sqs_event
from tests.support.trace_collector import CollectedSpan, TraceCollector
from tests.support.trace_picture import Bar, draw_trace

HERE: Final = Path(__file__).parent
FUNCTIONS: Final = HERE / "otel_functions"
# The picture in docs/how-to/observe.md; a change of it is written by hand: PICTURE.write_text(draw_trace(bars)).
PICTURE: Final = HERE.parents[1] / "docs" / "how-to" / "joined-trace.svg"
sys.path.append(str(FUNCTIONS))

from otel_app import Busy, Declined, Order, chained, enveloped, event, flaky, handle_scalar, order, scalar  # noqa: E402

NAMES: Final = {"otel-order": "order", "otel-scalar": "scalar", "otel-chain": "chain", "otel-event": "event",
                "otel-enveloped": "enveloped", "otel-flaky": "flaky"}  # fmt: skip


class Recorded:
    """What this process records: the caller's side."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.tracer = self.tracers.get_tracer("test")

    def spans(self, kind: SpanKind = SpanKind.CLIENT) -> list[Any]:
        """Return the spans of a kind that have ended."""
        return [span for span in self.exporter.get_finished_spans() if span.kind is kind]

    def metrics(self) -> dict[str, list[Any]]:
        """Return the data points of each metric."""
        data = self.reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        return {metric.name: list(metric.data.data_points) for scope in scopes for metric in scope.metrics}


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    """Instrument this process, with providers of the test's own."""
    recorded = Recorded()
    instrumentor = LambdaChainInstrumentor()
    instrumentor.instrument(tracer_provider=recorded.tracers, meter_provider=recorded.meters)
    yield recorded
    instrumentor.uninstrument()


@pytest.fixture(scope="module")
def endpoint(collector: TraceCollector) -> Iterator[str]:
    """Serve the functions, each started as by OpenTelemetry's layer, whose spans go to the collector."""
    variables = {
        "AWS_LAMBDA_EXEC_WRAPPER": str(FUNCTIONS / "otel-instrument"),
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
    }
    functions = [
        LocalFunction(
            name,
            f"otel_app.handle_{short}",
            directory=FUNCTIONS,
            environment=variables,
            timeout=60,
            memory=1024,
        )
        for name, short in NAMES.items()
    ]
    with LocalEndpoint(functions) as running:
        yield running.url


def _call(client: LambdaClient) -> object:
    return client.call(order, Order(id="o-1"))


def _stream(client: LambdaClient) -> object:
    return b"".join(client.stream(order, Order(id="o-1")))


def _map(client: LambdaClient) -> object:
    return list(client.map(scalar, [21]))


def _call_async(url: str) -> object:
    async def run() -> object:
        async with AsyncLambdaClient(AsyncHttpTransport(endpoint_url=url, region="eu-west-1")) as client:
            return await client.call(order, Order(id="o-1"))

    return asyncio.run(run())


CALLS: Final[dict[str, Callable[[LambdaClient], object]]] = {
    "call": _call,
    "scalar": lambda client: client.call(scalar, 21),
    "map": _map,
    "stream": _stream,
    "fire with envelope": lambda client: client.fire(enveloped, Order(id="o-1")),
}


def _transport(kind: str, url: str) -> Any:
    return {"http": HttpTransport, "boto3": BotoTransport}[kind](endpoint_url=url, region="eu-west-1")


def _ids(span: Any) -> tuple[str, str]:
    return format_trace_id(span.context.trace_id), format_span_id(span.context.span_id)


def _find_own(spans: list[CollectedSpan]) -> list[CollectedSpan]:
    return [span for span in spans if span.scope == "lambdachain" and span.kind == "SERVER"]


def _wait_for_children(collector: TraceCollector, trace_id: str, count: int = 1) -> list[CollectedSpan]:
    """Wait for the spans of handlers in a trace; return these."""
    spans = collector.wait_for(lambda spans: len([s for s in _find_own(spans) if s.trace_id == trace_id]) >= count)
    return [span for span in _find_own(spans) if span.trace_id == trace_id]


@pytest.mark.parametrize("kind", ["http", "boto3"])
@pytest.mark.parametrize("name", CALLS)
def test_caller_and_handler_are_one_trace(
    name: str, kind: str, endpoint: str, recorded: Recorded, collector: TraceCollector
):
    """The handler's span is a child of the call's, which is a child of the caller's own."""
    with LambdaClient(_transport(kind, endpoint)) as client, recorded.tracer.start_as_current_span("work") as work:
        CALLS[name](client)
    [span] = recorded.spans()
    [handled] = _wait_for_children(collector, _ids(span)[0])

    assert span.parent.span_id == work.get_span_context().span_id
    assert (handled.trace_id, handled.parent_id) == _ids(span)
    assert handled.attributes["faas.name"] == span.attributes["faas.invoked_name"]
    # OpenTelemetry's own instrumentation of Lambda has a span, too, which cannot be the child: it is linked.
    assert len(handled.links) == 1


def test_async_client(endpoint: str, recorded: Recorded, collector: TraceCollector):
    """The same over asyncio."""
    _call_async(endpoint)
    [span] = recorded.spans()
    [handled] = _wait_for_children(collector, _ids(span)[0])

    assert (handled.trace_id, handled.parent_id) == _ids(span)


def test_event_without_envelope_is_linked(endpoint: str, recorded: Recorded, collector: TraceCollector):
    """Nothing but Lambda's trace header travels with it."""
    for kind in ("http", "boto3"):
        with LambdaClient(_transport(kind, endpoint)) as client:
            client.fire(event, Order(id="o-1"))
    spans = recorded.spans()
    expected = {_ids(span) for span in spans}
    collected = collector.wait_for(
        lambda collected: {link for span in _find_own(collected) for link in span.links} >= expected
    )

    assert len(spans) == 2
    assert {span.name for span in _find_own(collected) if set(span.links) & expected} == {"otel-event"}


@pytest.mark.skipif(not (HERE / "otel_node" / "node_modules").is_dir(), reason="`make javascript` has not run")
def test_node_function(recorded: Recorded, collector: TraceCollector):
    """A function in another language finds the caller's span in its ClientContext."""
    function = LocalFunction(
        "otel-node",
        "index.handler",
        directory=HERE / "otel_node",
        runtime="nodejs",
        environment={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url},
        timeout=60,
        memory=512,
    )
    with LocalEndpoint([function]) as running, LambdaClient(_transport("http", running.url)) as client:
        assert client.call("otel-node", {"id": "o-1"}) == "o-1"
    [span] = recorded.spans()
    [handled] = collector.wait_for_trace(_ids(span)[0], 1)

    assert (handled.scope, handled.name, handled.parent_id) == ("otel-node", "otel-node", _ids(span)[1])


def test_without_instrumentation_of_lambda(recorded: Recorded, collector: TraceCollector):
    """Then a handler's spans are sent before Lambda freezes the process, too."""
    environment = {
        "AWS_LAMBDA_EXEC_WRAPPER": str(FUNCTIONS / "otel-instrument"),
        "ONLY_LAMBDACHAIN": "1",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "aws-lambda",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        # A minute between two batches: only a flush sends them before.
        "OTEL_BSP_SCHEDULE_DELAY": "60000",
    }
    function = LocalFunction(
        "otel-order", "otel_app.handle_order", directory=FUNCTIONS, environment=environment, timeout=60, memory=1024
    )
    with LocalEndpoint([function]) as running, LambdaClient(_transport("http", running.url)) as client:
        client.call(order, Order(id="o-1"))
        [span] = recorded.spans()
        [handled] = collector.wait_for_trace(_ids(span)[0], 1)

    assert (handled.scope, handled.parent_id, handled.links) == ("lambdachain", _ids(span)[1], ())


def test_retried_function(endpoint: str, recorded: Recorded, collector: TraceCollector):
    """Both attempts reach a handler: two spans beneath one call."""
    again = RetryPolicy(initial_delay=0.001, retry_on=lambda error: isinstance(error, Busy))
    with LambdaClient(_transport("http", endpoint)) as client:
        assert client.call(flaky, "", retry=again) == 2
    [span] = recorded.spans()
    handled = _wait_for_children(collector, _ids(span)[0], 2)

    assert {(one.trace_id, one.parent_id) for one in handled} == {_ids(span)}
    assert sorted(one.failed for one in handled) == [False, True]
    assert [one.attributes.get("error.type") for one in span.events] == ["Busy", None]


def test_hedged_function(endpoint: str, recorded: Recorded, collector: TraceCollector, tmp_path: Path):
    """The first attempt waits for the duplicate; whichever response counts, both are in the trace."""
    with LambdaClient(_transport("http", endpoint)) as client:
        client.call(flaky, str(tmp_path / "second"), retry=RetryPolicy(hedge_after=0.01, max_attempts=2))
        [span] = recorded.spans()
        handled = _wait_for_children(collector, _ids(span)[0], 2)

    assert {(one.trace_id, one.parent_id) for one in handled} == {_ids(span)}
    assert [one.attributes["lambdachain.attempt.hedge"] for one in span.events] == [False, True]


def test_three_functions_deep(endpoint: str, recorded: Recorded, collector: TraceCollector):
    """Each call is a child of the handler that makes it; baggage arrives at the last one."""
    token = context.attach(baggage.set_baggage("customer", "c-1"))
    with LambdaClient(_transport("http", endpoint)) as client:
        last = client.call(chained, Order(id="o-1", hops=2))
    context.detach(token)
    [span] = recorded.spans()
    trace_id = _ids(span)[0]
    handled = _wait_for_children(collector, trace_id, 3)
    spans = {one.span_id: one for one in collector.wait_for_trace(trace_id, 5)}

    assert last == f"{trace_id} c-1"
    assert len(handled) == 3
    calls = [spans[one.parent_id] for one in handled if one.parent_id in spans]
    assert [(one.kind, one.name) for one in calls] == [("CLIENT", "call otel-chain")] * 2
    assert {one.parent_id for one in calls} <= {one.span_id for one in handled}
    assert _ids(span)[1] in {one.parent_id for one in handled}
    own = [one for one in spans.values() if one.scope == "lambdachain"]
    bars = [Bar(_ids(span)[1], "", "CLIENT", span.name), *(Bar(s.span_id, s.parent_id, s.kind, s.name) for s in own)]
    assert PICTURE.read_text() == draw_trace(bars)


@pytest.mark.parametrize("order_id", ["declined", "broken"])
def test_failed_function(order_id: str, endpoint: str, recorded: Recorded, collector: TraceCollector):
    """Both spans are errors, with the type of the function's own; no message, which may quote the payload."""
    with LambdaClient(_transport("http", endpoint)) as client, pytest.raises(FunctionError) as raised:
        client.call(order, Order(id=order_id))
    [span] = recorded.spans()
    [handled] = _wait_for_children(collector, _ids(span)[0])
    error_type = {"declined": "Declined", "broken": "KeyError"}[order_id]

    assert span.attributes["error.type"] == handled.attributes["error.type"] == error_type
    assert (
        span.attributes["lambdachain.error.declared"] is isinstance(raised.value, Declined) is (order_id == "declined")
    )
    assert span.attributes["lambdachain.execution"] == "executed"
    assert (span.status.status_code, handled.failed) == (StatusCode.ERROR, True)
    assert "limit" not in span.to_json()


def test_retried_and_throttled_call(recorded: Recorded):
    """One span; its attempts are events, and metrics."""
    with StubTransport() as stub:
        stub.on(order).throttles(2).returns(Order(id="o-1"))
        LambdaClient(retry=RetryPolicy(initial_delay=0.001)).call(order, Order(id="o-1"))
    [span] = recorded.spans()
    attempts = [dict(one.attributes) for one in span.events if one.name == "lambdachain.attempt"]
    metrics = recorded.metrics()

    assert [one.get("error.type") for one in attempts] == ["ThrottledError", "ThrottledError", None]
    assert [one["lambdachain.attempt.number"] for one in attempts] == [1, 2, 3]
    assert span.status.status_code is StatusCode.UNSET
    assert [point.sum for point in metrics["lambdachain.client.call.retries"]] == [2]
    assert [point.value for point in metrics["lambdachain.client.attempt.started"]] == [3]
    assert sum(point.value for point in metrics["lambdachain.client.throttles"]) == 2
    assert [point.count for point in metrics["rpc.client.call.duration"]] == [1]
    assert [point.value for point in metrics["lambdachain.client.active_calls"]] == [0]


def test_hedged_call(recorded: Recorded):
    """The duplicate is an event of the same span."""
    slow = Contract("otel-slow", request=int, response=int, idempotent=True)
    import threading

    first, done = threading.Event(), threading.Event()

    @remote(slow)
    def handler(number: int) -> int:
        if not first.is_set():
            first.set()
            done.wait(60)
        return number

    policy = RetryPolicy(max_attempts=2, hedge_after=0.01)  # a third would be sent where the second is slow, too
    client = LambdaClient(InProcessTransport({slow: handler}), retry=policy)
    assert client.call(slow, 1) == 1
    done.set()
    [span] = recorded.spans()

    assert [one.attributes["lambdachain.attempt.hedge"] for one in span.events] == [False, True]
    assert [point.sum for point in recorded.metrics()["lambdachain.client.call.hedges"]] == [1]


def test_refusal_before_sending_and_permission_checks(recorded: Recorded):
    """A span, too: with the error and without attempts; a missing permission is an answer."""
    with StubTransport() as stub:
        stub.on(order).denies()
        client = LambdaClient()
        with pytest.raises(InvalidRequestError):
            client.call(order, {"id": object()})  # type: ignore[call-overload]
        assert not client.can_invoke(order)
    refused, checked = recorded.spans()

    assert (refused.attributes["error.type"], refused.events[-1].name) == ("InvalidRequestError", "exception")
    assert (checked.name, checked.status.status_code) == ("can_invoke otel-order", StatusCode.UNSET)


def test_botocore_makes_no_second_span(endpoint: str, recorded: Recorded, collector: TraceCollector):
    """Its own instrumentation still sees other clients."""
    instrumentor = BotocoreInstrumentor()
    instrumentor.instrument(tracer_provider=recorded.tracers)
    try:
        with LambdaClient(_transport("boto3", endpoint)) as client:
            assert client.call(scalar, 21) == 42
        spans = recorded.spans()
        boto3.client("lambda", endpoint_url=endpoint, region_name="eu-west-1").invoke(
            FunctionName="otel-order", Payload=b'{"id": "o-2"}'
        )
    finally:
        instrumentor.uninstrument()

    assert [span.name for span in spans] == ["call otel-scalar"]
    [other] = [span for span in recorded.spans() if span.instrumentation_scope.name != "lambdachain"]
    # Its headers are in the payload: OpenTelemetry's instrumentation of Lambda reads them, and ours is its child.
    spans = collector.wait_for_trace(_ids(other)[0], 2)
    [handled] = _find_own(spans)
    assert handled.parent_id in {span.span_id for span in spans}


def test_nothing_is_sent_or_recorded_where_instrumentation_is_suppressed(recorded: Recorded):
    """As for every instrumentation."""
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    with StubTransport() as stub, suppress_instrumentation():
        stub.on(order).returns(Order(id="o-1"))
        LambdaClient().call(order, Order(id="o-1"))

    assert recorded.spans() == []


def test_uninstrumented_process_has_no_spans(recorded: Recorded):
    """Calls work on."""
    LambdaChainInstrumentor().uninstrument()
    with StubTransport() as stub:
        stub.on(order).returns(Order(id="o-1"))
        LambdaClient().call(order, Order(id="o-1"))

    assert recorded.spans() == []
    assert trace.get_current_span() is trace.INVALID_SPAN


class Unreliable(TracerProvider, MeterProvider):
    """A provider whose exporter is down, and which counts what is asked of it."""

    def __init__(self) -> None:
        self.flushed: list[int] = []

    def force_flush(self, timeout_millis: float = 30_000) -> bool:
        """Fail."""
        self.flushed.append(int(timeout_millis))
        raise ConnectionError("the collector is down")


def test_spans_and_metrics_are_sent_before_the_freeze(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A collector that is down costs the function at most the time-out, and never its result."""
    traces, meters = Unreliable(), Unreliable()
    recorded = Recorded()
    interceptor = TelemetryInterceptor(
        recorded.tracer,
        ClientMetrics(recorded.meters.get_meter("test")),
        HandlerMetrics(recorded.meters.get_meter("test")),
        lambda: (traces, meters),
    )
    # Celery, of another test, sets up logging for itself.
    logger = logging.getLogger("lambdachain.otel")
    monkeypatch.setattr(logger, "disabled", False)
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "scalar")
    monkeypatch.setenv("OTEL_INSTRUMENTATION_AWS_LAMBDA_FLUSH_TIMEOUT", "1500")
    with caplog.at_level(logging.WARNING, logger.name), lambdachain.use(interceptor):
        assert handle_scalar(21, LambdaContext("scalar")) == 42

    assert len(traces.flushed) == len(meters.flushed) == 1
    assert 0 < meters.flushed[0] <= traces.flushed[0] <= 1500
    assert [record.name for record in caplog.records] == ["lambdachain.otel"] * 2


@pytest.mark.parametrize(
    ("invoked", "resource"),
    [("scalar", "scalar"), ("scalar:live", "scalar:7"), ("scalar:7", "scalar:7")],
)
def test_resource_id_has_no_alias(invoked: str, resource: str, recorded: Recorded):
    """One process may be invoked by many aliases; the conventions want the version."""
    prefix = "arn:aws:lambda:eu-west-1:123456789012:function:"
    context = LambdaContext("scalar", version="7", arn=prefix + invoked)
    handle_scalar(21, context)
    [span] = recorded.spans(SpanKind.SERVER)

    assert span.attributes["cloud.resource_id"] == prefix + resource
    assert span.attributes["aws.lambda.invoked_arn"] == prefix + invoked
    assert span.attributes["cloud.account.id"] == "123456789012"


HTTP: Final = ProxyIntegration(kind="http", payload_format="2.0", api_id="a", account_id="123456789012", path="/")
EVENTS: Final[dict[str, tuple[Any, str]]] = {
    "rest api": (to_proxy_event(replace(HTTP, kind="rest", payload_format="1.0"), HttpRequest("GET", "/")), "http"),
    "http api": (to_proxy_event(HTTP, HttpRequest("GET", "/")), "http"),
    "function url": (to_proxy_event(replace(HTTP, kind="url"), HttpRequest("GET", "/")), "http"),
    "load balancer": ({"requestContext": {"elb": {"targetGroupArn": "arn"}}, "httpMethod": "GET"}, "http"),
    "websocket": ({"requestContext": {"connectionId": "c", "routeKey": "$connect"}}, "http"),
    "sqs": (sqs_event(scalar, 21), "pubsub"),
    "sns": ({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "21"}}]}, "pubsub"),
    "kinesis": ({"Records": [{"eventSource": "aws:kinesis", "kinesis": {}}]}, "pubsub"),
    "kafka": ({"eventSource": "aws:kafka", "records": {"topic-0": []}}, "pubsub"),
    "dynamodb": ({"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {}}]}, "datasource"),
    "s3": ({"Records": [{"eventSource": "aws:s3", "s3": {}}]}, "datasource"),
    "rule": ({"source": "shop.orders", "detail-type": "OrderPlaced", "detail": {}}, "pubsub"),
    "schedule": ({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}, "timer"),
    "scheduler": ({"source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": "{}"}, "timer"),
    "a call": ({"id": "o-1", "source": "web", "Records": [], "requestContext": "x"}, "other"),
    "a scalar": (21, "other"),
    "records of one's own": ({"Records": [{"eventSource": ["aws:sqs"]}, 1]}, "other"),
}


@pytest.mark.parametrize("name", EVENTS)
def test_what_started_a_function(name: str, recorded: Recorded):
    """As the semantic conventions name it, for the span and the metrics."""
    event, trigger = EVENTS[name]

    @remote("any")
    def handle(_: Any) -> None:
        """Accept anything."""

    handle(event, LambdaContext("any"))
    [span] = recorded.spans(SpanKind.SERVER)

    assert span.attributes["faas.trigger"] == trigger
    assert {point.attributes["faas.trigger"] for point in recorded.metrics()["faas.invocations"]} == {trigger}


def test_each_record_of_a_queue_is_a_message(recorded: Recorded):
    """Also where the body has a form of another kind."""
    anything = Contract("any", request=Any, response=None)

    @queue(anything)
    def handle(_: Any) -> None:
        """Accept anything."""

    handle(sqs_event(anything, 21, EVENTS["http api"][0]), LambdaContext("any"))

    assert [span.attributes["faas.trigger"] for span in recorded.spans(SpanKind.SERVER)] == ["pubsub", "pubsub"]


class Careless(TextMapPropagator):
    """Writes a text that metadata cannot hold, and one that it can."""

    def inject(self, carrier: Any, context: Any = None, setter: Any = default_setter) -> None:
        """Write them."""
        setter.set(carrier, "x-broken", "two\nlines")
        setter.set(carrier, "x-sound", "one line")

    def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Any:
        """Read nothing."""
        return context

    @property
    def fields(self) -> set[str]:
        """The names."""
        return {"x-broken", "x-sound"}


@pytest.fixture
def careless() -> Iterator[None]:
    """Use a propagator that writes what cannot be sent."""
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(Careless())
    yield
    propagate.set_global_textmap(before)


@pytest.mark.usefixtures("careless")
def test_careless_propagator_does_not_fail_the_call(recorded: Recorded):
    """What can be sent is sent."""
    read: list[dict[str, str]] = []

    class Reader(Interceptor):
        def calling(self, call: OutgoingCall) -> Any:
            read.append(dict(call.metadata))
            return super().calling(call)

    client = LambdaClient(InProcessTransport({scalar: handle_scalar}), interceptors=[Reader()])

    assert client.call(scalar, 21) == 42
    assert read == [{"x-sound": "one line"}]
    assert len(recorded.spans()) == 1


def test_call_inside_a_call(recorded: Recorded):
    """A call that an interceptor makes, for a token, is a child of the call that it is made for."""
    inner = LambdaClient(InProcessTransport({scalar: handle_scalar}))

    class Token(Interceptor):
        @contextmanager
        def calling(self, call: OutgoingCall) -> Generator[None]:
            inner.call(scalar, 1)
            yield

    LambdaClient(InProcessTransport({scalar: handle_scalar}), interceptors=[Token()]).call(scalar, 21)
    token, outer = recorded.spans()

    assert token.parent.span_id == outer.context.span_id
    assert {span.parent.span_id for span in recorded.spans(SpanKind.SERVER)} == {
        token.context.span_id,
        outer.context.span_id,
    }


def test_each_payload_of_a_map_is_a_span(recorded: Recorded):
    """Of the caller's trace, in whichever thread it is sent."""
    client = LambdaClient(InProcessTransport({scalar: handle_scalar}))
    with recorded.tracer.start_as_current_span("work") as work:
        assert list(client.map(scalar, range(5))) == [0, 2, 4, 6, 8]
    spans = recorded.spans()

    assert {span.parent.span_id for span in spans} == {work.get_span_context().span_id}
    assert len(spans) == 5


def test_call_error_of_a_lost_connection(recorded: Recorded):
    """Whether the function may have run is an attribute."""
    with pytest.raises(CallError):
        LambdaClient(
            HttpTransport(endpoint_url="http://127.0.0.1:1", region="eu-west-1"), retry=RetryPolicy.never()
        ).call(order, Order(id="o-1"))
    [span] = recorded.spans()

    assert span.attributes["lambdachain.execution"] == "not executed"
    assert span.attributes["error.type"] == "ConnectError"
