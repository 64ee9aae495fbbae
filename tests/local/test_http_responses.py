"""What a function returns to HTTP responses: statuses, headers, bodies, inferred and malformed responses, CORS."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdachain._lambda_api.proxy_events import HttpRequest
from lambdachain._lambda_api.proxy_responses import HttpResponse, MalformedProxyResponseError
from lambdachain.local import LocalCors, LocalHttpApi, LocalHttpRoute
from lambdachain.local._http_cors import add_cors_headers, answer_preflight
from lambdachain.local._http_responses import to_http_response
from lambdachain.local._http_routes import match_route
from lambdachain.local._http_stream import DELIMITER, MAX_PRELUDE, PreludeParser

REST = LocalHttpApi("R", {"GET /": "f"}, kind="rest", binary_types=("image/*",))
HTTP = LocalHttpApi("H", {"GET /": "f"})
HTTP_1 = LocalHttpApi("H1", {"GET /": LocalHttpRoute("f", payload_format="1.0")})
URL = LocalHttpApi.for_function("f")
GET = HttpRequest("GET", "/")


def respond(api: LocalHttpApi, result: Any, request: HttpRequest = GET) -> HttpResponse:
    """Convert a function's result."""
    route = match_route(api, "GET", "/")
    assert route is not None
    return to_http_response(api, route, json.dumps(result).encode(), request)


@pytest.mark.parametrize("api", [REST, HTTP, HTTP_1, URL], ids=lambda api: api.name)
def test_response(api: LocalHttpApi):
    """Status, headers and body are the function's."""
    response = respond(api, {"statusCode": 201, "headers": {"Content-Type": "text/html", "X-A": 1}, "body": "<p>é"})

    assert (response.status, response.body) == (201, "<p>é".encode())
    assert response.headers == (("Content-Type", "text/html"), ("X-A", "1"))


@pytest.mark.parametrize("api", [HTTP, URL], ids=lambda api: api.name)
@pytest.mark.parametrize("result", [{"message": "Hello"}, "Hello", ["a"], 5, None, {"body": "x"}], ids=json.dumps)
def test_inferred_response(api: LocalHttpApi, result: object):
    """Format 2.0 takes a result without a status for the body."""
    response = respond(api, result)

    assert (response.status, response.headers) == (200, (("Content-Type", "application/json"),))
    assert json.loads(response.body) == result


@pytest.mark.parametrize("api", [REST, HTTP_1], ids=lambda api: api.name)
@pytest.mark.parametrize(
    "result",
    [
        "Hello",
        None,
        {"statusCode": None},
        {"statusCode": "abc"},
        {"statusCode": True},
        {"statusCode": 99},
        {"statusCode": 200, "headers": []},
        {"statusCode": 200, "headers": {"x": {}}},
        {"statusCode": 200, "headers": {"x": "a\r\nSet-Cookie: b"}},
        {"statusCode": 200, "headers": {"a b": "c"}},
        {"statusCode": 200, "multiValueHeaders": {"x": "y"}},
    ],
    ids=json.dumps,
)
def test_malformed_response(api: LocalHttpApi, result: object):
    """Format 1.0 has no inferred responses, and no header may end early."""
    with pytest.raises(MalformedProxyResponseError):
        respond(api, result)


@pytest.mark.parametrize("result", [{}, {"body": "x"}, {"headers": {"x": "y"}}], ids=json.dumps)
def test_response_without_a_status(result: object):
    """Every field of a REST API's response is optional; an HTTP API's in format 1.0 needs the status."""
    assert respond(REST, result).status == 200
    with pytest.raises(MalformedProxyResponseError):
        respond(HTTP_1, result)


@pytest.mark.parametrize("result", [{"statusCode": 200, "body": {}}, {"statusCode": 200, "other": 1}], ids=json.dumps)
def test_rest_apis_are_strict(result: object):
    """A REST API accepts no other fields, and only text as the body; the others do."""
    with pytest.raises(MalformedProxyResponseError):
        respond(REST, result)
    assert respond(HTTP, result).status == 200


@pytest.mark.parametrize(
    ("api", "content_type"),
    [(REST, "application/json"), (HTTP, "text/plain; charset=utf-8"), (URL, "application/json")],
    ids=["rest", "http", "url"],
)
def test_default_content_type(api: LocalHttpApi, content_type: str):
    """Each kind has its own default."""
    assert respond(api, {"statusCode": 200, "body": "x"}).headers == (("Content-Type", content_type),)


