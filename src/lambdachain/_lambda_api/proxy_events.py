"""HTTP requests to events: payload format 1.0 (REST APIs, HTTP APIs) and 2.0 (HTTP APIs, function URLs).

The fields are those of AWS's examples in the developer guides of API Gateway and Lambda. What the guides leave open is
*published* (observed on AWS by others, in public issues) or *assumed*.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote

HttpApiKind: TypeAlias = Literal["rest", "http", "url"]
PayloadFormat: TypeAlias = Literal["1.0", "2.0"]

# What HTTP APIs and function URLs pass as text; everything else, forms included, is base64 (published).
_TEXT_TYPES: Final = re.compile(r"text/.*|application/(?:json|xml|javascript)")
_IDENTITY: Final = (
    "accessKey",
    "accountId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "user",
    "userArn",
)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request, as it arrived.

    Attributes:
        method: The method, in capitals.
        path: The path, percent-encoded.
        query: The query string, percent-encoded.
        headers: The headers, in their order and case.
        body: The body.
        source_ip: The client's address.
        request_id: The id of the request.
        arrived_at: When it arrived, in seconds since the epoch.
        protocol: ``HTTP/1.1``.
    """

    method: str
    path: str
    query: str = field(default="", repr=False)
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    source_ip: str = "127.0.0.1"
    request_id: str = ""
    arrived_at: float = 0.0
    protocol: str = "HTTP/1.1"

    def header(self, name: str) -> str | None:
        """Return the last value of a header, or ``None``."""
        return next((value for key, value in reversed(self.headers) if key.lower() == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyIntegration:
    """How an API passes the requests of one route to its function.

    Attributes:
        kind: A REST API, an HTTP API or a function URL.
        payload_format: The format of the events.
        api_id: The id of the API.
        account_id: Whose requests they are.
        path: The path, as the event has it.
        stage: The stage.
        stage_variables: The variables of the stage.
        route_key: The key of the route, such as ``GET /orders/{id}``.
        path_parameters: The values of the path variables, decoded.
        binary_types: Media types that a REST API passes as base64; ``None`` for the rule of HTTP APIs and function
            URLs: everything but text.
    """

    kind: HttpApiKind
    payload_format: PayloadFormat
    api_id: str
    account_id: str
    path: str
    stage: str = "$default"
    stage_variables: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    route_key: str = "$default"
    path_parameters: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    binary_types: Sequence[str] | None = None

    @property
    def resource(self) -> str:
        """The path of the route, such as ``/orders/{id}``."""
        return self.route_key.partition(" ")[2] or self.route_key


def to_proxy_event(integration: ProxyIntegration, request: HttpRequest) -> dict[str, Any]:
    """Convert a request to the event that its function receives."""
    if integration.payload_format == "1.0":
        return _to_event_1(integration, request)
    return _to_event_2(integration, request)


def _to_event_1(integration: ProxyIntegration, request: HttpRequest) -> dict[str, Any]:
    is_rest = integration.kind == "rest"
    # Header names: lower case in HTTP APIs; REST APIs leave them as they are sent.
    headers = _group(request.headers if is_rest else ((name.lower(), value) for name, value in request.headers))
    query = _group(parse_qsl(request.query, keep_blank_values=True))
    body, is_base64 = _encode_body(integration, request)
    event = {
        "resource": integration.resource,
        "path": integration.path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": dict(integration.path_parameters) or None,
        "stageVariables": dict(integration.stage_variables) or None,
        "requestContext": _context_1(integration, request),
        "body": body,
        "isBase64Encoded": is_base64,
    }
    return event if is_rest else {"version": "1.0", **event}


def _context_1(integration: ProxyIntegration, request: HttpRequest) -> dict[str, Any]:
    domain = request.header("host") or ""
    identity: dict[str, Any] = dict.fromkeys(_IDENTITY)
    return {
        "accountId": integration.account_id,
        "apiId": integration.api_id,
        "domainName": domain,
        "domainPrefix": domain.partition(".")[0],
        "extendedRequestId": request.request_id,
        "httpMethod": request.method,
        "identity": {**identity, "sourceIp": request.source_ip, "userAgent": request.header("user-agent")},
        "path": request.path if integration.kind == "rest" else unquote(request.path),
        "protocol": request.protocol,
        "requestId": request.request_id,
        "requestTime": _format_time(request.arrived_at),
        "requestTimeEpoch": int(request.arrived_at * 1000),
        "resourceId": integration.route_key,
        "resourcePath": integration.resource,
        "stage": integration.stage,
    }


def _to_event_2(integration: ProxyIntegration, request: HttpRequest) -> dict[str, Any]:
    headers = _group((name.lower(), value) for name, value in request.headers)
    cookies = [part.strip() for value in headers.pop("cookie", []) for part in value.split(";") if part.strip()]
    query = _group(parse_qsl(request.query, keep_blank_values=True))
    body, is_base64 = _encode_body(integration, request)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": integration.route_key,
        "rawPath": integration.path,
        "rawQueryString": request.query,
        "headers": {name: ",".join(values) for name, values in headers.items()},
        "requestContext": _context_2(integration, request),
        "isBase64Encoded": is_base64,
    }
    # Format 2.0 leaves out what is empty.
    optional: dict[str, Any] = {
        "cookies": cookies,
        "queryStringParameters": {name: ",".join(values) for name, values in query.items()},
        "pathParameters": dict(integration.path_parameters),
        "stageVariables": dict(integration.stage_variables),
        "body": body,
    }
    return event | {name: value for name, value in optional.items() if value}


def _context_2(integration: ProxyIntegration, request: HttpRequest) -> dict[str, Any]:
    domain = request.header("host") or ""
    return {
        "accountId": integration.account_id,
        "apiId": integration.api_id,
        "domainName": domain,
        "domainPrefix": domain.partition(".")[0],
        "http": {
            "method": request.method,
            "path": integration.path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": request.header("user-agent") or "",
        },
        "requestId": request.request_id,
        "routeKey": integration.route_key,
        "stage": integration.stage,
        "time": _format_time(request.arrived_at),
        "timeEpoch": int(request.arrived_at * 1000),
    }


def matches_media_type(value: str | None, patterns: Iterable[str]) -> bool:
    """Check whether one of the media types of a header matches one of *patterns*, such as ``image/*``."""
    types = [part.partition(";")[0].strip().lower() for part in (value or "").split(",")]
    return any(fnmatchcase(each, pattern.lower()) for each in types if each for pattern in patterns)


def _encode_body(integration: ProxyIntegration, request: HttpRequest) -> tuple[str | None, bool]:
    """Return the body as text, and whether it is base64."""
    if not request.body:
        return None, False
    content_type = request.header("content-type")
    if integration.binary_types is not None:
        if matches_media_type(content_type, integration.binary_types):
            return base64.b64encode(request.body).decode(), True
        # Without a binary media type, a REST API takes any body for UTF-8, and destroys what is not.
        return request.body.decode(errors="replace"), False
    media_type = (content_type or "").partition(";")[0].strip().lower()
    try:
        if _TEXT_TYPES.fullmatch(media_type):
            return request.body.decode(), False
    except UnicodeDecodeError:
        pass
    return base64.b64encode(request.body).decode(), True


def _group(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _format_time(epoch: float) -> str:
    """Format a time as API Gateway does: ``12/Mar/2020:19:03:58 +0000``."""
    return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(epoch))
