"""The callee's side: a statement in the function's own policy, for a caller in another account or for a service."""

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
    """Who may call.

    Attributes:
        principal: An account, the ARN of a role or user, a service such as ``s3.amazonaws.com``; ``*`` with an
            organization.
        organization: The organization that the caller's account must be in.
        source_arn: The resource on whose behalf a service calls.
        source_account: The account that this resource must be in.

    Raises:
        ContractError: It would allow nobody, or anybody; or a part is malformed.
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
        """Whether AWS itself calls, on behalf of a resource."""
        return _SERVICE.fullmatch(self.principal) is not None

    def _problems(self) -> Iterator[str]:
        known = (_ACCOUNT, _SERVICE, _PRINCIPAL_ARN)
        if self.principal != "*" and not any(one.fullmatch(self.principal) for one in known):
            yield (
                f"principal {self.principal!r} is neither an account of 12 digits, nor the ARN of a role or user, nor "
                "a service such as s3.amazonaws.com"
            )
        if self.principal == "*" and self.organization is None:
            yield "principal '*' is anybody at all: give --organization o-..., or a principal"
        if self.organization is not None and not _ORGANIZATION.fullmatch(self.organization):
            yield f"organization {self.organization!r} is not of the form o- and 10 to 32 letters and digits"
        if self.source_arn is not None and not _SOURCE_ARN.fullmatch(self.source_arn):
            yield f"source ARN {self.source_arn!r} is none"
        if self.source_account is not None and not _ACCOUNT.fullmatch(self.source_account):
            yield f"source account {self.source_account!r} is not 12 digits"
        if (self.source_arn or self.source_account) and not self.is_service:
            yield (
                "--source-arn and --source-account narrow a service's calls; AWS sets neither for an account's or a "
                "role's own, and the statement would allow nothing: name the role as the principal instead"
            )
        if self.is_service and not (self.source_arn or self.source_account):
            yield (
                f"principal {self.principal} without --source-arn or --source-account lets anybody's resources of that "
                "service call"
            )

    @property
    def statement_id(self) -> str:
        """A name for the statement, the same for the same caller."""
        words = re.sub(r"[^a-zA-Z0-9]+", "-", self.source_arn or self.organization or self.principal).strip("-")
        return f"invoke-from-{words}"[:100]


def build_add_permission_request(target: FunctionResource, caller: Caller, stack: Stack) -> dict[str, str]:
    """Return the parameters of Lambda's AddPermission.

    Raises:
        ContractError: Lambda takes no policy on ``$LATEST``.
    """
    if target.qualifier is not None and target.qualifier.startswith("$"):
        raise ContractError(
            f"{target.address}: Lambda takes no policy on {target.qualifier}: have callers name the function alone, or "
            "an alias or version"
        )
    qualifier = {} if target.qualifier is None else {"Qualifier": target.qualifier}
    return {"FunctionName": _named(target, stack), **qualifier, "StatementId": caller.statement_id, **_who(caller)}


def _named(target: FunctionResource, stack: Stack) -> str:
    """Name the function by its ARN where the code or the options do, else by its name."""
    if (target.region or stack.region) and (target.account_id or stack.account_id):
        return replace(target, qualifier=None).arn_for(stack)
    return target.name


def _who(caller: Caller) -> dict[str, str]:
    told = {
        "Principal": caller.principal,
        "PrincipalOrgID": caller.organization,
        "SourceArn": caller.source_arn,
        "SourceAccount": caller.source_account,
    }
    return {"Action": ACTION, **{name: value for name, value in told.items() if value is not None}}


def as_request(target: FunctionResource, caller: Caller, stack: Stack) -> str:
    """Write what ``aws lambda add-permission --cli-input-json`` takes."""
    return json.dumps(build_add_permission_request(target, caller, stack), indent=2)


def as_cloudformation(target: FunctionResource, caller: Caller, stack: Stack) -> str:
    """Write a resource of a SAM or CloudFormation template."""
    return "\n".join(["Resources:", *_resource(target, caller, stack, "  ")])


def as_serverless(target: FunctionResource, caller: Caller, stack: Stack) -> str:
    """Write a resource of a ``serverless.yml``."""
    return "\n".join(["resources:", "  Resources:", *_resource(target, caller, stack, "    ")])


def as_cdk(target: FunctionResource, caller: Caller, stack: Stack) -> str:
    """Write a function for a CDK app in Python."""
    request = _of_template(target, caller, stack)
    names = {"PrincipalOrgID": "principal_org_id"}
    lines = [f"        {names.get(name) or _snake(name)}={json.dumps(value)}," for name, value in request.items()]
    return "\n".join([
        "from aws_cdk import aws_lambda",
        "from constructs import Construct",
        "",
        "",
        "def let_call(scope: Construct) -> None:",
        f'    """Let {escape_docstring(caller.principal)} call {target.address}."""',
        "    aws_lambda.CfnPermission(",
        "        scope,",
        f'        "{_logical_id(target, caller)}",',
        *lines,
        "    )",
    ])  # fmt: skip


def as_terraform(target: FunctionResource, caller: Caller, stack: Stack) -> str:
    """Write a resource for Terraform."""
    names = {"PrincipalOrgID": "principal_org_id"}
    told = {
        names.get(name) or _snake(name): value
        for name, value in build_add_permission_request(target, caller, stack).items()
    }
    width = max(map(len, told))
    return "\n".join([
        f'resource "aws_lambda_permission" "{_snake(_logical_id(target, caller))}" {{',
        *(f"  {name.ljust(width)} = {_in_terraform(value)}" for name, value in told.items()),
        "}",
    ])  # fmt: skip


WRITERS: Final[Mapping[str, Callable[[FunctionResource, Caller, Stack], str]]] = {
    "iam": as_request,
    "sam": as_cloudformation,
    "serverless": as_serverless,
    "cdk": as_cdk,
    "terraform": as_terraform,
}


def _of_template(target: FunctionResource, caller: Caller, stack: Stack) -> dict[str, str]:
    """CloudFormation knows no statement ids, and takes the qualifier with the function."""
    request = build_add_permission_request(target, caller, stack)
    qualifier = request.pop("Qualifier", None)
    request.pop("StatementId")
    return {
        **request,
        "FunctionName": f"{request['FunctionName']}:{qualifier}" if qualifier else request["FunctionName"],
    }


def _resource(target: FunctionResource, caller: Caller, stack: Stack, indent: str) -> list[str]:
    lines = [f"{_logical_id(target, caller)}:", "  Type: AWS::Lambda::Permission", "  Properties:"]
    lines += [f"    {name}: {json.dumps(value)}" for name, value in _of_template(target, caller, stack).items()]
    return [indent + line for line in lines]


def _in_terraform(text: str) -> str:
    """Write a text for Terraform, which works out what stands in ``${}`` and ``%{}``."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")


def _logical_id(target: FunctionResource, caller: Caller) -> str:
    words = re.findall(r"[a-zA-Z0-9]+", f"{target.address} {caller.statement_id}")
    return "".join(word[:1].upper() + word[1:] for word in words)[:200]


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