def test_multi_value_headers_and_cookies():
    """Format 1.0 repeats headers; format 2.0 has cookies instead."""
    result = {"headers": {"a": "0", "A": "1", "b": True}, "multiValueHeaders": {"A": ["1", "2"]}}
    cookies = {"statusCode": 200, "cookies": ["a=1", "b=2; Secure"], "multiValueHeaders": {"x": ["y"]}}

    assert respond(REST, result).headers[:4] == (("A", "1"), ("A", "2"), ("A", "0"), ("b", "true"))
    assert respond(HTTP, cookies).headers[:2] == (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Secure"))


def test_base64():
    """HTTP APIs and function URLs decode; a REST API only for a client that accepts a binary media type."""
    result = {"statusCode": 200, "body": "AP8=", "isBase64Encoded": True}
    accepting = HttpRequest("GET", "/", headers=(("Accept", "text/html, image/png;q=0.8"),))

    assert respond(HTTP, result).body == respond(URL, result).body == b"\x00\xff"
    assert respond(REST, result).body == b"AP8="
    assert respond(REST, result, accepting).body == b"\x00\xff"
    with pytest.raises(MalformedProxyResponseError, match="not base64"):
        respond(HTTP, {**result, "body": "?"})


CORS = LocalCors(
    allow_origins=("https://app.example.com",),
    allow_methods=("GET", "POST"),
    allow_headers=("content-type",),
    expose_headers=("x-a",),
    max_age=300,
)
PREFLIGHT = HttpRequest(
    "OPTIONS",
    "/",
    headers=(
        ("Origin", "https://app.example.com"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
    ),
)


@pytest.mark.parametrize(("kind", "status"), [("http", 204), ("url", 200)])
def test_preflight(kind: Any, status: int):
    """The API answers itself, with its settings."""
    response = answer_preflight(LocalHttpApi("A", {"$default": "f"}, kind=kind, cors=CORS), PREFLIGHT)

    assert response is not None
    assert response.status == status
    assert dict(response.headers) == {
        "Access-Control-Allow-Origin": "https://app.example.com",
        "Access-Control-Expose-Headers": "x-a",
        "Access-Control-Allow-Methods": "GET,POST",
        "Access-Control-Allow-Headers": "content-type",
        "Access-Control-Max-Age": "300",
    }


def test_preflight_from_another_origin():
    """A page that is not allowed gets no headers, and its browser sends nothing more."""
    request = HttpRequest("OPTIONS", "/", headers=(("Origin", "https://x"), ("Access-Control-Request-Method", "GET")))
    response = answer_preflight(LocalHttpApi("A", {"$default": "f"}, cors=CORS), request)

    assert response is not None
    assert response.headers == ()


def test_cors_headers_of_an_http_api_replace_the_functions():
    """API Gateway ignores the CORS headers of an integration if the API has settings."""
    api = LocalHttpApi("A", {"$default": "f"}, cors=CORS)
    response = HttpResponse(200, (("access-control-allow-origin", "*"), ("x", "y")), b"")

    assert add_cors_headers(api, PREFLIGHT, response).headers[:2] == (
        ("x", "y"),
        ("Access-Control-Allow-Origin", "https://app.example.com"),
    )
    assert add_cors_headers(api, GET, response).headers == (("x", "y"),)


def test_cors_of_a_rest_api():
    """Its settings make a mock OPTIONS method for each path; the function's headers stay."""
    api = LocalHttpApi("A", {"GET /a": "f", "POST /a": "f"}, kind="rest", cors=LocalCors(allow_origins=("*",)))
    response = answer_preflight(api, HttpRequest("OPTIONS", "/a"))
    own = HttpResponse(200, (("Access-Control-Allow-Origin", "https://x"),))

    assert response is not None
    assert dict(response.headers) == {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "GET,POST,OPTIONS",
    }
    assert answer_preflight(api, HttpRequest("OPTIONS", "/b")) is None
    assert add_cors_headers(api, PREFLIGHT, own) == own


PRELUDE = b'{"statusCode": 201, "headers": {"x-a": "b"}, "cookies": ["c=d"]}'


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_prelude_in_parts(size: int):
    """Metadata are found however the stream is divided."""
    stream = PRELUDE + DELIMITER + b"\0body\0"
    parser = PreludeParser()
    parts = [parser.feed(stream[start : start + size]) for start in range(0, len(stream), size)] + [parser.finish()]

    heads = [head for head, _ in parts if head is not None]
    assert [(head.status, head.headers[:2]) for head in heads] == [(201, (("x-a", "b"), ("Set-Cookie", "c=d")))]
    assert b"".join(body for _, body in parts) == b"\0body\0"


@pytest.mark.parametrize(
    "stream", [b"text", b'{"a": 1}\n{"a": 2}', b"{broken", b'{"a": 1}', b"", b"\0" * 9, b"{" * 20000]
)
def test_stream_without_metadata(stream: bytes):
    """Every other stream is the body."""
    parser = PreludeParser()
    parts = [parser.feed(stream), parser.finish()]

    assert [head.status for head, _ in parts if head is not None] == [200]
    assert b"".join(body for _, body in parts) == stream


def test_lines_of_json_are_not_held_back():
    """A complete object that is not followed by null bytes is not metadata."""
    assert PreludeParser().feed(b'{"a": 1}\n')[1] == b'{"a": 1}\n'
    assert PreludeParser().feed(b'{"a": "' + b"x" * MAX_PRELUDE)[1] != b""


def test_malformed_metadata():
    """Metadata without a valid status are an error, not a body."""
    with pytest.raises(MalformedProxyResponseError):
        PreludeParser().feed(b'{"statusCode": "x"}' + DELIMITER)
