"""Lambda authorizers: their events, what their results mean, and the responses of requests that do not pass."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lambdachain._lambda_api.aws_location import AwsLocation
from lambdachain._lambda_api.delivery import InvocationResult
from lambdachain.local import LocalEndpoint, LocalFunction, LocalHttpApi, LocalHttpAuthorizer, LocalHttpRoute
from lambdachain.local._http_authorizers import NotAuthorizedError, judge, to_authorizer_event
from lambdachain.local._http_events import HttpRequest
from lambdachain.local._http_responses import request_rejected
from lambdachain.local._http_routes import match_route

FUNCTIONS = Path(__file__).parent / "functions"
LOCATION = AwsLocation("123456789012", "us-east-1")
ARN = "arn:aws:execute-api:us-east-1:123456789012:shop/dev/GET/orders/5"
KEY = ("header.X-Key",)


def make_api(kind: Any = "rest", **settings: Any) -> LocalHttpApi:
    """Return an API whose only route has an authorizer."""
    routes = {"GET /orders/{id}": LocalHttpRoute("f", authorizer="Auth")}
    return LocalHttpApi(
        "Shop",
        routes,
        kind=kind,
        stage="dev",
        stage_variables={"table": "t"},
        authorizers={"Auth": LocalHttpAuthorizer("check", **settings)},
    )


def make_event(api: LocalHttpApi, query: str = "a=1", **headers: str) -> dict[str, Any]:
    """Return the event of the authorizer."""
    path = "/dev/orders/5"
    route = match_route(api, "GET", path)
    assert route is not None
    fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
    request = HttpRequest("GET", path, query, fields, body=b"secret")
    return to_authorizer_event(api.authorizers["Auth"], api, request, route, LOCATION)[0]


def test_token_of_a_rest_api():
    """The token and what is requested, and nothing else."""
    event = make_event(_token_api(), x_key="t")

    assert event == {"type": "TOKEN", "methodArn": ARN, "authorizationToken": "t"}


def _token_api(pattern: str | None = None) -> LocalHttpApi:
    authorizer = LocalHttpAuthorizer("check", kind="token", identity_sources=KEY, token_pattern=pattern)
    routes = {"GET /orders/{id}": LocalHttpRoute("f", authorizer="Auth")}
    return LocalHttpApi("Shop", routes, kind="rest", stage="dev", authorizers={"Auth": authorizer})


def test_request_of_a_rest_api():
    """The event of the route without its body; maps that are missing are empty."""
    event = make_event(make_api(identity_sources=[*KEY, "querystring.a", "stageVariables.table"]), X_Key="k")
    without = make_event(make_api(), query="")

    assert (event["type"], event["methodArn"], event["resource"]) == ("REQUEST", ARN, "/orders/{id}")
    assert (event["path"], event["pathParameters"], event["stageVariables"]) == (
        "/orders/5",
        {"id": "5"},
        {"table": "t"},
    )
    assert event["headers"] == {"X-Key": "k"}
    assert event["requestContext"]["stage"] == "dev"
    assert event.keys().isdisjoint({"body", "isBase64Encoded", "version"})
    assert without["queryStringParameters"] == without["multiValueQueryStringParameters"] == {}


def test_request_of_an_http_api():
    """Format 2.0 has a list of the identity sources, format 1.0 a text."""
    sources = [*KEY, "querystring.a", "context.http.method"]
    new = make_event(make_api("http", identity_sources=sources), X_Key="k", Cookie="c=d")
    old = make_event(make_api("http", identity_sources=sources[:2], payload_format="1.0"), X_Key="k")

    assert (new["version"], new["type"], new["routeArn"]) == ("2.0", "REQUEST", ARN)
    assert (new["identitySource"], new["cookies"], new["routeKey"]) == (["k", "1", "GET"], ["c=d"], "GET /orders/{id}")
    assert new["stageVariables"] == {"table": "t"}
    assert (old["version"], old["type"], old["methodArn"]) == ("1.0", "REQUEST", ARN)
    assert old["identitySource"] == old["authorizationToken"] == "k,1"
    assert new.keys().isdisjoint({"body", "isBase64Encoded"})


@pytest.mark.parametrize(
    "source", ["header.X-Key", "querystring.b", "context.identity.user", "context.identity", "stageVariables.gone"]
)
def test_a_request_without_identity_is_unauthorized(source: str):
    """Every source must be there, and must not be empty."""
    with pytest.raises(NotAuthorizedError) as raised:
        make_event(make_api(identity_sources=[source]), x_key="")
    assert raised.value.rejection == "unauthorized"


@pytest.mark.parametrize(("token", "passes"), [("abc", True), ("abc1", False), ("1abc", False)])
def test_pattern_of_a_token(token: str, passes: bool):
    """The whole token must match."""
    if passes:
        assert make_event(_token_api("[a-z]+"), x_key=token)["authorizationToken"] == token
        return
    with pytest.raises(NotAuthorizedError) as raised:
        make_event(_token_api("[a-z]+"), x_key=token)
    assert raised.value.rejection == "unauthorized"
    assert token not in str(raised.value)


def policy(*statements: tuple[str, Any, Any]) -> dict[str, Any]:
    """Return the result of an authorizer: effects, actions and resources."""
    document = [{"Effect": effect, "Action": action, "Resource": resource} for effect, action, resource in statements]
    return {"principalId": "me", "policyDocument": {"Statement": document}}


INVOKE = "execute-api:Invoke"
PREFIX = "arn:aws:execute-api:us-east-1:123456789012:shop/"


@pytest.mark.parametrize(
    ("result", "rejection"),
    [
        (policy(("Allow", INVOKE, ARN)), None),
        (policy(("Allow", [INVOKE], ["x", "*"])), None),
        (policy(("Allow", "EXECUTE-API:invoke", PREFIX + "*/GET/*")), None),
        (policy(("Allow", "execute-api:*", PREFIX + "dev/GET/orders/?")), None),
        (policy(("Allow", INVOKE, "*"), ("Deny", INVOKE, PREFIX + "dev/GET/orders/*")), "denied"),
        (policy(("Deny", INVOKE, "*")), "denied"),
        (policy(("Allow", INVOKE, PREFIX + "dev/POST/*")), "not allowed"),
        (policy(("Allow", "lambda:*", "*")), "not allowed"),
        (policy(("Allow", INVOKE, PREFIX + "dev/GET/order[s]/5")), "not allowed"),
        (policy(), "not allowed"),
        ({**policy(("Allow", INVOKE, "*")), "principalId": None}, "failed"),
        ({**policy(("Allow", INVOKE, "*")), "context": {"list": [1]}}, "failed"),
        ({**policy(("Allow", INVOKE, "*")), "context": "text"}, "failed"),
        ({"principalId": "me"}, "failed"),
        ({"isAuthorized": True}, "failed"),
        ("Allow", "failed"),
        (None, "failed"),
    ],
    ids=repr,
)
def test_policies(result: object, rejection: str | None):
    """A statement that denies takes precedence; what nothing allows is rejected."""
    api = make_api()
    answer = InvocationResult(json.dumps(result).encode(), failed=False, log_tail=b"")
    if rejection is None:
        assert judge(api, api.authorizers["Auth"], answer, ARN).principal == "me"
        return
    with pytest.raises(NotAuthorizedError) as raised:
        judge(api, api.authorizers["Auth"], answer, ARN)
    assert raised.value.rejection == rejection


@pytest.mark.parametrize(
    ("result", "rejection"),
    [
        ({"isAuthorized": True}, None),
        ({"isAuthorized": False}, "denied"),
        ({"isAuthorized": "true"}, "failed"),
        ({}, "failed"),
        (policy(("Allow", INVOKE, "*")), "failed"),
    ],
    ids=repr,
)
def test_simple_responses(result: object, rejection: str | None):
    """Of an HTTP API that enables them."""
    api = make_api("http", simple_responses=True)
    answer = InvocationResult(json.dumps(result).encode(), failed=False, log_tail=b"")
    try:
        judge(api, api.authorizers["Auth"], answer, ARN)
        found = None
    except NotAuthorizedError as exc:
        found = exc.rejection
    assert found == rejection


@pytest.mark.parametrize(
    ("kind", "rejection", "status", "body"),
    [
        ("rest", "unauthorized", 401, {"message": "Unauthorized"}),
        ("rest", "denied", 403, {"Message": "User is not authorized to access this resource with an explicit deny"}),
        ("rest", "not allowed", 403, {"Message": "User is not authorized to access this resource"}),
        ("rest", "failed", 500, {"message": None}),
        ("http", "unauthorized", 401, {"message": "Unauthorized"}),
        ("http", "denied", 403, {"message": "Forbidden"}),
        ("http", "not allowed", 403, {"message": "Forbidden"}),
        ("http", "failed", 500, {"message": "Internal Server Error"}),
    ],
)
def test_responses(kind: Any, rejection: Any, status: int, body: object):
    """Each kind of API has its own."""
    response = request_rejected(kind, rejection)

    assert (response.status, json.loads(response.body)) == (status, body)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[LocalEndpoint]:
    """Serve a REST API and an HTTP API whose routes have authorizers that run."""
    names = ("echo", "check_token", "check_request", "sleep")
    functions = [LocalFunction(each, f"web.{each}", directory=FUNCTIONS, timeout=30) for each in names]
    functions.append(LocalFunction("parked", "web.echo", directory=FUNCTIONS, reserved_concurrency=0))
    authorizers = {
        "Token": LocalHttpAuthorizer("check_token", kind="token", identity_sources=["header.Authorization"]),
        "Request": LocalHttpAuthorizer("check_request", identity_sources=KEY, simple_responses=True),
        "Parked": LocalHttpAuthorizer("parked"),
    }
    routes: dict[str, LocalHttpRoute | str] = {
        "GET /open/{proxy+}": "echo",
        "GET /parked": LocalHttpRoute("echo", authorizer="Parked"),
    }
    rest = {"GET /echo/{proxy+}": LocalHttpRoute("echo", authorizer="Token"), **routes}
    http_routes = {"GET /echo/{proxy+}": LocalHttpRoute("echo", authorizer="Request"), **routes}
    apis = [
        LocalHttpApi("rest", rest, kind="rest", stage="dev", authorizers=authorizers),
        LocalHttpApi("http", http_routes, authorizers=authorizers),
    ]
    with LocalEndpoint(functions, http=apis) as endpoint:
        yield endpoint


def send(endpoint: LocalEndpoint, api: str, path: str, **headers: str) -> tuple[int, Any, str | None]:
    """Send a request, and return the status, the body and the type of the error."""
    connection = http.client.HTTPConnection(urlsplit(endpoint.http_url(api)).netloc, timeout=60)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, json.loads(response.read()), response.headers["x-amzn-ErrorType"]
    finally:
        connection.close()


def test_a_rest_api_runs_its_authorizer(endpoint: LocalEndpoint):
    """Its context is text in the function's event."""
    status, event, _ = send(endpoint, "rest", "/echo/a%20b", Authorization="allow")

    assert status == 200
    assert event["requestContext"]["authorizer"] == {
        "principalId": "user",
        "token": "allow",
        "number": "1",
        "flag": "true",
        "nothing": None,
    }
    assert "authorizer" not in send(endpoint, "rest", "/open/x")[1]["requestContext"]


