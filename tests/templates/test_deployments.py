"""What a template deploys and grants, for ``policy`` and ``graph``; any error is one line, without a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.iam.aws_managed_policies import aws_managed_policies_data

from lambdachain._analysis.permissions.compare_grants import compare_grants, concerns_calls
from lambdachain._analysis.permissions.required_permissions import Stack
from lambdachain._core.type_guards import is_list
from lambdachain._templates.context import TemplateContext
from lambdachain._templates.deployment import TemplateDeployment, read_deployment
from lambdachain._templates.diagnostics import TemplateError
from lambdachain._templates.policies import MANAGED, WITHOUT_CALLS
from tests.templates.readers import AWS, SYSTEMS

INVOKE = {"Effect": "Allow", "Action": "lambda:InvokeFunction"}
NAMES = st.sampled_from(
    ["Statement", "Effect", "Action", "Resource", "NotAction", "LambdaInvokePolicy", "FunctionName", "Variables", "x"]
)
INTRINSICS = st.sampled_from(["Ref", "Fn::GetAtt", "Fn::Sub", "Fn::If", "Fn::ImportValue", "Fn::Transform"])
LEAVES = st.sampled_from(
    ["lambda:InvokeFunction", "*", "F", "Role", "F.Arn", "Allow", "Deny", "${F.Arn}", "${self:x}", "", "app.handler"]
) | st.sampled_from([None, True, 0, -1, 3.5])
TREES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(NAMES, inner, max_size=3)
        | st.tuples(INTRINSICS, inner).map(lambda pair: {pair[0]: pair[1]})
    ),
    max_leaves=6,
)
PROPERTIES = st.dictionaries(
    st.sampled_from(["Policies", "Role", "Timeout", "Handler", "CodeUri", "Environment", "FunctionName", "Connectors"]),
    TREES,
)


def read(tree: Any, directory: Path, name: str = "template.yaml") -> TemplateDeployment:
    """Read a tree as a file."""
    path = directory / name
    path.write_text(yaml.safe_dump(tree))
    return read_deployment(path, TemplateContext(AWS))


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], deadline=None)
@given(PROPERTIES, TREES, TREES)
def test_any_template_is_read_without_a_traceback(tmp_path: Path, properties: dict[str, Any], policies: Any, doc: Any):
    """Every function is read; each value that cannot be resolved is a diagnostic of one line."""
    role = {"Policies": policies, "ManagedPolicyArns": policies}
    resources = {
        "F": {"Type": "AWS::Serverless::Function", "Properties": properties, "Connectors": doc},
        "Role": {"Type": "AWS::IAM::Role", "Properties": role},
        "More": {"Type": "AWS::IAM::Policy", "Properties": {"Roles": policies, "PolicyDocument": doc}},
        "G": {"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": ["Role", "Arn"]}}},
    }
    found = read({"Resources": resources, "Globals": doc}, tmp_path)

    assert len(found.functions) == 2
    assert all("\n" not in str(line) for line in found.diagnostics)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(st.sampled_from(["handler", "timeout", "environment", "iamRoleStatements"]), TREES), TREES, TREES
)
def test_any_service_is_read_without_a_traceback(
    tmp_path: Path, function: dict[str, Any], statements: Any, timeout: Any
):
    """A ``serverless.yml``, as above."""
    provider = {"iam": {"role": {"statements": statements}}, "timeout": timeout}
    tree = {"service": "shop", "provider": provider, "functions": {"f": function}}
    found = read(tree, tmp_path, "serverless.yml")

    assert [one.name for one in found.functions] == ["shop-dev-f"]
    assert all("\n" not in str(line) for line in found.diagnostics)


@pytest.mark.parametrize("name", ["sam/template.yaml", "plain/template.yaml", "serverless/serverless.yml"])
def test_systems_are_read(name: str):
    """Every function has its timeout and its handler; other tests serve these systems."""
    found = read_deployment(SYSTEMS / name, TemplateContext(AWS))

    assert len(found.functions) >= 2
    assert all(one.timeout and one.handler for one in found.functions)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not valid YAML"),
        ("a: b", "neither a template (no Resources) nor a serverless.yml (no service)"),
        ("- 1", "neither a template"),
        ("functions: {f: {handler: a.b}}", "no service: the name of every function starts with the service's name"),
    ],
)
def test_file_that_is_not_a_template_is_refused(tmp_path: Path, text: str, message: str):
    """The error names the file, and the line if there is one."""
    path = tmp_path / "template.yaml"
    path.write_text(text)
    with pytest.raises(TemplateError) as refused:
        read_deployment(path, TemplateContext(AWS))

    assert message in str(refused.value.to_diagnostic())


def test_function_with_a_false_condition_is_not_deployed(tmp_path: Path):
    """One whose condition is unknown is read, and reported."""
    kind = "AWS::Serverless::Function"
    tree = {
        "Conditions": {"Never": {"Fn::Equals": ["a", "b"]}},
        "Globals": {"Function": {"Timeout": 60}},
        "Resources": {
            "Off": {"Type": kind, "Condition": "Never", "Properties": {"FunctionName": "same"}},
            "On": {"Type": kind, "Properties": {"FunctionName": "same"}},
            "Perhaps": {"Type": kind, "Condition": "Nobody", "Properties": {}},
            "Plain": {"Type": "AWS::Lambda::Function", "Properties": {}},
        },
    }
    found = read(tree, tmp_path)

    assert [(one.name, one.timeout) for one in found.functions] == [("same", 60), ("Perhaps", 60), ("Plain", 3)]
    assert [str(one).partition(": ")[2] for one in found.diagnostics] == [
        "Resources.Perhaps.Condition: condition 'Nobody' is not defined"
    ]


CONNECTORS = {
    "between functions": ("", "Properties: {Source: {Id: Caller}, Destination: {Id: Callee}, Permissions: [Write]}"),
    "to several": (
        "",
        "Properties: {Source: {Id: Caller}, Destination: [{Id: Table}, {Id: Callee}], Permissions: [Read, Write]}",
    ),
    "from a function with a role of the template": (
        "Role: !GetAtt Role.Arn",
        "Properties: {Source: {Id: Caller}, Destination: {Id: Callee}, Permissions: [Write]}",
    ),
    "from a role": (
        "Role: !GetAtt Role.Arn",
        (
            "Properties: {Source: {Type: AWS::Serverless::Function, RoleName: !Ref Role}, "
            "Destination: {Id: Callee}, Permissions: [Write]}"
        ),
    ),
}


@pytest.mark.parametrize(("own", "connector"), CONNECTORS.values(), ids=CONNECTORS)
def test_connector_grants_calls(tmp_path: Path, own: str, connector: str):
    """SAM attaches its policy to the role of the source, whoever made that."""
    text = f"""
    Resources:
      Role: {{Type: AWS::IAM::Role}}
      Table: {{Type: AWS::Serverless::SimpleTable}}
      Caller: {{Type: AWS::Serverless::Function, Properties: {{Handler: app.one, {own}}}}}
      Callee: {{Type: AWS::Serverless::Function, Properties: {{Handler: app.two, FunctionName: callee}}}}
      Connector:
        Type: AWS::Serverless::Connector
        {connector}
    """
    (tmp_path / "template.yaml").write_text(text)
    caller, callee = read_deployment(tmp_path / "template.yaml", TemplateContext(AWS)).functions

    assert [one.resource for one in caller.grants] == ["arn:aws:lambda:us-east-1:123456789012:function:callee"]
    assert callee.grants == ()


ROLES = {
    "named like the one that SAM generates": ({"Fn::GetAtt": ["FRole", "Arn"]}, "own"),
    "a condition that names it": (
        {"Fn::If": ["Yes", {"Fn::GetAtt": ["FRole", "Arn"]}, {"Ref": "AWS::NoValue"}]},
        "own",
    ),
    "a condition that leaves it to SAM": ({"Fn::If": ["Yes", {"Ref": "AWS::NoValue"}, "arn:x"]}, "policies"),
}


@pytest.mark.parametrize(("role", "resource"), ROLES.values(), ids=ROLES)
def test_role_with_the_name_of_a_generated_one(tmp_path: Path, role: dict[str, Any], resource: str):
    """It is the template's own if the function names it; SAM generates one only for a function without a role."""
    own = {"Policies": [{"PolicyDocument": {"Statement": {**INVOKE, "Resource": "own"}}}]}
    tree = {
        "Conditions": {"Yes": {"Fn::Equals": ["a", "a"]}},
        "Resources": {
            "F": {
                "Type": "AWS::Serverless::Function",
                "Properties": {"Role": role, "Policies": [{"Statement": {**INVOKE, "Resource": "policies"}}]},
            },
            "Other": {"Type": "AWS::Serverless::Function", "Properties": {"Role": {"Fn::GetAtt": ["FRole", "Arn"]}}},
            **({} if resource == "policies" else {"FRole": {"Type": "AWS::IAM::Role", "Properties": own}}),
        },
    }
    function, other = read(tree, tmp_path).functions

    assert [[one.resource for one in each.grants] for each in (function, other)] == [[resource], [resource]]


