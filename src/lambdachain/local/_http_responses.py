"""What a function returns to a local API's responses, and the responses of API Gateway and function URLs themselves.

*Documented* ones are in AWS's developer guides, *published* ones were quoted in public issues, *assumed* ones follow
the form of similar ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from lambdachain._lambda_api.proxy_events import HttpApiKind, HttpRequest
from lambdachain._lambda_api.proxy_responses import (
    JSON_TYPE,
    HttpResponse,
    parse_proxy_response,
    with_default_header,
    without_hop_by_hop,
)

from ._http_api import LocalHttpApi
from ._http_events import get_integration
from ._http_routes import MatchedRoute

# Of API Gateway: the payload quota of both kinds. Lambda's own, for the event, is 6 MB.
MAX_HTTP_BODY: Final = 10 * 1024 * 1024

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


def to_http_response(api: LocalHttpApi, route: MatchedRoute, payload: bytes, request: HttpRequest) -> HttpResponse:
    """Convert what a function returned.

    Raises:
        MalformedProxyResponseError: It does not have the format of a response.
    """
    integration = get_integration(api, request, route, account_id="")
    response = without_hop_by_hop(parse_proxy_response(integration, payload, request))
    return with_default_header(response, "Content-Type", _default_content_type(api.kind))


def no_route(kind: HttpApiKind) -> HttpResponse:
    """No route matches: published for both kinds."""
    return _error(403, "Missing Authentication Token") if kind == "rest" else _error(404, "Not Found")


def function_failed(kind: HttpApiKind) -> HttpResponse:
    """The function failed or timed out, or its response is malformed: REST documented, the others published."""
    if kind == "url":
        return HttpResponse(502, (JSON_TYPE,), b"Internal Server Error")
    return _error(502, "Internal server error") if kind == "rest" else _error(500, "Internal Server Error")


def invocation_rejected(kind: HttpApiKind, status: int) -> HttpResponse:
    """Lambda refused the invocation, such as by throttling: REST documented, the others assumed."""
    if kind == "rest":
        return _error(500, "Internal server error")
    if status == 429:
        return _error(503, "Service Unavailable") if kind == "http" else HttpResponse(429, (JSON_TYPE,))
    return function_failed(kind)


def request_rejected(kind: HttpApiKind, rejection: Rejection) -> HttpResponse:
    """An authorizer does not let the request pass: published."""
    if kind == "rest":
        message, error_type = _REST_REJECTIONS[rejection]
        # Two of these messages have a name with a capital.
        name = "Message" if rejection in ("denied", "not allowed") else "message"
        headers = (JSON_TYPE, ("x-amzn-ErrorType", error_type))
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
    return HttpResponse(status, (JSON_TYPE,), json.dumps({"message": message}).encode())


def _default_content_type(kind: HttpApiKind) -> str:
    # Published for API Gateway; documented for function URLs.
    return "text/plain; charset=utf-8" if kind == "http" else "application/json"
