"""Sentry: a span for each call, a transaction for each handled invocation, joined to one trace.

``pip install "lambdachain[sentry]"`` installs Sentry's SDK, which ``sentry_sdk.init()`` has to set up.

>>> import lambdachain
>>> from lambdachain.sentry import SentryInterceptor
>>> remove = lambdachain.use(SentryInterceptor())
>>> remove()
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final

from lambdachain._core.extras import explain_missing

try:
    import sentry_sdk
except ImportError as exc:
    raise ImportError(explain_missing("lambdachain.sentry", "sentry-sdk", "sentry")) from exc

from sentry_sdk.scope import add_global_event_processor

from lambdachain import CallError, HandledInvocation, Interceptor, OutgoingCall, RemoteError
from lambdachain._calling.interceptors import get_handled_function, is_suspension
from lambdachain._core.arn import get_function_name

__all__ = ["SentryInterceptor"]

_OPERATION: Final = "function.aws"
_MARK: Final = "__lambdachain_is_declared__"
_DECLARED: Final = "lambdachain.declared_error"
# Of the transactions that Sentry's own integration for Lambda starts.
_INTEGRATION: Final = "auto.function.aws_lambda"


class SentryInterceptor(Interceptor):
    """Makes a span for each call, and a transaction for each handled invocation that continues its caller's trace.

    A declared error that a handler raises is a response that its caller expects: Sentry's integration for Lambda does
    not report it. Payloads and messages of exceptions are not recorded in spans.
    """

    _has_processor = False

    def __init__(self) -> None:
        # Once for the process: Sentry has no way to remove a processor.
        if not SentryInterceptor._has_processor:
            add_global_event_processor(_drop_declared_errors)
            SentryInterceptor._has_processor = True

    @contextmanager
    def calling(self, call: OutgoingCall, /) -> Generator[None]:
        """Make the span of a call, and pass its context on."""
        name = f"{call.operation} {get_function_name(call.function)}"
        expected: RemoteError | None = None
        # A scope of its own, for a span that concurrent calls of one event loop do not take for their parent.
        with (
            sentry_sdk.new_scope() as scope,
            sentry_sdk.start_span(op=_OPERATION, name=name, origin="auto.function.lambdachain") as span,
        ):
            call.metadata.update(scope.iter_trace_propagation_headers(span=span))
            try:
                yield
            except RemoteError as exc:
                expected = exc
                span.set_data(_DECLARED, type(exc).__name__)
            except CallError as exc:
                span.set_data("lambdachain.error", type(exc).__name__)
                span.set_data("lambdachain.execution", exc.execution.value)
                raise
            finally:
                span.set_data("lambdachain.attempts", len(call.attempts))
        _raise_expected(expected)

    @contextmanager
    def handling(self, invocation: HandledInvocation, /) -> Generator[None]:
        """Make the transaction of a handled invocation, in its caller's trace."""
        name = get_handled_function(invocation)
        expected: BaseException | None = None
        continued = sentry_sdk.continue_trace(dict(invocation.metadata), op=_OPERATION, name=name, source="component")
        with _enter_transaction(continued, is_joined="sentry-trace" in invocation.metadata) as transaction:
            try:
                yield
            except RemoteError as exc:
                if not isinstance(exc, tuple(invocation.contract.errors)):
                    raise
                expected = exc
                setattr(exc, _MARK, True)
                transaction.set_data(_DECLARED, type(exc).__name__)
            except BaseException as exc:
                if not is_suspension(exc):
                    raise
                expected = exc
        _raise_expected(expected)


def _raise_expected(expected: BaseException | None) -> None:
    """Raise what is not a failure, after its span has ended: raised inside, it would mark the span as failed."""
    if expected is not None:
        raise expected


def _enter_transaction(continued: Any, *, is_joined: bool) -> AbstractContextManager[Any]:
    """Return the transaction of an invocation, which has started if Sentry's integration for Lambda is on.

    That integration reads headers of HTTP only, so its transaction is moved to the caller's trace here.
    """
    started: Any = sentry_sdk.get_current_scope().transaction
    if started is None or getattr(started, "origin", None) != _INTEGRATION:
        return sentry_sdk.start_transaction(continued)
    if is_joined:
        started.trace_id, started.parent_span_id = continued.trace_id, continued.parent_span_id
    return nullcontext(started)


def _drop_declared_errors(event: Any, hint: Any) -> Any:
    """Drop the event of a declared error that a handler has raised; keep every other."""
    trace = event.get("contexts", {}).get("trace", {})
    if event.get("type") == "transaction" and _DECLARED in (trace.get("data") or {}):
        # The integration for Lambda has seen an exception.
        trace["status"] = "ok"
        event.get("tags", {}).pop("status", None)
    _, error, _ = hint.get("exc_info") or (None, None, None)
    return None if getattr(error, _MARK, False) else event
