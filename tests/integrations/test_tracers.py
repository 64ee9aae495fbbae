"""X-Ray, Datadog and Sentry: their own SDKs join the trace, and declared errors are not incidents."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest
import sentry_sdk
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner
from aws_xray_sdk import global_sdk_config
from aws_xray_sdk.core import AWSXRayRecorder
from ddtrace.trace import TraceFilter, tracer
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from pydantic import BaseModel
from sentry_sdk.integrations.aws_lambda import _wrap_handler
from sentry_sdk.transport import Transport

import lambdachain
from lambdachain import (
    AsyncLambdaClient,
    BotoTransport,
    Contract,
    HttpTransport,
    Interceptor,
    LambdaClient,
    RemoteError,
    RetryPolicy,
    ThrottledError,
    invocation_scope,
    remote,
)
from lambdachain._core.metadata import Metadata
from lambdachain.datadog import DatadogInterceptor
from lambdachain.otel import LambdaChainInstrumentor
from lambdachain.sentry import SentryInterceptor
from lambdachain.testing import InProcessTransport, LambdaContext, StubTransport
from lambdachain.xray import XRayInterceptor
from tests.support import faults
from tests.support.laboratory import Laboratory

TRACE_HEADER = (
    "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|68fd508a:5"
)


class Order(BaseModel):
    id: str


class Declined(RemoteError):
    reason: str


class Closed(RemoteError):
    """An error that the contract below does not declare."""

    day: str


charge = Contract("billing-charge", request=Order, response=str, errors=[Declined])
ledger = Contract("ledger-book", request=str, response=str)


@remote(ledger)
def handle_ledger(order_id: str) -> str:
    """Return the order."""
    return order_id


@remote(charge)
def handle_charge(order: Order) -> str:
    """Fail as the order says, or call the ledger."""
    if order.id == "declined":
        raise Declined(reason="limit")
    if order.id == "broken":
        raise KeyError(order.id)
    if order.id == "passed on":
        raise Closed(day="Sunday")
    return client.call(ledger, order.id)


client = LambdaClient(InProcessTransport({charge: handle_charge, ledger: handle_ledger}))


class Segments:
    """Receives X-Ray's segments in place of its daemon."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send_entity(self, entity: Any) -> None:
        """Receive a segment that has ended."""
        self.sent.append(entity)

    def set_daemon_address(self, address: object) -> None:
        """Ignore the address: nothing is sent there."""


@pytest.fixture
def laboratory() -> Iterator[Laboratory]:
    """Return a server that records requests."""
    with Laboratory() as running:
        yield running


@pytest.fixture
def recorder() -> AWSXRayRecorder:
    """Return a recorder with a segment, as Lambda makes one for each invocation."""
    recorder = _make_recorder(service="test")
    recorder.begin_segment("orders")
    return recorder


def _make_recorder(**options: Any) -> AWSXRayRecorder:
    global_sdk_config.set_sdk_enabled(True)  # Powertools' Tracer disables it outside Lambda, for the whole process
    recorder = AWSXRayRecorder()
    recorder.emitter._socket.close()  # of the emitter that is replaced
    recorder.configure(sampling=False, emitter=Segments(), **options)
    return recorder


