"""The interceptor that makes the spans, measures, and passes the trace context on."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.instrumentation.utils import (
    is_instrumentation_enabled,
    suppress_instrumentation,
)
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from lambdachain import ContractError, HandledInvocation, Interceptor, OutgoingCall
from lambdachain._calling.interceptors import is_suspension
from lambdachain._core.arn import get_function_name
from lambdachain._core.sent_trace import send_trace_header

from ._attributes import (
    Attributes,
    get_error_type,
    read_address,
    read_attempt,
    read_call,
    read_error,
    read_invocation,
)
from ._metrics import ClientMetrics, HandlerMetrics
from ._trigger import get_trigger

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_LOGGER: Final = logging.getLogger("lambdachain.otel")
_NANOSECONDS: Final = 1_000_000_000
_IN_CALL: Final = otel_context.create_key("lambdachain-in-call")
# Milliseconds that a function waits for its spans to be sent before Lambda freezes it, and the variable that
# OpenTelemetry's own instrumentation of Lambda reads for it.
_FLUSH_VARIABLE: Final = "OTEL_INSTRUMENTATION_AWS_LAMBDA_FLUSH_TIMEOUT"
_FLUSH_TIMEOUT: Final = 30_000


class TelemetryInterceptor(Interceptor):
    """One ``CLIENT`` span around each call, one ``SERVER`` span around each handled invocation, and their metrics."""

    def __init__(
        self,
        tracer: Tracer,
        client: ClientMetrics,
        handler: HandlerMetrics,
        get_providers: Callable[[], Sequence[object]],
    ) -> None:
        self._tracer = tracer
        self._client = client
        self._handler = handler
        self._get_providers = get_providers
        self._is_cold = True

    @contextmanager
    def calling(self, call: OutgoingCall, /) -> Generator[None]:
        """Make the span of a call, and pass its context on."""
        # Inside a call, it is this instrumentation that suppresses the others: a call that a hook or another
        # interceptor makes has a span, too.
        if not is_instrumentation_enabled() and not otel_context.get_value(_IN_CALL):
            yield
            return
        attributes = read_call(call)
        started = time.perf_counter()
        error: BaseException | None = None
        self._client.record_start(attributes)
        try:
            with self._start_client_span(call, attributes) as span:
                try:
                    yield
                except BaseException as exc:  # also one that is cancelled
                    error = exc
                    raise
                finally:
                    _finish_client_span(span, call, error)
        finally:
            self._client.record_end(attributes, time.perf_counter() - started, call.attempts, error)

    @contextmanager
    def _start_client_span(self, call: OutgoingCall, attributes: Attributes) -> Generator[Span]:
        name = f"{call.operation} {get_function_name(call.function)}"
        every = attributes | read_address(call.function)
        with (
            self._tracer.start_as_current_span(
                name, kind=SpanKind.CLIENT, attributes=every, record_exception=False, set_status_on_exception=False
            ) as span,
            _send_trace_of_event(span, call),
            # botocore's own instrumentation would make a second span, and write into the payload.
            suppress_instrumentation(),
            _mark_call(),
        ):
            carrier: dict[str, str] = {}
            propagate.inject(carrier)
            for name, text in carrier.items():
                # A custom propagator may write what metadata cannot hold; the call goes out without it.
                with suppress(ContractError):
                    call.metadata[name] = text
            yield span

    @contextmanager
    def handling(self, invocation: HandledInvocation, /) -> Generator[None]:
        """Make the span of a handled invocation, as a child of its caller's."""
        if not is_instrumentation_enabled():
            yield
            return
        attributes = read_invocation(invocation)
        trigger = get_trigger(invocation)
        measured = {"faas.name": attributes["faas.name"], "faas.trigger": trigger}
        cold_start, self._is_cold = self._is_cold, False
        # OpenTelemetry's own instrumentation of Lambda, if there is one, flushes after the handler.
        is_outermost = not trace.get_current_span().is_recording()
        started = time.perf_counter()
        error: BaseException | None = None
        try:
            with self._start_server_span(
                invocation, {**attributes, "faas.trigger": trigger, "faas.coldstart": cold_start}
            ) as span:
                try:
                    yield
                except BaseException as exc:
                    if not is_suspension(exc):
                        error = exc
                        _set_error(span, exc)
                    raise
        finally:
            self._handler.record(measured, time.perf_counter() - started, error, cold_start=cold_start)
            if is_outermost:
                self._flush()

    @contextmanager
    def _start_server_span(self, invocation: HandledInvocation, attributes: Mapping[str, Any]) -> Generator[Span]:
        ambient = trace.get_current_span().get_span_context()
        # Without the caller's, the parent is the span that another instrumentation has made of the invocation.
        parent = propagate.extract(invocation.metadata, otel_context.get_current())
        span = self._tracer.start_span(
            str(attributes["faas.name"]),
            parent,
            kind=SpanKind.SERVER,
            attributes=attributes,
            links=find_links(trace.get_current_span(parent).get_span_context(), ambient, _read_xray_trace()),
        )
        # Not start_as_current_span(), which would lose the baggage of the caller.
        token = otel_context.attach(trace.set_span_in_context(span, parent))
        try:
            yield span
        finally:
            otel_context.detach(token)
            span.end()

    def _flush(self) -> None:
        """Send what has been recorded, in Lambda, before it freezes the process."""
        if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
            return
        timeout = os.environ.get(_FLUSH_VARIABLE, "")
        milliseconds = int(timeout) if timeout.isdecimal() else _FLUSH_TIMEOUT
        ends_at = time.monotonic() + milliseconds / 1000
        for provider in self._get_providers():
            flush: Callable[[int], object] | None = getattr(provider, "force_flush", None)
            if flush is None:
                continue
            try:
                flush(max(1, int((ends_at - time.monotonic()) * 1000)))
            except Exception as exc:  # noqa: BLE001 - an exporter that is down must not fail the function
                _LOGGER.warning("%s: not all telemetry was sent (%s)", type(provider).__name__, type(exc).__name__)


