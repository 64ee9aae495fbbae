"""HTTP requests to events: the fields of AWS's own examples, for each payload format."""

from __future__ import annotations

from typing import Any

import pytest

from lambdachain._lambda_api.proxy_events import HttpRequest
from lambdachain.local import LocalHttpApi, LocalHttpRoute
from lambdachain.local._http_events import to_event
from lambdachain.local._http_routes import match_route

ARRIVED = 1583348638.390
HEADERS = (
    ("Host", "id.example.com"),
    ("Header1", "value1"),
    ("Header2", "value1"),
    ("Header2", "value2"),
    ("User-Agent", "agent"),
)
URL = LocalHttpApi.for_function("f")
REST = LocalHttpApi("Shop", {"ANY /{proxy+}": "f", "GET /orders/{id}": "f"}, kind="rest", stage="prod")
HTTP = LocalHttpApi("Shop", {"GET /orders/{id}": "f", "$default": "f"})


def make_event(api: LocalHttpApi, path: str, *, method: str = "GET", **request: Any) -> dict[str, Any]:
    """Route a request and return its event."""
    route = match_route(api, method, path)
    assert route is not None
    received = HttpRequest(
        method, path, headers=request.pop("headers", HEADERS), request_id="id", arrived_at=ARRIVED, **request
    )
    return to_event(api, received, route, "123456789012")


def test_payload_format_2():
    """Every field of the example of an HTTP API, without those that are empty."""
    headers = (*HEADERS, ("Cookie", "cookie1=a; cookie2=b"), ("Cookie", "cookie3=c"))
    event = make_event(HTTP, "/orders/5", query="parameter1=value1&parameter1=value2&parameter2=value", headers=headers)

    assert event == {
        "version": "2.0",
        "routeKey": "GET /orders/{id}",
        "rawPath": "/orders/5",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
        "cookies": ["cookie1=a", "cookie2=b", "cookie3=c"],
        "headers": {"host": "id.example.com", "header1": "value1", "header2": "value1,value2", "user-agent": "agent"},
        "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "value"},
        "pathParameters": {"id": "5"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "shop",
            "domainName": "id.example.com",
            "domainPrefix": "id",
            "http": {
                "method": "GET",
                "path": "/orders/5",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "agent",
            },
            "requestId": "id",
            "routeKey": "GET /orders/{id}",
            "stage": "$default",
            "time": "04/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "isBase64Encoded": False,
    }


def test_payload_format_1_of_a_rest_api():
    """Every field of the example; what is empty is null."""
    event = make_event(REST, "/prod/orders/5", query="a=1&a=2&b=")

    assert event["resource"] == "/orders/{id}"
    assert event["path"] == "/orders/5"
    assert event["headers"]["Header2"] == "value2"
    assert event["multiValueHeaders"]["Header2"] == ["value1", "value2"]
    assert event["queryStringParameters"] == {"a": "2", "b": ""}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"], "b": [""]}
    assert event["pathParameters"] == {"id": "5"}
    assert (event["stageVariables"], event["body"], event["isBase64Encoded"]) == (None, None, False)
    assert "version" not in event
    context = event["requestContext"]
    assert (context["path"], context["resourcePath"], context["stage"]) == ("/prod/orders/5", "/orders/{id}", "prod")
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert context["identity"]["userArn"] is None
    assert context["requestTime"] == "04/Mar/2020:19:03:58 +0000"


def test_payload_format_1_without_parameters():
    """A query string that is missing is null, not an empty object."""
    event = make_event(REST, "/orders")

    assert event["queryStringParameters"] is event["multiValueQueryStringParameters"] is None


def test_payload_format_1_of_an_http_api():
    """It has a version, and header names in lower case."""
    api = LocalHttpApi("Shop", {"$default": LocalHttpRoute("f", payload_format="1.0")})
    event = make_event(api, "/orders")

    assert event["version"] == "1.0"
    assert event["multiValueHeaders"]["header2"] == ["value1", "value2"]


def test_paths_of_a_rest_api_stay_encoded():
    """And keep a slash at the end, which a greedy variable does not."""
    event = make_event(REST, "/prod/files/a%2Bb/")

    assert (event["path"], event["requestContext"]["path"]) == ("/files/a%2Bb/", "/prod/files/a%2Bb/")
    assert event["pathParameters"] == {"proxy": "files/a%2Bb"}


def test_function_url():
    """A function URL has one route and one stage, and an anonymous account."""
    event = make_event(URL, "/a%20b")

    assert event["rawPath"] == "/a%20b"
    assert event["routeKey"] == event["requestContext"]["stage"] == "$default"
    assert event["requestContext"]["accountId"] == "anonymous"


@pytest.mark.parametrize(
    ("content_type", "is_text"),
    [
        ("text/plain", True),
        ("text/html; charset=utf-8", True),
        ("application/json", True),
        ("application/xml", True),
        ("application/javascript", True),
        ("application/x-www-form-urlencoded", False),
        ("application/octet-stream", False),
        ("multipart/form-data; boundary=x", False),
        (None, False),
    ],
)
@pytest.mark.parametrize("api", [URL, HTTP], ids=["url", "http"])
def test_body(api: LocalHttpApi, content_type: str | None, is_text: bool):
    """Only a few content types are text; forms are base64, as on AWS."""
    headers = () if content_type is None else (("Content-Type", content_type),)
    event = make_event(api, "/", method="POST", body=b"a=1", headers=headers)

    assert (event["body"], event["isBase64Encoded"]) == (("a=1", False) if is_text else ("YT0x", True))


def test_text_that_is_not_utf_8_is_base64():
    """A body is never damaged."""
    event = make_event(HTTP, "/", method="POST", body=b"\xff", headers=(("content-type", "text/plain"),))

    assert (event["body"], event["isBase64Encoded"]) == ("/w==", True)


@pytest.mark.parametrize(("content_type", "is_base64"), [("image/png", True), ("application/json", False)])
def test_binary_media_types(content_type: str, is_base64: bool):
    """A REST API encodes the media types that it is configured with."""
    api = LocalHttpApi("R", {"ANY /{proxy+}": "f"}, kind="rest", stage="s", binary_types=("image/*",))
    event = make_event(api, "/x", method="POST", body=b"{}", headers=(("content-type", content_type),))

    assert event["isBase64Encoded"] is is_base64