def test_destination_of_events_needs_a_grant(tmp_path: Path):
    """SAM adds it to the role that it generates; another role has a statement for it that no call uses."""
    destination = {"Type": "Lambda", "Destination": {"Fn::GetAtt": ["Log", "Arn"]}}
    events = {"DestinationConfig": {"OnFailure": destination}}
    statement = {**INVOKE, "Resource": {"Fn::GetAtt": ["Log", "Arn"]}}
    tree: dict[str, Any] = {
        "Resources": {
            "Generated": {"Type": "AWS::Serverless::Function", "Properties": {"EventInvokeConfig": events}},
            "Named": {
                "Type": "AWS::Serverless::Function",
                "Properties": {"EventInvokeConfig": events, "Role": {"Fn::GetAtt": ["Role", "Arn"]}},
            },
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {"Policies": [{"PolicyDocument": {"Statement": [statement]}}]},
            },
            "Log": {"Type": "AWS::Serverless::Function", "Properties": {}},
        },
    }
    generated, _, named = read(tree, tmp_path).functions  # sorted
    stack = Stack(region=AWS.region, account_id=AWS.account_id)

    arn = "arn:aws:lambda:us-east-1:123456789012:function:Log"
    assert [[(one.resource, one.destinations) for one in each.grants] for each in (generated, named)] == [
        [(arn, (arn,))],
        [(arn, (arn,))],
    ]
    assert compare_grants("f", "here", [], [*generated.grants, *named.grants], stack) == []


