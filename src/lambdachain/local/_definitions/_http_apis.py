"""Declare the HTTP APIs and function URLs of a template: convert what it defines to settings of `LocalHttpApi`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from lambdachain._templates.diagnostics import Diagnostic
from lambdachain._templates.http_authorizers import HttpAuthorizer
from lambdachain._templates.http_routes import HttpApiDefinition, HttpDefinitions
from lambdachain._templates.http_settings import CorsSettings, HttpRoute
from lambdachain.local._function_config import LocalFunction
from lambdachain.local._http_api import LocalCors, LocalHttpApi, LocalHttpAuthorizer, LocalHttpRoute, find_route_problem


def declare_http_apis(
    definitions: Iterable[HttpDefinitions], functions: Sequence[LocalFunction], first_port: int
) -> tuple[list[LocalHttpApi], list[Diagnostic]]:
    """Declare the HTTP APIs of a system, with the routes whose functions are served; report the others.

    Args:
        definitions: The HTTP APIs of each file.
        functions: The functions that are served.
        first_port: The port of the first API; the next ones get the next ports. With 0, each gets a free one.
    """
    served = {function.name: function for function in functions}
    apis: list[LocalHttpApi] = []
    diagnostics: list[Diagnostic] = []
    for definition in (each for file in definitions for each in file.apis):
        routes = _declare_routes(definition, served, diagnostics)
        authorizers = _declare_authorizers(definition, served)
        diagnostics += _report_unchecked(definition, routes, served)
        if any(api.name == definition.name for api in apis):
            text = f"there is another HTTP API of the name {definition.name}; this one is not served"
            diagnostics.append(Diagnostic(definition.location, text, fatal=False))
        elif routes:
            port = first_port + len(apis) if first_port else 0
            try:
                apis.append(_to_local(definition, routes, authorizers, port))
            except ValueError as exc:
                diagnostics.append(Diagnostic(definition.location, f"{exc}; the API is not served", fatal=False))
    return apis, diagnostics


def _declare_authorizers(
    definition: HttpApiDefinition, served: Mapping[str, LocalFunction]
) -> dict[str, LocalHttpAuthorizer]:
    """Return the authorizers that can run, by their names."""
    return {
        each.name: LocalHttpAuthorizer(
            each.function,
            qualifier=each.qualifier,
            kind=each.kind,
            identity_sources=each.identity_sources,
            token_pattern=each.token_pattern,
            payload_format=each.payload_format,
            simple_responses=each.simple_responses,
        )
        for route in definition.routes
        if (each := route.authorizer) is not None and _find_obstacle(each, served) is None
    }


def _find_obstacle(authorizer: HttpAuthorizer, served: Mapping[str, LocalFunction]) -> str | None:
    """Return why an authorizer cannot run here."""
    if authorizer.obstacle is not None:
        return authorizer.obstacle
    function = served.get(authorizer.function)
    if function is None:
        return f"{authorizer.function}, its function, is not served here"
    if authorizer.qualifier is not None and authorizer.qualifier not in function.qualifiers:
        return f"{authorizer.function} has no version or alias {authorizer.qualifier!r}"
    try:
        re.compile(authorizer.token_pattern or "")
    except re.error as exc:
        return f"its validation expression is not a regular expression of Python: {exc}"
    return None


def _report_unchecked(
    definition: HttpApiDefinition, routes: Mapping[str, LocalHttpRoute], served: Mapping[str, LocalFunction]
) -> Iterator[Diagnostic]:
    """Report each authorizer that cannot run once, with the routes that are open for lack of it."""
    protected: dict[HttpAuthorizer, list[str]] = {}
    for route in definition.routes:
        if route.authorizer is not None and route.key in routes:
            protected.setdefault(route.authorizer, []).append(route.key)
    for authorizer, keys in protected.items():
        if (obstacle := _find_obstacle(authorizer, served)) is None:
            continue
        text = (
            f"the authorizer {authorizer.name} does not run here: {obstacle}; every request of {', '.join(keys)} is "
            "accepted, without requestContext.authorizer"
        )
        yield Diagnostic(authorizer.location, text, fatal=False)


def _declare_routes(
    definition: HttpApiDefinition, served: Mapping[str, LocalFunction], diagnostics: list[Diagnostic]
) -> dict[str, LocalHttpRoute]:
    routes: dict[str, LocalHttpRoute] = {}
    for route in definition.routes:
        target = LocalHttpRoute(
            route.function,
            qualifier=route.qualifier,
            payload_format=route.payload_format,
            timeout=route.timeout,
            authorizer=_find_authorizer(route, served),
        )
        if reason := _find_problem(route, served):
            diagnostics.append(Diagnostic(route.location, f"{reason}; the route is not served", fatal=False))
        # An event may repeat a route of the OpenAPI document.
        elif routes.setdefault(route.key, target).function != route.function:
            text = f"there is another route {route.key}; this one is not served"
            diagnostics.append(Diagnostic(route.location, text, fatal=False))
    return routes


def _find_problem(route: HttpRoute, served: Mapping[str, LocalFunction]) -> str | None:
    if problem := find_route_problem(route.key, route.kind):
        return f"route {route.key!r}: {problem}"
    function = served.get(route.function)
    if function is None:
        return f"route {route.key!r}: {route.function}, its function, is not served here"
    if route.qualifier is not None and route.qualifier not in function.qualifiers:
        return f"route {route.key!r}: {route.function} has no version or alias {route.qualifier!r}"
    return None


def _find_authorizer(route: HttpRoute, served: Mapping[str, LocalFunction]) -> str | None:
    authorizer = route.authorizer
    return authorizer.name if authorizer is not None and _find_obstacle(authorizer, served) is None else None


def _to_local(
    definition: HttpApiDefinition,
    routes: dict[str, LocalHttpRoute],
    authorizers: dict[str, LocalHttpAuthorizer],
    port: int,
) -> LocalHttpApi:
    return LocalHttpApi(
        definition.name,
        routes,
        kind=definition.kind,
        stage=definition.stage,
        stage_variables=definition.stage_variables,
        authorizers=authorizers,
        cors=None if definition.cors is None else _to_cors(definition.cors),
        binary_types=definition.binary_types,
        stream=definition.is_streamed,
        port=port,
    )


def _to_cors(cors: CorsSettings) -> LocalCors:
    return LocalCors(
        allow_origins=cors.allow_origins,
        allow_methods=cors.allow_methods,
        allow_headers=cors.allow_headers,
        expose_headers=cors.expose_headers,
        allow_credentials=cors.allow_credentials,
        max_age=cors.max_age,
    )
