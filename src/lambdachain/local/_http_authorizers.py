"""Lambda authorizers: what they receive, and what their results mean for a request.

The events and the rules of results are those of API Gateway's developer guides; the texts of responses were *published*
by AWS's support articles. API Gateway may cache results; here, an authorizer runs for each request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from lambdachain._core.arn import partition_for
from lambdachain._core.type_guards import is_list, is_mapping
from lambdachain._lambda_api.aws_location import AwsLocation
from lambdachain._lambda_api.delivery import InvocationResult

from ._http_api import LocalHttpApi, LocalHttpAuthorizer
from ._http_events import HttpRequest, api_id, to_event
from ._http_responses import Rejection
from ._http_routes import MatchedRoute

# Seconds. Of HTTP APIs a documented quota; a REST API waits at most as long as for an integration (assumed).
AUTHORIZER_TIMEOUTS: Final[Mapping[str, float]] = {"rest": 29.0, "http": 10.0}

_INVOKE: Final = "execute-api:Invoke"
_UNAUTHORIZED: Final = "Unauthorized"
_BODY: Final = frozenset({"body", "isBase64Encoded"})
# Null in the event of a REST API's integration, and empty in its authorizer's (the examples of the developer guide).
_MAPS: Final = (
    "queryStringParameters",
    "multiValueQueryStringParameters",
    "pathParameters",
    "stageVariables",
)


@dataclass(frozen=True, slots=True)
class AuthorizerContext:
    """What an authorizer that lets a request pass adds to the event of the route's function.

    Attributes:
        principal: The ``principalId``; a simple response has none.
        values: The ``context``.
    """

    principal: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


class NotAuthorizedError(Exception):
    """The request does not pass.

    Attributes:
        rejection: What kind of rejection it is.
    """

    def __init__(self, rejection: Rejection, text: str) -> None:
        super().__init__(text)
        self.rejection: Rejection = rejection


def find_identity(authorizer: LocalHttpAuthorizer, api: LocalHttpApi, request: HttpRequest, event: Any) -> list[str]:
    """Return the values of the identity sources.

    Args:
        authorizer: The authorizer.
        api: The API.
        request: The request.
        event: The event of the route's function, which has the context.

    Raises:
        NotAuthorizedError: One is missing or empty, or the token does not match the pattern.
    """
    values: list[str] = []
    for source in authorizer.identity_sources:
        value = _find_source(source, api, request, event)
        if not value:
            raise NotAuthorizedError("unauthorized", f"the request has no {source}")
        values.append(value)
    pattern = authorizer.token_pattern
    if pattern is not None and values and not re.fullmatch(pattern, values[0]):
        raise NotAuthorizedError("unauthorized", f"{authorizer.identity_sources[0]} does not match the pattern")
    return values


def to_authorizer_event(
    authorizer: LocalHttpAuthorizer,
    api: LocalHttpApi,
    request: HttpRequest,
    route: MatchedRoute,
    location: AwsLocation,
) -> tuple[dict[str, Any], str]:
    """Convert a request to the event of its authorizer, and return it with the ARN of what is requested.

    Raises:
        NotAuthorizedError: The request lacks the identity that the authorizer needs.
    """
    event = _to_route_event(authorizer, api, request, route, location)
    identity = find_identity(authorizer, api, request, event)
    arn = build_method_arn(api, request, route, location)
    if api.kind == "rest" and authorizer.kind == "token":
        return {"type": "TOKEN", "methodArn": arn, "authorizationToken": identity[0]}, arn
    request_event: dict[str, Any] = {name: value for name, value in event.items() if name not in _BODY}
    if api.kind == "rest":
        empty: dict[str, Any] = {name: {} for name in _MAPS if request_event[name] is None}
        return {"type": "REQUEST", "methodArn": arn, **request_event, **empty}, arn
    if authorizer.payload_format == "2.0":
        own = {"version": "2.0", "type": "REQUEST", "routeArn": arn, "identitySource": identity or None}
        return {**own, **request_event}, arn
    joined = ",".join(identity) or None
    own = {"type": "REQUEST", "methodArn": arn, "identitySource": joined, "authorizationToken": joined}
    return {**own, **request_event}, arn


def build_method_arn(api: LocalHttpApi, request: HttpRequest, route: MatchedRoute, location: AwsLocation) -> str:
    """Return the ARN that policies allow or deny: of the API, the stage, the method and the path."""
    service = f"arn:{partition_for(location.region)}:execute-api:{location.region}:{location.account_id}"
    return f"{service}:{api_id(api)}/{api.stage}/{request.method}{route.path}"


def judge(api: LocalHttpApi, authorizer: LocalHttpAuthorizer, result: InvocationResult, arn: str) -> AuthorizerContext:
    """Return what an authorizer adds to the event.

    Raises:
        NotAuthorizedError: The request does not pass.
    """
    try:
        returned: Any = json.loads(result.body)
    except ValueError:
        returned = None
    if result.failed:
        message = returned.get("errorMessage") if is_mapping(returned) else None
        if message == _UNAUTHORIZED:
            raise NotAuthorizedError("unauthorized", "the authorizer raised 'Unauthorized'")
        raise NotAuthorizedError("failed", "the authorizer failed")
    if not is_mapping(returned):
        raise NotAuthorizedError("failed", "the authorizer did not return an object")
    context = returned.get("context")
    if context is not None and not is_mapping(context):
        raise NotAuthorizedError("failed", "the authorizer's context is not an object")
    if api.kind == "http" and authorizer.payload_format == "2.0" and authorizer.simple_responses:
        return _judge_simple(returned, context or {})
    return _judge_policy(api, returned, context or {}, arn)


def add_authorizer(event: dict[str, Any], api: LocalHttpApi, context: AuthorizerContext) -> None:
    """Add what the authorizer returned to the event of the route's function."""
    if "http" in event["requestContext"]:
        # Null if there is no context (published).
        event["requestContext"]["authorizer"] = {"lambda": dict(context.values) or None}
        return
    # A REST API turns every value into text.
    values = {name: _to_text(value) if api.kind == "rest" else value for name, value in context.values.items()}
    principal = {} if context.principal is None else {"principalId": context.principal}
    event["requestContext"]["authorizer"] = {**principal, **values}


