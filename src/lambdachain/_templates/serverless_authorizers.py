"""Convert the authorizers of a ``serverless.yml`` to SAM's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping

from .http_identity_sources import parse_identity_sources

# The framework's default for a REST API.
_DEFAULT_SOURCE: Final = "method.request.header.Authorization"
# SAM's lists of identity sources, by the place of the source.
_SAM_LISTS: Final[Mapping[str, str]] = {
    "header": "Headers",
    "querystring": "QueryStrings",
    "context": "Context",
    "stageVariables": "StageVariables",
}


def to_rest_authorizer(authorizer: Any, functions: Mapping[str, str]) -> tuple[str, dict[str, Any] | None]:
    """Return the name of an authorizer of an ``http`` event, and SAM's settings of it, if it is defined there.

    Args:
        authorizer: The setting of the event: the key of a function, an ARN, or a mapping.
        functions: The logical ids of the functions, by their keys.
    """
    settings: Mapping[str, Any] = authorizer if is_mapping(authorizer) else _split_reference(str(authorizer))
    kind = str(settings.get("type") or "token").lower()
    if kind == "aws_iam":
        return "AWS_IAM", None
    name = _find_name(settings)
    arn = settings.get("arn")
    if kind == "cognito_user_pools" or ":userpool/" in str(arn) or settings.get("authorizerId") is not None:
        # One that exists already is defined elsewhere.
        return name, None if settings.get("authorizerId") is not None else {"UserPoolArn": arn}
    target = _find_function(settings, functions)
    if target is None:
        return name, None
    is_token = kind != "request"
    uncached = str(settings.get("resultTtlInSeconds")) == "0"
    default = None if uncached and not is_token else _DEFAULT_SOURCE
    sources = parse_identity_sources(settings.get("identitySource", default))
    if is_token:
        identity: dict[str, Any] = {"Header": sources[0].partition(".")[2]} if sources else {}
        if settings.get("identityValidationExpression") is not None:
            identity["ValidationExpression"] = settings["identityValidationExpression"]
    else:
        identity = _to_identity(sources)
    return name, {"FunctionArn": target, "FunctionPayloadType": kind.upper(), "Identity": identity}


def to_http_authorizer(
    authorizer: Any, declared: Any, functions: Mapping[str, str]
) -> tuple[str, dict[str, Any] | None]:
    """Return the name of an authorizer of an ``httpApi`` event, and SAM's settings of it, if it is defined.

    Args:
        authorizer: The setting of the event: a name, or a mapping.
        declared: The authorizers of ``provider.httpApi``.
        functions: The logical ids of the functions, by their keys.
    """
    reference: Mapping[str, Any] = authorizer if is_mapping(authorizer) else {"name": authorizer}
    if str(reference.get("type")).lower() == "aws_iam":
        return "AWS_IAM", None
    name = _find_name(reference)
    settings = declared.get(name) if is_mapping(declared) else None
    if not is_mapping(settings) or reference.get("id") is not None:
        return name, None
    if str(settings.get("type")).lower() != "request":
        return name, {"JwtConfiguration": dict(settings)}
    target = _find_function({**settings, "name": settings.get("functionName", name)}, functions)
    if target is None:
        return name, None
    return name, {
        "FunctionArn": target,
        "AuthorizerPayloadFormatVersion": str(settings.get("payloadVersion") or "2.0"),
        "EnableSimpleResponses": settings.get("enableSimpleResponses", False),
        "Identity": _to_identity(parse_identity_sources(settings.get("identitySource"))),
    }


def _split_reference(text: str) -> dict[str, Any]:
    return {"arn": text} if text.startswith("arn:") else {"type": text} if text == "aws_iam" else {"name": text}


def _find_name(settings: Mapping[str, Any]) -> str:
    # The framework takes the name from the end of an ARN.
    return str(settings.get("name") or str(settings.get("arn") or settings.get("id") or "authorizer").split(":")[-1])


def _find_function(settings: Mapping[str, Any], functions: Mapping[str, str]) -> Any:
    arn = settings.get("functionArn") or settings.get("arn")
    if arn is not None:
        return arn
    logical_id = functions.get(str(settings.get("name")))
    return None if logical_id is None else {"Fn::GetAtt": [logical_id, "Arn"]}


def _to_identity(sources: tuple[str, ...]) -> dict[str, Any]:
    identity: dict[str, Any] = {}
    for source in sources:
        place, _, name = source.partition(".")
        identity.setdefault(_SAM_LISTS[place], []).append(name)
    return identity
