"""`lambdachain policy --check`: roles that others use, too, and statements that apply sometimes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]
Write = Callable[[Mapping[str, str]], Path]

CODE = {
    "orders/app.py": """
        import boto3
        def handler(event, context):
            boto3.client("lambda").invoke(FunctionName="billing")
    """,
    "idle/app.py": "def handler(event, context):\n    pass\n",
}
TEMPLATE = """
    Transform: AWS::Serverless-2016-10-31
    Globals:
      Function: {Runtime: python3.13, Handler: app.handler}
    Resources:
      Orders:
        Type: AWS::Serverless::Function
        Properties: {FunctionName: orders, CodeUri: orders, Role: !GetAtt Shared.Arn}
      Second:
        Type: AWS::Serverless::Function
        Properties: {FunctionName: second, CodeUri: SECOND, Role: !GetAtt Shared.Arn}
      Shared:
        Type: AWS::IAM::Role
        Properties:
          AssumeRolePolicyDocument:
            Statement:
              - {Effect: Allow, Action: sts:AssumeRole, Principal: PRINCIPAL}
          Policies:
            - PolicyName: calls
              PolicyDocument:
                Statement:
                  - Effect: Allow
                    Action: lambda:InvokeFunction
                    Resource:
                      - !Sub arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:billing
                      - !Sub arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:mail
"""
LAMBDA = "{Service: lambda.amazonaws.com}"


def check(run: Run, write: Write, template: str) -> list[str]:
    """Return the kind and the caller of each finding."""
    write({**CODE, "template.yaml": template})
    ran = run("policy", "--check", "template.yaml")
    return [": ".join(line.split(": ")[1:3]) for line in ran.stdout.splitlines()]


@pytest.mark.parametrize(
    ("second", "principal", "expected"),
    [
        ("idle", LAMBDA, ["unused: orders", "unused: second"]),
        (
            "idle",
            "{Service: [!Sub 'lambda.${AWS::URLSuffix}', edgelambda.amazonaws.com]}",
            ["unused: orders", "unused: second"],
        ),
        ("elsewhere", LAMBDA, []),
        ("idle", "{Service: [lambda.amazonaws.com, states.amazonaws.com]}", []),
        ("idle", "{Service: lambda.amazonaws.com, AWS: !Ref AWS::AccountId}", []),
        ("idle", "{Service: !Ref Unknown}", []),
    ],
)
def test_a_grant_that_others_may_use_is_not_unused(
    run: Run, write: Write, second: str, principal: str, expected: list[str]
):
    """A function whose code is not here, a state machine, a person who assumes the role."""
    assert check(run, write, TEMPLATE.replace("SECOND", second).replace("PRINCIPAL", principal)) == expected


def statement(text: str) -> str:
    """Return the template with one more statement in the role."""
    head = "                Statement:\n                  - Effect"
    return (
        TEMPLATE.replace("SECOND", "idle")
        .replace("PRINCIPAL", "{Service: [lambda.amazonaws.com, states.amazonaws.com]}")
        .replace(head, f"                Statement:\n                  - {text}\n                  - Effect")
    )


def test_a_deny_under_a_condition_is_not_one_of_every_call(run: Run, write: Write):
    """That no call may leave without TLS denies none that boto3 sends; that it was left out is reported."""
    deny = "{Effect: Deny, Action: 'lambda:*', Resource: '*'%s}"
    condition = ", Condition: {Bool: {'aws:SecureTransport': 'false'}}"

    assert check(run, write, statement(deny % condition)) == []
    assert "treated as if it never applied" in run("policy", "--check", "template.yaml").stderr
    assert check(run, write, statement(deny % "")) == ["denied: orders"]


def test_a_statement_of_exceptions_may_allow_any_call(run: Run, write: Write):
    """``NotAction`` allows everything else, so nothing is missing."""
    without = statement("{Effect: Allow, NotAction: 'iam:*', Resource: '*'}").replace("function:billing", "function:x")

    assert check(run, write, without) == []
    assert "NotAction and NotResource are not supported" in run("policy", "--check", "template.yaml").stderr
