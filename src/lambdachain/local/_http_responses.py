"""What a function returns to HTTP responses, and the responses of API Gateway and function URLs themselves.

*Documented* ones are in AWS's developer guides, *published* ones were quoted in public issues, *assumed* ones follow
the form of similar ones.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from lambdachain._core.type_guards import is_list, is_mapping

from ._http_api import HttpApiKind, LocalHttpApi, LocalHttpRoute
from ._http_events import HttpRequest, matches_media_type

# Of API Gateway: the payload quota of both kinds. Lambda's own, for the event, is 6 MB.
MAX_HTTP_BODY: Final = 10 * 1024 * 1024

_JSON: Final = ("Content-Type", "application/json")
_REST_KEYS: Final = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded", "cookies"})
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# The server sets these itself; a second one would make the response ambiguous.
_HOP_BY_HOP: Final = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"})
_STATUSES: Final = range(200, 600)

# How an authorizer may reject a request: no identity or "Unauthorized", a policy that denies the request or does not
# allow it, an authorizer that fails or returns something malformed.
Rejection: TypeAlias = Literal["unauthorized", "denied", "not allowed", "failed"]
_REJECTION_STATUSES: Final[Mapping[Rejection, int]] = {
    "unauthorized": 401,
    "denied": 403,
    "not allowed": 403,
    "failed": 500,
}
_NOT_AUTHORIZED: Final = "User is not authorized to access this resource"
_REST_REJECTIONS: Final[Mapping[Rejection, tuple[str | None, str]]] = {
    "unauthorized": ("Unauthorized", "UnauthorizedException"),
    "denied": (f"{_NOT_AUTHORIZED} with an explicit deny", "AccessDeniedException"),
    "not allowed": (_NOT_AUTHORIZED, "AccessDeniedException"),
    "failed": (None, "AuthorizerConfigurationException"),
}
_HTTP_REJECTIONS: Final[Mapping[Rejection, str]] = {
    "unauthorized": "Unauthorized",
    "denied": "Forbidden",
    "not allowed": "Forbidden",
    "failed": "Internal Server Error",
}


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response: its status, its headers, of which some may repeat, and its body."""

    status: int
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)


class MalformedProxyResponseError(Exception):
    """What the function returned is not a response in the format that the API reads."""


def to_http_response(api: LocalHttpApi, route: LocalHttpRoute, payload: bytes, request: HttpRequest) -> HttpResponse:
    """Convert what a function returned.

    Raises:
        MalformedProxyResponseError: It does not have the format of a response.
    """
    try:
        result = json.loads(payload)
    except ValueError:
        result = None
    if api.payload_format(route) == "2.0" and not (is_mapping(result) and "statusCode" in result):
        # Format 2.0 infers the response: everything without a status is the body (documented).
        return HttpResponse(200, (_JSON,), payload)
    if not is_mapping(result):
        raise MalformedProxyResponseError("not an object with a statusCode")
    # Of a REST API, every field is optional (published).
    status = _parse_status(result.get("statusCode", 200 if api.kind == "rest" else None))
    if api.kind == "rest" and (unknown := sorted(set(result) - _REST_KEYS)):
        raise MalformedProxyResponseError(f"{unknown[0]!r} is not a field of a response")
    headers = [*_read_headers(result, has_multiple=api.payload_format(route) == "1.0")]
    if api.payload_format(route) == "2.0":
        headers += [("Set-Cookie", cookie) for cookie in _read_cookies(result.get("cookies"))]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", _default_content_type(api.kind)))
    return HttpResponse(status, tuple(headers), _read_body(api, result, request))


def parse_prelude(prelude: bytes) -> HttpResponse:
    """Parse the metadata that precede a streamed response: a status, headers and cookies.

    Raises:
        MalformedProxyResponseError: They are malformed.
    """
    try:
        metadata = json.loads(prelude)
    except ValueError:
        raise MalformedProxyResponseError("the metadata of the stream are not JSON") from None
    if not is_mapping(metadata):
        raise MalformedProxyResponseError("the metadata of the stream are not an object")
    status = _parse_status(metadata.get("statusCode", 200))
    headers = [*_read_headers(metadata, has_multiple=True)]
    headers += [("Set-Cookie", cookie) for cookie in _read_cookies(metadata.get("cookies"))]
    return with_default_header(HttpResponse(status, tuple(headers)), "Content-Type", "application/octet-stream")


def with_default_header(response: HttpResponse, name: str, value: str) -> HttpResponse:
    """Return a response with a header, unless it has it already."""
    if any(each.lower() == name.lower() for each, _ in response.headers):
        return response
    return replace(response, headers=(*response.headers, (name, value)))


def no_route(kind: HttpApiKind) -> HttpResponse:
    """No route matches: published for both kinds."""
    return _error(403, "Missing Authentication Token") if kind == "rest" else _error(404, "Not Found")


def function_failed(kind: HttpApiKind) -> HttpResponse:
    """The function failed or timed out, or its response is malformed: REST documented, the others published."""
    if kind == "url":
        return HttpResponse(502, (_JSON,), b"Internal Server Error")
    return _error(502, "Internal server error") if kind == "rest" else _error(500, "Internal Server Error")


