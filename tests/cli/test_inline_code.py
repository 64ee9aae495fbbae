"""Functions whose code is in their template: it is read like that of a file."""

from __future__ import annotations

import json

import pytest

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: orders
      Runtime: python3.13
      Handler: index.handler
      Environment: {Variables: {TARGET: !Ref Billing}}
      InlineCode: |
        import boto3, os
        def handler(event, context):
            boto3.client("lambda").invoke(FunctionName=os.environ["TARGET"])
  Billing:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: billing
      Runtime: python3.13
      Handler: index.main
      Role: !GetAtt Role.Arn
      Code:
        ZipFile: !Sub |
          import boto3
          def main(event, context):
              boto3.client("lambda").invoke(FunctionName="${Ledger}", InvocationType="Event")
  Ledger:
    Type: AWS::Lambda::Function
    Properties: {FunctionName: ledger, Runtime: nodejs22.x, Handler: index.x, Code: {ZipFile: "exports.x = () => {}"}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyName: call
          PolicyDocument:
            Statement: {Effect: Allow, Action: lambda:InvokeFunction, Resource: !GetAtt Ledger.Arn}
"""


def test_inline_code_is_the_code_of_its_function(run, write):
    """Its calls are the function's, with the lines of the template."""
    write({"app.py": "", "template.yaml": TEMPLATE})
    ran = run("graph", "--template", "template.yaml", "--json")

    calls = json.loads(ran.stdout)["calls"]
    assert [(one["caller"], one["callee"], one["mode"]) for one in calls] == [
        ("billing", "ledger", "fire"),
        ("orders", "billing", "call"),
    ]
    places = run("graph", "--template", "template.yaml").stdout
    lines = [number for number, line in enumerate(TEMPLATE.splitlines(), 1) if ".invoke(" in line]
    assert f"template.yaml#Orders:{lines[0]}" in places
    assert f"template.yaml#Billing:{lines[1]}" in places


def test_inline_code_needs_its_permissions(run, write):
    """What its role lacks is missing, and what it uses is not reported."""
    write({"app.py": "", "template.yaml": TEMPLATE})
    found = run("policy", "--check", "template.yaml").stdout

    assert "missing: orders: billing is called at template.yaml#Orders:" in found
    assert "ledger" not in found


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("'def broken('", "template.yaml#F:4: cannot parse the file"),
        ("'import boto3\n\n      boto3.client(\"lambda\").invoke(FunctionName=x)'", "template.yaml#F:"),
        ("!Sub '${Missing}'", "Missing"),
    ],
)
def test_inline_code_that_cannot_be_read_is_reported(run, write, code: str, told: str):
    """Nothing is left out without a word."""
    resource = (
        f"Type: AWS::Lambda::Function, Properties: {{Runtime: python3.13, Handler: index.x, Code: {{ZipFile: {code}}}}}"
    )
    write({"app.py": "", "template.yaml": f"Resources:\n  F:\n    {{\n{resource}}}\n"})

    assert told in run("graph", "--template", "template.yaml").stderr
