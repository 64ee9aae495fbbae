"""What a template deploys and grants, for policy and graph: whatever stands in it, one line and no traceback."""

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
def test_no_template_is_too_wrong_to_be_told_of(tmp_path: Path, properties: dict[str, Any], policies: Any, doc: Any):
    """Every function is there; what cannot be known of it is a problem, in a line."""
    role = {"Policies": policies, "ManagedPolicyArns": policies}
    resources = {
        "F": {"Type": "AWS::Serverless::Function", "Properties": properties, "Connectors": doc},
        "Role": {"Type": "AWS::IAM::Role", "Properties": role},
        "More": {"Type": "AWS::IAM::Policy", "Properties": {"Roles": policies, "PolicyDocument": doc}},
        "G": {"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": ["Role", "Arn"]}}},
    }
    found = read({"Resources": resources, "Globals": doc}, tmp_path)

    assert len(found.functions) == 2
    assert all("\n" not in str(problem) for problem in found.diagnostics)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(st.sampled_from(["handler", "timeout", "environment", "iamRoleStatements"]), TREES), TREES, TREES
)
def test_no_service_is_too_wrong_to_be_told_of(tmp_path: Path, function: dict[str, Any], statements: Any, timeout: Any):
    """Nor is a ``serverless.yml``."""
    provider = {"iam": {"role": {"statements": statements}}, "timeout": timeout}
    tree = {"service": "shop", "provider": provider, "functions": {"f": function}}
    found = read(tree, tmp_path, "serverless.yml")

    assert [one.name for one in found.functions] == ["shop-dev-f"]
    assert all("\n" not in str(problem) for problem in found.diagnostics)


@pytest.mark.parametrize("name", ["sam/template.yaml", "plain/template.yaml", "serverless/serverless.yml"])
def test_whole_systems_are_read(name: str):
    """Those that are served in other tests: every function with its timeout and its handler."""
    found = read_deployment(SYSTEMS / name, TemplateContext(AWS))

    assert len(found.functions) >= 2
    assert all(one.timeout and one.handler for one in found.functions)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "not valid YAML"),
        ("a: b", "neither a template (no Resources) nor a serverless.yml (no service)"),
        ("- 1", "neither a template"),
        ("functions: {f: {handler: a.b}}", "no service: the name of every function starts with the service's name"),
    ],
)
def test_what_is_no_template_is_refused(tmp_path: Path, text: str, told: str):
    """With the file, and the line where there is one."""
    path = tmp_path / "template.yaml"
    path.write_text(text)
    with pytest.raises(TemplateError) as refused:
        read_deployment(path, TemplateContext(AWS))

    assert told in str(refused.value.to_diagnostic())
