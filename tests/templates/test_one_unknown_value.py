"""One value that cannot be resolved hides only itself: every scalar of every template is replaced, one at a time."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lambdachain._templates.context import TemplateContext
from lambdachain._templates.deployment import TemplateDeployment, read_deployment
from lambdachain._templates.diagnostics import TemplateError
from lambdachain.local._definitions._sources import read_system
from tests.templates.readers import AWS

SAM = """
Transform: AWS::Serverless-2016-10-31
Parameters: {Stage: {Type: String, Default: dev}, Wait: {Type: Number, Default: 9}}
Conditions: {IsDev: {Fn::Equals: [{Ref: Stage}, dev]}}
Mappings: {Sizes: {dev: {memory: 256}}}
Globals:
  Function:
    Runtime: python3.13
    Timeout: {Ref: Wait}
    Environment: {Variables: {SHARED: {Ref: Stage}}}
    Layers: [{Ref: Shared}]
Resources:
  One:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: {Fn::Sub: "one-${Stage}"}
      Handler: app.one
      CodeUri: src
      MemorySize: {Fn::FindInMap: [Sizes, {Ref: Stage}, memory]}
      AutoPublishAlias: live
      Environment: {Variables: {TWO: {Ref: Two}, TABLE: {Fn::GetAtt: [Table, Arn]}}}
      EventInvokeConfig:
        MaximumRetryAttempts: 0
        DestinationConfig: {OnFailure: {Type: SQS, Destination: {Fn::GetAtt: [Queue, Arn]}}, OnSuccess: {Type: SQS}}
      DeadLetterQueue: {Type: SQS, TargetArn: {Fn::GetAtt: [Queue, Arn]}}
      Policies:
        - LambdaInvokePolicy: {FunctionName: {Ref: Two}}
        - Statement: [{Effect: Allow, Action: [lambda:InvokeFunction], Resource: {Fn::GetAtt: [Two, Arn]}}]
        - AWSLambdaRole
      Events:
        Api: {Type: HttpApi, Properties: {Path: /one, Method: get}}
      FunctionUrlConfig: {AuthType: NONE}
    Connectors:
      ToTwo: {Properties: {Destination: {Id: Two}, Permissions: [Write]}}
  Two:
    Type: AWS::Serverless::Function
    Condition: IsDev
    Properties:
      Handler: app.two
      CodeUri: {Fn::If: [IsDev, src, other]}
      Role: {Fn::GetAtt: [Role, Arn]}
  Plain:
    Type: AWS::Lambda::Function
    Properties:
      Handler: app.plain
      Runtime: python3.13
      Code: {ZipFile: "def plain(event, context): pass"}
      Role: {Fn::GetAtt: [Role, Arn]}
  Image:
    Type: AWS::Serverless::Function
    Properties: {PackageType: Image, ImageUri: image, ImageConfig: {Command: [app.image]}}
  Version: {Type: AWS::Lambda::Version, Properties: {FunctionName: {Ref: Plain}}}
  Alias:
    Type: AWS::Lambda::Alias
    Properties: {FunctionName: {Ref: Plain}, FunctionVersion: {Fn::GetAtt: [Version, Version]}, Name: live}
  Events:
    Type: AWS::Lambda::EventInvokeConfig
    Properties: {FunctionName: {Ref: Plain}, Qualifier: $LATEST, MaximumRetryAttempts: 1}
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: shared
      Policies:
        - PolicyDocument: {Statement: [{Effect: Allow, Action: lambda:*, Resource: "*"}]}
  Attached:
    Type: AWS::IAM::Policy
    Properties:
      Roles: [{Ref: Role}]
      PolicyDocument: {Statement: [{Effect: Allow, Action: lambda:InvokeFunction, Resource: {Fn::GetAtt: [One, Arn]}}]}
  Connector:
    Type: AWS::Serverless::Connector
    Properties: {Source: {Id: Plain}, Destination: {Id: One}, Permissions: [Write]}
  Shared: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer}}
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: {Fn::Sub: "${Stage}-queue"}}}
  Table: {Type: AWS::DynamoDB::Table}
  Nested:
    Type: AWS::Serverless::Application
    Properties: {Location: nested.yaml, Parameters: {Name: {Ref: One}}}
"""
NESTED = """
Parameters: {Name: {Type: String}}
Resources:
  Inner:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.inner, CodeUri: src, Runtime: python3.13, Environment: {Variables: {ONE: {Ref: Name}}}}
"""
SERVICE = """
service: shop
frameworkVersion: "3"
custom: {size: 256, names: {dev: value}}
provider:
  name: aws
  runtime: python3.13
  stage: dev
  timeout: 9
  environment: {SHARED: "${self:custom.names.dev}", TABLE: {Ref: Table}}
  iam:
    role:
      name: shared
      statements: [{Effect: Allow, Action: lambda:InvokeFunction, Resource: {Fn::GetAtt: [TwoLambdaFunction, Arn]}}]
layers: {lib: {path: layer}}
functions:
  one:
    handler: src/app.one
    name: one-${sls:stage}
    memorySize: ${self:custom.size}
    environment: {TWO: {Ref: TwoLambdaFunction}, OWN: text}
    layers: [{Ref: LibLambdaLayer}]
    maximumRetryAttempts: 0
    destinations: {onFailure: two, onSuccess: {type: sqs, arn: {Fn::GetAtt: [Queue, Arn]}}}
    onError: {Fn::GetAtt: [Queue, Arn]}
    events: [{httpApi: GET /one}, {http: {path: two, method: post}}]
  two: {handler: src/app.two, role: Role, url: true, provisionedConcurrency: 1, condition: IsDev}