def to_client_context(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return a ClientContext with the metadata of a caller's interceptors."""
    return {"custom": Metadata("correlation", depth=1, extra=texts).texts()}


def _end(recorder: AWSXRayRecorder) -> list[Any]:
    [*subsegments] = recorder.current_segment().subsegments
    recorder.end_segment()
    return subsegments


def _flags(subsegment: Any) -> set[str]:
    return {"error", "fault", "throttle"} & {name for name, value in subsegment.to_dict().items() if value}


def test_xray_subsegment(recorder: AWSXRayRecorder):
    """Named and filled as by the SDK for boto3, with the attempts as retries."""
    with StubTransport() as stub:
        stub.on(ledger).throttles(1).returns("o-1")
        traced = LambdaClient(interceptors=[XRayInterceptor(recorder)], retry=RetryPolicy(initial_delay=0.001))
        traced.call(ledger, "o-1")
    [subsegment] = _end(recorder)

    assert (subsegment.name, subsegment.namespace) == ("Lambda", "aws")
    assert (subsegment.aws["operation"], subsegment.aws["function_name"], subsegment.aws["retries"]) == (
        "Invoke",
        "ledger-book",
        1,
    )
    assert _flags(subsegment) == set()


@pytest.mark.parametrize("transport", [HttpTransport, BotoTransport])
def test_xray_keeps_the_lineage(
    transport: Any, laboratory: Laboratory, recorder: AWSXRayRecorder, monkeypatch: pytest.MonkeyPatch
):
    """Only the parent of Lambda's trace header changes: to the subsegment."""
    origin = TRACE_HEADER
    monkeypatch.setenv("_X_AMZN_TRACE_ID", origin)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    monkeypatch.setenv("LAMBDA_TASK_ROOT", "/var/task")
    from aws_xray_sdk.core import lambda_launcher

    lambda_recorder = _make_recorder(context=lambda_launcher.LambdaContext())
    laboratory.play(faults.SUCCESS)
    with LambdaClient(
        transport(endpoint_url=laboratory.url, region="eu-west-1"), interceptors=[XRayInterceptor(lambda_recorder)]
    ) as traced:
        traced.call("ledger-book", "o-1")
    [request] = laboratory.requests
    header = {name.lower(): text for name, text in request.headers.items()}["x-amzn-trace-id"]

    assert re.sub("Parent=[0-9a-f]{16}", "Parent=P", header) == re.sub("Parent=[0-9a-f]{16}", "Parent=P", origin)
    assert header != origin


def test_xray_errors(recorder: AWSXRayRecorder):
    """A declared error is no fault; a throttle is an error, a broken function a fault."""
    traced = LambdaClient(
        InProcessTransport({charge: handle_charge, ledger: handle_ledger}), interceptors=[XRayInterceptor(recorder)]
    )
    for order_id in ("declined", "broken"):
        with pytest.raises(lambdachain.FunctionError):
            traced.call(charge, Order(id=order_id))
    with StubTransport() as stub:
        stub.on(ledger).throttles(1)
        refused = LambdaClient(interceptors=[XRayInterceptor(recorder)], retry=RetryPolicy.never())
        with pytest.raises(ThrottledError):
            refused.call(ledger, "o-1")
    declined, broken, throttled = _end(recorder)

    assert _flags(declined) == set()
    assert declined.annotations["lambdachain_declared_error"] == "Declined"
    assert (_flags(broken), broken.annotations["lambdachain_execution"]) == ({"fault"}, "EXECUTED")
    assert _flags(throttled) == {"error", "throttle"}
    assert "limit" not in str([one.to_dict() for one in (declined, broken, throttled)])


async def _call_together(count: int, *interceptors: Interceptor) -> list[str]:
    transport = InProcessTransport({charge: handle_charge, ledger: handle_ledger})
    async with AsyncLambdaClient(transport, interceptors=interceptors) as together:
        return await asyncio.gather(*(together.call(ledger, f"o-{number}") for number in range(count)))


@pytest.mark.parametrize("in_lambda", [False, True])
def test_xray_concurrent_calls(in_lambda: bool, recorder: AWSXRayRecorder, monkeypatch: pytest.MonkeyPatch):
    """In one thread, where the SDK has one current subsegment, calls are siblings and none fails for it."""
    if in_lambda:
        from aws_xray_sdk.core import lambda_launcher

        monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE_HEADER)
        recorder = _make_recorder(context=lambda_launcher.LambdaContext(), streaming_threshold=100)
    results = asyncio.run(_call_together(3, XRayInterceptor(recorder)))
    subsegments = recorder.current_segment().subsegments

    assert results == ["o-0", "o-1", "o-2"]
    assert [(one.name, one.in_progress, one.subsegments) for one in subsegments] == [("Lambda", False, [])] * 3


