"""HTTP APIs and function URLs over sockets: real processes, plain clients and a real browser."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lambdachain.local import LocalCors, LocalEndpoint, LocalFunction, LocalHttpApi, LocalHttpRoute

FUNCTIONS = Path(__file__).parent / "functions"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NODE = shutil.which("node")

APP = "https://app.example.com"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[LocalEndpoint]:
    """Serve one API of each kind."""

    def function(name: str, **options: object) -> LocalFunction:
        return LocalFunction(name, f"web.{name}", directory=FUNCTIONS, **{"timeout": 30, **options})  # type: ignore[arg-type]

    functions = [function(name) for name in ("echo", "reply", "page", "data", "fail", "sleep")]
    functions += [
        LocalFunction("hasty", "web.sleep", directory=FUNCTIONS, timeout=1),
        LocalFunction("parked", "web.echo", directory=FUNCTIONS, reserved_concurrency=0),
    ]
    if NODE:
        functions.append(
            LocalFunction("stream", "web_stream.handler", runtime="nodejs", directory=FUNCTIONS, timeout=30)
        )
    routes: dict[str, LocalHttpRoute | str] = {
        "GET /page": "page",
        "GET /data": "data",
        "POST /reply": "reply",
        "GET /fail": "fail",
        "GET /hasty": "hasty",
        "GET /parked": "parked",
        "GET /late": LocalHttpRoute("sleep", timeout=0.5),
        "ANY /echo/{proxy+}": "echo",
    }
    cors = LocalCors(allow_origins=(APP,), allow_methods=("*",))
    apis = [
        LocalHttpApi("rest", routes, kind="rest", stage="Prod"),
        LocalHttpApi("http", routes, cors=cors),
        *(LocalHttpApi.for_function(name) for name in ("echo", "fail", "parked", "reply")),
        *([LocalHttpApi.for_function("stream", stream=True)] if NODE else []),
    ]
    with LocalEndpoint(functions, http=apis) as endpoint:
        yield endpoint


def send(
    url: str, method: str = "GET", path: str = "/", body: bytes | None = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    """Send a request, and return the response and its body."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("api", ["rest", "http", "echo"])
def test_request_reaches_the_function(endpoint: LocalEndpoint, api: str):
    """The event has what was sent, and the response what was returned."""
    response, content = send(endpoint.http_url(api), "PUT", "/echo/a/b?x=1", b"{}", Content_Type="application/json")

    event = json.loads(content)
    assert (response.status, event["body"], event["queryStringParameters"]) == (200, "{}", {"x": "1"})
    names = {name.lower(): value for name, value in event["headers"].items()}
    assert names["x-amzn-trace-id"].startswith("Root=1-")
    assert names["x-forwarded-port"] == str(urlsplit(endpoint.http_url(api)).port)


