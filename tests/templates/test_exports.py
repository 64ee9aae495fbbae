"""Templates that are read together: what one exports or outputs, another one imports."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from lambdachain._templates.context import TemplateContext
from lambdachain._templates.deployment import read_deployments
from tests.templates.readers import AWS

BILLING = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Billing:
        Type: AWS::Serverless::Function
        Properties: {Runtime: python3.13, Handler: billing.handler, FunctionName: prod-billing}
    Outputs:
      Arn: {Value: !GetAtt Billing.Arn, Export: {Name: !Sub "${AWS::Region}-billing"}}
      Only: {Value: !GetAtt Table.StreamArn, Export: {Name: only-aws}}
    """
ORDERS = """
    Transform: AWS::Serverless-2016-10-31
    Parameters:
      us-east-1-billing: {Type: String, Default: own}
    Resources:
      Orders:
        Type: AWS::Serverless::Function
        Properties:
          Runtime: python3.13
          Handler: orders.handler
          FunctionName: prod-orders
          Environment:
            Variables:
              BILLING: !ImportValue {"Fn::Sub": "${AWS::Region}-billing"}
              OWN: !Ref us-east-1-billing
              ONLY: !ImportValue only-aws
          Policies:
            - Statement:
                - {Effect: Allow, Action: lambda:InvokeFunction, Resource: !ImportValue us-east-1-billing}
    Outputs:
      Again: {Value: !ImportValue us-east-1-billing, Export: {Name: again}}
    """
MAIL = """
    service: mail
    provider: {name: aws, runtime: python3.13}
    functions:
      send:
        handler: mail.handler
        environment: {BILLING: "${cf:mail-dev.Arn}", ALSO: "${cf:other-dev.Arn, 'none'}", AGAIN: !ImportValue again}
    """
OTHER = """
    service: other
    provider: {name: aws, runtime: python3.13}
    functions: {f: {handler: f.handler}}
    resources:
      Outputs: {Arn: {Value: !GetAtt FLambdaFunction.Arn}}
    """
ARN = "arn:aws:lambda:us-east-1:123456789012:function:"


def write(directory: Path, **texts: str) -> list[Path]:
    """Write templates, and return their files."""
    for name, text in texts.items():
        (directory / f"{name}.yaml").write_text(dedent(text))
    return [directory / f"{name}.yaml" for name in texts]


def test_imports_have_the_values_of_the_other_templates(tmp_path: Path):
    """In any order, through a stack between, and never in place of a parameter of the same name."""
    paths = write(tmp_path, mail=MAIL, orders=ORDERS, billing=BILLING, other=OTHER)

    found = {
        one.name: (dict(one.environment), dict(one.deferred_environment))
        for deployment in read_deployments(paths, TemplateContext(AWS))
        for one in deployment.functions
    }

    assert found["prod-orders"] == (
        {"BILLING": f"{ARN}prod-billing", "OWN": "own"},
        {"ONLY": "import only-aws"},
    )
    assert found["mail-dev-send"] == (
        {"ALSO": f"{ARN}other-dev-f", "AGAIN": f"{ARN}prod-billing"},
        {"BILLING": "cf mail-dev.Arn"},
    )


@pytest.mark.parametrize("passed", [{}, {"us-east-1-billing": f"{ARN}mine"}])
def test_name_that_two_templates_export_is_not_decided(tmp_path: Path, passed: dict[str, str]):
    """Two stages of a stack; what the user passes counts."""
    other = BILLING.replace("prod-billing", "test-billing")
    paths = write(tmp_path, orders=ORDERS.replace("us-east-1-billing:", "P:"), billing=BILLING, other=other)

    (orders, *_) = read_deployments(paths, TemplateContext(AWS, parameters=passed))

    assert orders.functions[0].environment.get("BILLING") == passed.get("us-east-1-billing")
