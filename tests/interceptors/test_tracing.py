"""A third party's interceptor of about 20 lines joins the traces of both sides, with OpenTelemetry's own SDK."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

import lambdachain
from lambdachain import AsyncLambdaClient, Contract, FunctionError, InProcessTransport, LambdaClient, remote
from tests.interceptors.third_party_tracing import Tracing

double = Contract("double", request=int, response=int, envelope=True)
relay = Contract("relay", request=int, response=int, envelope=True)


@remote(double)
async def handle_double(number: int) -> int:
    """Double; negative numbers fail."""
    if number < 0:
        raise ValueError(number)
    return number * 2


@remote(relay)
def handle_relay(number: int) -> int:
    """Call the other one."""
    return handle_double.call(number)


@pytest.fixture
def exporter() -> Generator[InMemorySpanExporter]:
    """Trace the process for one test."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with lambdachain.use(Tracing(provider.get_tracer("third party"))):
        yield exporter


async def _collect(results: Any) -> list[Any]:
    return [result async for result in results]


SYSTEM = {double: handle_double, relay: handle_relay}
WAYS: dict[str, Callable[[], object]] = {
    "call": lambda: LambdaClient().call(relay, 1),
    "fire": lambda: LambdaClient().fire(relay, 1),
    "stream": lambda: [*LambdaClient().stream(relay, 1)],
    "map": lambda: [*LambdaClient().map(relay, [1])],
    "async call": lambda: asyncio.run(AsyncLambdaClient().call(relay, 1)),
    "async fire": lambda: asyncio.run(AsyncLambdaClient().fire(relay, 1)),
    "async stream": lambda: asyncio.run(_collect(AsyncLambdaClient().stream(relay, 1))),
    "async map": lambda: asyncio.run(_collect(AsyncLambdaClient().map(relay, [1]))),
}


def id_of(span: ReadableSpan) -> int:
    """Return the id of a span."""
    assert span.context is not None
    return span.context.span_id


def chain_of(spans: tuple[ReadableSpan, ...]) -> list[str]:
    """Return the names of the spans, each the child of the one before it."""
    by_parent = {None if span.parent is None else span.parent.span_id: span for span in spans}
    names: list[str] = []
    span = by_parent.get(None)
    while span is not None:
        names.append(span.name)
        span = by_parent.get(id_of(span))
    return names


@pytest.mark.parametrize("way", WAYS)
def test_the_spans_of_both_sides_are_one_trace(exporter: InMemorySpanExporter, way: str):
    """Three functions deep: the test, a function, and the function that it calls."""
    with InProcessTransport(SYSTEM):
        WAYS[way]()
    spans = exporter.get_finished_spans()
    operation = {"map": "call"}.get(name := way.removeprefix("async "), name)

    assert len({span.context.trace_id for span in spans if span.context is not None}) == 1
    assert chain_of(spans) == [f"{operation} relay", "handle relay", "call double", "handle double"]


def test_a_failure_is_an_error_of_each_span(exporter: InMemorySpanExporter):
    """With its exception, which the SDK records."""
    with InProcessTransport(SYSTEM), pytest.raises(FunctionError):
        LambdaClient().call(relay, -1)
    spans = exporter.get_finished_spans()

    assert [span.status.status_code for span in spans] == [StatusCode.ERROR] * 4
    assert {str(event.attributes["exception.type"]) for span in spans for event in span.events if event.attributes} == {
        "ValueError",
        "lambdachain.FunctionError",
    }


def test_it_uses_public_names_only():
    """And is about 20 lines of code."""
    source = Path(__file__).with_name("third_party_tracing.py").read_text()
    imported = {node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)}

    assert {module for module in imported if module and module.startswith("lambdachain")} == {"lambdachain"}
    assert "._" not in source
    assert len([line for line in source.splitlines() if line.strip() and '"""' not in line]) <= 25