def test_repeated_headers_of_a_response(endpoint: LocalEndpoint):
    """Each cookie is a header of its own."""
    result = {"statusCode": 202, "cookies": ["a=1", "b=2"], "body": "x"}
    response, content = send(endpoint.http_url("reply"), "POST", "/", json.dumps(result).encode())

    assert (response.status, content) == (202, b"x")
    assert response.headers.get_all("set-cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("path", ["/fail", "/hasty"])
@pytest.mark.parametrize(
    ("api", "status", "message"),
    [("rest", 502, "Internal server error"), ("http", 500, "Internal Server Error")],
)
def test_function_that_fails(endpoint: LocalEndpoint, api: str, status: int, message: str, path: str):
    """An exception and the function's own timeout are alike, and no detail is shown."""
    response, content = send(endpoint.http_url(api), path=path)

    assert (response.status, json.loads(content)) == (status, {"message": message})


@pytest.mark.parametrize(
    ("api", "method", "path", "status", "message"),
    [
        ("rest", "GET", "/nowhere", 403, "Missing Authentication Token"),
        ("rest", "POST", "/page", 403, "Missing Authentication Token"),
        ("http", "GET", "/nowhere", 404, "Not Found"),
        ("rest", "GET", "/late", 504, "Endpoint request timed out"),
        ("http", "GET", "/late", 503, "Service Unavailable"),
        ("rest", "GET", "/parked", 500, "Internal server error"),
        ("http", "GET", "/parked", 503, "Service Unavailable"),
        ("rest", "POST", "/reply", 502, "Internal server error"),
    ],
)
def test_responses_of_api_gateway(  # noqa: PLR0917 - a table
    endpoint: LocalEndpoint, api: str, method: str, path: str, status: int, message: str
):
    """No route, no response in time, throttled, malformed."""
    response, content = send(endpoint.http_url(api), method, path, b'"malformed"' if method == "POST" else None)

    assert (response.status, json.loads(content)) == (status, {"message": message})
    assert response.headers["content-type"] == "application/json"


def test_responses_of_a_function_url(endpoint: LocalEndpoint):
    """A failure has no JSON; a throttled call is told as such."""
    failed, content = send(endpoint.http_url("fail"))
    throttled, _ = send(endpoint.http_url("parked"))

    assert (failed.status, content) == (502, b"Internal Server Error")
    assert throttled.status == 429


def test_body_over_the_quota(endpoint: LocalEndpoint):
    """10 MB is the limit of API Gateway, and 6 MB that of the event."""
    for size in (11 * 1024 * 1024, 7 * 1024 * 1024):
        response, _ = send(endpoint.http_url("http"), "POST", "/reply", b"x" * size)
        assert response.status == 413


def test_head_has_no_body(endpoint: LocalEndpoint):
    """The length is that of the body that is not sent."""
    response, content = send(endpoint.http_url("echo"), "HEAD")

    assert (response.status, content) == (200, b"")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Referer": "https://evil.example/page"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Host": "rebound.example"},
        {"Host": "rebound.example", "Origin": "http://rebound.example"},
        {"Origin": f"{APP}.evil.example"},
    ],
    ids=str,
)
@pytest.mark.parametrize("api", ["http", "rest", "echo"])
def test_pages_from_elsewhere_are_refused(endpoint: LocalEndpoint, api: str, headers: dict[str, str]):
    """No page on the Internet runs a function, and none reads a response by rebinding a name."""
    response, content = send(endpoint.http_url(api), "GET", "/echo/x", **headers)

    assert response.status == 403
    assert json.loads(content)["message"].startswith("refused by lambdachain: ")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost:5173", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "http://127.0.0.1:5173", "Sec_Fetch_Site": "same-site"},
        {"Origin": APP, "Sec_Fetch_Site": "cross-site"},
        {"Referer": f"{APP}/page", "Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "none"},
        {"Host": "localhost"},
    ],
    ids=str,
)
def test_pages_that_may_call(endpoint: LocalEndpoint, headers: dict[str, str]):
    """Pages of this machine, of the origins in the CORS settings, and addresses that somebody types."""
    response, _ = send(endpoint.http_url("http"), "GET", "/echo/x", **headers)

    assert response.status == 200
    assert (response.headers["access-control-allow-origin"] == APP) == (headers.get("Origin") == APP)


def test_a_star_in_the_settings_does_not_open_the_machine():
    """``*`` is what every tutorial writes: it lets local pages read, and no page from elsewhere in."""
    api = LocalHttpApi("A", {"$default": "echo"}, cors=LocalCors(allow_origins=("*",)))
    with LocalEndpoint([LocalFunction("echo", "web.echo", directory=FUNCTIONS)], http=[api]) as endpoint:
        refused, _ = send(endpoint.http_url("A"), Origin="https://evil.example")
        preflight, _ = send(
            endpoint.http_url("A"), "OPTIONS", Origin="http://localhost:1", Access_Control_Request_Method="PUT"
        )

    assert refused.status == 403
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (204, "*")


def test_invoke_api_stays_closed_to_pages(endpoint: LocalEndpoint):
    """What the HTTP APIs accept does not widen what the Invoke API accepts."""
    path = "/2015-03-31/functions/echo/invocations"
    response, _ = send(endpoint.url, "POST", path, b"{}", Origin="http://localhost:5173", Sec_Fetch_Site="cross-site")

    assert response.status == 403


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_stream(endpoint: LocalEndpoint):
    """The metadata become the head, and each part arrives before the stream has ended."""
    connection = http.client.HTTPConnection(urlsplit(endpoint.http_url("stream")).netloc, timeout=60)
    connection.request("GET", "/")
    response = connection.getresponse()
    first = response.read1(100)
    rest = response.read()
    connection.close()

    assert (response.status, response.headers["x-made"]) == (201, "yes")
    assert response.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert (first, rest) == (b"<p>first</p>", b"<p>second</p>")


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_stream_without_metadata_and_failure(endpoint: LocalEndpoint):
    """A stream without metadata is the body; a function that fails before it writes is a failure."""
    plain, content = send(endpoint.http_url("stream"), path="/plain")
    failed, detail = send(endpoint.http_url("stream"), path="/fails")

    assert (plain.status, plain.headers["content-type"], content) == (200, "application/octet-stream", b"plain text")
    assert (failed.status, detail) == (502, b"Internal Server Error")


