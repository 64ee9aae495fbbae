"""Invoke as HTTP: parse a request into a validated value, and build the response to an invocation's result. Pure.

Paths and headers are those of botocore's service model for ``Invoke``.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections.abc import Container, Iterator, Mapping
from enum import StrEnum
from typing import Final, Never
from urllib.parse import unquote

from lambdachain._core.invocation import MAX_TRACE_HEADER, InvocationType

from . import responses
from .addressing import StringConstraint, address_violations, resolve_function
from .aws_location import LATEST, AwsLocation
from .delivery import Body, Delivery, InvocationResult, InvokeRequest
from .limits import MAX_CLIENT_CONTEXT, MAX_EVENT_REQUEST, MAX_REQUEST
from .responses import ApiResponse, Violation

_CONSTRAINED: Final = ("X-Amz-Invocation-Type", "X-Amz-Log-Type", "X-Amz-Tenant-Id")
_TENANT_ID: Final = StringConstraint("tenantId", r"[a-zA-Z0-9\._:\/=+\-@ ]+", 256)


class LogType(StrEnum):
    """Whether the response includes the end of the log."""

    NONE = "None"
    TAIL = "Tail"


class StreamType(StrEnum):
    """The invocation types of a streamed response."""

    REQUEST_RESPONSE = "RequestResponse"
    DRY_RUN = "DryRun"


def read_invoke(
    target: str,
    qualifier: str | None,
    headers: Mapping[str, str],
    body: Body,
    *,
    request_id: str,
    location: AwsLocation,
    functions: Mapping[str, Container[str]],
) -> InvokeRequest:
    """Validate a request of the Invoke API, and return it as a value.

    Args:
        target: The path's function, still percent-encoded.
        qualifier: The query's qualifier.
        headers: The request's headers, in a mapping that ignores their case.
        body: The request's body.
        request_id: The id of this invocation.
        location: The account and region of the functions.
        functions: The names of all functions, each with its versions and aliases.

    Raises:
        ApiError: AWS would reject it; the error has the response.
    """
    text, kind, log, tenant_id = (unquote(target), *(headers.get(name) for name in _CONSTRAINED))
    violations = [
        *address_violations(text, qualifier),
        *_choice_violations(InvocationType, kind, "invocationType"),
        *_choice_violations(LogType, log, "logType"),
        *(_TENANT_ID.violations(tenant_id) if tenant_id is not None else ()),
    ]
    if violations:
        raise responses.constraints_violated(violations)
    invocation_type, log_type = InvocationType(kind or "RequestResponse"), LogType(log or "None")
    # The order of the checks is AWS's where it is known: the first failure decides which response the caller gets.
    arn = resolve_function(text, qualifier, location, functions)
    _check_size(invocation_type, body.size)
    _reject_durable(headers)
    client_context = _client_context(headers.get("X-Amz-Client-Context"))
    synchronous = invocation_type is InvocationType.REQUEST_RESPONSE
    delivery = Delivery(
        request_id,
        str(arn),
        trace_id=get_trace_header(headers),
        payload=_json_payload(body.content),
        client_context=client_context if synchronous else None,  # Lambda passes none with an event
        tenant_id=tenant_id,
    )
    return InvokeRequest(arn.name, arn.qualifier, invocation_type, synchronous and log_type is LogType.TAIL, delivery)


def check_stream_type(headers: Mapping[str, str]) -> None:
    """Check that a streaming invocation has an invocation type that can stream.

    Raises:
        ApiError: It is an event.
    """
    if violations := list(_choice_violations(StreamType, headers.get("X-Amz-Invocation-Type"), "invocationType")):
        raise responses.constraints_violated(violations)


def check_tenant(tenant_id: str | None, *, isolated: bool) -> None:
    """Check that a call names a tenant if, and only if, its function isolates tenants.

    Raises:
        ApiError: The tenant id is missing, or must not be there.
    """
    if isolated and tenant_id is None:
        raise responses.tenant_missing()
    if tenant_id is not None and not isolated:
        raise responses.tenant_not_wanted()


def invocation_response(ending: InvocationResult, *, log_tail: bool, version: str = LATEST) -> ApiResponse:
    """Build the response to a synchronous call: the function's result, or its error."""
    headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": version}
    headers["x-amzn-Remapped-Content-Length"] = "0"  # as AWS does
    if ending.failed:
        headers["X-Amz-Function-Error"] = "Unhandled"
    if log_tail:
        headers["X-Amz-Log-Result"] = base64.b64encode(ending.log_tail).decode()
    return ApiResponse(200, ending.body, headers)