@pytest.mark.parametrize(
    ("token", "status", "error"),
    [
        ("", 401, "UnauthorizedException"),
        ("unauthorized", 401, "UnauthorizedException"),
        ("deny", 403, "AccessDeniedException"),
        ("elsewhere", 403, "AccessDeniedException"),
        ("broken", 500, "AuthorizerConfigurationException"),
        ("malformed", 500, "AuthorizerConfigurationException"),
    ],
)
def test_a_request_that_does_not_pass(endpoint: LocalEndpoint, token: str, status: int, error: str):
    """The function of the route does not run."""
    found, body, error_type = send(endpoint, "rest", "/echo/x", **({"Authorization": token} if token else {}))

    assert (found, error_type) == (status, error)
    assert "secret-detail" not in json.dumps(body)


def test_an_http_api_runs_its_authorizer(endpoint: LocalEndpoint):
    """Its context keeps its types."""
    status, event, _ = send(endpoint, "http", "/echo/x", X_Key="good")
    denied = send(endpoint, "http", "/echo/x", X_Key="bad")
    missing = send(endpoint, "http", "/echo/x")

    assert status == 200
    assert event["requestContext"]["authorizer"]["lambda"]["deep"] == {"a": 1}
    assert "routeArn" in event["requestContext"]["authorizer"]["lambda"]["fields"]
    assert denied[:2] == (403, {"message": "Forbidden"})
    assert missing[:2] == (401, {"message": "Unauthorized"})


