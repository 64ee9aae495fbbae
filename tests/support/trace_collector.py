"""A server that receives spans over OTLP (HTTP), from SDKs of any language, in this process and others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PATIENCE = 60.0


@dataclass(frozen=True)
class CollectedSpan:
    """One span, ids as hexadecimal text."""

    name: str
    scope: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    links: tuple[tuple[str, str], ...]
    failed: bool
    attributes: dict[str, Any] = field(hash=False)
    events: tuple[str, ...] = ()


class TraceCollector:
    """Collects spans; ``wait_for`` returns when what a test expects has arrived."""

    def __init__(self) -> None:
        self._spans: list[CollectedSpan] = []
        self._arrived = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.url = ""

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/v1/traces", self._receive)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def _receive(self, request: web.Request) -> web.Response:
        self.add(_parse(await request.read()))  # read() undoes compression
        return web.Response(content_type="application/x-protobuf")

    def add(self, spans: list[CollectedSpan]) -> None:
        """Add spans that have arrived."""
        with self._arrived:
            self._spans += spans
            self._arrived.notify_all()

    def wait_for(self, expected: Callable[[list[CollectedSpan]], bool]) -> list[CollectedSpan]:
        """Wait until the spans are as *expected*; return them."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: expected(self._spans), PATIENCE):
                seen = ", ".join(f"{one.name} ({one.kind}, {one.scope})" for one in self._spans)
                raise TimeoutError(f"the expected spans have not arrived; there are: {seen}")
            return list(self._spans)

    def wait_for_trace(self, trace_id: str, count: int) -> list[CollectedSpan]:
        """Wait for so many spans of a trace; return these."""
        spans = self.wait_for(lambda spans: sum(one.trace_id == trace_id for one in spans) >= count)
        return [one for one in spans if one.trace_id == trace_id]

    def __enter__(self) -> Self:
        self._thread.start()
        self._runner = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(PATIENCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


def _parse(body: bytes) -> list[CollectedSpan]:
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    scopes = (scope for resource in request.resource_spans for scope in resource.scope_spans)
    return [_to_span(span, scope.scope.name) for scope in scopes for span in scope.spans]


def _to_span(span: Any, scope: str) -> CollectedSpan:
    return CollectedSpan(
        name=span.name,
        scope=scope,
        kind=span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        failed=span.status.code == 2,
        attributes={one.key: _to_value(one.value) for one in span.attributes},
        events=tuple(event.name for event in span.events),
    )


def _to_value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value")) if value.WhichOneof("value") else None
