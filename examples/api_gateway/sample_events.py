"""The events that API Gateway sends to a function, with the fields that both payload formats always have."""

from __future__ import annotations

import json
from typing import Any


def rest_event(method: str, path: str, body: str | None) -> dict[str, Any]:
    """Create an event of payload format 1.0."""
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": {"Content-Type": "application/json", "Host": "api.example.com"},
        "multiValueHeaders": {"Content-Type": ["application/json"], "Host": ["api.example.com"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {"stage": "prod", "httpMethod": method, "path": f"/prod{path}", "requestId": "r-1"},
        "body": body,
        "isBase64Encoded": False,
    }


def http_event(method: str, path: str, body: str | None) -> dict[str, Any]:
    """Create an event of payload format 2.0, which omits empty fields."""
    event = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "api.example.com"},
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "a"},
            "routeKey": f"{method} {path}",
            "stage": "$default",
            "requestId": "r-1",
        },
        "isBase64Encoded": False,
    }
    return event if body is None else event | {"body": body}


def order(product: str, quantity: int) -> str:
    return json.dumps({"product": product, "quantity": quantity})