def test_an_authorizer_that_cannot_run(endpoint: LocalEndpoint):
    """Nothing passes."""
    assert send(endpoint, "rest", "/parked")[:2] == (500, {"message": None})
    assert send(endpoint, "http", "/parked")[:2] == (500, {"message": "Internal Server Error"})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"routes": {"GET /": LocalHttpRoute("f", authorizer="A")}}, "route 'GET /': the API has no authorizer 'A'"),
        (
            {"authorizers": {"A": LocalHttpAuthorizer("f", identity_sources=["Auth"])}},
            "'Auth' is not an identity source",
        ),
        ({"authorizers": {"A": LocalHttpAuthorizer("f", kind="token")}}, "a token is its only identity source"),
        ({"authorizers": {"A": LocalHttpAuthorizer("f", token_pattern="(")}}, "is not a regular expression"),
        ({"authorizers": {"A": LocalHttpAuthorizer("f")}, "kind": "url", "routes": {"$default": "f"}}, "function URL"),
    ],
)
def test_mistakes(settings: dict[str, Any], message: str):
    """They are errors of the declaration."""
    with pytest.raises(ValueError, match="HTTP API 'Shop': ") as raised:
        LocalHttpApi("Shop", **{"routes": {"GET /": "f"}, **settings})
    assert message in str(raised.value)


def test_an_authorizer_whose_function_is_not_served():
    """The message names it."""
    api = LocalHttpApi("Shop", {"GET /": "f"}, authorizers={"A": LocalHttpAuthorizer("gone")})
    with pytest.raises(ValueError, match="authorizer 'A': there is no function 'gone'"):
        LocalEndpoint([LocalFunction("f", "web.echo", directory=FUNCTIONS)], http=[api])
