"""One small web app, written with each framework, as handlers of functions."""

from __future__ import annotations

import base64
from typing import Any

from apig_wsgi import make_lambda_handler
from aws_lambda_powertools.event_handler import (
    APIGatewayHttpResolver,
    APIGatewayRestResolver,
    LambdaFunctionUrlResolver,
    Response,
)
from aws_lambda_powertools.shared.cookies import Cookie
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, RedirectResponse
from fastapi.responses import Response as StarletteResponse
from flask import Flask, make_response, redirect
from flask import request as flask_request
from mangum import Mangum
from starlette.middleware.gzip import GZipMiddleware

PICTURE = bytes(range(256)) * 8


def describe(method: str, path: str, query: list[str], cookies: dict[str, str], body: bytes) -> dict[str, Any]:
    """Return what every app reports about a request."""
    return {"method": method, "path": path, "a": query, "cookies": cookies, "body": base64.b64encode(body).decode()}


app = FastAPI()
app.add_middleware(GZipMiddleware, minimum_size=1000)


@app.api_route("/items/{name:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
async def _items(name: str, request: Request) -> StarletteResponse:
    report = describe(
        request.method, name, request.query_params.getlist("a"), dict(request.cookies), await request.body()
    )
    response = PlainTextResponse() if request.method == "HEAD" else _to_json(report)
    response.headers["x-method"] = request.method
    return response


def _to_json(report: dict[str, Any]) -> StarletteResponse:
    from fastapi.responses import JSONResponse

    return JSONResponse(report)


@app.get("/picture")
async def _picture() -> StarletteResponse:
    return StarletteResponse(PICTURE, media_type="image/png")


@app.get("/text")
async def _text() -> StarletteResponse:
    return PlainTextResponse("é" * 2000)


@app.get("/login")
async def _login() -> StarletteResponse:
    response = PlainTextResponse("in", status_code=201)
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", path="/items")
    return response


@app.get("/old")
async def _old(request: Request) -> StarletteResponse:
    return RedirectResponse(request.url_for("_items", name="new"), status_code=307)


fastapi_handler = Mangum(app, lifespan="off")

site = Flask("site")


@site.route("/items/<path:name>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def items(name: str) -> Any:
    """Report the request."""
    sent = flask_request
    report = describe(sent.method, name, sent.args.getlist("a"), dict(sent.cookies), sent.get_data())
    return report, {"x-method": sent.method}


@site.get("/picture")
def picture() -> Any:
    """Return bytes that are not text."""
    return PICTURE, {"Content-Type": "image/png"}


@site.get("/text")
def text() -> Any:
    """Return text that is not ASCII."""
    return "é" * 2000, {"Content-Type": "text/plain; charset=utf-8"}


@site.get("/login")
def login() -> Any:
    """Set two cookies."""
    response = make_response("in", 201)
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", path="/items")
    return response


@site.get("/old")
def old() -> Any:
    """Redirect."""
    return redirect("/items/new", 307)


flask_handler = make_lambda_handler(site.wsgi_app, binary_support=True)


def _add_routes(resolver: Any) -> Any:
    @resolver.route("/items/<name>", method=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
    def items(name: str) -> Response[Any]:
        event = resolver.current_event
        cookies = dict(part.split("=") for part in event.get("cookies") or _old_cookies(event))
        query = _query(event)
        body = base64.b64decode(event.body) if event.body and event.is_base64_encoded else (event.body or "").encode()
        report = describe(event.http_method, name, query, cookies, body)
        return Response(200, "application/json", body=report, headers={"x-method": event.http_method})

    @resolver.get("/picture")
    def picture() -> Response[Any]:
        return Response(200, "image/png", body=PICTURE)

    @resolver.get("/text", compress=True)
    def text() -> Response[Any]:
        return Response(200, "text/plain; charset=utf-8", body="é" * 2000)

    @resolver.get("/login")
    def login() -> Response[Any]:
        cookies = [Cookie(name="one", value="1", path="/"), Cookie(name="two", value="2", path="/items")]
        return Response(201, "text/plain", body="in", cookies=cookies)

    @resolver.get("/old")
    def old() -> Response[Any]:
        return Response(307, headers={"Location": "/items/new"}, body="")

    @resolver.get("/fail")
    def fail() -> Response[Any]:
        raise KeyError("secret value")

    return resolver


def _old_cookies(event: Any) -> list[str]:
    values = (event.get("multiValueHeaders") or {}).get("Cookie") or []
    return [part.strip() for value in values for part in value.split(";")]


def _query(event: Any) -> list[str]:
    values = event.get("multiValueQueryStringParameters")
    if values is not None:
        return values.get("a", [])
    text = (event.get("queryStringParameters") or {}).get("a")
    return text.split(",") if text else []


rest_app = _add_routes(APIGatewayRestResolver())
http_app = _add_routes(APIGatewayHttpResolver())
url_app = _add_routes(LambdaFunctionUrlResolver())


def rest_handler(event: Any, context: Any) -> Any:
    """Handle a request with the resolver for REST APIs."""
    return rest_app.resolve(event, context)


def http_handler(event: Any, context: Any) -> Any:
    """Handle a request with the resolver for HTTP APIs."""
    return http_app.resolve(event, context)


def url_handler(event: Any, context: Any) -> Any:
    """Handle a request with the resolver for function URLs."""
    return url_app.resolve(event, context)