def test_concurrent_requests(endpoint: LocalEndpoint):
    """Requests of many connections do not mix."""

    def ask(number: int) -> str:
        return json.loads(send(endpoint.http_url("http"), path=f"/echo/{number}")[1])["pathParameters"]["proxy"]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(24))) == [str(number) for number in range(24)]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(endpoint: LocalEndpoint, tmp_path: Path):
    """A form, a header, a path with an escape and a redirect to a file, as somebody types them."""
    curl = ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60"]
    url = f"{endpoint.http_url('http')}/echo/a%20b?x=1&x=2"
    echoed = json.loads(_run_text([*curl, "--data", "a=1", "--header", "X-Own: yes", "--cookie", "c=d", url]))
    status = _run_text([*curl, "--head", "--output", str(tmp_path / "head"), "--write-out", "%{http_code}", url])

    assert (echoed["body"], echoed["isBase64Encoded"], echoed["headers"]["x-own"]) == ("YT0x", True, "yes")
    assert (echoed["rawPath"], echoed["rawQueryString"]) == ("/echo/a b", "x=1&x=2")
    assert (echoed["cookies"], echoed["requestContext"]["http"]["method"]) == (["c=d"], "POST")
    assert (status, (tmp_path / "head").read_text().split(" ")[1]) == ("200", "200")


def _run_text(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("api", ["http", "rest"])
def test_browser(endpoint: LocalEndpoint, api: str, tmp_path: Path):
    """A page that a function returns is shown, its script runs, and fetches data of another function with a cookie."""
    shown = browse(f"{endpoint.http_url(api)}/page", tmp_path)

    assert "<h1>start</h1>" in shown
    if api == "http":
        assert "fetched-1-seen=1" in shown


@pytest.mark.skipif(BROWSER is None or NODE is None, reason="no Chromium or no node is installed")
def test_browser_shows_a_stream(endpoint: LocalEndpoint, tmp_path: Path):
    """The parts of a streamed page are one document."""
    shown = browse(endpoint.http_url("stream"), tmp_path)

    assert "<p>first</p><p>second</p>" in shown


def browse(url: str, profile: Path) -> str:
    """Return the document of a page in a headless browser, after its scripts."""
    assert BROWSER is not None
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={profile}",
        "--virtual-time-budget=5000",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run(
        [BROWSER, *options, f"--user-data-dir={profile}", "--dump-dom", url],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=environment,
    ).stdout


def test_replace_and_close():
    """Routes change at the same address; a port is free after the endpoint is closed."""
    functions = [LocalFunction(name, f"web.{name}", directory=FUNCTIONS) for name in ("echo", "data")]
    with LocalEndpoint(functions, http=[LocalHttpApi("A", {"GET /a": "echo"})]) as endpoint:
        url = endpoint.http_url("A")
        endpoint.replace_http(LocalHttpApi("A", {"GET /b": "data"}))
        assert send(url, path="/a")[0].status == 404
        assert json.loads(send(url, path="/b?x=1")[1]) == {"q": "fetched-1-"}
        with pytest.raises(KeyError, match="there is no HTTP API of this name"):
            endpoint.replace_http(LocalHttpApi("B", {"GET /b": "data"}))
        with pytest.raises(ValueError, match="there is no function 'nobody'"):
            endpoint.replace_http(LocalHttpApi("A", {"GET /b": "nobody"}))
    with pytest.raises(RuntimeError, match="not running"):
        endpoint.http_url("A")
    socket.create_server(("127.0.0.1", urlsplit(url).port or 0)).close()


def test_port_that_is_taken():
    """The message names the port, and the ports that were opened before are closed again."""
    function = LocalFunction("echo", "web.echo", directory=FUNCTIONS)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        apis = [LocalHttpApi("A", {"$default": "echo"}), LocalHttpApi("B", {"$default": "echo"}, port=port)]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
            LocalEndpoint([function], http=apis).start()


def test_unknown_function_and_duplicates():
    """Mistakes in the declaration are errors of the endpoint."""
    function = LocalFunction("echo", "web.echo", directory=FUNCTIONS)
    api = LocalHttpApi("A", {"GET /": "echo"})
    with pytest.raises(ValueError, match="route 'GET /': there is no function 'other'"):
        LocalEndpoint([function], http=[LocalHttpApi("A", {"GET /": "other"})])
    with pytest.raises(ValueError, match="two HTTP APIs of the name 'A'"):
        LocalEndpoint([function], http=[api, api])
    with pytest.raises(KeyError, match="there is no HTTP API 'B'"):
        LocalEndpoint([function], http=[api]).http_url("B")
