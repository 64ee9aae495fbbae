"""The values that HTTP routes of all sources share: targets, CORS, stages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from lambdachain._core.type_guards import is_list, is_mapping

from .diagnostics import Diagnostic, Location, TemplateError
from .document import Path
from .http_authorizers import HttpAuthorizer
from .http_targets import parse_target_text, read_target, referenced_ids
from .properties import logical_ids, resource_type
from .scalars import to_text
from .template import Template

REST_API_TYPES: Final = ("AWS::Serverless::Api", "AWS::ApiGateway::RestApi")
HTTP_API_TYPES: Final = ("AWS::Serverless::HttpApi", "AWS::ApiGatewayV2::Api")

_STAGE_VARIABLE: Final = re.compile(r"\$\{stageVariables\.(\w+)\}")
_GLOBALS: Final = {"rest": "Api", "http": "HttpApi"}
# The stage of the API that SAM creates for functions that name none.
_IMPLICIT_STAGE: Final = "Prod"
_CORS_NAMES: Final = {
    "origins": ("AllowOrigins", "AllowOrigin", "allowOrigins", "allowedOrigins"),
    "methods": ("AllowMethods", "allowMethods", "allowedMethods"),
    "headers": ("AllowHeaders", "allowHeaders", "allowedHeaders"),
    "exposed": ("ExposeHeaders", "exposeHeaders", "exposedResponseHeaders"),
    "credentials": ("AllowCredentials", "allowCredentials"),
    "max_age": ("MaxAge", "maxAge"),
}


@dataclass(frozen=True, slots=True)
class CorsSettings:
    """CORS settings: lists of origins, methods and headers."""

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age: int | None = None


# What SAM makes of the value true.
_ALL: Final = CorsSettings(("*",), ("*",), ("*",))


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """A route of an HTTP API.

    Attributes:
        api: The logical id of the API.
        kind: A REST API, an HTTP API or a function URL.
        key: Its key: ``GET /orders/{id}`` or ``$default``.
        function: The name of its function.
        location: Where it is declared.
        qualifier: A version or an alias of the function.
        payload_format: The format of the events, if it is not the only one.
        timeout: Seconds to wait for the function, if it is set.
        authorizer: What decides whether a request may pass; ``None`` if every request may.
    """

    api: str
    kind: Literal["rest", "http", "url"]
    key: str
    function: str
    location: Location
    qualifier: str | None = None
    payload_format: Literal["1.0", "2.0"] | None = None
    timeout: float | None = None
    authorizer: HttpAuthorizer | None = None


@dataclass(frozen=True, slots=True)
class HttpApiSettings:
    """What concerns a whole API; *is_declared*: whether the template has a resource for it."""

    stage: str = "$default"
    cors: CorsSettings | None = None
    binary_types: tuple[str, ...] = ()
    stage_variables: Mapping[str, str] = field(default_factory=dict[str, str])
    is_declared: bool = True


@dataclass(frozen=True, slots=True)
class FunctionUrl:
    """The URL of a function, or of its alias."""

    function: str
    qualifier: str | None
    location: Location
    cors: CorsSettings | None
    is_streamed: bool


def read_api_settings(
    template: Template, api: str, kind: Literal["rest", "http", "url"], diagnostics: list[Diagnostic]
) -> HttpApiSettings:
    """Read the stage, the CORS settings and the binary media types of an API."""
    is_sam = resource_type(template.document, api) in ("AWS::Serverless::Api", "AWS::Serverless::HttpApi")
    is_declared = template.document.get("Resources", api) is not None
    roots: list[Path] = [("Resources", api, "Properties")] if is_declared else []
    if is_sam or not is_declared:
        roots.append(("Globals", _GLOBALS[kind]))
    reader = _SettingsReader(template, roots, diagnostics)
    default = _IMPLICIT_STAGE if not is_declared and kind == "rest" else "$default"
    stage = reader.get("StageName") or _find_stage(template, api, diagnostics) or default
    binary = reader.get("BinaryMediaTypes")
    # In OpenAPI documents, and so in SAM, ~1 stands for a slash.
    types = tuple(str(each).replace("~1", "/") for each in binary) if is_list(binary) else ()
    cors = parse_cors(reader.get("Cors" if kind == "rest" else "CorsConfiguration"))
    variables = reader.get("Variables" if kind == "rest" else "StageVariables")
    if not is_mapping(variables):
        variables = _find_stage_variables(template, api, diagnostics)
    texts = {name: to_text(value) for name, value in variables.items() if isinstance(value, str | int | float)}
    return HttpApiSettings(str(stage), cors, types, texts, is_declared)


def read_route_target(
    template: Template, api: str, kind: Literal["rest", "http"], *path: str | int
) -> tuple[str, str | None] | None:
    """Return the name and the qualifier of the function of a route, which may be variables of the API's stage.

    Returns:
        ``None`` if it is something else than a function, or if the stage does not have the variable.

    Raises:
        TemplateError: It cannot be resolved on this machine.
    """
    text = template.values.get(*path)
    if not isinstance(text, str) or "${stageVariables." not in text:
        return read_target(template, *path)
    # What is wrong with the settings is reported with the API.
    variables = read_api_settings(template, api, kind, []).stage_variables
    return parse_target_text(_STAGE_VARIABLE.sub(lambda match: variables.get(match[1], match[0]), text))


class _SettingsReader:
    """Reads the properties of an API: its own, then SAM's Globals."""

    def __init__(self, template: Template, roots: list[Path], diagnostics: list[Diagnostic]) -> None:
        self._template = template
        self._roots = roots
        self._diagnostics = diagnostics

    def get(self, name: str) -> Any:
        """Return the value of a property, or ``None``; one that cannot be resolved is reported."""
        for root in self._roots:
            try:
                if (value := self._template.values.get(*root, name)) is not None:
                    return value
            except TemplateError as exc:
                self._diagnostics.append(Diagnostic(exc.location, f"{exc.text}; the setting is left out", fatal=False))
        return None


