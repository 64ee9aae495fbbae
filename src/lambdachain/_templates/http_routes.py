"""Read the HTTP APIs and function URLs of a template: which request invokes which function.

Sources: events of SAM functions (a ``serverless.yml`` is converted to these), OpenAPI documents in a template, the
resources of API Gateway, and the URLs of functions. A route that cannot be determined is a `Diagnostic`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from .diagnostics import Diagnostic, Location
from .http_resources import read_function_urls, read_http_api_resources, read_rest_api_resources
from .http_settings import CorsSettings, HttpRoute, read_api_settings
from .sam_http_events import read_definition_bodies, read_sam_events, read_sam_function_urls
from .template import Template

HttpApiKind = Literal["rest", "http", "url"]


@dataclass(frozen=True, slots=True)
class HttpApiDefinition:
    """An HTTP API or a function URL as its template defines it.

    Attributes:
        name: Its logical id; of a function URL, the name of the function, with its alias if there is one.
        kind: A REST API, an HTTP API or a function URL.
        routes: Its routes.
        location: Where it is declared.
        stage: Its stage.
        cors: Its CORS settings.
        binary_types: Media types that a REST API encodes as base64.
        is_streamed: Whether the function's response is streamed.
        stage_variables: The variables of its stage.
    """

    name: str
    kind: HttpApiKind
    routes: tuple[HttpRoute, ...]
    location: Location
    stage: str = "$default"
    cors: CorsSettings | None = None
    binary_types: tuple[str, ...] = ()
    is_streamed: bool = False
    stage_variables: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class HttpDefinitions:
    """The HTTP APIs of a template, and what of them cannot be determined."""

    apis: tuple[HttpApiDefinition, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = field(default=())


def read_http_apis(template: Template) -> HttpDefinitions:
    """Read every HTTP API and function URL that invokes a function, in the template's order."""
    diagnostics = list(template.document.http_diagnostics)
    apis: dict[str, HttpApiDefinition] = {}
    for route in _read_routes(template, diagnostics):
        api = apis.get(route.api)
        if api is None:
            api = _to_api(template, route, diagnostics)
        apis[route.api] = replace(api, routes=(*api.routes, route))
    urls = _read_urls(template, diagnostics)
    return HttpDefinitions((*apis.values(), *urls), tuple(dict.fromkeys(diagnostics)))


def merge_http_definitions(parts: Iterable[HttpDefinitions]) -> HttpDefinitions:
    """Merge the definitions of several templates."""
    found = list(parts)
    return HttpDefinitions(
        tuple(api for part in found for api in part.apis),
        tuple(diagnostic for part in found for diagnostic in part.diagnostics),
    )


def _read_routes(template: Template, diagnostics: list[Diagnostic]) -> Iterator[HttpRoute]:
    readers: tuple[Callable[[Template, list[Diagnostic]], Iterator[HttpRoute]], ...] = (
        read_sam_events,
        read_definition_bodies,
        read_rest_api_resources,
        read_http_api_resources,
    )
    for read in readers:
        yield from read(template, diagnostics)


def _to_api(template: Template, route: HttpRoute, diagnostics: list[Diagnostic]) -> HttpApiDefinition:
    settings = read_api_settings(template, route.api, route.kind, diagnostics)
    return HttpApiDefinition(
        route.api,
        route.kind,
        (),
        template.document.location("Resources", route.api) if settings.is_declared else route.location,
        settings.stage,
        settings.cors,
        settings.binary_types,
        stage_variables=settings.stage_variables,
    )


def _read_urls(template: Template, diagnostics: list[Diagnostic]) -> Iterator[HttpApiDefinition]:
    for read in (read_sam_function_urls, read_function_urls):
        for url in read(template, diagnostics):
            name = url.function if url.qualifier is None else f"{url.function}:{url.qualifier}"
            route = HttpRoute(name, "url", "$default", url.function, url.location, url.qualifier)
            yield HttpApiDefinition(name, "url", (route,), url.location, cors=url.cors, is_streamed=url.is_streamed)
