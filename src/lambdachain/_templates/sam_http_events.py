"""HTTP events and URLs of SAM functions, and OpenAPI documents with the integrations of API Gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from lambdachain._core.type_guards import is_mapping

from .diagnostics import Diagnostic, TemplateError
from .document import Path
from .http_authorizers import HttpAuthorizer, read_openapi_authorizer, read_sam_authorizer
from .http_route_keys import to_route_key
from .http_settings import HTTP_API_TYPES, REST_API_TYPES, FunctionUrl, HttpRoute, parse_cors, read_route_target
from .http_targets import referenced_ids
from .properties import SAM_FUNCTION, logical_ids, property_path
from .template import Template

_EVENTS: Final[Mapping[str, tuple[Literal["rest", "http"], str, str]]] = {
    "Api": ("rest", "RestApiId", "ServerlessRestApi"),
    "HttpApi": ("http", "ApiId", "ServerlessHttpApi"),
}
_METHODS: Final = frozenset(
    {"get", "head", "post", "put", "patch", "delete", "options", "x-amazon-apigateway-any-method"}
)
_INTEGRATION: Final = "x-amazon-apigateway-integration"
_NOT_SERVED: Final = "; the route is not served"


def read_sam_events(template: Template, diagnostics: list[Diagnostic]) -> Iterator[HttpRoute]:
    """Yield the routes of the events ``Api`` and ``HttpApi``."""
    for logical_id in _deployed_functions(template):
        path: Path = ("Resources", logical_id, "Properties", "Events")
        try:
            events = template.values.get_members(*path)
            for name in events:
                if (route := _read_event(template, logical_id, (*path, name), diagnostics)) is not None:
                    yield route
        except TemplateError as exc:
            diagnostics.append(_not_served(exc))


def read_sam_function_urls(template: Template, diagnostics: list[Diagnostic]) -> Iterator[FunctionUrl]:
    """Yield the URLs of functions with a ``FunctionUrlConfig``."""
    for logical_id in _deployed_functions(template):
        path = property_path(logical_id, "FunctionUrlConfig")
        try:
            config = template.values.get(*path)
            if is_mapping(config):
                yield to_function_url(_own_target(template, logical_id), config, template, path, diagnostics)
        except TemplateError as exc:
            diagnostics.append(Diagnostic(exc.location, f"{exc.text}; the function URL is not served", fatal=False))


def to_function_url(
    target: tuple[str, str | None],
    config: Mapping[str, Any],
    template: Template,
    path: Path,
    diagnostics: list[Diagnostic],
) -> FunctionUrl:
    """Convert the settings of a function URL, of SAM or of CloudFormation."""
    location = template.document.location(*path)
    if config.get("AuthType") == "AWS_IAM":
        text = "AuthType AWS_IAM is not checked: every request is accepted, without requestContext.authorizer"
        diagnostics.append(Diagnostic(location, text, fatal=False))
    name, qualifier = target
    return FunctionUrl(
        name, qualifier, location, parse_cors(config.get("Cors")), config.get("InvokeMode") == "RESPONSE_STREAM"
    )


def read_definition_bodies(template: Template, diagnostics: list[Diagnostic]) -> Iterator[HttpRoute]:
    """Yield the routes of OpenAPI documents that are written in the template."""
    kinds: tuple[tuple[tuple[str, ...], Literal["rest", "http"]], ...] = (
        (REST_API_TYPES, "rest"),
        (HTTP_API_TYPES, "http"),
    )
    for types, kind in kinds:
        for logical_id in logical_ids(template.document, *types):
            for name in ("DefinitionBody", "Body"):
                path: Path = ("Resources", logical_id, "Properties", name)
                yield from _read_paths(template, logical_id, kind, path, diagnostics)
            _report_remote(template, logical_id, diagnostics)


def _report_remote(template: Template, logical_id: str, diagnostics: list[Diagnostic]) -> None:
    """Report an OpenAPI document that is not on this machine."""
    for name in ("DefinitionUri", "BodyS3Location"):
        path: Path = ("Resources", logical_id, "Properties", name)
        value = template.document.get(*path)
        if value is not None and (not isinstance(value, str) or "://" in value):
            text = "the OpenAPI document is not on this machine: its routes are not served"
            diagnostics.append(Diagnostic(template.document.location(*path), text, fatal=False))


def _deployed_functions(template: Template) -> Iterator[str]:
    for logical_id in logical_ids(template.document, SAM_FUNCTION):
        try:
            if template.values.is_deployed(logical_id):
                yield logical_id
        except TemplateError:
            # Reported with the function itself.
            continue


def _own_target(template: Template, logical_id: str) -> tuple[str, str | None]:
    """Return the name of a function and the alias that SAM's events and URLs go to."""
    alias = template.values.get(*property_path(logical_id, "AutoPublishAlias"))
    return template.values.resource_name(logical_id), None if alias is None else str(alias)


