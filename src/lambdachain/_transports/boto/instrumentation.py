"""Keep instrumentation from changing a call's payload on its way through botocore, and pass its trace context on.

OpenTelemetry's botocore instrumentation writes its headers into the payload's JSON, different ones for each attempt, so
that no two attempts of a call would send the same payload. They are removed here, and sent in the ClientContext;
instrumentation that writes to the ClientContext itself, such as Datadog's, is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

from lambdachain._core.client_context import add_trace
from lambdachain._core.current_invocation import current_invocation
from lambdachain._core.invocation import MAX_TRACE_HEADER
from lambdachain._core.sent_trace import SENT_TRACE
from lambdachain._core.type_guards import is_mapping

from .serialization import OPERATIONS

_EMPTY: Final = b"{}"


def protect_payload(client: Any, current: ContextVar[Any]) -> None:
    """Have a client send the payload of the *current* exchange, without the changes of event handlers."""
    for operation in OPERATIONS:
        event = f"provide-client-params.lambda.{operation}"
        unique_id = f"lambdachain-payload-{operation}"
        client.meta.events.register_first(event, partial(_restore_payload, current), unique_id=unique_id)


def limit_trace_header(client: Any) -> None:
    """Have a client drop a trace header that is far longer than any of Lambda's, regardless of who set it.

    botocore copies the environment's unchanged, and the callee's runtime would end its process over it. What
    instrumentation sends replaces that.
    """
    for operation in OPERATIONS:
        event = f"request-created.lambda.{operation}"
        client.meta.events.register_first(event, _set_trace, unique_id=f"lambdachain-trace-{operation}")


def _set_trace(request: Any, **_: Any) -> None:
    sent = SENT_TRACE.get()
    if not sent and len(request.headers.get("X-Amzn-Trace-Id", "")) <= MAX_TRACE_HEADER:
        return
    del request.headers["X-Amzn-Trace-Id"]  # setting it would add a second one
    if 0 < len(sent) <= MAX_TRACE_HEADER:
        request.headers["X-Amzn-Trace-Id"] = sent


def call_method(method: Callable[..., Any], parameters: Mapping[str, Any]) -> Any:
    """Call a client's *method*, with an empty object as the payload if instrumentation cannot write into it.

    OpenTelemetry logs an error for JSON that is not an object, or whose ``headers`` are not one. ``_restore_payload``
    puts the payload back.
    """
    if parameters["Payload"] and not _accepts_headers(parameters["Payload"]) and _is_instrumented(method):
        return method(**{**parameters, "Payload": _EMPTY})
    return method(**parameters)


def _accepts_headers(payload: object) -> bool:
    return isinstance(payload, bytes) and payload.startswith(b"{") and b'"headers"' not in payload


def _is_instrumented(method: Any) -> bool:
    client = getattr(method, "__self__", None)
    wrapper = getattr(getattr(client, "_make_api_call", None), "_self_wrapper", None)
    return str(getattr(wrapper, "__module__", "")).startswith("opentelemetry.")


def _restore_payload(current: ContextVar[Any], params: dict[str, Any], **_: Any) -> None:
    """Put the payload back, and move what was written into it to the ClientContext; an event has no ClientContext."""
    watched = current.get()
    sent: Mapping[str, Any] | None = None if watched is None else watched.parameters
    if sent is None or params.get("Payload") is sent["Payload"]:
        return
    written, params["Payload"] = params.get("Payload"), sent["Payload"]
    if "InvocationType" in sent:  # an event, or a check of permissions
        return
    injected = _find_injected(written, sent["Payload"])
    if injected:
        within = current_invocation()
        context = add_trace(params.get("ClientContext"), injected, within.trace if within else {})
        if context is not None:
            params["ClientContext"] = context


def _find_injected(written: object, payload: object) -> dict[str, str]:
    """Return the headers that were written into a payload and were not in it before."""
    own = _headers(payload)
    return {
        name: text
        for name, text in _headers(written).items()
        if isinstance(name, str) and isinstance(text, str) and own.get(name) != text
    }


def _headers(payload: object) -> Mapping[Any, Any]:
    if not isinstance(payload, str | bytes) or not payload:
        return {}
    try:
        read: object = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    headers = read.get("headers") if is_mapping(read) else None
    return headers if is_mapping(headers) else {}
