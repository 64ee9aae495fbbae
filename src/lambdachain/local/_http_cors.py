"""CORS as API Gateway and function URLs do it: preflight responses, and headers of responses to pages."""

from __future__ import annotations

from collections.abc import Iterable

from lambdachain._lambda_api.proxy_events import HttpRequest
from lambdachain._lambda_api.proxy_responses import HttpResponse

from ._http_api import LocalCors, LocalHttpApi
from ._http_routes import find_methods

_PREFIX = "access-control-"


def answer_preflight(api: LocalHttpApi, request: HttpRequest) -> HttpResponse | None:
    """Return the response to a preflight request that the API answers itself, or ``None``."""
    cors = api.cors
    if cors is None or request.method != "OPTIONS":
        return None
    if api.kind == "rest":
        return _answer_mock(api, cors, request)
    origin = request.header("origin")
    if origin is None or request.header("access-control-request-method") is None:
        return None
    # 204 of an HTTP API, 200 of a function URL: assumed.
    return HttpResponse(204 if api.kind == "http" else 200, tuple(_preflight_headers(cors, origin, request)))


def add_cors_headers(api: LocalHttpApi, request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return the response of a function with the API's own CORS headers in place of the function's."""
    # A REST API passes the function's headers through: its CORS settings are for the preflight only.
    if api.cors is None or api.kind == "rest":
        return response
    kept = [(name, value) for name, value in response.headers if not name.lower().startswith(_PREFIX)]
    origin = request.header("origin")
    added = _origin_headers(api.cors, origin) if origin is not None else ()
    return HttpResponse(response.status, (*kept, *added), response.body)


def explicit_origins(api: LocalHttpApi) -> frozenset[str]:
    """Return the origins that the CORS settings name: each of them is the developer's decision, which ``*`` is not."""
    return frozenset(each.lower() for each in (api.cors.allow_origins if api.cors else ()) if "*" not in each)


def _answer_mock(api: LocalHttpApi, cors: LocalCors, request: HttpRequest) -> HttpResponse | None:
    """Answer as the OPTIONS method that SAM and the Serverless Framework add to each path without one."""
    methods = find_methods(api, request.path)
    if not methods:
        return None
    headers = {
        "Access-Control-Allow-Origin": ",".join(cors.allow_origins),
        "Access-Control-Allow-Headers": ",".join(cors.allow_headers),
        "Access-Control-Allow-Methods": ",".join(cors.allow_methods or (*methods, "OPTIONS")),
        "Access-Control-Allow-Credentials": "true" if cors.allow_credentials else "",
        "Access-Control-Max-Age": "" if cors.max_age is None else str(cors.max_age),
    }
    return HttpResponse(200, tuple((name, value) for name, value in headers.items() if value))


def _preflight_headers(cors: LocalCors, origin: str, request: HttpRequest) -> Iterable[tuple[str, str]]:
    found = [*_origin_headers(cors, origin)]
    yield from found
    if not found:
        return
    if cors.allow_methods:
        yield "Access-Control-Allow-Methods", ",".join(cors.allow_methods)
    requested = request.header("access-control-request-headers")
    if cors.allow_headers and requested is not None:
        # A browser takes * literally for a request with credentials, so the requested headers are repeated.
        yield "Access-Control-Allow-Headers", requested if "*" in cors.allow_headers else ",".join(cors.allow_headers)
    if cors.max_age is not None:
        yield "Access-Control-Max-Age", str(cors.max_age)


def _origin_headers(cors: LocalCors, origin: str) -> Iterable[tuple[str, str]]:
    allowed = {each.lower() for each in cors.allow_origins}
    if "*" not in allowed and origin.lower() not in allowed and f"{origin.partition('://')[0]}://*" not in allowed:
        return
    yield "Access-Control-Allow-Origin", "*" if "*" in allowed and not cors.allow_credentials else origin
    if cors.allow_credentials:
        yield "Access-Control-Allow-Credentials", "true"
    if cors.expose_headers:
        yield "Access-Control-Expose-Headers", ",".join(cors.expose_headers)
