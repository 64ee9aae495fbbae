"""The values that HTTP routes of all sources share: targets, CORS, stages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from lambdachain._core.arn import parse_target
from lambdachain._core.errors import InvalidArnError
from lambdachain._core.type_guards import is_list, is_mapping

from .diagnostics import Diagnostic, Location, TemplateError
from .document import Path
from .properties import logical_ids, resource_type
from .template import Template

REST_API_TYPES: Final = ("AWS::Serverless::Api", "AWS::ApiGateway::RestApi")
HTTP_API_TYPES: Final = ("AWS::Serverless::HttpApi", "AWS::ApiGatewayV2::Api")

_GLOBALS: Final = {"rest": "Api", "http": "HttpApi"}
# The stage of the API that SAM creates for functions that name none.
_IMPLICIT_STAGE: Final = "Prod"
_INVOCATION_URI: Final = re.compile(r"functions/(?P<arn>[^/]+)/invocations")
_PLACEHOLDER: Final = re.compile(r"\$\{([A-Za-z0-9]+)[^}]*\}")
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
    """

    api: str
    kind: Literal["rest", "http", "url"]
    key: str
    function: str
    location: Location
    qualifier: str | None = None
    payload_format: Literal["1.0", "2.0"] | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class HttpApiSettings:
    """What concerns a whole API; *is_declared*: whether the template has a resource for it."""

    stage: str = "$default"
    cors: CorsSettings | None = None
    binary_types: tuple[str, ...] = ()
    is_declared: bool = True


@dataclass(frozen=True, slots=True)
class FunctionUrl:
    """The URL of a function, or of its alias."""

    function: str
    qualifier: str | None
    location: Location
    cors: CorsSettings | None
    is_streamed: bool


def read_target(template: Template, *path: str | int) -> tuple[str, str | None] | None:
    """Return the name and the qualifier of the function at *path*: an ARN, a name, or the URI of an integration.

    Returns:
        ``None`` if it is something else than a function.

    Raises:
        TemplateError: It cannot be resolved on this machine.
    """
    value = template.values.get(*path)
    text = "" if value is None else str(value)
    if match := _INVOCATION_URI.search(text):
        text = match["arn"]
    try:
        target = parse_target(text)
    except InvalidArnError:
        return None
    return target.name, target.qualifier


def referenced_ids(tree: Any) -> Iterator[str]:
    """Yield the logical ids that a tree refers to, by ``Ref``, ``Fn::GetAtt`` or ``Fn::Sub``."""
    if is_list(tree):
        for item in tree:
            yield from referenced_ids(item)
    if not is_mapping(tree):
        return
    for name, argument in tree.items():
        if name == "Ref":
            yield str(argument)
        elif name == "Fn::GetAtt":
            yield str(argument[0] if is_list(argument) else argument).split(".", 1)[0]
        elif name == "Fn::Sub":
            yield from _PLACEHOLDER.findall(str(argument[0] if is_list(argument) else argument))
            yield from referenced_ids(argument)
        else:
            yield from referenced_ids(argument)


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
    reader.warn_of_authorizers(api)
    return HttpApiSettings(str(stage), cors, types, is_declared)


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

    def warn_of_authorizers(self, api: str) -> None:
        """Report authorizers, which do not run here."""
        for root in self._roots:
            auth = self._template.document.get(*root, "Auth")
            if is_mapping(auth) and auth.get("DefaultAuthorizer") is not None:
                location = self._template.document.location(*root, "Auth")
                text = f"the authorizers of {api} are not run: requests are accepted, without requestContext.authorizer"
                self._diagnostics.append(Diagnostic(location, text, fatal=False))


def _find_stage(template: Template, api: str, diagnostics: list[Diagnostic]) -> str | None:
    """Return the name of the stage that is a resource of its own."""
    types = ("AWS::ApiGateway::Stage", "AWS::ApiGatewayV2::Stage", "AWS::ApiGateway::Deployment")
    for logical_id in logical_ids(template.document, *types):
        path = ("Resources", logical_id, "Properties")
        owner = template.document.get(*path, "RestApiId") or template.document.get(*path, "ApiId")
        if api not in referenced_ids(owner):
            continue
        try:
            if (name := template.values.get(*path, "StageName")) is not None:
                return str(name)
        except TemplateError as exc:
            diagnostics.append(Diagnostic(exc.location, f"{exc.text}; the stage is left out", fatal=False))
    return None


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