def test_xray_open_stream(recorder: AWSXRayRecorder):
    """The consumer's subsegments and calls are not those of the stream, and do not end it."""
    traced = LambdaClient(InProcessTransport({ledger: handle_ledger}), interceptors=[XRayInterceptor(recorder)])
    chunks = traced.stream(ledger, "o-1")
    next(chunks)
    with recorder.in_subsegment("consumer"):
        chunks.close()
    streamed, consumer = _end(recorder)

    assert (streamed.name, streamed.aws["operation"], streamed.in_progress) == (
        "Lambda",
        "InvokeWithResponseStream",
        False,
    )
    assert (consumer.name, consumer.subsegments) == ("consumer", [])


def test_xray_sends_complete_subsegments_early():
    """As the SDK does in Lambda, where nobody ends the segment."""
    recorder = _make_recorder(service="test", streaming_threshold=0)
    recorder.begin_segment("orders")
    LambdaClient(InProcessTransport({ledger: handle_ledger}), interceptors=[XRayInterceptor(recorder)]).call(
        ledger, "o"
    )

    assert [one.name for one in recorder.emitter.sent] == ["Lambda"]


def test_xray_leaves_the_header_of_an_unsampled_trace(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch):
    """Nothing is recorded that could be its parent."""
    from aws_xray_sdk.core import lambda_launcher

    origin = TRACE_HEADER.replace("Sampled=1", "Sampled=0")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", origin)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    recorder = _make_recorder(context=lambda_launcher.LambdaContext())
    laboratory.play(faults.SUCCESS)
    transport = HttpTransport(endpoint_url=laboratory.url, region="eu-west-1")
    with LambdaClient(transport, interceptors=[XRayInterceptor(recorder)]) as traced:
        traced.call("ledger-book", "o-1")
    [request] = laboratory.requests

    assert {name.lower(): text for name, text in request.headers.items()}["x-amzn-trace-id"] == origin
    assert recorder.emitter.sent == []


class Spans(TraceFilter):
    """Keeps Datadog's spans, so that none is sent to an agent."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def process_trace(self, trace: Any) -> None:
        """Keep the spans of a trace that has ended."""
        self.kept += trace


@pytest.fixture
def spans() -> Iterator[list[Any]]:
    """Use Datadog's interceptor in the process; return its spans."""
    spans = Spans()
    tracer.configure(trace_processors=[spans])
    with lambdachain.use(DatadogInterceptor(service="shop")):
        yield spans.kept
    tracer.configure(trace_processors=[])


def test_datadog_joins_two_functions(spans: list[Any]):
    """Each handler's span is a child of the call's, two functions deep."""
    with tracer.trace("work"):
        client.call(charge, Order(id="o-1"))
    tracer.flush()
    by_id = {span.span_id: span for span in spans}
    [last] = [span for span in spans if (span.name, span.resource) == ("lambdachain.handle", "ledger-book")]
    lineage = []
    while last is not None:
        lineage.append(f"{last.name} {last.resource}")
        last = by_id.get(last.parent_id)

    assert lineage == [
        "lambdachain.handle ledger-book",
        "lambdachain.call call ledger-book",
        "lambdachain.handle billing-charge",
        "lambdachain.call call billing-charge",
        "work work",
    ]
    assert len({span.trace_id for span in spans}) == 1


def test_datadog_errors(spans: list[Any]):
    """A declared error is not an error of the span; no message is recorded."""
    for order_id in ("declined", "broken", "passed on"):
        with pytest.raises(lambdachain.FunctionError):
            client.call(charge, Order(id=order_id))
    tracer.flush()

    assert [span.error for span in spans if span.name == "lambdachain.call"] == [0, 1, 1]
    assert [span.error for span in spans if span.name == "lambdachain.handle"] == [0, 1, 1]
    assert not any("limit" in str(span.get_tags()) for span in spans)


