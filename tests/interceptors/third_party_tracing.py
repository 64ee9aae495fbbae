"""An interceptor as a third party writes it: outside the package, with public names only."""

from collections.abc import Generator
from contextlib import contextmanager

from opentelemetry.propagate import extract, inject
from opentelemetry.trace import SpanKind, Tracer

from lambdachain import HandledInvocation, Interceptor, OutgoingCall


class Tracing(Interceptor):
    """A CLIENT span around each call, and a SERVER span, its child, around the handler."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer

    @contextmanager
    def calling(self, call: OutgoingCall) -> Generator[None]:
        with self.tracer.start_as_current_span(f"{call.operation} {call.function}", kind=SpanKind.CLIENT) as span:
            inject(call.metadata)
            yield
            span.set_attribute("attempts", len(call.attempts))

    @contextmanager
    def handling(self, invocation: HandledInvocation) -> Generator[None]:
        name, parent = f"handle {invocation.contract.function}", extract(invocation.metadata)
        with self.tracer.start_as_current_span(name, context=parent, kind=SpanKind.SERVER):
            yield