SERVICE_ROLES = {
    "statements of the provider": (
        {"iam": {"role": {"statements": [{"Action": "lambda:InvokeFunction", "Resource": "a"}]}}},
        {},
        ["a"],
    ),
    "statements of the function in place of the provider's": (
        {"iamRoleStatements": [{"Action": "x", "Resource": "a"}]},
        {"iamRoleStatements": [{"Action": "x", "Resource": "b"}]},
        ["b"],
    ),
    "statements of both": (
        {"iamRoleStatements": [{"Action": "x", "Resource": "a"}]},
        {"iamRoleStatements": [{"Action": "x", "Resource": "b"}], "iamRoleStatementsInherit": True},
        ["b", "a"],
    ),
    "a managed policy": ({"iam": {"role": {"managedPolicies": ["arn:aws:iam::aws:policy/AWSLambdaRole"]}}}, {}, ["*"]),
    "a role of the resources": ({"iam": {"role": "Role"}}, {}, ["of-role"]),
    "a role of the function": ({}, {"role": {"Fn::GetAtt": ["Role", "Arn"]}}, ["of-role"]),
    "a policy that is attached to the shared role": ({}, {"name": "attached"}, ["attached"]),
    "a statement that only AWS knows": (
        {"iamRoleStatements": ["${ssm:/statement}", {"Action": "x", "Resource": "a"}]},
        {},
        ["a"],
    ),
}


@pytest.mark.parametrize(("provider", "function", "resources"), SERVICE_ROLES.values(), ids=SERVICE_ROLES)
def test_service_grants_what_its_roles_grant(
    tmp_path: Path, provider: dict[str, Any], function: dict[str, Any], resources: list[str]
):
    """The framework's shared role, a function's own, or one that is named."""
    statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "of-role"}
    role = {"Policies": [{"PolicyDocument": {"Statement": [statement]}}]}
    policy = {"PolicyDocument": {"Statement": {**statement, "Resource": "attached"}}}
    attached = {"Roles": [{"Ref": "IamRoleLambdaExecution"}]} if "name" in function else {}
    tree = {
        "service": "shop",
        "provider": {"name": "aws", **provider},
        "functions": {"f": {"handler": "app.handler", **function}},
        "resources": {
            "Resources": {
                "Role": {"Type": "AWS::IAM::Role", "Properties": role},
                "Policy": {"Type": "AWS::IAM::Policy", "Properties": {**policy, **attached}},
            }
        },
    }
    found = read(tree, tmp_path, "serverless.yml")

    assert [one.resource for one in found.functions[0].grants] == resources
    assert [str(one).rpartition(": ")[2] for one in found.diagnostics] == (
        ["pass --parameter ssm:/statement=VALUE"] if "ssm" in str(tree) else []
    )


def test_role_outside_the_template_is_reported(tmp_path: Path):
    """Its permissions cannot be checked."""
    tree = {
        "service": "shop",
        "provider": {"iam": {"role": "arn:aws:iam::123456789012:role/elsewhere"}},
        "functions": {"f": {"handler": "app.handler"}},
    }
    found = read(tree, tmp_path, "serverless.yml")

    assert [str(one).partition(": ")[2] for one in found.diagnostics] == [
        "provider.iam.role: the role is not in this template: its permissions are unknown"
    ]