def _read_event(template: Template, logical_id: str, path: Path, diagnostics: list[Diagnostic]) -> HttpRoute | None:
    try:
        known = _EVENTS.get(str(template.values.get(*path, "Type")))
        if known is None:
            return None
        kind, reference, implicit = known
        settings = {
            name: template.values.get(*path, "Properties", name)
            for name in ("Path", "Method", "PayloadFormatVersion", "TimeoutInMillis")
        }
        function, alias = _own_target(template, logical_id)
    except TemplateError as exc:
        diagnostics.append(_not_served(exc))
        return None
    location = template.document.location(*path)
    owner = template.document.get(*path, "Properties", reference)
    api = implicit if owner is None else next(referenced_ids(owner), owner if isinstance(owner, str) else None)
    if api is None:
        diagnostics.append(
            Diagnostic(location, f"{reference} does not refer to an API of this template{_NOT_SERVED}", fatal=False)
        )
        return None
    authorizer = read_sam_authorizer(template, api, kind, (*path, "Properties"))
    payload_format: Literal["1.0", "2.0"] = (
        "1.0" if kind == "rest" or str(settings["PayloadFormatVersion"]) == "1.0" else "2.0"
    )
    key = to_route_key(settings["Method"], settings["Path"])
    timeout = to_seconds(settings["TimeoutInMillis"])
    return HttpRoute(api, kind, key, function, location, alias, payload_format, timeout, authorizer)


def to_seconds(milliseconds: Any) -> float | None:
    """Convert the timeout of an integration."""
    text = str(milliseconds)
    return int(text) / 1000 if text.isascii() and text.isdigit() and int(text) else None


def _read_paths(
    template: Template, api: str, kind: Literal["rest", "http"], path: Path, diagnostics: list[Diagnostic]
) -> Iterator[HttpRoute]:
    try:
        for route_path in template.values.get_members(*path, "paths"):
            for method in template.values.get_members(*path, "paths", route_path):
                if method.lower() in _METHODS:
                    place = (*path, "paths", route_path, method)
                    route = _read_operation(template, api, kind, place, diagnostics)
                    if route is not None:
                        yield replace(route, authorizer=_read_authorizer(template, api, kind, path, place))
    except TemplateError as exc:
        diagnostics.append(_not_served(exc))


def _read_authorizer(
    template: Template, api: str, kind: Literal["rest", "http"], document: Path, operation: Path
) -> HttpAuthorizer | None:
    has_own, authorizer = read_openapi_authorizer(template, document, operation)
    # SAM adds the API's default authorizer to operations without security.
    return authorizer if has_own else read_sam_authorizer(template, api, kind)


def _read_operation(
    template: Template, api: str, kind: Literal["rest", "http"], path: Path, diagnostics: list[Diagnostic]
) -> HttpRoute | None:
    location = template.document.location(*path)
    integration = (*path, _INTEGRATION)
    try:
        settings = template.values.get_members(*integration)
        # SAM adds the integration where an event has the same path; others, such as mocks, have no function.
        if str(template.values.get(*integration, "type")).lower() != "aws_proxy":
            if settings:
                text = f"an integration of type {settings.get('type')}{_NOT_SERVED}"
                diagnostics.append(Diagnostic(location, text, fatal=False))
            return None
        target = read_route_target(template, api, kind, *integration, "uri")
        payload_format = str(template.values.get(*integration, "payloadFormatVersion"))
        timeout = to_seconds(template.values.get(*integration, "timeoutInMillis"))
    except TemplateError as exc:
        diagnostics.append(_not_served(exc))
        return None
    if target is None:
        diagnostics.append(Diagnostic(location, f"the integration is not a function{_NOT_SERVED}", fatal=False))
        return None
    key = to_route_key(path[-1], path[-2])
    return HttpRoute(
        api, kind, key, target[0], location, target[1], "2.0" if payload_format == "2.0" else "1.0", timeout
    )


def _not_served(exc: TemplateError) -> Diagnostic:
    return Diagnostic(exc.location, exc.text + _NOT_SERVED, fatal=False)
