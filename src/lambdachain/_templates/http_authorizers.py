"""Authorizers of HTTP APIs: the functions that decide whether a request may pass, and those that are not functions.

Sources: ``Auth`` of SAM (a ``serverless.yml`` is converted to it), the authorizers of API Gateway's resources, and the
security schemes of OpenAPI documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from lambdachain._core.type_guards import is_list, is_mapping

from .diagnostics import Location, TemplateError
from .document import Path
from .http_identity_sources import parse_identity_sources
from .http_targets import read_target, referenced_ids
from .template import Template

# SAM's names of these places: lists of names in `Identity`.
_SAM_IDENTITY: Final[Mapping[str, str]] = {
    "Headers": "header",
    "QueryStrings": "querystring",
    "Context": "context",
    "StageVariables": "stageVariables",
}
_GLOBALS: Final[Mapping[str, str]] = {"rest": "Api", "http": "HttpApi"}
_AUTHORIZATION: Final = "header.Authorization"
_EXTENSION: Final = "x-amazon-apigateway-authorizer"
_SCHEMES: Final[tuple[Path, ...]] = (("securityDefinitions",), ("components", "securitySchemes"))
_IAM: Final = ("AWS_IAM", "sigv4")
_Reader: TypeAlias = Callable[[Template, str, Path], "HttpAuthorizer"]


@dataclass(frozen=True, slots=True)
class HttpAuthorizer:
    """An authorizer of an HTTP API.

    Attributes:
        name: Its name, or its logical id.
        location: Where it is declared.
        obstacle: Why it cannot run here; ``None`` if it is a function.
        function: The name of the function.
        qualifier: A version or an alias of it.
        kind: What a REST API passes to it.
        identity_sources: What a request must have: ``header.Authorization``.
        token_pattern: The regular expression that a token must match.
        payload_format: The format of the event of an HTTP API.
        simple_responses: Whether it returns ``isAuthorized`` instead of a policy.
    """

    name: str
    location: Location
    obstacle: str | None = None
    function: str = ""
    qualifier: str | None = None
    kind: Literal["token", "request"] = "request"
    identity_sources: tuple[str, ...] = ()
    token_pattern: str | None = None
    payload_format: Literal["1.0", "2.0"] = "2.0"
    simple_responses: bool = False


def read_sam_authorizer(
    template: Template, api: str, kind: Literal["rest", "http"], event: Path | None = None
) -> HttpAuthorizer | None:
    """Return the authorizer of an event of SAM, or of all routes of an API: its own, or else the API's default.

    Args:
        template: The template.
        api: The logical id of the API.
        kind: The kind of the API.
        event: The path of the event's properties.
    """
    roots: tuple[Path, ...] = (("Resources", api, "Properties", "Auth"), ("Globals", _GLOBALS[kind], "Auth"))
    settings: list[Path] = [] if event is None else [(*event, "Auth", "Authorizer")]
    settings += [(*root, "DefaultAuthorizer") for root in roots]
    setting = next((path for path in settings if template.document.get(*path) is not None), None)
    if setting is None:
        return None
    # Of the event itself: that of a serverless.yml has no `Auth`.
    location = template.document.location(*(setting[:-3] if setting == settings[0] and event else setting[:-1]))
    try:
        name = template.values.get(*setting)
    except TemplateError as exc:
        return HttpAuthorizer(str(setting[-1]), exc.location, exc.text)
    return None if name == "NONE" else _find_sam_authorizer(template, name, location, roots)


def _find_sam_authorizer(template: Template, name: Any, location: Location, roots: tuple[Path, ...]) -> HttpAuthorizer:
    if not isinstance(name, str):
        return HttpAuthorizer("Authorizer", location, "its name is not text")
    if name in _IAM:
        return HttpAuthorizer(name, location, "signatures are not checked")
    for root in roots:
        path: Path = (*root, "Authorizers", name)
        if is_mapping(template.document.get(*path)):
            return _try_to_read(template, name, path, _read_sam)
    return HttpAuthorizer(name, location, "it is not defined in this template")


def read_resource_authorizer(template: Template, path: Path) -> HttpAuthorizer | None:
    """Return the authorizer of a method or a route that is a resource, with its properties at *path*."""
    kind = template.document.get(*path, "AuthorizationType")
    location = template.document.location(*path, "AuthorizationType")
    if kind is None or kind == "NONE":
        return None
    if kind in _IAM:
        return HttpAuthorizer("AWS_IAM", location, "signatures are not checked")
    logical_id = next(referenced_ids(template.document.get(*path, "AuthorizerId")), None)
    properties: Path = ("Resources", str(logical_id), "Properties")
    if logical_id is None or not is_mapping(template.document.get(*properties)):
        return HttpAuthorizer(logical_id or str(kind), location, "it is not in this template")
    return _try_to_read(template, logical_id, properties, _read_resource)


def read_openapi_authorizer(template: Template, document: Path, operation: Path) -> tuple[bool, HttpAuthorizer | None]:
    """Return whether an operation of an OpenAPI document has security of its own, and its authorizer.

    Args:
        template: The template.
        document: The path of the OpenAPI document.
        operation: The path of the operation.
    """
    for path in (operation, document):
        security = template.document.get(*path, "security")
        if is_list(security):
            names = (str(name) for each in security if is_mapping(each) for name in each)
            found = (_read_scheme(template, document, name) for name in names)
            return True, next((each for each in found if each is not None), None)
    return False, None


def _read_scheme(template: Template, document: Path, name: str) -> HttpAuthorizer | None:
    for place in _SCHEMES:
        path: Path = (*document, *place, name)
        if not is_mapping(template.document.get(*path)):
            continue
        if is_mapping(template.document.get(*path, _EXTENSION)):
            return _try_to_read(template, name, path, _read_extension)
        if "awsSigv4" in str(template.document.get(*path, "x-amazon-apigateway-authtype")):
            return HttpAuthorizer(name, template.document.location(*path), "signatures are not checked")
    # An API key, for example.
    return None


def _try_to_read(template: Template, name: str, path: Path, read: _Reader) -> HttpAuthorizer:
    try:
        return read(template, name, path)
    except TemplateError as exc:
        return HttpAuthorizer(name, exc.location, exc.text)


def _read_sam(template: Template, name: str, path: Path) -> HttpAuthorizer:
    settings = template.values.get_members(*path)
    if "UserPoolArn" in settings:
        return HttpAuthorizer(name, template.document.location(*path), "a Cognito user pool is not here")
    if "JwtConfiguration" in settings:
        return HttpAuthorizer(name, template.document.location(*path), "JSON Web Tokens are not checked")
    is_token = "AuthorizerPayloadFormatVersion" not in settings and settings.get("FunctionPayloadType") != "REQUEST"
    header = template.values.get(*path, "Identity", "Header") if is_token else None
    pattern = template.values.get(*path, "Identity", "ValidationExpression") if is_token else None
    sources = (f"header.{header}" if header else _AUTHORIZATION,) if is_token else _read_sam_sources(template, path)
    return _to_authorizer(
        template,
        name,
        path,
        (*path, "FunctionArn"),
        kind="token" if is_token else "request",
        identity_sources=sources,
        token_pattern=None if pattern is None else str(pattern),
        payload_format=template.values.get(*path, "AuthorizerPayloadFormatVersion"),
        simple_responses=template.values.get(*path, "EnableSimpleResponses"),
    )


def _read_sam_sources(template: Template, path: Path) -> tuple[str, ...]:
    found: list[str] = []
    for setting, place in _SAM_IDENTITY.items():
        names = template.values.get(*path, "Identity", setting)
        found += [f"{place}.{name}" for name in (names if is_list(names) else ())]
    return parse_identity_sources(found)


def _read_resource(template: Template, name: str, path: Path) -> HttpAuthorizer:
    values = template.values
    kind = str(values.get(*path, "Type") or values.get(*path, "AuthorizerType")).lower()
    if (obstacle := _find_obstacle(kind)) is not None:
        return HttpAuthorizer(name, template.document.location(*path), obstacle)
    pattern = values.get(*path, "IdentityValidationExpression")
    return _to_authorizer(
        template,
        name,
        path,
        (*path, "AuthorizerUri"),
        kind=kind,
        identity_sources=parse_identity_sources(values.get(*path, "IdentitySource")),
        token_pattern=None if pattern is None or kind != "token" else str(pattern),
        payload_format=values.get(*path, "AuthorizerPayloadFormatVersion"),
        simple_responses=values.get(*path, "EnableSimpleResponses"),
    )


def _read_extension(template: Template, name: str, path: Path) -> HttpAuthorizer:
    place: Path = (*path, _EXTENSION)
    values = template.values
    kind = str(values.get(*place, "type")).lower()
    if (obstacle := _find_obstacle(kind)) is not None:
        return HttpAuthorizer(name, template.document.location(*path), obstacle)
    pattern = values.get(*place, "identityValidationExpression")
    sources = parse_identity_sources(values.get(*place, "identitySource"))
    if kind == "token":
        header = values.get(*path, "name")
        sources = sources[:1] or ((f"header.{header}",) if header else ())
    return _to_authorizer(
        template,
        name,
        path,
        (*place, "authorizerUri"),
        kind=kind,
        identity_sources=sources,
        token_pattern=None if pattern is None or kind != "token" else str(pattern),
        payload_format=values.get(*place, "authorizerPayloadFormatVersion"),
        simple_responses=values.get(*place, "enableSimpleResponses"),
    )


def _find_obstacle(kind: str) -> str | None:
    if kind in ("token", "request"):
        return None
    known = {"cognito_user_pools": "a Cognito user pool is not here", "jwt": "JSON Web Tokens are not checked"}
    return known.get(kind, f"authorizers of the type {kind!r} are not known")


def _to_authorizer(template: Template, name: str, path: Path, target: Path, **settings: Any) -> HttpAuthorizer:
    location = template.document.location(*path)
    found = read_target(template, *target)
    if found is None:
        return HttpAuthorizer(name, location, f"its {target[-1]} is not a function")
    is_token = settings["kind"] == "token"
    sources = parse_identity_sources(list(settings["identity_sources"]))
    # A token is one header.
    sources = (sources[:1] or (_AUTHORIZATION,)) if is_token else sources
    return HttpAuthorizer(
        name,
        location,
        None,
        *found,
        kind="token" if is_token else "request",
        identity_sources=sources,
        token_pattern=settings["token_pattern"],
        payload_format="1.0" if str(settings["payload_format"]) == "1.0" else "2.0",
        simple_responses=str(settings["simple_responses"]).lower() == "true",
    )
