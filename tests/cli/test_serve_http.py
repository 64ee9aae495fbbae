"""``lambdachain serve --http``: the HTTP APIs and function URLs of a template, called by an HTTP client."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from .conftest import Served

APP = """
def handler(event, context):
    return {"statusCode": 200, "body": VALUE + event.get("rawPath", event.get("path"))}
"""
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Handler: app.handler, CodeUri: ., Timeout: 20}}
Resources:
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      FunctionUrlConfig: {AuthType: NONE}
      Events:
        Rest: {Type: Api, Properties: {Path: /orders, Method: get}}
        Http: {Type: HttpApi, Properties: {Path: "/orders/{id}", Method: get}}
"""


@pytest.fixture(autouse=True)
def _system(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP.replace("VALUE", "'one '"))
    (tmp_path / "template.yaml").write_text(TEMPLATE)


def get(url: str, **headers: str) -> tuple[int, str]:
    """Send a request, and return the status and the body."""
    split = urlsplit(url)
    connection = http.client.HTTPConnection(split.netloc, timeout=60)
    try:
        connection.request("GET", split.path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_every_api_has_an_address(serve: Callable[..., Served]):
    """A REST API, an HTTP API and a function URL, each at a port of its own."""
    served = serve("--http-port", "0")
    apis: dict[str, dict[str, Any]] = {each["name"]: each for each in served.wait_for("serving")["http"]}

    assert {name: (api["kind"], api["routes"]) for name, api in apis.items()} == {
        "ServerlessRestApi": ("rest", [{"route": "GET /orders", "function": "Orders", "authorizer": None}]),
        "ServerlessHttpApi": ("http", [{"route": "GET /orders/{id}", "function": "Orders", "authorizer": None}]),
        "Orders": ("url", [{"route": "$default", "function": "Orders", "authorizer": None}]),
    }
    assert get(apis["ServerlessRestApi"]["url"] + "/Prod/orders") == (200, "one /orders")
    assert get(apis["ServerlessHttpApi"]["url"] + "/orders/5") == (200, "one /orders/5")
    assert get(apis["Orders"]["url"] + "/anything") == (200, "one /anything")
    assert get(apis["ServerlessRestApi"]["url"] + "/nowhere")[0] == 403
    assert served.wait_for("invocation", function="Orders", status=200)["invocation_type"] == "RequestResponse"


AUTHORIZED = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Handler: app.handler, CodeUri: ., Timeout: 20}
  HttpApi:
    Auth:
      DefaultAuthorizer: Check
      Authorizers:
        Check:
          FunctionArn: !GetAtt Check.Arn
          AuthorizerPayloadFormatVersion: "2.0"
          EnableSimpleResponses: true
          Identity: {Headers: [X-Key]}
        Jwt: {JwtConfiguration: {issuer: https://x}}
Resources:
  Check: {Type: AWS::Serverless::Function, Properties: {Handler: check.handler}}
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Own: {Type: HttpApi, Properties: {Path: /own, Method: get}}
        Token: {Type: HttpApi, Properties: {Path: /token, Method: get, Auth: {Authorizer: Jwt}}}
"""


def test_authorizers_run(serve: Callable[..., Served], tmp_path: Path):
    """Those that are functions; the routes of others are open, and a warning says so."""
    (tmp_path / "template.yaml").write_text(AUTHORIZED)
    check = "def handler(event, context):\n    return {'isAuthorized': event['identitySource'] == ['good']}\n"
    (tmp_path / "check.py").write_text(check)
    served = serve("--http-port", "0")
    api = served.wait_for("serving")["http"][0]

    assert [route["authorizer"] for route in api["routes"]] == ["Check", None]
    statuses = [get(f"{api['url']}/own", **headers)[0] for headers in ({}, {"X-Key": "bad"}, {"X-Key": "good"})]
    assert statuses == [401, 403, 200]
    assert get(f"{api['url']}/token")[0] == 200
    assert "every request of GET /token is accepted" in served.wait_for("problem")["text"]


def test_without_the_option_nothing_is_served(serve: Callable[..., Served]):
    """The ports of HTTP APIs are opened only on request."""
    assert serve().wait_for("serving")["http"] == []


def test_reload(serve: Callable[..., Served], tmp_path: Path, eventually: Callable[[Callable[[], Any]], Any]):
    """Code and routes are reloaded at the same address."""
    served = serve("--http-port", "0", "--reload")
    url = next(api["url"] for api in served.wait_for("serving")["http"] if api["kind"] == "rest")
    assert get(url + "/orders") == (200, "one /orders")

    _replace(tmp_path / "template.yaml", TEMPLATE.replace("Path: /orders,", "Path: /purchases,"))
    served.wait_for("reloaded", functions=["the routes of ServerlessRestApi"])
    assert get(url + "/orders")[0] == 403
    assert get(url + "/purchases") == (200, "one /purchases")

    _replace(tmp_path / "app.py", APP.replace("VALUE", "'two '"))
    # The template lies in the function's directory, so its change has reloaded the function before.
    assert eventually(lambda: get(url + "/purchases") == (200, "two /purchases"))


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def test_nothing_to_serve(serve: Callable[..., Served]):
    """A run without any HTTP API says so, and serves the functions."""
    served = serve("--http", "Orders=app.handler")

    assert "no function has an HTTP event" in served.wait_for("problem")["text"]
    assert served.wait_for("serving")["http"] == []


ROUTES_WITHOUT_FUNCTIONS = """
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Handler: app.handler, CodeUri: .}}
Resources:
  Served: {Type: AWS::Serverless::Function}
  Java:
    Type: AWS::Serverless::Function
    Properties: {Runtime: java21, Events: {Get: {Type: Api, Properties: {Path: /a, Method: get}}}}
"""


def test_routes_that_cannot_be_served(serve: Callable[..., Served], tmp_path: Path):
    """The last line does not say that there are none."""
    (tmp_path / "template.yaml").write_text(ROUTES_WITHOUT_FUNCTIONS)
    served = serve("--http")
    served.wait_for("serving")
    texts = [problem["text"] for problem in served.messages_of_type("problem")]

    assert texts[1:] == [
        "route 'GET /a': Java, its function, is not served here; the route is not served",
        "--http: no HTTP API to serve: none of the routes can be served",
    ]


def test_port_in_use(serve: Callable[..., Served]):
    """The message names the port and the option that changes it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        problem = serve("--http-port", str(port)).wait_for("problem")

    assert problem["text"] == (
        f"port {port} on 127.0.0.1 is already in use: stop that program, or pass another --http-port"
    )


def test_text_output(run: Callable[..., Any]):
    """The help has both options."""
    output = run("serve", "--help").stdout

    assert "--http " in output
    assert "--http-port PORT" in output