@contextmanager
def _mark_call() -> Generator[None]:
    token = otel_context.attach(otel_context.set_value(_IN_CALL, value=True))
    try:
        yield
    finally:
        otel_context.detach(token)


def find_links(parent: SpanContext, ambient: SpanContext, xray: SpanContext | None) -> list[Link]:
    """Return the links of a handler's span.

    Args:
        parent: The parent of the handler's span: the caller's, if the call brought it.
        ambient: The span in which the handler runs: OpenTelemetry's own instrumentation of Lambda makes one, which has
            another parent, because it does not read the ClientContext.
        xray: The trace that Lambda passes on in its header: all that an event without an envelope brings.
    """
    if parent.is_valid and parent != ambient:
        return [Link(ambient)] if ambient.is_valid else []
    return [Link(xray)] if xray is not None else []


def _send_trace_of_event(span: Span, call: OutgoingCall) -> AbstractContextManager[None]:
    """Send the span in Lambda's trace header, with an event that has no other place for it.

    Inside Lambda, that header has Lambda's own trace, on which its loop detection depends.
    """
    context = span.get_span_context()
    is_needed = call.operation == "fire" and not call.contract.envelope and context.is_valid
    if not is_needed or os.environ.get("_X_AMZN_TRACE_ID"):
        return nullcontext()
    return send_trace_header(format_xray_header(context))


def format_xray_header(context: SpanContext) -> str:
    """Return a span as a value of ``X-Amzn-Trace-Id``.

    >>> format_xray_header(SpanContext(0x5759E988BD862E3FE1BE46A994272793, 0x53995C3F42CD8AD8, False, TraceFlags(1)))
    'Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1'
    """
    root = trace.format_trace_id(context.trace_id)
    parent, sampled = trace.format_span_id(context.span_id), context.trace_flags & TraceFlags.SAMPLED
    return f"Root=1-{root[:8]}-{root[8:]};Parent={parent};Sampled={sampled}"


def _read_xray_trace() -> SpanContext | None:
    """Return the trace that Lambda's runtime has from the header of the current invocation."""
    header = os.environ.get("_X_AMZN_TRACE_ID", "")
    fields = dict(part.split("=", 1) for part in header.split(";") if "=" in part)
    version, _, root = fields.get("Root", "").partition("-")
    try:
        trace_id, span_id = int(root.replace("-", ""), 16), int(fields.get("Parent", ""), 16)
    except ValueError:
        return None
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(fields.get("Sampled") == "1"))
    return context if version == "1" and context.is_valid else None


def _finish_client_span(span: Span, call: OutgoingCall, error: BaseException | None) -> None:
    for attempt in call.attempts:
        span.add_event("lambdachain.attempt", read_attempt(attempt), int(attempt.started_at * _NANOSECONDS))
    request_id = next((one.request_id for one in reversed(call.attempts) if one.request_id), None)
    if request_id is not None:
        span.set_attribute("aws.request_id", request_id)
    if error is not None:
        span.set_attributes(read_error(error))
        _set_error(span, error)


def _set_error(span: Span, error: BaseException) -> None:
    """Mark a span as failed, with the type of the error: its message may quote what users have sent."""
    error_type = get_error_type(error)
    span.set_attribute("error.type", error_type)
    span.add_event("exception", {"exception.type": error_type})
    span.set_status(Status(StatusCode.ERROR, error_type))
