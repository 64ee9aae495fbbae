"""``lambdachain.httpx`` calls real web apps, in this process and in processes of the real runtime client."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import pickle
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import lambdachain
from lambdachain import (
    AsyncLambdaClient,
    CallError,
    ContractError,
    DeadlineExceededError,
    Execution,
    HttpTransport,
    InProcessTransport,
    Invocation,
    LambdaClient,
    NoAnswerError,
    Outcome,
    Progress,
    RetryPolicy,
    Trouble,
    current_invocation,
    invocation_scope,
)
from lambdachain.httpx import IDEMPOTENT_METHODS, AsyncInvokeTransport, InvokeError, InvokeTransport
from lambdachain.local import LocalEndpoint, LocalFunction
from lambdachain.testing import StubTransport

APPS = Path(__file__).parent / "web_apps"
sys.path.append(str(APPS))
import web_apps  # noqa: E402 - its directory is the deployment of the functions

NAMES = ("fastapi", "flask", "rest", "http", "url")
# Which payload formats each adapter reads.
FORMATS = [
    *(("fastapi", each) for each in ("1.0", "2.0")),
    *(("flask", each) for each in ("1.0", "2.0")),
    ("rest", "1.0"),
    ("http", "2.0"),
    ("url", "2.0"),
]
Send = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Serve every app in a process of the real runtime client."""
    functions = [LocalFunction(name, f"web_apps.{name}_handler", directory=APPS, timeout=30.0) for name in NAMES]
    with LocalEndpoint(functions) as running:
        yield running.url


@pytest.fixture(params=["in process", "endpoint"])
def transport(request: pytest.FixtureRequest) -> Iterator[lambdachain.Transport]:
    """Return a transport to the same apps, in this process or in others."""
    if request.param == "endpoint":
        yield HttpTransport(endpoint_url=request.getfixturevalue("endpoint"))
        return
    yield InProcessTransport({name: getattr(web_apps, f"{name}_handler") for name in NAMES})
    # Mangum makes an event loop in each thread that it runs in, and closes none.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(params=[False, True], ids=["Client", "AsyncClient"])
def is_async(request: pytest.FixtureRequest) -> bool:
    """Return which client of httpx sends."""
    return bool(request.param)


@pytest.fixture
def connect(is_async: bool, transport: lambdachain.Transport) -> Callable[..., Send]:
    """Return a function that returns a function that sends requests to an app, with either client."""
    settings: dict[str, Any] = {"base_url": "https://app.example.com", "follow_redirects": True, "timeout": 30}

    async def send_async(name: str, options: Any, request: Any) -> httpx.Response:
        invoke = AsyncInvokeTransport(AsyncLambdaClient(transport), name, **options)
        async with httpx.AsyncClient(transport=invoke, **settings) as client:
            return await client.request(*request[0], **request[1])

    def connect(name: str, payload_format: Any) -> Send:
        def send(*arguments: Any, **keywords: Any) -> httpx.Response:
            options: Any = {"payload_format": payload_format}
            if is_async:
                return asyncio.run(send_async(name, options, (arguments, keywords)))
            invoke = InvokeTransport(LambdaClient(transport), name, **options)
            with httpx.Client(transport=invoke, **settings) as client:
                return client.request(*arguments, **keywords)

        return send

    return connect


@pytest.mark.parametrize(("name", "payload_format"), FORMATS)
def test_requests_arrive_as_over_http(connect: Callable[..., Send], name: str, payload_format: str):
    """Methods, paths, repeated query parameters, cookies and bodies, text or not."""
    send = connect(name, payload_format)
    sent = [("text/plain", "Grüße".encode()), ("application/octet-stream", web_apps.PICTURE)]
    for method, (content_type, body) in zip(["POST", "PUT"], sent, strict=True):
        response = send(
            method,
            "/items/5",
            params={"a": ["1", "2"]},
            content=body,
            headers={"Content-Type": content_type, "Cookie": "x=1; y=2"},
        )

        assert response.status_code == 200
        assert response.headers["x-method"] == method
        assert response.json() == {
            "method": method,
            "path": "5",
            "a": ["1", "2"],
            "cookies": {"x": "1", "y": "2"},
            "body": base64.b64encode(body).decode(),
        }


