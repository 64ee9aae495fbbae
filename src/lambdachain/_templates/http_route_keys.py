"""The keys of HTTP routes: a method and a path."""

from __future__ import annotations

from typing import Any


def to_route_key(method: Any, path: Any) -> str:
    """Return the key of a route: methods in capitals, ``ANY`` for all.

    >>> to_route_key("get", "orders/{id}"), to_route_key("*", "/"), to_route_key("x-amazon-apigateway-any-method", "/a")
    ('GET /orders/{id}', 'ANY /', 'ANY /a')
    """
    if path in (None, "", "$default", "*"):
        return "$default"
    name = str(method or "any").upper()
    name = "ANY" if name in ("*", "ANY", "X-AMAZON-APIGATEWAY-ANY-METHOD") else name
    text = str(path)
    return f"{name} {text if text.startswith('/') else f'/{text}'}"
