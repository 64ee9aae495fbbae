"""Datadog: a span for each call and each handled invocation, joined to one trace.

``pip install "lambdachain[datadog]"`` installs ``ddtrace``, whose tracer this uses. Datadog's layer for Lambda joins
the trace by itself, from the same texts in the ClientContext.

>>> import lambdachain
>>> from lambdachain.datadog import DatadogInterceptor
>>> remove = lambdachain.use(DatadogInterceptor())
>>> remove()
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from lambdachain._core.extras import explain_missing

try:
    from ddtrace.propagation.http import HTTPPropagator
except ImportError as exc:
    raise ImportError(explain_missing("lambdachain.datadog", "ddtrace", "datadog")) from exc

from ddtrace.trace import tracer as default_tracer

from lambdachain import CallError, HandledInvocation, Interceptor, OutgoingCall, RemoteError
from lambdachain._calling.interceptors import get_handled_function, is_suspension
from lambdachain._core.arn import get_function_name

__all__ = ["DatadogInterceptor"]


class DatadogInterceptor(Interceptor):
    """Makes a span ``lambdachain.call`` for each call, and ``lambdachain.handle`` for each handled invocation.

    A declared error is an answer of the callee, not an error of the span. Payloads and messages of exceptions are not
    recorded.

    Args:
        tracer: A tracer of ``ddtrace``, by default the global one.
        service: The service of the spans, by default that of the tracer.
    """

    def __init__(self, tracer: Any = default_tracer, *, service: str | None = None) -> None:
        self._tracer = tracer
        self._service = service

    @contextmanager
    def calling(self, call: OutgoingCall, /) -> Generator[None]:
        """Make the span of a call, and pass its context on."""
        name = get_function_name(call.function)
        span = self._tracer.trace("lambdachain.call", service=self._service, resource=f"{call.operation} {name}")
        span.set_tag("span.kind", "client")
        span.set_tag("component", "lambdachain")
        span.set_tag("aws.lambda.function", name)
        headers: dict[str, str] = {}
        HTTPPropagator.inject(span.context, headers)
        call.metadata.update(headers)
        try:
            yield
        except BaseException as exc:  # also one that is cancelled
            _record_error(span, exc, is_declared=isinstance(exc, RemoteError))
            raise
        finally:
            span.set_metric("lambdachain.attempts", len(call.attempts))
            span.finish()

    @contextmanager
    def handling(self, invocation: HandledInvocation, /) -> Generator[None]:
        """Make the span of a handled invocation, in its caller's trace."""
        joins = self._tracer.current_span() is None  # otherwise Datadog's layer has joined it
        if joins:
            caller = HTTPPropagator.extract(dict(invocation.metadata))  # type: ignore[no-untyped-call]
            self._tracer.context_provider.activate(caller)
        name = get_handled_function(invocation)
        span = self._tracer.trace("lambdachain.handle", service=self._service, resource=name, span_type="serverless")
        span.set_tag("span.kind", "server")
        span.set_tag("component", "lambdachain")
        try:
            yield
        except BaseException as exc:
            if not is_suspension(exc):
                # Of a call that the function makes, an error may be declared there and not here.
                _record_error(span, exc, is_declared=isinstance(exc, tuple(invocation.contract.errors)))
            raise
        finally:
            span.finish()
            if joins:
                # The next invocation in this process has another caller.
                self._tracer.context_provider.activate(None)


def _record_error(span: Any, error: BaseException, *, is_declared: bool) -> None:
    if is_declared:
        span.set_tag("lambdachain.declared_error", type(error).__name__)
        return
    span.error = 1
    span.set_tag("error.type", type(error).__name__)
    if isinstance(error, CallError):
        span.set_tag("lambdachain.execution", error.execution.value)
