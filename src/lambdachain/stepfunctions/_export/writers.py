"""A state machine and its role, in the format of a deployment tool."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lambdachain._analysis.permissions.identity_policy import escape_docstring
from lambdachain._analysis.permissions.placeholders import CDK, CLOUDFORMATION, TERRAFORM, build_data_sources
from lambdachain._analysis.permissions.required_permissions import Stack
from lambdachain._core.errors import ContractError

from .statements import RoleStatement, fill_in

_SERVICE: Final = "states.amazonaws.com"


@dataclass(frozen=True, slots=True)
class StateMachineExport:
    """A state machine to be deployed.

    Attributes:
        name: Its name.
        definition: Its definition.
        statements: What its role allows.
        stack: Where it is deployed, as far as that is known.
    """

    name: str
    definition: Mapping[str, Any]
    statements: tuple[RoleStatement, ...]
    stack: Stack

    @property
    def definition_text(self) -> str:
        """The definition as JSON."""
        return json.dumps(self.definition, indent=2)

    @property
    def logical_id(self) -> str:
        """The name as CloudFormation allows it: letters and digits."""
        return "".join(word[:1].upper() + word[1:] for word in re.findall(r"[a-zA-Z0-9]+", self.name))

    @property
    def identifier(self) -> str:
        """The name as Terraform allows it, beginning with a letter."""
        words = re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_")
        return words if words[:1].isalpha() else f"machine_{words}"


def as_asl(export: StateMachineExport) -> str:
    """Return the definition alone."""
    return export.definition_text


def as_iam(export: StateMachineExport) -> str:
    """Return the policy of the role as JSON.

    Raises:
        ContractError: The region or the account is unknown: IAM has no placeholders for them.
    """
    if export.stack.region is None or export.stack.account_id is None:
        raise ContractError("--as iam: pass --region and --account-id, or --as sam, whose stack knows both")
    statements = [_to_statement(one, export.stack, ("", "", "")) for one in export.statements]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)


def as_sam(export: StateMachineExport) -> str:
    """Return a SAM template; SAM makes the role of its policies."""
    return "\n".join([
        'AWSTemplateFormatVersion: "2010-09-09"',
        "Transform: AWS::Serverless-2016-10-31",
        "Resources:",
        f"  {export.logical_id}:",
        "    Type: AWS::Serverless::StateMachine",
        "    Properties:",
        f"      Name: {export.name}",
        "      Policies:",
        '        - Version: "2012-10-17"',
        "          Statement:",
        *_indent(_yaml_statements(export), 12),
        "      Definition:",
        *_indent(export.definition_text.splitlines(), 8),
    ])  # fmt: skip


def as_serverless(export: StateMachineExport) -> str:
    """Return resources of a ``serverless.yml``: the state machine and its role, without a plugin."""
    role = f"{export.logical_id}Role"
    return "\n".join([
        "resources:",
        "  Resources:",
        f"    {role}:",
        "      Type: AWS::IAM::Role",
        "      Properties:",
        "        AssumeRolePolicyDocument:",
        '          Version: "2012-10-17"',
        "          Statement:",
        "            - Effect: Allow",
        f"              Principal: {{ Service: {_SERVICE} }}",
        "              Action: sts:AssumeRole",
        "        Policies:",
        "          - PolicyName: StateMachine",
        "            PolicyDocument:",
        '              Version: "2012-10-17"',
        "              Statement:",
        *_indent(_yaml_statements(export), 16),
        f"    {export.logical_id}:",
        "      Type: AWS::StepFunctions::StateMachine",
        "      Properties:",
        f"        StateMachineName: {export.name}",
        f"        RoleArn: !GetAtt {role}.Arn",
        "        Definition:",
        *_indent(export.definition_text.splitlines(), 10),
    ])  # fmt: skip


def as_cdk(export: StateMachineExport) -> str:
    """Return a function for a CDK app in Python."""
    # In a raw string, where only its own quotes would have to be escaped.
    definition = export.definition_text.replace("'''", r"\u0027" * 3)
    return "\n".join([
        "from aws_cdk import Stack",
        "from aws_cdk import aws_iam as iam",
        "from aws_cdk import aws_stepfunctions as sfn",
        "from constructs import Construct",
        "",
        f"DEFINITION = r'''{definition}'''",
        "",
        "",
        "def add_state_machine(scope: Construct) -> sfn.StateMachine:",
        f'    """Add the state machine {escape_docstring(export.name)}, and its role: what it does, and no more."""',
        "    stack = Stack.of(scope)",
        "    machine = sfn.StateMachine(",
        "        scope,",
        f"        {json.dumps(export.logical_id)},",
        f"        state_machine_name={json.dumps(export.name)},",
        "        definition_body=sfn.DefinitionBody.from_string(DEFINITION),",
        "    )",
        *(line for statement in export.statements for line in _cdk_statement(statement, export.stack)),
        "    return machine",
    ])  # fmt: skip


def as_terraform(export: StateMachineExport) -> str:
    """Return resources for Terraform: the state machine, its role and the policy of that."""
    statements = [_to_statement(one, export.stack, TERRAFORM) for one in export.statements]
    text = json.dumps(statements)
    data = build_data_sources(text)
    policy = [line for statement in statements for line in _terraform_statement(statement)]
    name = export.identifier
    return "\n".join([
        *data,
        *([""] if data else []),
        f'data "aws_iam_policy_document" "{name}" {{',
        *policy,
        "}",
        "",
        f'resource "aws_iam_role" "{name}" {{',
        '  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{',
        f'    Effect = "Allow", Action = "sts:AssumeRole", Principal = {{ Service = "{_SERVICE}" }}',
        "  }] })",
        "}",
        "",
        f'resource "aws_iam_role_policy" "{name}" {{',
        f"  role   = aws_iam_role.{name}.id",
        f"  policy = data.aws_iam_policy_document.{name}.json",
        "}",
        "",
        f'resource "aws_sfn_state_machine" "{name}" {{',
        f"  name       = {json.dumps(export.name)}",
        f"  role_arn   = aws_iam_role.{name}.arn",
        "  definition = <<-EOT",
        *_indent(_escape_for_terraform(export.definition_text).splitlines(), 4),
        "  EOT",
        "}",
    ])  # fmt: skip


WRITERS: Final[Mapping[str, Callable[[StateMachineExport], str]]] = {
    "asl": as_asl,
    "iam": as_iam,
    "sam": as_sam,
    "serverless": as_serverless,
    "cdk": as_cdk,
    "terraform": as_terraform,
}


def _to_statement(statement: RoleStatement, stack: Stack, names: tuple[str, str, str]) -> dict[str, Any]:
    resources = [fill_in(resource, stack, names) for resource in statement.resources]
    return {"Sid": statement.sid, "Effect": "Allow", "Action": [*statement.actions], "Resource": resources}


def _yaml_statements(export: StateMachineExport) -> list[str]:
    lines: list[str] = []
    for statement in export.statements:
        lines += [f"- Sid: {statement.sid}", "  Effect: Allow", "  Action:"]
        lines += [f"    - {action}" for action in statement.actions]
        lines += ["  Resource:"]
        for resource in statement.resources:
            arn = fill_in(resource, export.stack, CLOUDFORMATION)
            lines.append(f"    - {'!Sub ' if '${' in arn else ''}{json.dumps(arn)}")
    return lines


def _cdk_statement(statement: RoleStatement, stack: Stack) -> list[str]:
    arns = [fill_in(resource, stack, CDK) for resource in statement.resources]
    return [
        "    machine.add_to_role_policy(",
        "        iam.PolicyStatement(",
        f"            sid={json.dumps(statement.sid)},",
        f"            actions={json.dumps([*statement.actions])},",
        "            resources=[",
        *(f"                {'f' if '{stack.' in arn else ''}{json.dumps(arn)}," for arn in arns),
        "            ],",
        "        )",
        "    )",
    ]


def _terraform_statement(statement: Mapping[str, Any]) -> list[str]:
    return [
        "  statement {",
        f"    sid     = {json.dumps(statement['Sid'])}",
        '    effect  = "Allow"',
        f"    actions = {json.dumps(statement['Action'])}",
        "    resources = [",
        *(f"      {json.dumps(arn)}," for arn in statement["Resource"]),
        "    ]",
        "  }",
    ]


def _escape_for_terraform(text: str) -> str:
    """Escape what Terraform would evaluate in a heredoc."""
    return text.replace("${", "$${").replace("%{", "%%{")


def _indent(lines: Iterable[str], width: int) -> list[str]:
    return [" " * width + line for line in lines]
