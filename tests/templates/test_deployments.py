"""What a template deploys and grants, for ``policy`` and ``graph``; any error is one line, without a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdachain._templates.context import TemplateContext
from lambdachain._templates.deployment import TemplateDeployment, read_deployment
from lambdachain._templates.diagnostics import TemplateError
from tests.templates.readers import AWS, SYSTEMS

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


def test_connector_grants_calls(tmp_path: Path):
    """Also a connector that is a resource of its own."""
    text = """
    Resources:
      Caller: {Type: AWS::Serverless::Function, Properties: {Handler: app.one}}
      Callee: {Type: AWS::Serverless::Function, Properties: {Handler: app.two, FunctionName: callee}}
      Connector:
        Type: AWS::Serverless::Connector
        Properties: {Source: {Id: Caller}, Destination: {Id: Callee}, Permissions: [Write]}
    """
    (tmp_path / "template.yaml").write_text(text)
    caller, callee = read_deployment(tmp_path / "template.yaml", TemplateContext(AWS)).functions

    assert [one.resource for one in caller.grants] == ["arn:aws:lambda:us-east-1:123456789012:function:callee"]
    assert callee.grants == ()


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

    assert [function.grants for function in found.functions] == [(), ()]
    assert len(found.diagnostics) == 2
