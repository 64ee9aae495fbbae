"""HTTP requests to events: payload format 1.0 (REST APIs, HTTP APIs) and 2.0 (HTTP APIs, function URLs).

The fields are those of AWS's examples in the developer guides of API Gateway and Lambda. What the guides leave open is
*published* (observed on AWS by others, in public issues) or *assumed*.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from ._http_api import LocalHttpApi, PayloadFormat
from ._http_routes import MatchedRoute

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


def to_event(
    api: LocalHttpApi,
    request: HttpRequest,
    route: MatchedRoute,
    account_id: str,
    payload_format: PayloadFormat | None = None,
) -> dict[str, Any]:
    """Convert a request to the event that its function receives; by default in the payload format of the route."""
    if (payload_format or api.payload_format(route.target)) == "1.0":
        return _to_event_1(api, request, route, account_id)
    return _to_event_2(api, request, route, account_id)


def _to_event_1(api: LocalHttpApi, request: HttpRequest, route: MatchedRoute, account_id: str) -> dict[str, Any]:
    is_rest = api.kind == "rest"
    # Header names: lower case in HTTP APIs; REST APIs leave them as they are sent.
    headers = _group(request.headers if is_rest else ((name.lower(), value) for name, value in request.headers))
    query = _group(parse_qsl(request.query, keep_blank_values=True))
    body, is_base64 = _encode_body(api, request)
    event = {
        "resource": route.resource,
        # A REST API leaves the path encoded and without the stage (published), an HTTP API decodes it (published); with
        # the stage (assumed from rawPath).
        "path": route.path if is_rest else unquote(request.path),
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": dict(route.parameters) or None,
        "stageVariables": dict(api.stage_variables) or None,
        "requestContext": _context_1(api, request, route, account_id),
        "body": body,
        "isBase64Encoded": is_base64,
    }
    return event if is_rest else {"version": "1.0", **event}


def _context_1(api: LocalHttpApi, request: HttpRequest, route: MatchedRoute, account_id: str) -> dict[str, Any]:
    domain = request.header("host") or ""
    identity: dict[str, Any] = dict.fromkeys(_IDENTITY)
    return {
        "accountId": account_id,
        "apiId": api_id(api),
        "domainName": domain,
        "domainPrefix": domain.partition(".")[0],
        "extendedRequestId": request.request_id,
        "httpMethod": request.method,
        "identity": {**identity, "sourceIp": request.source_ip, "userAgent": request.header("user-agent")},
        "path": request.path if api.kind == "rest" else unquote(request.path),
        "protocol": request.protocol,
        "requestId": request.request_id,
        "requestTime": _format_time(request.arrived_at),
        "requestTimeEpoch": int(request.arrived_at * 1000),
        "resourceId": route.key,
        "resourcePath": route.resource,
        "stage": api.stage,
    }


def _to_event_2(api: LocalHttpApi, request: HttpRequest, route: MatchedRoute, account_id: str) -> dict[str, Any]:
    # An HTTP API decodes the path (published); a function URL passes it as it is.
    path = request.path if api.kind == "url" else unquote(request.path)
    headers = _group((name.lower(), value) for name, value in request.headers)
    cookies = [part.strip() for value in headers.pop("cookie", []) for part in value.split(";") if part.strip()]
    query = _group(parse_qsl(request.query, keep_blank_values=True))
    body, is_base64 = _encode_body(api, request)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": {name: ",".join(values) for name, values in headers.items()},
        "requestContext": _context_2(api, request, route, path, account_id),
        "isBase64Encoded": is_base64,
    }
    # Format 2.0 leaves out what is empty.
    optional: dict[str, Any] = {
        "cookies": cookies,
        "queryStringParameters": {name: ",".join(values) for name, values in query.items()},
        "pathParameters": dict(route.parameters),
        "stageVariables": dict(api.stage_variables),
        "body": body,
    }
    return event | {name: value for name, value in optional.items() if value}


def _context_2(
    api: LocalHttpApi, request: HttpRequest, route: MatchedRoute, path: str, account_id: str
) -> dict[str, Any]:
    domain = request.header("host") or ""
    return {
        # Requests without a signature have no account: what a function URL without IAM sees.
        "accountId": "anonymous" if api.kind == "url" else account_id,
        "apiId": api_id(api),
        "domainName": domain,
        "domainPrefix": domain.partition(".")[0],
        "http": {
            "method": request.method,
            "path": path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": request.header("user-agent") or "",
        },
        "requestId": request.request_id,
        "routeKey": route.key,
        "stage": api.stage,
        "time": _format_time(request.arrived_at),
        "timeEpoch": int(request.arrived_at * 1000),
    }


def api_id(api: LocalHttpApi) -> str:
    """Return an id in the form of AWS's: lower-case letters and digits of the API's name."""
    return "".join(character for character in api.name.lower() if character.isascii() and character.isalnum())


def matches_media_type(value: str | None, patterns: Iterable[str]) -> bool:
    """Check whether one of the media types of a header matches one of *patterns*, such as ``image/*``."""
    types = [part.partition(";")[0].strip().lower() for part in (value or "").split(",")]
    return any(fnmatchcase(each, pattern.lower()) for each in types if each for pattern in patterns)


def _encode_body(api: LocalHttpApi, request: HttpRequest) -> tuple[str | None, bool]:
    """Return the body as text, and whether it is base64."""
    if not request.body:
        return None, False
    content_type = request.header("content-type")
    if api.kind == "rest":
        if matches_media_type(content_type, api.binary_types):
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