class Envelopes(Transport):
    """Keeps what Sentry would send."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Any) -> None:
        """Keep an envelope."""
        self.kept += [item.payload.json for item in envelope.items]

    @property
    def errors(self) -> list[str]:
        """The types of the exceptions of error events."""
        return [event["exception"]["values"][-1]["type"] for event in self.kept if "exception" in event]

    @property
    def transactions(self) -> list[dict[str, Any]]:
        """The transactions."""
        return [event for event in self.kept if event.get("type") == "transaction"]


@pytest.fixture
def envelopes() -> Iterator[Envelopes]:
    """Set up Sentry with a transport in memory, and use its interceptor in the process."""
    transport = Envelopes()
    from sentry_sdk.integrations.aws_lambda import AwsLambdaIntegration

    integration = AwsLambdaIntegration()
    sentry_sdk.init(
        "http://key@127.0.0.1:9/1",
        transport=transport,
        traces_sample_rate=1.0,
        integrations=[integration],
        default_integrations=False,
        auto_enabling_integrations=False,
    )
    with lambdachain.use(SentryInterceptor()):
        yield transport
    sentry_sdk.init(default_integrations=False, auto_enabling_integrations=False)


def test_sentry_joins_two_functions(envelopes: Envelopes):
    """One trace; each handler is a transaction whose parent is the span of its call."""
    with sentry_sdk.start_transaction(name="work", op="test"):
        client.call(charge, Order(id="o-1"))
    sentry_sdk.flush()
    by_name = {one["transaction"]: one for one in envelopes.transactions}
    calls = {span["span_id"]: span["description"] for one in envelopes.transactions for span in one["spans"]}

    assert set(by_name) == {"work", "billing-charge", "ledger-book"}
    assert len({one["contexts"]["trace"]["trace_id"] for one in by_name.values()}) == 1
    assert calls[by_name["ledger-book"]["contexts"]["trace"]["parent_span_id"]] == "call ledger-book"
    assert calls[by_name["billing-charge"]["contexts"]["trace"]["parent_span_id"]] == "call billing-charge"


def test_sentry_reports_no_declared_error(envelopes: Envelopes):
    """Its integration for Lambda, around the handler, reports what the contract does not declare."""
    handler = _wrap_handler(handle_charge)
    for order_id, error in (("declined", Declined), ("broken", KeyError), ("passed on", Closed)):
        with pytest.raises(error):
            handler({"id": order_id}, LambdaContext("billing-charge"))
    sentry_sdk.flush()

    assert envelopes.errors == ["KeyError", "Closed"]


def test_sentry_declared_error_is_not_a_failure(envelopes: Envelopes):
    """Of the call's span, and of the handler's transaction; an error that the contract does not declare is one."""
    for order_id in ("declined", "passed on"):
        with sentry_sdk.start_transaction(name=order_id, op="test"), suppress(lambdachain.FunctionError):
            client.call(charge, Order(id=order_id))
    sentry_sdk.flush()
    handled = [one for one in envelopes.transactions if one["transaction"] == "billing-charge"]
    called = [span for one in envelopes.transactions for span in one["spans"]]

    assert [one["contexts"]["trace"].get("status") for one in handled] == ["ok", "internal_error"]
    # Older SDKs write the status of a span as a tag only.
    assert [span.get("tags", {}).get("status") for span in called] == [None, "internal_error"]
    assert "limit" not in str(envelopes.kept)


class Endless:
    """A transport that never has a response."""

    async def send(self, _: Any, /, *, timeout: float | None) -> Any:  # noqa: ASYNC109 - the protocol's
        self.started.set()
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing is open."""

    def __init__(self) -> None:
        self.started = asyncio.Event()


def test_a_cancelled_call_is_not_a_success(envelopes: Envelopes, spans: list[Any], recorder: AWSXRayRecorder):
    """Nobody knows what became of it: each tracer has it as failed, by the exception."""

    async def cancel() -> None:
        transport = Endless()
        call = asyncio.ensure_future(AsyncLambdaClient(transport).call(charge, Order(id="o-1")))
        await transport.started.wait()
        call.cancel()
        with suppress(asyncio.CancelledError):
            await call

    reader, instrumentor = _instrument()
    with sentry_sdk.start_transaction(name="work", op="test"), lambdachain.use(XRayInterceptor(recorder)):
        asyncio.run(cancel())
    instrumentor.uninstrument()
    sentry_sdk.flush()
    [subsegment] = _end(recorder)
    [span] = reader.get_finished_spans()

    assert span.attributes["error.type"] == "CancelledError"
    assert span.status.status_code is StatusCode.ERROR
    assert [(one.error, one.get_tag("error.type")) for one in spans] == [(1, "CancelledError")]
    assert subsegment.annotations["lambdachain_error"] == "CancelledError"
    assert "fault" in _flags(subsegment)