def _find_stage(template: Template, api: str, diagnostics: list[Diagnostic]) -> str | None:
    """Return the name of the stage that is a resource of its own."""
    for path in _stage_resources(template, api):
        try:
            if (name := template.values.get(*path, "StageName")) is not None:
                return str(name)
        except TemplateError as exc:
            diagnostics.append(Diagnostic(exc.location, f"{exc.text}; the stage is left out", fatal=False))
    return None


def _find_stage_variables(template: Template, api: str, diagnostics: list[Diagnostic]) -> Mapping[str, Any]:
    """Return the variables of the stage that is a resource of its own."""
    for path in _stage_resources(template, api):
        for name in ("Variables", "StageVariables"):
            try:
                if is_mapping(variables := template.values.get(*path, name)):
                    return variables
            except TemplateError as exc:
                text = f"{exc.text}; the stage variables are left out"
                diagnostics.append(Diagnostic(exc.location, text, fatal=False))
    return {}


def _stage_resources(template: Template, api: str) -> Iterator[Path]:
    types = ("AWS::ApiGateway::Stage", "AWS::ApiGatewayV2::Stage", "AWS::ApiGateway::Deployment")
    for logical_id in logical_ids(template.document, *types):
        path: Path = ("Resources", logical_id, "Properties")
        owner = template.document.get(*path, "RestApiId") or template.document.get(*path, "ApiId")
        if api in referenced_ids(owner):
            yield path


def parse_cors(cors: Any) -> CorsSettings | None:
    """Convert CORS settings: of SAM, CloudFormation, or a ``serverless.yml``."""
    if cors is True:
        return _ALL
    if isinstance(cors, str):
        return CorsSettings(_parse_list(cors))
    if not is_mapping(cors):
        return None
    found = {name: _first(cors, keys) for name, keys in _CORS_NAMES.items()}
    max_age = str(found["max_age"]).strip("'")
    return CorsSettings(
        _parse_list(found["origins"]),
        _parse_list(found["methods"]),
        _parse_list(found["headers"]),
        _parse_list(found["exposed"]),
        str(found["credentials"]).strip("'").lower() == "true",
        int(max_age) if max_age.isdigit() else None,
    )


def _first(mapping: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((mapping[name] for name in names if mapping.get(name) is not None), None)


def _parse_list(value: Any) -> tuple[str, ...]:
    """Return the items of a list, or of a text with commas; SAM's REST APIs have it in single quotes."""
    if is_list(value):
        return tuple(str(item).strip("'") for item in value)
    return tuple(item.strip() for item in str(value).strip("'").split(",")) if value is not None else ()
