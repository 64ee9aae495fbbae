"""Invoke as HTTP: from the parts of a request to a checked value, and from how an invocation ended to an answer. Pure.

Paths and headers are those of botocore's service model for ``Invoke``.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections.abc import Container, Mapping
from enum import StrEnum
from typing import Final, Never, TypeVar
from urllib.parse import unquote

from lambdachain._arn import FunctionArn, FunctionName, parse_target
from lambdachain._errors import InvalidArnError
from lambdachain._invocation import InvocationType
from lambdachain._wire import MAX_TRACE

from . import answers
from .answers import Answer
from .delivery import Body, Delivery, Ending, InvokeRequest
from .limits import MAX_CLIENT_CONTEXT, MAX_EVENT_REQUEST, MAX_REQUEST
from .place import LATEST, Place

Choice = TypeVar("Choice", bound=StrEnum)

_TENANT_ID: Final = re.compile(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}")

_NAME_PATTERN: Final = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
_QUALIFIER_PATTERN: Final = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"


class LogType(StrEnum):
    """Whether the answer brings the end of the log."""

    NONE = "None"
    TAIL = "Tail"


class StreamType(StrEnum):
    """How a function may be invoked for a streamed response."""

    REQUEST_RESPONSE = "RequestResponse"
    DRY_RUN = "DryRun"


def read_invoke(
    target: str,
    qualifier: str | None,
    headers: Mapping[str, str],
    body: Body,
    *,
    request_id: str,
    place: Place,
    functions: Mapping[str, Container[str]],
) -> InvokeRequest:
    """Check a request of the Invoke API and give it as a value.

    Args:
        target: The path's function, still percent-encoded.
        qualifier: The query's qualifier.
        headers: The request's headers, found whatever their case.
        body: The request's body.
        request_id: The id that this invocation gets.
        place: Where the functions are.
        functions: The names of those there are, each with its versions and aliases.

    Raises:
        RefusedError: AWS would refuse it; the answer is inside.
    """
    invocation_type = _choice(InvocationType, headers.get("X-Amz-Invocation-Type"), "invocationType")
    log_type = _choice(LogType, headers.get("X-Amz-Log-Type"), "logType")
    arn = resolve(target, qualifier, place, functions)
    _check_size(invocation_type, body.size)
    _refuse_durable(headers)
    client_context = _client_context(headers.get("X-Amz-Client-Context"))
    synchronous = invocation_type is InvocationType.REQUEST_RESPONSE
    delivery = Delivery(
        request_id,
        str(arn),
        trace_id=_trace_id(headers),
        payload=_json_payload(body.content),
        client_context=client_context if synchronous else None,
        tenant_id=_tenant_id(headers),
    )
    return InvokeRequest(arn.name, arn.qualifier, invocation_type, synchronous and log_type is LogType.TAIL, delivery)


def read_stream_type(headers: Mapping[str, str]) -> None:
    """Check that a streaming invocation is of a type that can be one.

    Raises:
        RefusedError: It is an event.
    """
    _choice(StreamType, headers.get("X-Amz-Invocation-Type"), "invocationType")


def check_tenant(tenant_id: str | None, *, isolated: bool) -> None:
    """Check that a call names a tenant if, and only if, its function keeps tenants apart.

    Raises:
        RefusedError: It does not fit.
    """
    if isolated and tenant_id is None:
        raise answers.tenant_missing()
    if tenant_id is not None and not isolated:
        raise answers.tenant_not_wanted()


def answer_ending(ending: Ending, *, log_tail: bool, version: str = LATEST) -> Answer:
    """Answer a synchronous call with what the function gave, or with how it failed."""
    headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": version}
    headers["x-amzn-Remapped-Content-Length"] = "0"
    if ending.failed:
        headers["X-Amz-Function-Error"] = "Unhandled"
    if log_tail:
        headers["X-Amz-Log-Result"] = base64.b64encode(ending.log_tail).decode()
    return Answer(200, ending.body, headers)


def answer_queued() -> Answer:
    """Answer an event: it is in the queue."""
    return Answer(202)


def answer_permitted() -> Answer:
    """Answer a dry run: a call would be let in."""
    return Answer(204)


def _choice(kind: type[Choice], text: str | None, member: str) -> Choice:
    """Read an enumerated parameter; its first value is the default."""
    choices = list(kind)
    if text is None:
        return choices[0]
    if text not in choices:
        allowed = ", ".join(choices)
        raise answers.constraint_violated(text, member, f"Member must satisfy enum value set: [{allowed}]")
    return kind(text)


def _trace_id(headers: Mapping[str, str]) -> str:
    """Give the caller's trace header unchanged, or begin a trace, as Lambda does for a caller that has none.

    One that no runtime could take counts as none.
    """
    given = headers.get("X-Amzn-Trace-Id")
    if given and len(given) <= MAX_TRACE and given.isascii() and given.isprintable():
        return given
    root = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return f"Root={root};Parent={secrets.token_hex(8)};Sampled=0"


def resolve(target: str, qualifier: str | None, place: Place, functions: Mapping[str, Container[str]]) -> FunctionArn:
    """Find the function that the path and the query name; see `read_invoke` for both.

    Raises:
        RefusedError: There is none.
    """
    text = unquote(target)
    called = _with_qualifier(_parse_name(text), qualifier)
    if called.region not in {None, place.region}:
        raise answers.region_not_reachable(str(called.region), place.region)
    if called.account_id not in {None, place.account_id}:
        raise answers.account_not_allowed(place.account_id, text)
    if (called.qualifier or LATEST) not in functions.get(called.name, ()):
        raise answers.function_not_found(str(place.arn(called.name, called.qualifier or LATEST)))
    return place.arn(called.name, called.qualifier)


def _parse_name(text: str) -> FunctionArn | FunctionName:
    try:
        return parse_target(text)
    except InvalidArnError:
        constraint = f"Member must satisfy regular expression pattern: {_NAME_PATTERN}"
        raise answers.constraint_violated(text, "functionName", constraint) from None


def _with_qualifier(target: FunctionArn | FunctionName, qualifier: str | None) -> FunctionArn | FunctionName:
    if qualifier is None:
        return target
    try:
        qualified = target.with_qualifier(qualifier)
    except InvalidArnError:
        constraint = f"Member must satisfy regular expression pattern: {_QUALIFIER_PATTERN}"
        raise answers.constraint_violated(qualifier, "qualifier", constraint) from None
    if target.qualifier not in {None, qualifier}:
        message = "The derived qualifier from the function name does not match the specified qualifier."
        raise answers.parameter_invalid(message)
    return qualified


def _check_size(invocation_type: InvocationType, size: int) -> None:
    if invocation_type is InvocationType.EVENT:
        if size > MAX_EVENT_REQUEST:
            raise answers.event_too_large(size)
    elif size > MAX_REQUEST:
        raise answers.request_too_large()


def _client_context(header: str | None) -> str | None:
    if header is None:
        return None
    if len(header) > MAX_CLIENT_CONTEXT:
        raise answers.client_context_too_large()
    try:
        text = base64.b64decode(header, validate=True).decode()
    except ValueError:
        raise answers.client_context_not_base64() from None
    return _header_safe(text)


def _header_safe(text: str) -> str:
    """Give JSON on one line of ASCII; what is no JSON goes on as well as it can, for the runtime to refuse."""
    try:
        return json.dumps(json.loads(text))
    except (ValueError, RecursionError):
        return re.sub(r"[^\x20-\x7e]", " ", text).strip()


def _tenant_id(headers: Mapping[str, str]) -> str | None:
    tenant_id = headers.get("X-Amz-Tenant-Id")
    if tenant_id is not None and not _TENANT_ID.fullmatch(tenant_id):
        constraint = r"Member must satisfy regular expression pattern: [a-zA-Z0-9\._:\/=+\-@ ]+"
        raise answers.constraint_violated(tenant_id, "tenantId", constraint)
    return tenant_id


def _refuse_durable(headers: Mapping[str, str]) -> None:
    """Refuse a durable execution: a caller who trusts in its name to run once might see the function run twice."""
    if "X-Amz-Durable-Execution-Name" in headers:
        raise answers.parameter_invalid("DurableExecutionName is only valid for a durable function.")


def _json_payload(content: bytes) -> bytes:
    """Give *content* as it is if it is JSON; an absent payload is ``{}``, as on AWS."""
    if not content:
        return b"{}"
    try:
        json.loads(content.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as exc:
        raise answers.body_not_json(f"Invalid UTF-8 start byte 0x{content[exc.start]:02x}", 1, exc.start + 2) from None
    except json.JSONDecodeError as exc:
        raise answers.body_not_json(exc.msg, exc.lineno, exc.colno) from None
    except RecursionError:
        raise answers.body_not_json("Document nesting depth exceeds the maximum allowed", 1, 1) from None
    except ValueError:
        raise answers.body_not_json("Number value length exceeds the maximum allowed", 1, 1) from None
    return content


def _refuse_constant(name: str) -> Never:
    raise json.JSONDecodeError(f"Non-standard token '{name}'", "", 0)
