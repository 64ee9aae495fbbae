"""HTTP requests to events, by the settings of a local API or function URL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from lambdachain._lambda_api.proxy_events import HttpRequest, PayloadFormat, ProxyIntegration, to_proxy_event

from ._http_api import LocalHttpApi
from ._http_routes import MatchedRoute


def to_event(
    api: LocalHttpApi,
    request: HttpRequest,
    route: MatchedRoute,
    account_id: str,
    payload_format: PayloadFormat | None = None,
) -> dict[str, Any]:
    """Convert a request to the event that its function receives; by default in the payload format of the route."""
    integration = get_integration(api, request, route, account_id)
    if payload_format is not None:
        integration = replace(integration, payload_format=payload_format)
    return to_proxy_event(integration, request)


def get_integration(api: LocalHttpApi, request: HttpRequest, route: MatchedRoute, account_id: str) -> ProxyIntegration:
    """Return how an API passes a request to the function of a route."""
    return ProxyIntegration(
        kind=api.kind,
        payload_format=api.payload_format(route.target),
        api_id=api_id(api),
        # Requests without a signature have no account: what a function URL without IAM sees.
        account_id="anonymous" if api.kind == "url" else account_id,
        path=_event_path(api, request, route),
        stage=api.stage,
        stage_variables=api.stage_variables,
        route_key=route.key,
        path_parameters=route.parameters,
        binary_types=api.binary_types if api.kind == "rest" else None,
    )


def _event_path(api: LocalHttpApi, request: HttpRequest, route: MatchedRoute) -> str:
    """Return the path: an HTTP API decodes it (published), and a function URL passes it as it is."""
    if api.kind == "url":
        return unquote(request.path) if api.payload_format(route.target) == "1.0" else request.path
    # A REST API leaves the path encoded and without the stage (published), an HTTP API decodes it (published); with the
    # stage (assumed from rawPath).
    return route.path if api.kind == "rest" else unquote(request.path)


def api_id(api: LocalHttpApi) -> str:
    """Return an id in the form of AWS's: lower-case letters and digits of the API's name."""
    return "".join(character for character in api.name.lower() if character.isascii() and character.isalnum())
