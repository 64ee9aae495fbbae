"""Match a request's path and method to a route of an API, with the precedence of API Gateway.

A REST API is a tree of resources: the path selects one, whose methods then decide. An HTTP API selects among the routes
that accept the method: a full match, then a greedy path variable, then ``$default`` (API Gateway's developer guide).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from ._http_api import DEFAULT_ROUTE, LocalHttpApi, LocalHttpRoute


@dataclass(frozen=True, slots=True)
class MatchedRoute:
    """The route of a request.

    Attributes:
        key: Its key, such as ``GET /orders/{id}``.
        target: Its function.
        path: The request's path without the stage, percent-encoded.
        parameters: The values of the path variables; of an HTTP API decoded.
        has_stage: Whether the request's path began with the stage.
    """

    key: str
    target: LocalHttpRoute
    path: str
    parameters: Mapping[str, str] = field(repr=False)
    has_stage: bool = False

    @property
    def resource(self) -> str:
        """The path of the route, such as ``/orders/{id}``."""
        return self.key.partition(" ")[2] or self.key


def match_route(api: LocalHttpApi, method: str, path: str) -> MatchedRoute | None:
    """Return the route of a request, or ``None`` if no route matches.

    Args:
        api: The API.
        method: The request's method.
        path: The request's path, percent-encoded, with or without the stage.
    """
    inner, has_stage = strip_stage(api, path)
    is_rest = api.kind == "rest"
    if is_rest:
        # Slashes at the beginning count as one (published).
        inner = f"/{inner.lstrip('/')}"
    segments = _split_path(inner, is_rest=is_rest)
    candidates = [
        (_rank(key), key, parameters)
        for key in api.routes
        if key != DEFAULT_ROUTE and (parameters := _match_path(key, segments, is_rest=is_rest)) is not None
    ]
    if is_rest and candidates:
        # The most specific resource decides: if it lacks the method, the request does not fall back to {proxy+}.
        best = min(rank for rank, _, _ in candidates)
        candidates = [each for each in candidates if each[0] == best]
    accepted = [each for each in candidates if _get_method(each[1]) in (method, "ANY")]
    targets = api.targets
    if accepted:
        _, key, parameters = min(accepted, key=lambda each: (each[0], _get_method(each[1]) == "ANY"))
        return MatchedRoute(key, targets[key], inner, parameters, has_stage)
    if DEFAULT_ROUTE in targets:
        return MatchedRoute(DEFAULT_ROUTE, targets[DEFAULT_ROUTE], inner, {}, has_stage)
    return None


def find_methods(api: LocalHttpApi, path: str) -> list[str]:
    """Return the methods of the resource of a REST API at *path*, without ``OPTIONS``; none if there is no resource."""
    segments = _split_path(strip_stage(api, path)[0], is_rest=True)
    keys = [key for key in api.routes if key != DEFAULT_ROUTE and _match_path(key, segments, is_rest=True) is not None]
    best = min(map(_rank, keys), default=())
    return sorted({_get_method(key) for key in keys if _rank(key) == best} - {"OPTIONS"})


def strip_stage(api: LocalHttpApi, path: str) -> tuple[str, bool]:
    """Return a path without the stage, and whether it began with the stage."""
    prefix = f"/{api.stage}"
    if api.stage != DEFAULT_ROUTE and (path == prefix or path.startswith(f"{prefix}/")):
        return path[len(prefix) :] or "/", True
    return path or "/", False


def _split_path(path: str, *, is_rest: bool) -> list[str]:
    # A REST API ignores a slash at the end, an HTTP API does not (assumed).
    path = path.removeprefix("/")
    return (path.removesuffix("/") if is_rest else path).split("/")


def _get_method(key: str) -> str:
    return key.partition(" ")[0]


def _get_segments(key: str) -> list[str]:
    return key.partition(" ")[2].removeprefix("/").split("/")


def _rank(key: str) -> tuple[int, ...]:
    """Return the sort key of a route's path: text before a variable before a greedy variable, segment by segment."""
    return tuple(2 if part.endswith("+}") else 1 if part.startswith("{") else 0 for part in _get_segments(key))


def _match_path(key: str, segments: Sequence[str], *, is_rest: bool) -> dict[str, str] | None:
    """Return the values of the path variables, or ``None`` if the path is another one."""
    # A REST API passes the values as they are in the path, an HTTP API decodes them (published).
    decode = _identity if is_rest else unquote
    parts = _get_segments(key)
    parameters: dict[str, str] = {}
    for index, part in enumerate(parts):
        if part.endswith("+}"):
            rest = "/".join(segments[index:])
            return {**parameters, part[1:-2]: decode(rest)} if rest else None
        if index >= len(segments):
            return None
        if part.startswith("{"):
            if not segments[index]:
                return None
            parameters[part[1:-1]] = decode(segments[index])
        elif unquote(segments[index]) != part:
            return None
    return parameters if len(parts) == len(segments) else None


def _identity(text: str) -> str:
    return text