def invocation_rejected(kind: HttpApiKind, status: int) -> HttpResponse:
    """Lambda refused the invocation, such as by throttling: REST documented, the others assumed."""
    if kind == "rest":
        return _error(500, "Internal server error")
    if status == 429:
        return _error(503, "Service Unavailable") if kind == "http" else HttpResponse(429, (_JSON,))
    return function_failed(kind)


def request_rejected(kind: HttpApiKind, rejection: Rejection) -> HttpResponse:
    """An authorizer does not let the request pass: published."""
    if kind == "rest":
        message, error_type = _REST_REJECTIONS[rejection]
        # Two of these messages have a name with a capital.
        name = "Message" if rejection in ("denied", "not allowed") else "message"
        headers = (_JSON, ("x-amzn-ErrorType", error_type))
        status = _REJECTION_STATUSES[rejection]
        return HttpResponse(status, headers, json.dumps({name: message}).encode())
    return _error(_REJECTION_STATUSES[rejection], _HTTP_REJECTIONS[rejection])


def integration_timed_out(kind: HttpApiKind) -> HttpResponse:
    """The function did not respond within the API's own timeout: published."""
    return _error(504, "Endpoint request timed out") if kind == "rest" else _error(503, "Service Unavailable")


def request_too_large() -> HttpResponse:
    """The body is over the quota, or its event over Lambda's (published for REST APIs, otherwise assumed)."""
    return _error(413, "Request Too Long")


def page_refused(reason: str) -> HttpResponse:
    """A web page from elsewhere, or a name that does not belong to this machine; not a response of AWS."""
    return _error(403, f"refused by lambdachain: {reason}")


def _error(status: int, message: str) -> HttpResponse:
    return HttpResponse(status, (_JSON,), json.dumps({"message": message}).encode())


def _default_content_type(kind: HttpApiKind) -> str:
    # Published for API Gateway; documented for function URLs.
    return "text/plain; charset=utf-8" if kind == "http" else "application/json"


def _parse_status(value: Any) -> int:
    # API Gateway takes a status in digits as well.
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value not in _STATUSES:
        raise MalformedProxyResponseError("statusCode is not a status")
    return value


def _read_headers(result: Mapping[str, Any], *, has_multiple: bool) -> Iterable[tuple[str, str]]:
    multiple = result.get("multiValueHeaders") if has_multiple else None
    # A name in both gets the values of both, with the case of multiValueHeaders; an equal value once (documented).
    found: dict[str, tuple[str, list[str]]] = {}
    for name, values in _require_mapping(multiple, "multiValueHeaders").items():
        if not is_list(values):
            raise MalformedProxyResponseError(f"the header {name!r} in multiValueHeaders is not a list")
        _add_header(found, name, values)
    for name, value in _require_mapping(result.get("headers"), "headers").items():
        _add_header(found, name, [value])
    yield from ((name, value) for name, values in found.values() for value in values)


def _add_header(found: dict[str, tuple[str, list[str]]], name: str, values: Sequence[Any]) -> None:
    own: list[str] = []
    for value in values:
        own += [text for _, text in _to_header(name, value)]
    _, known = found.setdefault(name.lower(), (name, []))
    # Only a value of `headers` that multiValueHeaders have too is dropped: a list may repeat itself.
    known += own if not known else [text for text in own if text not in known]


def _require_mapping(value: Any, name: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not is_mapping(value):
        raise MalformedProxyResponseError(f"{name} is not an object")
    return value


def _to_header(name: str, value: Any) -> Iterable[tuple[str, str]]:
    if value is None or name.lower() in _HOP_BY_HOP:
        return
    if is_list(value) or is_mapping(value):
        raise MalformedProxyResponseError(f"the header {name!r} is not text")
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    # A line break would start another header, or the body.
    if not _HEADER_NAME.fullmatch(name) or any(character in text for character in "\r\n\0"):
        raise MalformedProxyResponseError("a header has characters that no header may have")
    yield name, text


def _read_cookies(cookies: Any) -> list[str]:
    if cookies is None:
        return []
    if not is_list(cookies) or not all(isinstance(cookie, str) for cookie in cookies):
        raise MalformedProxyResponseError("cookies is not a list of text")
    return [text for cookie in cookies for _, text in _to_header("Set-Cookie", cookie)]


def _read_body(api: LocalHttpApi, result: Mapping[str, Any], request: HttpRequest) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        if api.kind == "rest":
            raise MalformedProxyResponseError("body is not text")
        body = json.dumps(body, separators=(",", ":"))
    # A REST API decodes only for clients that accept one of its binary media types (published).
    is_decoded = api.kind != "rest" or matches_media_type(request.header("accept"), api.binary_types)
    if result.get("isBase64Encoded") is not True or not is_decoded:
        return body.encode(errors="replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedProxyResponseError("body is not base64, and isBase64Encoded is true") from None
