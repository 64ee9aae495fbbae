"""HTTP APIs and function URLs of a local endpoint, called with httpx: one client for all, sync and async."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdachain.local import LocalCors, LocalEndpoint, LocalFunction, LocalHttpApi, LocalHttpAuthorizer, LocalHttpRoute

httpx = pytest.importorskip("httpx")

FUNCTIONS = Path(__file__).parents[1] / "local" / "functions"
NODE = shutil.which("node")
PAGE = "http://localhost:5173"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[LocalEndpoint]:
    """Serve a REST API, an HTTP API with an authorizer, and function URLs."""
    names = ("echo", "reply", "check_request")
    functions = [LocalFunction(name, f"web.{name}", directory=FUNCTIONS, timeout=30) for name in names]
    if NODE:
        functions.append(
            LocalFunction("stream", "web_stream.handler", runtime="nodejs", directory=FUNCTIONS, timeout=30)
        )
    authorizer = LocalHttpAuthorizer("check_request", identity_sources=["header.X-Key"], simple_responses=True)
    routes: dict[str, LocalHttpRoute | str] = {"ANY /echo/{proxy+}": "echo", "POST /reply": "reply"}
    apis = [
        LocalHttpApi("rest", routes, kind="rest", stage="Prod", binary_types=("image/*",)),
        LocalHttpApi(
            "http",
            {**routes, "GET /own": LocalHttpRoute("echo", authorizer="Own")},
            cors=LocalCors(
                allow_origins=(PAGE,), allow_methods=("*",), allow_headers=("x-own",), allow_credentials=True
            ),
            authorizers={"Own": authorizer},
        ),
        LocalHttpApi.for_function("echo"),
        *([LocalHttpApi.for_function("stream", stream=True)] if NODE else []),
    ]
    with LocalEndpoint(functions, http=apis) as endpoint:
        yield endpoint


@pytest.fixture
def client() -> Iterator[Any]:
    """Return a client that keeps its connections and cookies."""
    with httpx.Client(trust_env=False, timeout=60) as client:
        yield client


def test_query_headers_and_paths(endpoint: LocalEndpoint, client: Any):
    """What httpx encodes arrives, in both payload formats."""
    params = [("a", "1 2"), ("a", "3"), ("b", "é")]
    old = client.get(f"{endpoint.http_url('rest')}/Prod/echo/x%2Fy", params=params, headers={"X-Own": "v"}).json()
    new = client.get(f"{endpoint.http_url('http')}/echo/x%20y", params=params, headers={"X-Own": "v"}).json()

    assert old["multiValueQueryStringParameters"] == {"a": ["1 2", "3"], "b": ["é"]}
    assert (old["path"], old["pathParameters"], old["headers"]["X-Own"]) == ("/echo/x%2Fy", {"proxy": "x%2Fy"}, "v")
    assert new["queryStringParameters"] == {"a": "1 2,3", "b": "é"}
    assert (new["pathParameters"], new["headers"]["x-own"]) == ({"proxy": "x y"}, "v")


def test_cookies_are_kept(endpoint: LocalEndpoint, client: Any):
    """Each Set-Cookie of a response is a cookie of the next request."""
    result = {"statusCode": 200, "cookies": ["a=1; Path=/", "b=2; Path=/; HttpOnly"], "body": "x"}
    client.post(f"{endpoint.http_url('http')}/reply", json=result)
    event = client.get(f"{endpoint.http_url('http')}/echo/x").json()

    assert event["cookies"] == ["a=1", "b=2"]


@pytest.mark.parametrize("api", ["http", "rest"])
def test_binary_bodies(endpoint: LocalEndpoint, client: Any, api: str):
    """Of a response, in both kinds of APIs."""
    result = {"statusCode": 200, "headers": {"content-type": "image/png"}, "body": "AP8=", "isBase64Encoded": True}
    response = client.post(f"{endpoint.http_url(api)}/reply", json=result, headers={"Accept": "image/png"})

    assert (response.content, response.headers["content-type"]) == (b"\x00\xff", "image/png")


def test_uploads(endpoint: LocalEndpoint, client: Any):
    """A form with a file is base64, and JSON is text."""
    url = endpoint.http_url("echo")
    form = client.post(url, files={"file": ("a.bin", b"\x00\xff")}, data={"name": "x"}).json()
    text = client.post(url, json={"a": 1}).json()

    assert form["isBase64Encoded"] is True
    assert form["headers"]["content-type"].startswith("multipart/form-data; boundary=")
    assert json.loads(text["body"]) == {"a": 1}


def test_cors(endpoint: LocalEndpoint, client: Any):
    """A preflight of a page, and the request that follows."""
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-own"}
    preflight = client.options(f"{endpoint.http_url('http')}/echo/x", headers=asked)
    response = client.put(f"{endpoint.http_url('http')}/echo/x", headers={"Origin": PAGE, "X-Own": "1"})

    assert (preflight.status_code, preflight.content) == (204, b"")
    assert preflight.headers["access-control-allow-headers"] == "x-own"
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.headers["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize(("key", "status"), [("good", 200), ("bad", 403), (None, 401)])
def test_authorizer(endpoint: LocalEndpoint, client: Any, key: str | None, status: int):
    """It runs before the function of the route."""
    response = client.get(f"{endpoint.http_url('http')}/own", headers={} if key is None else {"X-Key": key})

    assert response.status_code == status


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_stream(endpoint: LocalEndpoint, client: Any):
    """The first part arrives before the stream has ended."""
    with client.stream("GET", endpoint.http_url("stream")) as response:
        parts = list(response.iter_raw())

    assert (response.status_code, response.headers["x-made"]) == (201, "yes")
    assert parts[0] == b"<p>first</p>"
    assert b"".join(parts) == b"<p>first</p><p>second</p>"


def test_concurrent_requests_of_one_event_loop(endpoint: LocalEndpoint):
    """Over one client of httpx."""

    async def ask_all() -> list[str]:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            urls = [f"{endpoint.http_url('http')}/echo/{number}" for number in range(16)]
            responses = await asyncio.gather(*(client.get(url) for url in urls))
            return [response.json()["pathParameters"]["proxy"] for response in responses]

    assert asyncio.run(ask_all()) == [str(number) for number in range(16)]