resources:
  Conditions: {IsDev: {Fn::Equals: [a, a]}}
  Resources:
    Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: queue}}
    Table: {Type: AWS::DynamoDB::Table}
    Role:
      Type: AWS::IAM::Role
      Properties: {Policies: [{PolicyDocument: {Statement: {Effect: Allow, Action: "lambda:*", Resource: "*"}}}]}
    OneLambdaFunction: {Properties: {Timeout: 12}}
"""
TEMPLATES = {"template.yaml": SAM, "serverless.yml": SERVICE}
UNKNOWN: dict[str, Any] = {
    "an import": {"Fn::ImportValue": "elsewhere"},
    "a reference": {"Ref": "Nobody"},
    "a condition": {"Fn::If": ["Nobody", "a", "b"]},
    "a macro": {"Fn::Transform": {"Name": "Macro"}},
    "a variable": "${ssm:/key}",
}
# Wrong values, but known ones: what they are in place of is lost, of course.
WRONG: dict[str, Any] = {
    "nothing": None,
    "a list": ["a", {"b": 1}],
    "a number": -1.5,
    "a name that Lambda refuses": "two words",
    "an empty mapping": {},
}
# What says how many functions there are, or what they are: without it there are fewer, and that is said.
STRUCTURE = ("Type", "Location")
# Without its name or its stage, no function of a service has a name.
WITHOUT_NAMES = (("service",), ("provider", "stage"), ("provider", "name"))


def list_scalars(tree: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each scalar."""
    if isinstance(tree, dict):
        for key, value in tree.items():  # pyright: ignore[reportUnknownVariableType]
            yield from list_scalars(value, (*path, str(key)))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(tree, list):
        for index, value in enumerate(tree):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from list_scalars(value, (*path, index))
    else:
        yield path


def replace(tree: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Return a copy of the tree with another value at *path*."""
    copied = copy.deepcopy(tree)
    parent = copied
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    return copied


def find_lost(known: TemplateDeployment, found: TemplateDeployment) -> list[str]:
    """Return what is known without the unknown value but no longer with it: functions and variables."""
    functions = {function.location.key: function for function in found.functions}
    lost: list[str] = []
    for before in known.functions:
        if (now := functions.get(before.location.key)) is None:
            lost.append(before.name)
            continue
        lost += [f"{before.name}.{name}" for name in before.environment if name not in now.environment]
        lost += [f"{before.name} grants"] * (len(now.grants) < len(before.grants))
        lost += [f"{before.name} handler"] * (before.handler != "" and now.handler == "")
        lost += [f"{before.name} timeout"] * (before.timeout is not None and now.timeout is None)
    return lost


def find_problems(
    path: Path, known: TemplateDeployment, place: tuple[str | int, ...], *, is_unknown: bool
) -> Iterator[str]:
    """Yield what is wrong with how the file is read, one of whose values is unknown."""
    context = TemplateContext(AWS)
    served = read_system(path, context).declarations
    told = {str(line) for line in served.diagnostics}
    try:
        found = read_deployment(path, context)
    except TemplateError as exc:
        if not told or (is_unknown and place not in WITHOUT_NAMES):
            yield f"not read: {exc.text}"
        return
    told |= {str(line) for line in found.diagnostics}
    duplicates = sum("duplicate function" in line for line in told)
    if len(served.functions) + len(served.skipped) + duplicates < len(found.functions):
        yield "functions are neither served nor skipped"
    lost = find_lost(known, found) if is_unknown else []
    if lost and not told:
        yield f"{lost} lost silently"
    functions = [name for name in lost if "." not in name and " " not in name]
    if len(functions) > 1 and place[-1] not in STRUCTURE:
        yield f"{functions} lost"


@pytest.mark.parametrize("value", [*UNKNOWN, *WRONG])
@pytest.mark.parametrize("name", TEMPLATES)
def test_unknown_value_hides_only_itself(tmp_path: Path, name: str, value: str):
    """Nothing raises but a `TemplateError`, no other function is lost, and what is lost is said."""
    if (name, value) == ("template.yaml", "a variable"):
        pytest.skip("a text as any other in SAM")
    tree = yaml.safe_load(TEMPLATES[name])
    (tmp_path / "nested.yaml").write_text(NESTED)
    for directory in ("src", "layer", "other"):
        (tmp_path / directory).mkdir()
    path = tmp_path / name
    context = TemplateContext(AWS)
    path.write_text(yaml.safe_dump(tree))
    known = read_deployment(path, context)
    assert known.diagnostics == ()

    problems: list[str] = []
    # One kind of unknown value everywhere; of the others, which go the same ways, a part each.
    part = [*UNKNOWN, *WRONG].index(value)
    places = list(list_scalars(tree))
    for place in places[part % 4 :: 4 if part else 1]:
        path.write_text(yaml.safe_dump(replace(tree, place, {**UNKNOWN, **WRONG}[value])))
        found = find_problems(path, known, place, is_unknown=value in UNKNOWN)
        problems += [f"{'.'.join(map(str, place))}: {problem}" for problem in found]

    assert problems == []