@pytest.mark.parametrize(("name", "payload_format"), [each for each in FORMATS if each[0] in ("fastapi", "flask")])
def test_percent_encoding(connect: Callable[..., Send], name: str, payload_format: str):
    """What the caller has encoded is decoded once, by the app."""
    for path in ("ä b", "100%25", "a+b", "%41%2525"):
        url = "/items/" + path.replace("ä b", "%C3%A4%20b")
        expected = {"ä b": "ä b", "100%25": "100%", "a+b": "a+b", "%41%2525": "A%25"}[path]
        response = connect(name, payload_format)("GET", url, params={"a": ["ä&=", "+ %"]})

        assert (response.json()["path"], response.json()["a"]) == (expected, ["ä&=", "+ %"])


@pytest.mark.parametrize(("name", "payload_format"), FORMATS)
def test_responses_arrive_as_over_http(connect: Callable[..., Send], name: str, payload_format: str):
    """Binary bodies, compressed ones, statuses, several cookies, redirects."""
    send = connect(name, payload_format)

    picture = send("GET", "/picture")
    assert (picture.content, picture.headers["content-type"]) == (web_apps.PICTURE, "image/png")
    assert send("GET", "/text", headers={"Accept-Encoding": "gzip"}).text == "é" * 2000
    login = send("GET", "/login")
    assert (login.status_code, login.text) == (201, "in")
    assert len(login.headers.get_list("set-cookie")) == 2
    assert login.cookies.get("one") == "1"
    assert login.cookies.get("two", path="/items") == "2"
    moved = send("GET", "/old")
    assert [each.status_code for each in moved.history] == [307]
    assert (moved.json()["path"], str(moved.url)) == ("new", "https://app.example.com/items/new")


@pytest.mark.parametrize(("name", "payload_format"), FORMATS)
def test_head_and_missing_pages(connect: Callable[..., Send], name: str, payload_format: str):
    """A response to HEAD has headers only; an error status is a response."""
    send = connect(name, payload_format)
    head = send("HEAD", "/items/5")

    assert (head.status_code, head.content, head.headers["x-method"]) == (200, b"", "HEAD")
    assert send("GET", "/nowhere").status_code == 404


def test_an_app_that_fails_without_a_response(connect: Callable[..., Send]):
    """Powertools re-raises: behind an API it would be a 502, and here the error says what happened."""
    with pytest.raises(httpx.RemoteProtocolError) as raised:
        connect("url", "2.0")("GET", "/fail")

    assert isinstance(raised.value, lambdachain.FunctionError)
    assert (raised.value.error_type, raised.value.execution) == ("KeyError", Execution.EXECUTED)


def test_a_compressed_response_is_decoded(connect: Callable[..., Send]):
    """By httpx, as any response."""
    response = connect("fastapi", "2.0")("GET", "/text", headers={"Accept-Encoding": "gzip"})

    assert response.headers["content-encoding"] == "gzip"
    assert response.text == "é" * 2000


def test_a_streamed_body_is_read_whole(connect: Callable[..., Send], is_async: bool):
    """Lambda takes a whole event: chunks become one body with its length."""

    async def chunks() -> AsyncIterator[bytes]:
        for each in (b"one ", b"two"):
            yield each

    content = chunks() if is_async else iter([b"one ", b"two"])
    response = connect("flask", "2.0")("POST", "/items/5", content=content)

    assert base64.b64decode(response.json()["body"]) == b"one two"


def test_uploads(connect: Callable[..., Send]):
    """Multipart bodies pass unchanged."""
    response = connect("fastapi", "1.0")("POST", "/items/5", files={"picture": ("p.png", web_apps.PICTURE)})

    assert web_apps.PICTURE in base64.b64decode(response.json()["body"])


def app_for(handler: Any, **options: Any) -> httpx.Client:
    """Return a client of a handler in this process."""
    client = options.pop("client", None) or LambdaClient(InProcessTransport({"orders-api": handler}))
    return httpx.Client(transport=InvokeTransport(client, "orders-api", **options), base_url="https://orders-api")


def respond(result: object) -> Callable[[Any, Any], object]:
    """Return a handler that returns *result*, whatever the event."""
    return lambda _event, _context: result


