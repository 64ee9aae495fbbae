"""Resource-based policies: a statement of the callee for a caller in another account or for a service."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from lambdachain._core.errors import ContractError

from .identity_policy import escape_docstring
from .required_permissions import ACTION, FunctionResource, Stack

_ACCOUNT: Final = re.compile(r"\d{12}")
_ORGANIZATION: Final = re.compile(r"o-[a-z0-9]{10,32}")
_SERVICE: Final = re.compile(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?")
_SOURCE_ARN: Final = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12})?:[^\s\"'\\\x00-\x20\x7f-\U0010ffff]+")
_PRINCIPAL_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:(root|(user|role)/[!-~]+)")


@dataclass(frozen=True, slots=True)
class Caller:
    """The principal that may call, with its conditions.

    Attributes:
        principal: An account, the ARN of a role or user, or a service such as ``s3.amazonaws.com``; ``*`` only with an
            organization.
        organization: The AWS organization that the principal must be in.
        source_arn: The resource for which a service calls.
        source_account: The account of that resource.

    Raises:
        ContractError: A part is malformed, or the statement would allow no principal or any principal.
    """

    principal: str
    organization: str | None = None
    source_arn: str | None = None
    source_account: str | None = None

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ContractError(problem)

    @property
    def is_service(self) -> bool:
        """Whether the principal is an AWS service, which calls for a resource."""
        return _SERVICE.fullmatch(self.principal) is not None

    def _problems(self) -> Iterator[str]:
        known = (_ACCOUNT, _SERVICE, _PRINCIPAL_ARN)
        if self.principal != "*" and not any(one.fullmatch(self.principal) for one in known):
            yield (
                f"{self.principal!r} is not a valid principal: use a 12-digit account ID, the ARN of a role or user, "
                "or a service such as s3.amazonaws.com"
            )
        if self.principal == "*" and self.organization is None:
            yield "principal '*' would allow every AWS account: add --organization o-..., or name a principal"
        if self.organization is not None and not _ORGANIZATION.fullmatch(self.organization):
            yield (
                f"{self.organization!r} is not a valid organization ID: it must be o- followed by 10 to 32 lowercase "
                "letters or digits"
            )
        if self.source_arn is not None and not _SOURCE_ARN.fullmatch(self.source_arn):
            yield f"source ARN {self.source_arn!r} is not a valid ARN"
        if self.source_account is not None and not _ACCOUNT.fullmatch(self.source_account):
            yield f"source account {self.source_account!r} is not a 12-digit account ID"
        if (self.source_arn or self.source_account) and not self.is_service:
            yield (
                "--source-arn and --source-account are for services: AWS sets neither when an account or role calls, "
                "so the statement would allow nothing: name the role as the principal instead"
            )
        if self.is_service and not (self.source_arn or self.source_account):
            yield (
                f"principal {self.principal} without --source-arn or --source-account would allow resources of every "
                "AWS account: add one of them"
            )

    @property
    def statement_id(self) -> str:
        """An ID for the statement, the same for the same caller."""
        # Lambda limits a statement ID to 100 letters, digits, hyphens and underscores.
        words = re.sub(r"[^a-zA-Z0-9]+", "-", self.source_arn or self.organization or self.principal).strip("-")
        return f"invoke-from-{words}"[:100]


def build_add_permission_request(target: FunctionResource, caller: Caller, stack: Stack) -> dict[str, str]:
    """Return the parameters of Lambda's AddPermission.

    Raises:
        ContractError: The qualifier is ``$LATEST``, for which Lambda accepts no policy.
    """
    if target.qualifier is not None and target.qualifier.startswith("$"):
        raise ContractError(
            f"{target.address}: Lambda does not accept a policy on {target.qualifier}: have callers name the function "
            "without a qualifier, or with an alias or version"
        )
    qualifier = {} if target.qualifier is None else {"Qualifier": target.qualifier}
    return {
        "FunctionName": _get_function_name(target, stack),
        **qualifier,
        "StatementId": caller.statement_id,
        **_get_principal(caller),
    }


def _get_function_name(target: FunctionResource, stack: Stack) -> str:
    """Return the ARN of the function if its region and account are known, else its name."""
    if (target.region or stack.region) and (target.account_id or stack.account_id):
        return replace(target, qualifier=None).arn_for(stack)
    return target.name


def _get_principal(caller: Caller) -> dict[str, str]:
    parameters = {
        "Principal": caller.principal,
        "PrincipalOrgID": caller.organization,
        "SourceArn": caller.source_arn,
        "SourceAccount": caller.source_account,
    }
    return {"Action": ACTION, **{name: value for name, value in parameters.items() if value is not None}}


def as_request(target: FunctionResource, caller: Caller, stack: Stack) -> str:
    """Return the input of ``aws lambda add-permission --cli-input-json``."""
    return json.dumps(build_add_permission_request(target, caller, stack), indent=2)


def as_cloudformation(target: FunctionResource, caller: Caller, stack: Stack) -> str:
    """Return a resource of a SAM or CloudFormation template."""
    return "\n".join(["Resources:", *_format_resource(target, caller, stack, "  ")])


def as_serverless(target: FunctionResource, caller: Caller, stack: Stack) -> str:
    """Return a resource of a ``serverless.yml``."""
    return "\n".join(["resources:", "  Resources:", *_format_resource(target, caller, stack, "    ")])


def as_cdk(target: FunctionResource, caller: Caller, stack: Stack) -> str:
    """Return a function for a CDK app in Python."""
    request = _get_template_properties(target, caller, stack)
    names = {"PrincipalOrgID": "principal_org_id"}
    lines = [
        f"        {names.get(name) or _to_snake_case(name)}={json.dumps(value)}," for name, value in request.items()
    ]
    return "\n".join([
        "from aws_cdk import aws_lambda",
        "from constructs import Construct",
        "",
        "",
        "def allow_call(scope: Construct) -> None:",
        f'    """Allow {escape_docstring(caller.principal)} to call {target.address}."""',
        "    aws_lambda.CfnPermission(",
        "        scope,",
        f'        "{_logical_id(target, caller)}",',
        *lines,
        "    )",
    ])  # fmt: skip


def as_terraform(target: FunctionResource, caller: Caller, stack: Stack) -> str:
    """Return a resource for Terraform."""
    names = {"PrincipalOrgID": "principal_org_id"}
    arguments = {
        names.get(name) or _to_snake_case(name): value
        for name, value in build_add_permission_request(target, caller, stack).items()
    }
    width = max(map(len, arguments))
    return "\n".join([
        f'resource "aws_lambda_permission" "{_to_snake_case(_logical_id(target, caller))}" {{',
        *(f"  {name.ljust(width)} = {_quote_for_terraform(value)}" for name, value in arguments.items()),
        "}",
    ])  # fmt: skip


WRITERS: Final[Mapping[str, Callable[[FunctionResource, Caller, Stack], str]]] = {
    "iam": as_request,
    "sam": as_cloudformation,
    "serverless": as_serverless,
    "cdk": as_cdk,
    "terraform": as_terraform,
}


def _get_template_properties(target: FunctionResource, caller: Caller, stack: Stack) -> dict[str, str]:
    """Return the properties for CloudFormation: it has no statement IDs, and the qualifier is part of FunctionName."""
    request = build_add_permission_request(target, caller, stack)
    qualifier = request.pop("Qualifier", None)
    request.pop("StatementId")
    return {
        **request,
        "FunctionName": f"{request['FunctionName']}:{qualifier}" if qualifier else request["FunctionName"],
    }


def _format_resource(target: FunctionResource, caller: Caller, stack: Stack, indent: str) -> list[str]:
    lines = [f"{_logical_id(target, caller)}:", "  Type: AWS::Lambda::Permission", "  Properties:"]
    lines += [
        f"    {name}: {json.dumps(value)}" for name, value in _get_template_properties(target, caller, stack).items()
    ]
    return [indent + line for line in lines]


def _quote_for_terraform(text: str) -> str:
    """Return a Terraform string in which ``${`` and ``%{`` are not evaluated."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")


def _logical_id(target: FunctionResource, caller: Caller) -> str:
    words = re.findall(r"[a-zA-Z0-9]+", f"{target.address} {caller.statement_id}")
    return "".join(word[:1].upper() + word[1:] for word in words)[:200]


def _to_snake_case(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
