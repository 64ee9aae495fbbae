"""Functions behind HTTP APIs and function URLs: each shows one kind of response."""

from __future__ import annotations

import base64
import json
import time
from typing import Any


def echo(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return the event."""
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}


def reply(event: dict[str, Any], _context: object) -> Any:
    """Return the request's body, as JSON, as the function's result."""
    body = event["body"]
    return json.loads(base64.b64decode(body) if event["isBase64Encoded"] else body)


def page(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return a page whose script fetches data."""
    html = "<h1>start</h1><script>fetch('/data?x=1').then(r => r.json()).then(d => document.body.append(d.q))</script>"
    return {"statusCode": 200, "headers": {"content-type": "text/html"}, "body": html, "cookies": ["seen=1; Path=/"]}


def data(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return data without a status: an inferred response."""
    return {"q": f"fetched-{event['queryStringParameters']['x']}-{','.join(event.get('cookies', []))}"}


def fail(_event: object, _context: object) -> None:
    """Raise an exception."""
    raise RuntimeError("secret-detail")


def sleep(_event: object, _context: object) -> None:
    """Take longer than anybody waits."""
    time.sleep(60)


def check_token(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Allow, deny or reject a token of a REST API, or fail, as the token says."""
    token = event["authorizationToken"]
    if token == "unauthorized":
        raise PermissionError("Unauthorized")
    if token == "broken":
        raise RuntimeError("secret-detail")
    if token == "malformed":
        return {"principalId": "user"}
    resource = event["methodArn"] if token != "elsewhere" else event["methodArn"].replace("/echo/", "/other/")
    statement = {"Action": "execute-api:Invoke", "Effect": "Deny" if token == "deny" else "Allow", "Resource": resource}
    context = {"token": token, "number": 1, "flag": True, "nothing": None}
    return {"principalId": "user", "policyDocument": {"Statement": [statement]}, "context": context}


def check_request(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return a simple response of an HTTP API: whether the key is ``good``; the context has the event's fields."""
    return {"isAuthorized": event["identitySource"] == ["good"], "context": {"fields": sorted(event), "deep": {"a": 1}}}
