"""Tracing libraries that wrap botocore's calls see a call of ``compat`` as one call, however often it was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import boto3
import botocore.client
import pytest
from aws_xray_sdk import core as xray
from aws_xray_sdk import global_sdk_config
from aws_xray_sdk.ext.botocore.patch import patch as patch_xray
from botocore.client import BaseClient
from botocore.config import Config
from botocore.endpoint import Endpoint
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lambdachain import RetryPolicy, compat
from tests.support import faults
from tests.support.faults import service_error
from tests.support.laboratory import Laboratory

KEYS: dict[str, Any] = {"region_name": "eu-west-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
THROTTLE = service_error("TooManyRequestsException", 429)
Seen = list[tuple[Any, ...]]


@contextmanager
def _opentelemetry(seen: Seen) -> Iterator[None]:
    exporter, provider, instrumentor = InMemorySpanExporter(), TracerProvider(), BotocoreInstrumentor()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor.instrument(tracer_provider=provider)
    try:
        yield
    finally:
        instrumentor.uninstrument()
        for span in exporter.get_finished_spans():
            found = dict(span.attributes or {})
            seen.append((span.name, span.status.status_code, found["http.status_code"], found["retry_attempts"]))


@contextmanager
def _xray(seen: Seen) -> Iterator[None]:
    original, prepare = BaseClient._make_api_call, Endpoint.prepare_request  # type: ignore[attr-defined]
    global_sdk_config.set_sdk_enabled(True)  # Powertools disables it outside Lambda, for the whole process
    patch_xray()
    xray.xray_recorder.configure(sampling=False, context_missing="IGNORE_ERROR")
    xray.xray_recorder.clear_trace_entities()
    segment = xray.xray_recorder.begin_segment("root")
    try:
        yield
    finally:
        BaseClient._make_api_call, Endpoint.prepare_request = original, prepare  # type: ignore[attr-defined, method-assign]
        del botocore.client._xray_enabled  # type: ignore[attr-defined]
        for child in [*segment.subsegments]:
            seen.append((child.name, child.http["response"]["status"], child.aws["operation"]))
        xray.xray_recorder.clear_trace_entities()


@pytest.mark.parametrize("trace", [_opentelemetry, _xray])
@pytest.mark.parametrize("played", [(faults.SUCCESS,), (THROTTLE, faults.SUCCESS), (THROTTLE,)], ids=len)
def test_a_call_is_one_span_as_of_boto3(trace: Callable[[Seen], Any], played: Any):
    """With the status of the end, and the number of retries; a throttle that was retried is not an error."""
    spans: list[Seen] = []
    with Laboratory() as server:
        options: dict[str, Any] = {"endpoint_url": server.url, **KEYS}
        retries = Config(retries={"mode": "standard", "max_attempts": 2})
        # Created before the library wraps botocore, as a client of a module may be.
        ours = compat.client("lambda", retry=RetryPolicy(initial_delay=0, budget=None), **options)
        theirs = boto3.client("lambda", config=retries, **options)
        for client in (ours, theirs):
            with closing(client):
                server.play(*played)
                spans.append([])
                with trace(spans[-1]):
                    try:
                        client.invoke(FunctionName="price")
                    except client.exceptions.TooManyRequestsException:
                        assert played == (THROTTLE,)

    assert spans[0] == spans[1]
    assert len(spans[0]) == 1