def test_events_of_both_formats():
    """The fields by which adapters tell the formats apart."""
    seen: list[dict[str, Any]] = []

    def handler(event: Any, context: Any) -> Any:
        seen.append(event)
        return {"statusCode": 204}

    for payload_format in ("2.0", "1.0"):
        app_for(handler, payload_format=payload_format).post("http://host:8080/a/b?x=1&x=2", json={"n": 1})
    new, old = seen

    assert (new["version"], new["rawPath"], new["rawQueryString"]) == ("2.0", "/a/b", "x=1&x=2")
    assert new["requestContext"]["http"]["method"] == "POST"
    assert new["headers"]["host"] == "host:8080"
    assert (new["headers"]["x-forwarded-proto"], new["headers"]["x-forwarded-port"]) == ("http", "8080")
    assert (json.loads(new["body"]), new["isBase64Encoded"]) == ({"n": 1}, False)
    assert "version" not in old
    assert (old["httpMethod"], old["path"], old["resource"]) == ("POST", "/a/b", "/{proxy+}")
    assert old["multiValueQueryStringParameters"] == {"x": ["1", "2"]}
    assert "connection" not in {name.lower() for name in (*new["headers"], *old["headers"])}


def test_a_header_has_one_spelling():
    """Two values of one header are not two headers of which an adapter keeps the last."""
    seen: list[dict[str, Any]] = []

    def handler(event: Any, context: Any) -> Any:
        seen.append(event)
        return {"statusCode": 204}

    for payload_format in ("1.0", "2.0"):
        app_for(handler, payload_format=payload_format).get("/", headers=[("X-A", "1"), ("x-a", "2")])

    assert seen[0]["multiValueHeaders"]["X-A"] == ["1", "2"]
    assert seen[1]["headers"]["x-a"] == "1,2"


def test_a_body_that_no_event_can_hold():
    """Reading stops at the limit, and nothing is sent."""
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield bytes(1024 * 1024)

    with pytest.raises(httpx.LocalProtocolError, match="6,291,456 bytes") as raised:
        app_for(respond(None)).post("/", content=endless())

    assert read == 7
    assert isinstance(raised.value, lambdachain.RequestTooLargeError)
    assert raised.value.execution is Execution.NOT_EXECUTED


def test_a_body_that_is_too_large_as_base64():
    """5 MiB of bytes are 6.7 MiB of base64."""
    with pytest.raises(lambdachain.RequestTooLargeError) as raised:
        app_for(respond(None)).post("/", content=bytes(5 * 1024 * 1024))

    assert isinstance(raised.value, httpx.LocalProtocolError)


class Failing:
    """A transport whose first requests have no response, or one of the given status."""

    def __init__(self, *replies: NoAnswerError | Outcome) -> None:
        self.replies = list(replies)
        self.sent: list[Invocation] = []
        self.timeouts: list[float | None] = []

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        self.sent.append(invocation)
        self.timeouts.append(timeout)
        reply = self.replies.pop(0) if self.replies else Outcome(200, b'{"statusCode": 200}', executed_version="1")
        if isinstance(reply, NoAnswerError):
            raise reply
        return reply

    def close(self) -> None: ...

    def pause(self, seconds: float) -> None: ...


