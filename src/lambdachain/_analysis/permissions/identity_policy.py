"""The caller's side: a statement for its role, in the language of the tool that deploys it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from lambdachain._analysis.survey.results import CallSite
from lambdachain._core.arn import partition_of
from lambdachain._core.text import printable

from .required_permissions import ACTION, RequiredPermission, Stack

_SID: Final = "InvokeFunctions"
_PSEUDO: Final = ("${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}")
_CDK: Final = ("{stack.partition}", "{stack.region}", "{stack.account}")
_TERRAFORM: Final = (
    "${data.aws_partition.current.partition}",
    "${data.aws_region.current.name}",
    "${data.aws_caller_identity.current.account_id}",
)
_DATA: Final = ("aws_partition", "aws_region", "aws_caller_identity")


def as_iam(needs: Sequence[RequiredPermission], stack: Stack, caller: str) -> str:  # noqa: ARG001 - JSON has no place for a comment
    """Write an IAM policy document.

    Raises:
        InvalidArnError: The region or the account is not known: IAM has no words for "where this is deployed".
    """
    return json.dumps(build_policy(needs, stack), indent=2)


def build_policy(needs: Sequence[RequiredPermission], stack: Stack) -> dict[str, Any]:
    """Make the policy: one statement, and none where nothing is called."""
    return build_policy_for_arns([need.target.arn_for(stack) for need in needs])


def build_policy_for_arns(arns: Sequence[str]) -> dict[str, Any]:
    """Make the policy that allows calls of some addresses."""
    statement = {"Sid": _SID, "Effect": "Allow", "Action": ACTION, "Resource": list(arns)}
    return {"Version": "2012-10-17", "Statement": [statement] if arns else []}


def as_sam(needs: Sequence[RequiredPermission], stack: Stack, caller: str) -> str:
    """Write the ``Policies`` of a SAM function."""
    return "\n".join([
        f"# Properties of {printable(caller)}:",
        "Policies:",
        '  - Version: "2012-10-17"',
        "    Statement:",
        f"      - Sid: {_SID}",
        *_yaml_statement(needs, stack, " " * 8),
    ])  # fmt: skip


def as_serverless(needs: Sequence[RequiredPermission], stack: Stack, caller: str) -> str:
    """Write the statements of a Serverless Framework service's role."""
    return "\n".join([
        f"# what {printable(caller)} calls; the role is that of every function of the service",
        "provider:",
        "  iam:",
        "    role:",
        "      statements:",
        f"        - Sid: {_SID}",
        *_yaml_statement(needs, stack, " " * 10),
    ])  # fmt: skip


def as_cdk(needs: Sequence[RequiredPermission], stack: Stack, caller: str) -> str:
    """Write a function for a CDK app in Python."""
    lines: list[str] = []
    for need, arn in _arns(needs, stack, _CDK):
        prefix = "f" if "{stack." in arn else ""
        lines += [f"# {_where(need.calls)}", f'{prefix}"{arn}",']
    return "\n".join([
        "from aws_cdk import Stack",
        "from aws_cdk import aws_iam as iam",
        "",
        "",
        "def allow_calls(caller: iam.IGrantable, stack: Stack) -> None:",
        f'    """Let {escape_docstring(caller)} call what its code calls, and nothing else."""',
        "    caller.grant_principal.add_to_principal_policy(",
        "        iam.PolicyStatement(",
        f'            actions=["{ACTION}"],',
        "            resources=[",
        *(" " * 16 + line for line in lines),
        "            ],",
        "        )",
        "    )",
    ])  # fmt: skip


def as_terraform(needs: Sequence[RequiredPermission], stack: Stack, caller: str) -> str:
    """Write a policy document for Terraform."""
    pairs = list(_arns(needs, stack, _TERRAFORM))
    text = " ".join(arn for _, arn in pairs)
    data = [f'data "{kind}" "current" {{}}' for kind in _DATA if f"data.{kind}." in text]
    return "\n".join([
        *data,
        *([""] if data else []),
        f"# what {printable(caller)} calls",
        f'data "aws_iam_policy_document" "{_identifier(caller)}_calls" {{',
        "  statement {",
        f'    sid     = "{_SID}"',
        '    effect  = "Allow"',
        f'    actions = ["{ACTION}"]',
        "    resources = [",
        *(f"      {line}" for need, arn in pairs for line in (f"# {_where(need.calls)}", f'"{arn}",')),
        "    ]",
        "  }",
        "}",
    ])  # fmt: skip


WRITERS: Final[Mapping[str, Callable[[Sequence[RequiredPermission], Stack, str], str]]] = {
    "iam": as_iam,
    "sam": as_sam,
    "serverless": as_serverless,
    "cdk": as_cdk,
    "terraform": as_terraform,
}


def pseudo_arn(need: RequiredPermission, stack: Stack, names: tuple[str, str, str]) -> str:
    """Write an ARN in which *names* stand for the partition, region and account that are not known."""
    partition = stack.partition or (partition_of(stack.region) if stack.region else names[0])
    return need.target.arn(partition, stack.region or names[1], stack.account_id or names[2])


def _arns(
    needs: Iterable[RequiredPermission], stack: Stack, names: tuple[str, str, str]
) -> Iterable[tuple[RequiredPermission, str]]:
    return ((need, pseudo_arn(need, stack, names)) for need in needs)


def _yaml_statement(needs: Sequence[RequiredPermission], stack: Stack, indent: str) -> list[str]:
    lines = ["Effect: Allow", f"Action: {ACTION}", "Resource:"]
    for need, arn in _arns(needs, stack, _PSEUDO):
        lines += [f"  # {_where(need.calls)}", f"  - {to_cloudformation(arn)}"]
    return [indent + line for line in lines]


def to_cloudformation(text: str) -> str:
    """Write a text for CloudFormation, which fills in what stands in ``${}``."""
    return f"!Sub {text}" if "${" in text else text


def escape_docstring(text: str) -> str:
    r"""Write a text into a docstring, which it cannot end.

    >>> escape_docstring('a"b')
    'a\\"b'
    """
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')


def _where(calls: Sequence[CallSite]) -> str:
    """Describe how and where a function is called: every way, the first place of each."""
    first: dict[str, CallSite] = {}
    for call in calls:
        first.setdefault(call.method, call)
    return ", ".join(f"{verb} at {call.location}" for verb, call in first.items())


def _identifier(name: str) -> str:
    """Write a name as Terraform's identifiers are: ``ParentFunction`` is ``parent_function``."""
    words = "".join(
        f"_{char.lower()}" if char.isupper() else char if char.isascii() and char.isalnum() else "_" for char in name
    )
    plain = "_".join(part for part in words.split("_") if part)
    return plain if plain[:1].isalpha() else f"caller_{plain}"
