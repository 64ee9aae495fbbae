"""What a function returns to HTTP responses: payload formats 1.0 and 2.0, and the metadata of streams.

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
from typing import Any, Final

from lambdachain._core.type_guards import is_list, is_mapping

from .proxy_events import HttpRequest, ProxyIntegration, matches_media_type

JSON_TYPE: Final = ("Content-Type", "application/json")
_REST_KEYS: Final = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded", "cookies"})
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# The end of a connection sets these itself; a second one would make the message ambiguous.
HOP_BY_HOP: Final = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"})
_STATUSES: Final = range(200, 600)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response: its status, its headers, of which some may repeat, and its body."""

    status: int
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)


class MalformedProxyResponseError(Exception):
    """What the function returned is not a response in the format that the API reads."""


def parse_proxy_response(integration: ProxyIntegration, payload: bytes, request: HttpRequest) -> HttpResponse:
    """Parse what a function returned; nothing is added to its headers, and none is left out.

    Raises:
        MalformedProxyResponseError: It does not have the format of a response.
    """
    try:
        result = json.loads(payload)
    except ValueError:
        result = None
    if integration.payload_format == "2.0" and not (is_mapping(result) and "statusCode" in result):
        # Format 2.0 infers the response: everything without a status is the body (documented).
        return HttpResponse(200, (JSON_TYPE,), payload)
    if not is_mapping(result):
        raise MalformedProxyResponseError("not an object with a statusCode")
    # Of a REST API, every field is optional (published).
    status = _parse_status(result.get("statusCode", 200 if integration.kind == "rest" else None))
    if integration.kind == "rest" and (unknown := sorted(set(result) - _REST_KEYS)):
        raise MalformedProxyResponseError(f"{unknown[0]!r} is not a field of a response")
    headers = [*_read_headers(result, has_multiple=integration.payload_format == "1.0")]
    if integration.payload_format == "2.0":
        headers += [("Set-Cookie", cookie) for cookie in _read_cookies(result.get("cookies"))]
    return HttpResponse(status, tuple(headers), _read_body(integration, result, request))


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
    response = without_hop_by_hop(HttpResponse(status, tuple(headers)))
    return with_default_header(response, "Content-Type", "application/octet-stream")


def with_default_header(response: HttpResponse, name: str, value: str) -> HttpResponse:
    """Return a response with a header, unless it has it already."""
    if any(each.lower() == name.lower() for each, _ in response.headers):
        return response
    return replace(response, headers=(*response.headers, (name, value)))


def without_hop_by_hop(response: HttpResponse) -> HttpResponse:
    """Return a response without the headers that belong to one connection."""
    return replace(response, headers=tuple(each for each in response.headers if each[0].lower() not in HOP_BY_HOP))


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
    if value is None:
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


def _read_body(integration: ProxyIntegration, result: Mapping[str, Any], request: HttpRequest) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        if integration.kind == "rest":
            raise MalformedProxyResponseError("body is not text")
        body = json.dumps(body, separators=(",", ":"))
    # A REST API decodes only for clients that accept one of its binary media types (published).
    types = integration.binary_types
    is_decoded = types is None or matches_media_type(request.header("accept"), types)
    if result.get("isBase64Encoded") is not True or not is_decoded:
        return body.encode(errors="replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedProxyResponseError("body is not base64, and isBase64Encoded is true") from None
