"""Convert the HTTP events of a ``serverless.yml`` to SAM's: ``http``, ``httpApi`` and ``url``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lambdachain._core.type_guards import is_list, is_mapping

from .diagnostics import Diagnostic, UnresolvedValue
from .document import Document, Path
from .http_route_keys import to_route_key
from .serverless_authorizers import to_http_authorizer, to_rest_authorizer

# The logical ids that the framework gives its two APIs.
REST_API: Final = "ApiGatewayRestApi"
HTTP_API: Final = "HttpApi"

_PROXY: Final = frozenset({"aws_proxy", "aws-proxy", "lambda-proxy", "lambda_proxy"})
_NOT_SERVED: Final[Mapping[str, str]] = {
    "websocket": "a route of a WebSocket API",
    "alb": "a route of a load balancer",
}
# What the framework allows where an event has `cors: true`.
_REST_CORS: Final = {
    "AllowOrigin": "'*'",
    "AllowHeaders": "'Content-Type,X-Amz-Date,Authorization,X-Api-Key,X-Amz-Security-Token,X-Amz-User-Agent,"
    "X-Amzn-Trace-Id'",
}


@dataclass
class SamHttpEvents:
    """The HTTP events of a function as SAM has them.

    Attributes:
        events: The events by name.
        url: The ``FunctionUrlConfig``.
        rest_cors: The CORS settings of its events of the REST API, ``None`` for an event without.
        authorizers: SAM's settings of the authorizers that its events name, each with its path in the file, by the type
            of the event and their names.
        origins: The path of each event in the file.
        diagnostics: What is left out.
    """

    events: dict[str, Any] = field(default_factory=dict[str, Any])
    url: dict[str, Any] | None = None
    rest_cors: list[dict[str, str] | None] = field(default_factory=list[dict[str, str] | None])
    authorizers: dict[tuple[str, str], tuple[dict[str, Any], Path]] = field(
        default_factory=dict[tuple[str, str], tuple[dict[str, Any], Path]]
    )
    origins: dict[Path, Path] = field(default_factory=dict[Path, Path])
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])


def convert_http_events(document: Document, origin: Path, functions: Mapping[str, str]) -> SamHttpEvents:
    """Convert the events of the function at *origin*.

    Args:
        document: The ``serverless.yml``.
        origin: The path of the function.
        functions: The logical ids of all functions, by their keys.
    """
    found = SamHttpEvents()
    for path, kind, settings in _list_events(document, (*origin, "events")):
        if isinstance(settings, UnresolvedValue):
            found.diagnostics.append(
                Diagnostic(settings.location, f"{settings.text}; the route is not served", fatal=False)
            )
        elif kind == "http":
            _add_rest_event(found, document, path, settings, functions)
        elif kind == "httpApi":
            _add_http_event(found, document, path, settings, functions)
        elif kind in _NOT_SERVED:
            text = f"{_NOT_SERVED[kind]} cannot be served"
            found.diagnostics.append(Diagnostic(document.location(*path), text, fatal=False))
        elif kind == "httpUrl" and settings:
            _add_url(found, path, settings)
    if document.get(*origin, "url"):
        _add_url(found, (*origin, "url"), document.get(*origin, "url"))
    return found


def add_http_apis(
    tree: dict[str, dict[str, Any]], document: Document, found: list[SamHttpEvents], origins: dict[Path, Path]
) -> list[Diagnostic]:
    """Add the APIs that the events of all functions refer to, and return what is not as deployed.

    Args:
        tree: The template, which is changed.
        document: The ``serverless.yml``.
        found: The events of each function.
        origins: The paths in the file of what is in the template, which is changed.
    """
    used = {event["Type"] for each in found for event in each.events.values()}
    diagnostics: list[Diagnostic] = []
    if "Api" in used:
        cors = [each for events in found for each in events.rest_cors]
        settings: dict[str, Any] = {"StageName": document.get("provider", "stage")}
        first = next((each for each in cors if each is not None), None)
        if first is not None:
            settings["Cors"] = first
            if any(each != first for each in cors):
                text = "the CORS settings of one http event are used for every path of the REST API here"
                diagnostics.append(Diagnostic(document.location("functions"), text, fatal=False))
        binary = document.get("provider", "apiGateway", "binaryMediaTypes")
        if binary is not None:
            settings["BinaryMediaTypes"] = binary
        settings |= _to_auth(found, "Api", REST_API, origins)
        tree["Resources"].setdefault(REST_API, {"Type": "AWS::Serverless::Api", "Properties": settings})
    if "HttpApi" in used:
        http_cors = document.get("provider", "httpApi", "cors")
        properties: dict[str, Any] = {} if http_cors is None else {"CorsConfiguration": _to_http_cors(http_cors)}
        properties |= _to_auth(found, "HttpApi", HTTP_API, origins)
        tree["Resources"].setdefault(HTTP_API, {"Type": "AWS::Serverless::HttpApi", "Properties": properties})
    return diagnostics


def _to_auth(found: list[SamHttpEvents], kind: str, api: str, origins: dict[Path, Path]) -> dict[str, Any]:
    authorizers: dict[str, Any] = {}
    for events in found:
        for (own_kind, name), (settings, path) in events.authorizers.items():
            if own_kind == kind:
                authorizers[name] = settings
                origins["Resources", api, "Properties", "Auth", "Authorizers", name] = path
    return {"Auth": {"Authorizers": authorizers}} if authorizers else {}


def _list_events(document: Document, path: Path) -> Iterator[tuple[Path, str, Any]]:
    events = document.get(*path)
    for index, event in enumerate(events if is_list(events) else ()):
        for kind, settings in event.items() if is_mapping(event) else ():
            yield (*path, index), kind, settings


def _add_rest_event(
    found: SamHttpEvents, document: Document, path: Path, settings: Any, functions: Mapping[str, str]
) -> None:
    options: Mapping[str, Any] = settings if is_mapping(settings) else _split_key(settings)
    integration = str(options.get("integration") or "lambda-proxy").lower()
    if integration not in _PROXY:
        text = f"an http event with the integration {integration!r} cannot be served, only lambda-proxy"
        found.diagnostics.append(Diagnostic(document.location(*path), text, fatal=False))
        return
    cors = options.get("cors")
    found.rest_cors.append(_to_rest_cors(cors) if cors else None)
    # A path that is not known yet stays as it is, so that its error is reported where it is read.
    event_path = options.get("path")
    full = (
        event_path if isinstance(event_path, UnresolvedValue) else to_route_key("any", event_path or "/").split(" ")[-1]
    )
    properties = {"Path": full, "Method": options.get("method", "any"), "RestApiId": {"Ref": REST_API}}
    authorizer = options.get("authorizer")
    _add(found, path, "Api", properties)
    if authorizer is not None:
        name, own = to_rest_authorizer(authorizer, functions)
        _add_authorizer(found, "Api", properties, name, own, _find_authorizer(document, path))


def _add_http_event(
    found: SamHttpEvents, document: Document, path: Path, settings: Any, functions: Mapping[str, str]
) -> None:
    options: Mapping[str, Any] = settings if is_mapping(settings) else _split_key(settings)
    payload_format = document.get("provider", "httpApi", "payload")
    properties = {
        "Path": options.get("path") or "$default",
        "Method": options.get("method", "any"),
        "ApiId": {"Ref": HTTP_API},
        "PayloadFormatVersion": "2.0" if payload_format is None else payload_format,
    }
    authorizer = options.get("authorizer")
    declared = document.get("provider", "httpApi", "authorizers")
    _add(found, path, "HttpApi", properties)
    if authorizer is not None:
        name, own = to_http_authorizer(authorizer, declared, functions)
        _add_authorizer(found, "HttpApi", properties, name, own, ("provider", "httpApi", "authorizers", name))


def _add_authorizer(  # noqa: PLR0917 - what is added, and where
    found: SamHttpEvents, kind: str, properties: dict[str, Any], name: str, settings: dict[str, Any] | None, path: Path
) -> None:
    # The name of an authorizer that is not defined is reported where routes are read.
    properties["Auth"] = {"Authorizer": name}
    if settings is not None:
        found.authorizers[kind, name] = settings, path


def _find_authorizer(document: Document, path: Path) -> Path:
    """Return where the authorizer of an ``http`` event is written."""
    place: Path = (*path, "http", "authorizer")
    return place if document.get(*place) is not None else path


def _add(found: SamHttpEvents, path: Path, kind: str, properties: dict[str, Any]) -> None:
    name = f"Event{len(found.events)}"
    found.events[name] = {"Type": kind, "Properties": properties}
    found.origins["Events", name] = path


def _add_url(found: SamHttpEvents, path: Path, settings: Any) -> None:
    options: Mapping[str, Any] = settings if is_mapping(settings) else {}
    found.url = {"AuthType": "AWS_IAM" if options.get("authorizer") == "aws_iam" else "NONE"}
    if options.get("invokeMode") is not None:
        found.url["InvokeMode"] = options["invokeMode"]
    if (cors := options.get("cors")) is not None:
        found.url["Cors"] = _to_http_cors(cors)
    found.origins["FunctionUrlConfig",] = path


def _split_key(settings: Any) -> dict[str, Any]:
    """Split the short form ``GET /orders``; ``*`` is every request."""
    method, _, path = str(settings).strip().partition(" ")
    return {"method": method, "path": path.strip()} if path else {"path": "$default" if method == "*" else method}


def _to_rest_cors(cors: Any) -> dict[str, str]:
    if not is_mapping(cors):
        return dict(_REST_CORS)
    origins = cors.get("origins") or cors.get("origin") or "*"
    own = {"AllowOrigin": ",".join(map(str, origins)) if is_list(origins) else str(origins)}
    if (headers := cors.get("headers")) is not None:
        own["AllowHeaders"] = ",".join(map(str, headers)) if is_list(headers) else str(headers)
    if cors.get("allowCredentials"):
        own["AllowCredentials"] = "true"
    return {**_REST_CORS, **own}


def _to_http_cors(cors: Any) -> Any:
    # The framework's default is every origin, with the headers and methods of a common API.
    return dict(cors) if is_mapping(cors) else bool(cors)