def queued_response() -> ApiResponse:
    """Build the response to an event that has been queued."""
    return ApiResponse(202)


def permitted_response() -> ApiResponse:
    """Build the response to a dry run that is permitted."""
    return ApiResponse(204)


def _choice_violations(kind: type[StrEnum], text: str | None, member: str) -> Iterator[Violation]:
    """Check an enumerated parameter; a missing one has its default."""
    if text is not None and text not in (choices := list(kind)):
        yield Violation(text, member, f"Member must satisfy enum value set: [{', '.join(choices)}]")


def get_trace_header(headers: Mapping[str, str]) -> str:
    """Return the caller's trace header unchanged, or start a trace, as Lambda does for a caller without one.

    A header that no runtime could accept counts as missing.
    """
    header = headers.get("X-Amzn-Trace-Id")
    if header and len(header) <= MAX_TRACE_HEADER and header.isascii() and header.isprintable():
        return header
    # Sampled=0 is what Lambda writes for a function without active tracing.
    root = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return f"Root={root};Parent={secrets.token_hex(8)};Sampled=0"


def _check_size(invocation_type: InvocationType, size: int) -> None:
    if invocation_type is InvocationType.EVENT:
        if size > MAX_EVENT_REQUEST:
            raise responses.event_too_large(size)
    elif size > MAX_REQUEST:
        raise responses.request_too_large()


def _client_context(header: str | None) -> str | None:
    if header is None:
        return None
    if len(header) > MAX_CLIENT_CONTEXT:
        raise responses.client_context_too_large()
    try:
        text = base64.b64decode(header, validate=True).decode()
    except ValueError:
        raise responses.client_context_not_base64() from None
    return _header_safe(text)


def _header_safe(text: str) -> str:
    """Return JSON on one line of ASCII; what is not JSON is encoded for a header, so that the runtime rejects it."""
    # The runtime gets it in a header of the Runtime API, where only one line of ASCII is possible.
    try:
        return json.dumps(json.loads(text))
    except (ValueError, RecursionError):
        return re.sub(r"[^\x20-\x7e]", " ", text).strip()


def _reject_durable(headers: Mapping[str, str]) -> None:
    """Reject a durable execution: a caller that relies on its name to run once might see the function run twice."""
    if "X-Amz-Durable-Execution-Name" in headers:
        raise responses.parameter_invalid("DurableExecutionName is only valid for a durable function.")


def _json_payload(content: bytes) -> bytes:
    """Return *content* unchanged if it is JSON; a missing payload is ``{}``, as on AWS."""
    if not content:
        return b"{}"
    try:
        _STRICT_JSON.decode(content.decode())
    except UnicodeDecodeError as exc:
        raise responses.body_not_json(
            f"Invalid UTF-8 start byte 0x{content[exc.start]:02x}", 1, exc.start + 2
        ) from None
    except json.JSONDecodeError as exc:
        raise responses.body_not_json(exc.msg, exc.lineno, exc.colno) from None
    # Both messages are those of Jackson, AWS's parser; the limits are Python's: its stack, and 4,300 digits.
    except RecursionError:
        raise responses.body_not_json("Document nesting depth exceeds the maximum allowed", 1, 1) from None
    except ValueError:
        raise responses.body_not_json("Number value length exceeds the maximum allowed", 1, 1) from None
    return content


def _reject_constant(name: str) -> Never:
    raise json.JSONDecodeError(f"Non-standard token '{name}'", "", 0)


# Python's parser accepts NaN and Infinity, AWS's does not.
_STRICT_JSON: Final = json.JSONDecoder(parse_constant=_reject_constant)
