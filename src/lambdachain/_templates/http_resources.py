"""CloudFormation's own resources of API Gateway, and URLs of functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping

from .diagnostics import Diagnostic, TemplateError
from .document import Path
from .http_authorizers import read_resource_authorizer
from .http_route_keys import to_route_key
from .http_settings import HTTP_API_TYPES, FunctionUrl, HttpRoute, read_route_target
from .http_targets import read_target, referenced_ids
from .properties import logical_ids, resource_type
from .sam_http_events import to_function_url, to_seconds
from .template import Template

_NOT_SERVED: Final = "; the route is not served"
# A path of resources is no longer: deeper ones refer to each other in a circle.
_MAX_DEPTH: Final = 100


def read_rest_api_resources(template: Template, diagnostics: list[Diagnostic]) -> Iterator[HttpRoute]:
    """Yield the routes of ``AWS::ApiGateway::Method`` resources with a Lambda proxy integration."""
    for logical_id in _deployed(template, "AWS::ApiGateway::Method"):
        properties: Path = ("Resources", logical_id, "Properties")
        location = template.document.location("Resources", logical_id)
        try:
            kind = str(template.values.get(*properties, "Integration", "Type")).upper()
            if kind != "AWS_PROXY":
                # The mock methods that the CDK adds for CORS have no function, and a browser notices their lack.
                text = f"an integration of type {kind}{_NOT_SERVED}"
                diagnostics.append(Diagnostic(location, text, fatal=False))
                continue
            method = template.values.get(*properties, "HttpMethod")
            path = _build_path(template, template.document.get(*properties, "ResourceId"))
            api = next(referenced_ids(template.document.get(*properties, "RestApiId")), None)
            target = (
                None if api is None else read_route_target(template, api, "rest", *properties, "Integration", "Uri")
            )
            timeout = to_seconds(template.values.get(*properties, "Integration", "TimeoutInMillis"))
        except TemplateError as exc:
            diagnostics.append(Diagnostic(exc.location, exc.text + _NOT_SERVED, fatal=False))
            continue
        if target is None or path is None or api is None:
            text = f"the API, the path or the function cannot be determined{_NOT_SERVED}"
            diagnostics.append(Diagnostic(location, text, fatal=False))
            continue
        authorizer = read_resource_authorizer(template, properties)
        key = to_route_key(method, path)
        yield HttpRoute(api, "rest", key, target[0], location, target[1], "1.0", timeout, authorizer)


def read_http_api_resources(template: Template, diagnostics: list[Diagnostic]) -> Iterator[HttpRoute]:
    """Yield the routes of ``AWS::ApiGatewayV2::Route`` resources, and of APIs with a ``Target``."""
    for logical_id in _deployed(template, "AWS::ApiGatewayV2::Route"):
        properties: Path = ("Resources", logical_id, "Properties")
        location = template.document.location("Resources", logical_id)
        api = next(referenced_ids(template.document.get(*properties, "ApiId")), None)
        if api is not None and template.document.get("Resources", api, "Properties", "ProtocolType") == "WEBSOCKET":
            diagnostics.append(Diagnostic(location, f"a WebSocket API{_NOT_SERVED}", fatal=False))
            continue
        integration = next(
            (
                each
                for each in referenced_ids(template.document.get(*properties, "Target"))
                if resource_type(template.document, each) == "AWS::ApiGatewayV2::Integration"
            ),
            None,
        )
        if api is None or integration is None:
            text = f"the API or the integration is not in this template{_NOT_SERVED}"
            diagnostics.append(Diagnostic(location, text, fatal=False))
            continue
        yield from _read_v2_route(template, api, logical_id, integration, diagnostics)
    for logical_id in _deployed(template, *HTTP_API_TYPES):
        if template.document.get("Resources", logical_id, "Properties", "Target") is not None:
            yield from _read_quick_create(template, logical_id, diagnostics)


def read_function_urls(template: Template, diagnostics: list[Diagnostic]) -> Iterator[FunctionUrl]:
    """Yield the URLs that are ``AWS::Lambda::Url`` resources."""
    for logical_id in _deployed(template, "AWS::Lambda::Url"):
        properties: Path = ("Resources", logical_id, "Properties")
        try:
            target = read_target(template, *properties, "TargetFunctionArn")
            qualifier = template.values.get(*properties, "Qualifier")
            config = template.values.get(*properties)
        except TemplateError as exc:
            diagnostics.append(Diagnostic(exc.location, f"{exc.text}; the function URL is not served", fatal=False))
            continue
        if target is None or not is_mapping(config):
            text = "TargetFunctionArn is not a function; the function URL is not served"
            diagnostics.append(Diagnostic(template.document.location(*properties), text, fatal=False))
            continue
        alias = target[1] if qualifier is None else str(qualifier)
        yield to_function_url((target[0], alias), config, template, properties, diagnostics)


def _deployed(template: Template, *types: str) -> Iterator[str]:
    for logical_id in logical_ids(template.document, *types):
        try:
            if template.values.is_deployed(logical_id):
                yield logical_id
        except TemplateError:
            # What cannot be known to exist is served: on AWS a route that is missing is noticed at once.
            yield logical_id


def _build_path(template: Template, resource: Any) -> str | None:
    """Return the path of an API's resource, from its chain of parents, or ``None`` if it leaves the template.

    Raises:
        TemplateError: A part of it cannot be resolved.
    """
    parts: list[str] = []
    for _ in range(_MAX_DEPTH):
        logical_id = next(referenced_ids(resource), None)
        if logical_id is None:
            return None
        if resource_type(template.document, logical_id) != "AWS::ApiGateway::Resource":
            # RootResourceId of the API.
            return "/" + "/".join(reversed(parts))
        parts.append(str(template.values.get("Resources", logical_id, "Properties", "PathPart")))
        resource = template.document.get("Resources", logical_id, "Properties", "ParentId")
    return None


def _read_v2_route(
    template: Template, api: str, route: str, integration: str, diagnostics: list[Diagnostic]
) -> Iterator[HttpRoute]:
    location = template.document.location("Resources", route)
    properties: Path = ("Resources", integration, "Properties")
    try:
        key = str(template.values.get("Resources", route, "Properties", "RouteKey"))
        target = read_route_target(template, api, "http", *properties, "IntegrationUri")
        # CloudFormation requires the version with a Lambda integration; API Gateway's default is 1.0.
        payload_format = str(template.values.get(*properties, "PayloadFormatVersion") or "1.0")
        timeout = to_seconds(template.values.get(*properties, "TimeoutInMillis"))
    except TemplateError as exc:
        diagnostics.append(Diagnostic(exc.location, exc.text + _NOT_SERVED, fatal=False))
        return
    if target is None:
        diagnostics.append(Diagnostic(location, f"the integration is not a function{_NOT_SERVED}", fatal=False))
        return
    method, _, path = key.partition(" ")
    yield HttpRoute(
        api,
        "http",
        to_route_key(method, path),
        target[0],
        location,
        target[1],
        "2.0" if payload_format == "2.0" else "1.0",
        timeout,
        read_resource_authorizer(template, ("Resources", route, "Properties")),
    )


def _read_quick_create(template: Template, api: str, diagnostics: list[Diagnostic]) -> Iterator[HttpRoute]:
    properties: Path = ("Resources", api, "Properties")
    try:
        target = read_target(template, *properties, "Target")
        key = str(template.values.get(*properties, "RouteKey") or "$default")
    except TemplateError as exc:
        diagnostics.append(Diagnostic(exc.location, exc.text + _NOT_SERVED, fatal=False))
        return
    if target is not None:
        method, _, path = key.partition(" ")
        location = template.document.location("Resources", api)
        # The format of an API that is created with its target (API Gateway's reference of CreateApi).
        yield HttpRoute(api, "http", to_route_key(method, path), target[0], location, target[1], "2.0")
