"""A server that receives spans over OTLP (HTTP), from SDKs of any language, in this process and others."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from google.protobuf import json_format
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
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path == "/v1/traces":
                    collector.add(_parse(body, self.headers["Content-Type"]))
                self.send_response(200)
                self.send_header("Content-Type", self.headers["Content-Type"])
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

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
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _parse(body: bytes, content_type: str) -> list[CollectedSpan]:
    request = ExportTraceServiceRequest()
    if content_type.startswith("application/json"):
        # JSON of OTLP has ids in hexadecimal, where protobuf's own JSON has base64: both decode to bytes below.
        json_format.Parse(body, request, ignore_unknown_fields=True)
        return [_to_span(span, scope.scope.name, from_json=True) for scope, span in _each(request)]
    request.ParseFromString(body)
    return [_to_span(span, scope.scope.name, from_json=False) for scope, span in _each(request)]


def _each(request: Any) -> list[tuple[Any, Any]]:
    scopes = (scope for resource in request.resource_spans for scope in resource.scope_spans)
    return [(scope, span) for scope in scopes for span in scope.spans]


def _to_span(span: Any, scope: str, *, from_json: bool) -> CollectedSpan:
    def to_hex(identifier: bytes) -> str:
        if not from_json:
            return identifier.hex()
        # protobuf has read the hexadecimal digits as base64: encode them again to get the digits.
        import base64

        return base64.b64encode(identifier).decode().rstrip("=")

    return CollectedSpan(
        name=span.name,
        scope=scope,
        kind=span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=to_hex(span.trace_id),
        span_id=to_hex(span.span_id),
        parent_id=to_hex(span.parent_span_id),
        links=tuple((to_hex(link.trace_id), to_hex(link.span_id)) for link in span.links),
        failed=span.status.code == 2,
        attributes={one.key: _to_value(one.value) for one in span.attributes},
        events=tuple(event.name for event in span.events),
    )


def _to_value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value")) if value.WhichOneof("value") else None
