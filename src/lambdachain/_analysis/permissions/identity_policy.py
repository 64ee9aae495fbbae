"""Identity-based policies: the statement for the caller's role, in the format of a deployment tool."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from lambdachain._analysis.survey.results import CallSite, describe_location
from lambdachain._core.arn import partition_for
from lambdachain._core.escaping import printable

from .placeholders import CDK, CLOUDFORMATION, TERRAFORM, build_data_sources
from .required_permissions import ACTION, SEND_ACTION, RequiredPermission, Stack

_SID: Final = "InvokeFunctions"
_SIDS: Final = {ACTION: _SID, SEND_ACTION: "SendMessages"}


def as_iam(permissions: Sequence[RequiredPermission], stack: Stack, caller: str) -> str:  # noqa: ARG001 - JSON has no comments to name the caller in
    """Return an IAM policy document as JSON.

    Raises:
        InvalidArnError: The region or the account is unknown: IAM has no placeholders for them.
    """
    return json.dumps(build_policy(permissions, stack), indent=2)


def build_policy(permissions: Sequence[RequiredPermission], stack: Stack) -> dict[str, Any]:
    """Return a policy with a statement for calls and one for queues, each only if there are any."""
    statements = [
        _build_statement(action, [permission.target.arn_for(stack) for permission in each])
        for action, each in _group_by_action(permissions)
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def build_policy_for_arns(arns: Sequence[str]) -> dict[str, Any]:
    """Return the policy that allows calls of some ARNs."""
    return {"Version": "2012-10-17", "Statement": [_build_statement(ACTION, arns)] if arns else []}


def _build_statement(action: str, arns: Sequence[str]) -> dict[str, Any]:
    return {"Sid": _SIDS[action], "Effect": "Allow", "Action": action, "Resource": list(arns)}


def _group_by_action(permissions: Sequence[RequiredPermission]) -> list[tuple[str, list[RequiredPermission]]]:
    groups = [(action, [one for one in permissions if one.action == action]) for action in _SIDS]
    return [(action, each) for action, each in groups if each]


def as_sam(permissions: Sequence[RequiredPermission], stack: Stack, caller: str) -> str:
    """Return the ``Policies`` of a SAM function."""
    return "\n".join([
        f"# Properties of {printable(caller)}:",
        "Policies:",
        '  - Version: "2012-10-17"',
        "    Statement:",
        *_yaml_statements(permissions, stack, " " * 6),
    ])  # fmt: skip


def as_serverless(permissions: Sequence[RequiredPermission], stack: Stack, caller: str) -> str:
    """Return the role statements of a Serverless Framework service."""
    return "\n".join([
        f"# Functions that {printable(caller)} calls. Every function of the service has this role.",
        "provider:",
        "  iam:",
        "    role:",
        "      statements:",
        *_yaml_statements(permissions, stack, " " * 8),
    ])  # fmt: skip


def as_cdk(permissions: Sequence[RequiredPermission], stack: Stack, caller: str) -> str:
    """Return a function for a CDK app in Python."""
    return "\n".join([
        "from aws_cdk import Stack",
        "from aws_cdk import aws_iam as iam",
        "",
        "",
        "def allow_calls(caller: iam.IGrantable, stack: Stack) -> None:",
        f'    """Allow {escape_docstring(caller)} to call the functions that its code calls, and no others."""',
        *(line for group in _group_by_action(permissions) for line in _cdk_statement(*group, stack)),
    ])  # fmt: skip


def _cdk_statement(action: str, permissions: Sequence[RequiredPermission], stack: Stack) -> list[str]:
    lines: list[str] = []
    for permission, arn in _get_arns(permissions, stack, CDK):
        prefix = "f" if "{stack." in arn else ""
        lines += [f"# {_format_calls(permission.calls)}", f'{prefix}"{arn}",']
    return [
        "    caller.grant_principal.add_to_principal_policy(",
        "        iam.PolicyStatement(",
        f'            actions=["{action}"],',
        "            resources=[",
        *(" " * 16 + line for line in lines),
        "            ],",
        "        )",
        "    )",
    ]


def as_terraform(permissions: Sequence[RequiredPermission], stack: Stack, caller: str) -> str:
    """Return a policy document for Terraform."""
    # Declare only the data sources that an ARN refers to.
    text = " ".join(arn for _, arn in _get_arns(permissions, stack, TERRAFORM))
    data = build_data_sources(text)
    return "\n".join([
        *data,
        *([""] if data else []),
        f"# Functions that {printable(caller)} calls.",
        f'data "aws_iam_policy_document" "{_terraform_identifier(caller)}_calls" {{',
        *(line for group in _group_by_action(permissions) for line in _terraform_statement(*group, stack)),
        "}",
    ])  # fmt: skip


def _terraform_statement(action: str, permissions: Sequence[RequiredPermission], stack: Stack) -> list[str]:
    return [
        "  statement {",
        f'    sid     = "{_SIDS[action]}"',
        '    effect  = "Allow"',
        f'    actions = ["{action}"]',
        "    resources = [",
        *(
            f"      {line}"
            for permission, arn in _get_arns(permissions, stack, TERRAFORM)
            for line in (f"# {_format_calls(permission.calls)}", f'"{arn}",')
        ),
        "    ]",
        "  }",
    ]


WRITERS: Final[Mapping[str, Callable[[Sequence[RequiredPermission], Stack, str], str]]] = {
    "iam": as_iam,
    "sam": as_sam,
    "serverless": as_serverless,
    "cdk": as_cdk,
    "terraform": as_terraform,
}


def arn_with_placeholders(permission: RequiredPermission, stack: Stack, names: tuple[str, str, str]) -> str:
    """Return an ARN with *names* as placeholders for the unknown partition, region and account."""
    partition = stack.partition or (partition_for(stack.region) if stack.region else names[0])
    return permission.target.format_arn(partition, stack.region or names[1], stack.account_id or names[2])


def _get_arns(
    permissions: Iterable[RequiredPermission], stack: Stack, names: tuple[str, str, str]
) -> Iterable[tuple[RequiredPermission, str]]:
    return ((permission, arn_with_placeholders(permission, stack, names)) for permission in permissions)


def _yaml_statements(permissions: Sequence[RequiredPermission], stack: Stack, indent: str) -> list[str]:
    lines: list[str] = []
    for action, each in _group_by_action(permissions):
        lines += [f"- Sid: {_SIDS[action]}", "  Effect: Allow", f"  Action: {action}", "  Resource:"]
        for permission, arn in _get_arns(each, stack, CLOUDFORMATION):
            lines += [f"    # {_format_calls(permission.calls)}", f"    - {to_cloudformation(arn)}"]
    return [indent + line for line in lines]


def to_cloudformation(text: str) -> str:
    """Return a YAML value in which CloudFormation replaces ``${}``."""
    return f"!Sub {text}" if "${" in text else text


def escape_docstring(text: str) -> str:
    r"""Escape a text for a docstring, so that it cannot end it.

    >>> escape_docstring('a"b')
    'a\\"b'
    """
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')


def _format_calls(calls: Sequence[CallSite]) -> str:
    """Return how and where a function is called: each method, with the location of its first call."""
    first: dict[str, CallSite] = {}
    for call in calls:
        first.setdefault(call.method, call)
    return ", ".join(f"{method} at {describe_location(call)}" for method, call in first.items())


def _terraform_identifier(name: str) -> str:
    """Return a name as a Terraform identifier: ``parent_function`` for ``ParentFunction``."""
    words = "".join(
        f"_{char.lower()}" if char.isupper() else char if char.isascii() and char.isalnum() else "_" for char in name
    )
    plain = "_".join(part for part in words.split("_") if part)
    return plain if plain[:1].isalpha() else f"caller_{plain}"