def _to_route_event(
    authorizer: LocalHttpAuthorizer,
    api: LocalHttpApi,
    request: HttpRequest,
    route: MatchedRoute,
    location: AwsLocation,
) -> dict[str, Any]:
    payload_format = "1.0" if api.kind == "rest" else authorizer.payload_format
    return to_event(api, request, route, location.account_id, payload_format)


def _find_source(source: str, api: LocalHttpApi, request: HttpRequest, event: Any) -> str | None:
    place, _, name = source.partition(".")
    match place:
        case "header":
            return request.header(name.lower())
        case "querystring":
            return next((value for key, value in parse_qsl(request.query) if key == name), None)
        case "stageVariables":
            return api.stage_variables.get(name)
        case _:
            value: Any = event["requestContext"]
            for part in name.split("."):
                value = value.get(part) if is_mapping(value) else None
            return None if value is None or is_mapping(value) else str(value)


def _judge_simple(returned: Mapping[str, Any], context: Mapping[str, Any]) -> AuthorizerContext:
    authorized = returned.get("isAuthorized")
    if not isinstance(authorized, bool):
        raise NotAuthorizedError("failed", "the authorizer's isAuthorized is not true or false")
    if not authorized:
        raise NotAuthorizedError("denied", "the authorizer returned isAuthorized false")
    return AuthorizerContext(None, context)


def _judge_policy(
    api: LocalHttpApi, returned: Mapping[str, Any], context: Mapping[str, Any], arn: str
) -> AuthorizerContext:
    principal, policy = returned.get("principalId"), returned.get("policyDocument")
    if not isinstance(principal, str) or not is_mapping(policy):
        raise NotAuthorizedError("failed", "the authorizer did not return a principalId and a policyDocument")
    if api.kind == "rest" and any(is_list(value) or is_mapping(value) for value in context.values()):
        raise NotAuthorizedError("failed", "the authorizer's context has a list or an object")
    effects = {str(each.get("Effect")) for each in _list(policy.get("Statement")) if _applies(each, arn)}
    if "Deny" in effects:
        raise NotAuthorizedError("denied", "the authorizer's policy denies it")
    if "Allow" not in effects:
        raise NotAuthorizedError("not allowed", "the authorizer's policy does not allow it")
    return AuthorizerContext(principal, context)


def _applies(statement: Any, arn: str) -> bool:
    """Check whether a statement of a policy is about an ARN; its conditions count as met."""
    if not is_mapping(statement):
        return False
    actions, resources = _list(statement.get("Action")), _list(statement.get("Resource"))
    is_invoke = any(_matches(each, _INVOKE, re.IGNORECASE) for each in actions)
    return is_invoke and any(_matches(each, arn) for each in resources)


def _matches(pattern: Any, text: str, flags: int = 0) -> bool:
    # Not fnmatch: patterns of IAM have no character sets.
    expression = re.escape(str(pattern)).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, flags | re.DOTALL) is not None


def _list(value: Any) -> Sequence[Any]:
    return value if is_list(value) else [] if value is None else [value]


def _to_text(value: Any) -> str | None:
    if value is None:
        return None
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