def test_a_suspended_durable_function_has_not_failed(envelopes: Envelopes, spans: list[Any]):
    """The SDK raises an exception to suspend it, which is not an error of any tracer; what the function raises is."""
    reader, instrumentor = _instrument()
    results = [_run_durable(order_id) for order_id in ("o-1", "broken")]
    instrumentor.uninstrument()
    sentry_sdk.flush()
    handled = [one["contexts"]["trace"].get("status") for one in envelopes.transactions]

    assert [result.error is None for result in results] == [True, False]
    assert [status in (None, "ok") for status in handled] == [True, True, True, False]
    assert [span.error for span in spans] == [0, 0, 0, 1]
    assert [span.status.status_code is StatusCode.ERROR for span in reader.get_finished_spans()] == [False] * 3 + [True]


def _instrument() -> tuple[InMemorySpanExporter, LambdaChainInstrumentor]:
    exporter, provider, instrumentor = InMemorySpanExporter(), TracerProvider(), LambdaChainInstrumentor()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor.instrument(tracer_provider=provider)
    return exporter, instrumentor


def _run_durable(order_id: str) -> Any:
    @remote(Contract("orders-wait", request=str, response=str))
    def handle(order_id: str, context: DurableContext) -> str:
        context.wait(Duration.from_seconds(1))
        return {"o-1": order_id}[order_id]

    with DurableFunctionTestRunner(durable_execution(handle), poll_interval=0.05) as runner:
        result = runner.run(input=f'"{order_id}"', execution_timeout=60)
    runner._scheduler._loop.close()  # the SDK stops it only
    return result


@pytest.mark.parametrize("order_id", ["o-1", "declined", "broken"])
def test_sentry_beside_its_integration_for_lambda(order_id: str, envelopes: Envelopes):
    """One transaction for an invocation, in the caller's trace, as are its calls and a reported error."""
    caller = {"sentry-trace": f"{'a' * 32}-{'b' * 16}-1"}
    context = LambdaContext("billing-charge", client_context=to_client_context(caller))
    with InProcessTransport({ledger: handle_ledger}), suppress(Declined, KeyError):
        _wrap_handler(handle_charge)({"id": order_id}, context)
    sentry_sdk.flush()
    handled = [one for one in envelopes.transactions if one["transaction"] == "billing-charge"]
    traces = [event["contexts"]["trace"] for event in envelopes.kept]

    assert [one["contexts"]["trace"]["parent_span_id"] for one in handled] == ["b" * 16]
    assert {trace["trace_id"] for trace in traces} == {"a" * 32}
    assert handled[0]["contexts"]["trace"].get("status") == {"broken": "internal_error", "declined": "ok"}.get(order_id)


def test_sentry_concurrent_calls(envelopes: Envelopes):
    """Calls of one event loop are siblings, not each other's children."""
    with sentry_sdk.start_transaction(name="work", op="test") as work:
        asyncio.run(_call_together(3))
    sentry_sdk.flush()
    [transaction] = [one for one in envelopes.transactions if one["transaction"] == "work"]
    called = [span for span in transaction["spans"] if span["parent_span_id"] == work.span_id]

    assert [span["description"] for span in called] == ["call ledger-book"] * 3


def test_interceptors_of_tracers_work_together(envelopes: Envelopes, spans: list[Any]):
    """All in one process, inside an invocation."""
    with invocation_scope(LambdaContext("orders")):
        assert client.call(charge, Order(id="o-1")) == "o-1"
    sentry_sdk.flush()
    tracer.flush()

    assert len(envelopes.transactions) == 2
    assert len(spans) == 4
