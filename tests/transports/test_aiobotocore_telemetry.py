"""Beside OpenTelemetry's instrumentation of aiobotocore, a call is one span, and its payload stays as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("aiobotocore")

from opentelemetry.instrumentation.botocore import AiobotocoreInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id

from lambdachain import AsyncBotoTransport, AsyncLambdaClient, Contract
from lambdachain.local import LocalEndpoint, LocalFunction
from lambdachain.otel import LambdaChainInstrumentor

joined = Contract("joined", request=dict[str, int], response=tuple[str, dict[str, int]])
APP = """
from lambdachain import invocation_scope

def handler(event, context):
    with invocation_scope(context) as invocation:
        return [invocation.trace["traceparent"], event]
"""


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """Instrument lambdachain and aiobotocore; return what receives their spans."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    each = [LambdaChainInstrumentor(), AiobotocoreInstrumentor()]
    for instrumentor in each:
        instrumentor.instrument(tracer_provider=provider)
    yield exporter
    for instrumentor in each:
        instrumentor.uninstrument()


def test_a_call_is_one_span(exporter: InMemorySpanExporter, tmp_path: Path):
    """The callee gets that span, in the ClientContext only."""
    (tmp_path / "app.py").write_text(APP)

    async def call(url: str) -> tuple[str, dict[str, int]]:
        async with AsyncLambdaClient(AsyncBotoTransport(endpoint_url=url, region="eu-west-1")) as client:
            return await client.call(joined, {"cents": 5})

    with LocalEndpoint([LocalFunction("joined", "app.handler", directory=tmp_path)]) as endpoint:
        traceparent, event = asyncio.run(call(endpoint.url))
    [span] = exporter.get_finished_spans()

    assert (span.name, event) == ("call joined", {"cents": 5})
    ids = format_trace_id(span.context.trace_id), format_span_id(span.context.span_id)
    assert traceparent.split("-")[1:3] == [*ids]