LOST = {"progress": Progress.PERHAPS_SENT}
FAILURES = {
    "refused": (NoAnswerError("x", progress=Progress.NOTHING_SENT), "ConnectError", httpx.ConnectError),
    "lost": (NoAnswerError("x", **LOST), "ConnectionLostError", httpx.ReadError),
    "timeout": (NoAnswerError("x", trouble=Trouble.TIMEOUT, **LOST), "CallTimeoutError", httpx.ReadTimeout),
    "throttled": (Outcome(429, error_code="TooManyRequestsException"), "ThrottledError", httpx.ConnectError),
    "denied": (Outcome(403, error_code="AccessDeniedException"), "AccessDeniedError", httpx.ConnectError),
    "missing": (Outcome(404, error_code="ResourceNotFoundException"), "FunctionNotFoundError", httpx.ConnectError),
    "service": (Outcome(500, error_code="ServiceException"), "ServiceError", httpx.ReadError),
    "failed": (
        Outcome(200, b'{"errorType": "KeyError"}', function_error="Unhandled", executed_version="1"),
        "FunctionError",
        httpx.RemoteProtocolError,
    ),
    "malformed": (
        Outcome(200, b'{"statusCode": "x"}', executed_version="1"),
        "ResponseError",
        httpx.RemoteProtocolError,
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_an_error_belongs_to_both_libraries(failure: str):
    """``except httpx.HTTPError`` and ``except CallError`` catch it, and it says whether the function ran."""
    reply, ours, theirs = FAILURES[failure]
    app = app_for(None, client=LambdaClient(Failing(reply), retry=RetryPolicy.never()))
    with pytest.raises(httpx.HTTPError) as raised:
        app.post("/orders", content=b"a secret body", headers={"Authorization": "a secret header"})
    error = raised.value

    assert isinstance(error, getattr(lambdachain, ours))
    assert isinstance(error, InvokeError)
    assert isinstance(error, theirs)
    assert (type(error).__name__, error.function) == (ours, "orders-api")
    assert str(error.request.url) == "https://orders-api/orders"
    assert len(error.attempts) == 1
    for copy in (error, pickle.loads(pickle.dumps(error))):
        assert (str(copy), copy.execution, copy.attempts) == (str(error), error.execution, error.attempts)
        assert isinstance(copy, theirs)
        assert "secret" not in f"{copy} {copy!r}"
    assert b"secret" not in pickle.dumps(error)


def test_no_connect_error_may_have_run():
    """Libraries that retry every ``httpx.ConnectError`` never run a function twice."""
    for reply, ours, theirs in FAILURES.values():
        not_run = getattr(lambdachain, ours)("", function="f").execution is Execution.NOT_EXECUTED
        assert issubclass(theirs, httpx.ConnectError) is not_run, (reply, ours)


@pytest.mark.parametrize(
    ("method", "headers", "options", "is_repeated"),
    [
        *((method, {}, {}, True) for method in ("GET", "HEAD", "OPTIONS")),
        *((method, {}, {}, False) for method in ("POST", "PATCH", "PUT", "DELETE", "PURGE")),
        *((method, {}, {"retry_methods": IDEMPOTENT_METHODS}, True) for method in ("GET", "PUT", "DELETE")),
        *((method, {}, {"retry_methods": IDEMPOTENT_METHODS}, False) for method in ("POST", "PATCH")),
        ("GET", {}, {"retry_methods": []}, False),
        ("POST", {"Idempotency-Key": "order-5"}, {}, True),
    ],
)
def test_what_may_have_run_is_repeated_by_its_method(
    method: str, headers: dict[str, str], options: dict[str, Any], is_repeated: bool
):
    """Never for a method that is not idempotent, unless the request has a key."""
    transport = Failing(NoAnswerError("x", **LOST))
    app = app_for(None, client=LambdaClient(transport), **options)
    if is_repeated:
        assert app.request(method, "/", headers=headers).status_code == 200
    else:
        with pytest.raises(httpx.ReadError):
            app.request(method, "/", headers=headers)

    assert len(transport.sent) == 1 + is_repeated
    assert len({invocation.payload for invocation in transport.sent}) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_did_not_run_is_repeated_whatever_its_method(method: str):
    """As any call."""
    transport = Failing(FAILURES["throttled"][0], FAILURES["refused"][0])

    assert app_for(None, client=LambdaClient(transport)).request(method, "/").status_code == 200
    assert len(transport.sent) == 3


def test_the_read_timeout_is_the_timeout_of_the_call():
    """Httpx's default of 5 s, the client's, the request's, or none: then the ``LambdaClient``'s own."""
    transport = Failing()
    client = LambdaClient(transport, timeout=100)
    app = app_for(None, client=client)
    app.get("/")
    app.get("/", timeout=7)
    app.get("/", timeout=httpx.Timeout(2, read=9))
    app.get("/", timeout=None)

    assert [round(timeout or 0) for timeout in transport.timeouts] == [5, 7, 9, 100]


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_read_timeout_without_time_is_an_error_of_httpx(timeout: float):
    """Httpx accepts it, where a client of lambdachain would raise a ContractError; nothing is sent."""
    transport = Failing()
    with pytest.raises(httpx.ConnectTimeout) as raised:
        app_for(None, client=LambdaClient(transport)).get("/", timeout=timeout)

    assert isinstance(raised.value, DeadlineExceededError)
    assert transport.sent == []


def test_a_request_ends_with_the_invocation_that_sends_it():
    """The deadline of the caller holds for requests, too."""

    class Context:
        aws_request_id = "caller"

        def get_remaining_time_in_millis(self) -> int:
            return 0

    transport = Failing()
    with invocation_scope(Context()), pytest.raises(httpx.ConnectTimeout) as raised:
        app_for(None, client=LambdaClient(transport)).get("/")

    assert isinstance(raised.value, lambdachain.DeadlineExceededError)
    assert transport.sent == []


def test_the_app_sees_who_calls_it():
    """The correlation id and the key arrive beside the event."""

    def handler(event: Any, context: Any) -> Any:
        with invocation_scope(context) as invocation:
            return {"statusCode": 200, "body": json.dumps([invocation.correlation_id, invocation.idempotency_key])}

    class Context:
        aws_request_id = "caller"

    with invocation_scope(Context()):
        assert current_invocation() is not None
        response = app_for(handler).post("/", headers={"Idempotency-Key": "k"})

    assert response.json() == ["caller", "k"]


def test_the_function_is_stubbed_by_its_name():
    """A test scripts the responses of the app."""
    stub = StubTransport()
    stub.on("orders-api").returns({"statusCode": 404, "body": "no such order", "headers": {"X-Why": "grün"}})
    response = app_for(None, client=LambdaClient(stub)).get("/orders/5")

    assert (response.status_code, response.text, response.headers["x-why"]) == (404, "no such order", "grün")


def test_a_result_without_status_is_the_body():
    """As format 2.0 documents it."""
    response = app_for(respond({"message": "hi"})).get("/")

    assert (response.status_code, response.json(), response.headers["content-type"]) == (
        200,
        {"message": "hi"},
        "application/json",
    )


def test_a_response_can_be_streamed_by_the_reader():
    """``client.stream`` works, though the whole response has arrived."""
    with app_for(respond({"statusCode": 200, "body": "abc"})).stream("GET", "/") as response:
        assert b"".join(response.iter_raw()) == b"abc"
        assert response.extensions["lambda_request_id"]


def test_one_client_for_several_apps():
    """Each host is a function of its own."""
    client = LambdaClient(InProcessTransport({name: respond({"name": name}) for name in ("orders", "stock")}))
    mounts = {f"https://{name}": InvokeTransport(client, name) for name in ("orders", "stock")}
    with httpx.Client(mounts=mounts) as http:
        assert [http.get(f"https://{name}/").json()["name"] for name in ("stock", "orders")] == ["stock", "orders"]
    assert client.call("orders", {}) == {"name": "orders"}  # the client is still open


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((AsyncLambdaClient(), "f"), "use AsyncInvokeTransport"),
        ((object(), "f"), "pass a LambdaClient"),
        ((LambdaClient(), "f", {"payload_format": "3.0"}), "payload_format must be"),
        ((LambdaClient(), "f", {"retry_methods": "GET"}), r"retry_methods=\['GET'\]"),
        ((LambdaClient(), "f", {"timeout": 3}), r"httpx.Client\(timeout"),
        ((LambdaClient(), "f", {"idempotency_key": "k"}), "Idempotency-Key"),
        ((LambdaClient(), "f", {"retries": 3}), "unknown option 'retries'"),
    ],
)
def test_wrong_arguments_are_found_at_once(arguments: Any, message: str):
    """With what to pass instead."""
    client, function, options = (*arguments, {})[:3]
    with pytest.raises(ContractError, match=message):
        InvokeTransport(client, function, **options)
    with pytest.raises(lambdachain.InvalidArnError):
        InvokeTransport(LambdaClient(), "no such name!")


def test_a_key_that_cannot_be_sent():
    """It is refused, not ignored."""
    with pytest.raises(httpx.LocalProtocolError, match="idempotency_key") as raised:
        app_for(None, client=LambdaClient(Failing())).post("/", headers={"Idempotency-Key": "k" * 300})

    assert isinstance(raised.value, CallError)