def test_nested_stacks_are_read(tmp_path: Path):
    """With their parameters and outputs, as `serve` reads them; one that is elsewhere is reported."""
    nested = {
        "Parameters": {"Callee": {"Type": "String"}},
        "Resources": {
            "Inner": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "Handler": "app.handler",
                    "Environment": {"Variables": {"CALLEE": {"Ref": "Callee"}}},
                    "Policies": [{"Statement": {**INVOKE, "Resource": {"Ref": "Callee"}}}],
                },
            }
        },
        "Outputs": {"Name": {"Value": {"Ref": "Inner"}}},
    }
    child = tmp_path / "child"
    child.mkdir()
    (child / "template.yaml").write_text(yaml.safe_dump(nested))
    tree = {
        "Resources": {
            "Child": {
                "Type": "AWS::Serverless::Application",
                "Properties": {
                    "Location": "child/template.yaml",
                    "Parameters": {"Callee": {"Fn::GetAtt": "Outer.Arn"}},
                },
            },
            "Elsewhere": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "https://s3/x.yaml"}},
            "Outer": {
                "Type": "AWS::Serverless::Function",
                "Properties": {"Environment": {"Variables": {"INNER": {"Fn::GetAtt": "Child.Outputs.Name"}}}},
            },
        }
    }
    found = read(tree, tmp_path)
    outer, inner = found.functions

    arn = "arn:aws:lambda:us-east-1:123456789012:function:Outer"
    assert (outer.environment, inner.environment) == ({"INNER": "Inner"}, {"CALLEE": arn})
    assert [one.resource for one in inner.grants] == [arn]
    assert inner.directory == child
    (line,) = found.diagnostics
    assert str(line).endswith(
        "its template is not on this machine: pass its file as well, or set TemplateURL to a path"
    )


def test_policies_in_conditions_are_read(tmp_path: Path):
    """Also where a condition is inside a branch of another one."""
    statements = {
        "Fn::If": ["Yes", [{**INVOKE, "Resource": "a"}, {"Fn::If": ["Yes", {**INVOKE, "Resource": "b"}, 1]}], []]
    }
    policies = {"Fn::If": ["Yes", [{"Statement": statements}, {"LambdaInvokePolicy": {"FunctionName": "c"}}], []]}
    tree = {
        "Conditions": {"Yes": {"Fn::Equals": ["a", "a"]}},
        "Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": {"Policies": policies}}},
    }
    (function,) = read(tree, tmp_path).functions

    assert [one.resource.rpartition(":")[2] for one in function.grants] == ["a", "b", "c*"]


def test_role_that_is_named_as_sam_would_name_it_is_read(tmp_path: Path):
    """A template may write down the role of function F as FRole: SAM generates none then."""
    statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "of-role"}
    role = {"Policies": [{"PolicyDocument": {"Statement": [statement]}}]}
    function = {"Type": "AWS::Serverless::Function", "Properties": {"Role": {"Fn::GetAtt": ["FRole", "Arn"]}}}
    tree = {"Resources": {"F": function, "G": function, "FRole": {"Type": "AWS::IAM::Role", "Properties": role}}}
    found = read(tree, tmp_path)

    assert [[one.resource for one in function.grants] for function in found.functions] == [["of-role"], ["of-role"]]
    assert found.diagnostics == ()


def test_functions_that_name_roles_of_each_other_are_read(tmp_path: Path):
    """A role without an end: F says that its role is G's, and G that its role is F's."""
    tree = {
        "Resources": {
            name: {"Type": "AWS::Serverless::Function", "Properties": {"Role": {"Fn::GetAtt": [role, "Arn"]}}}
            for name, role in (("F", "GRole"), ("G", "FRole"))
        }
    }
    found = read(tree, tmp_path)

    assert [[one.is_unknown for one in function.grants] for function in found.functions] == [[True], [True]]
    assert len(found.diagnostics) == 2


def test_known_managed_policies_allow_what_aws_says():
    """As published in AWS's documents, which moto has a copy of: those listed as harmless allow no calls."""
    published = json.loads(aws_managed_policies_data)
    allowing = {name for name, policy in published.items() if _allows_calls(policy["Document"]["Statement"])}

    # ``AWSLambdaFullAccess`` and the second spelling are older names, which AWS has retired.
    retired = {"AWSLambdaFullAccess", "AWSXrayWriteOnlyAccess"}
    assert set(MANAGED) - retired <= allowing
    assert set(WITHOUT_CALLS) - retired <= set(published) - allowing


def _allows_calls(statements: Any) -> bool:
    allowed = (one for one in _to_list(statements) if one["Effect"] == "Allow")
    return any(
        concerns_calls(_to_list(one["Action"])) if "Action" in one else not concerns_calls(_to_list(one["NotAction"]))
        for one in allowed
    )


def _to_list(value: Any) -> list[Any]:
    return value if is_list(value) else [value]
