"""What ``serve`` runs is what ``policy`` and ``graph`` analyze: the same functions, code, handlers and environments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdachain._templates.context import TemplateContext
from lambdachain._templates.deployment import DeployedFunction, read_deployment
from lambdachain.local._definitions._function_builder import DeclaredFunction
from tests.templates.readers import AWS, SYSTEMS, read

SEARCH_PATHS = {"PYTHONPATH", "NODE_PATH"}
ROOT = Path(__file__).parents[2]
TEMPLATES = [
    *SYSTEMS.rglob("template.yaml"),
    *SYSTEMS.rglob("serverless*.yml"),
    *(ROOT / "examples").rglob("template.yaml"),
    *(ROOT / "tests" / "analysis").rglob("template.yaml"),
]


def assert_agreement(declared: DeclaredFunction, deployed: DeployedFunction) -> None:
    """Check that both readings of a function are the same, except for the search paths of layers."""
    served = declared.function
    environment = {name: value for name, value in served.environment.items() if name not in SEARCH_PATHS}

    assert (served.handler, served.timeout, environment) == (
        deployed.handler,
        deployed.timeout,
        dict(deployed.environment),
    )
    # Inline code has no directory until it is served.
    assert declared.inline is not None or Path(served.directory) == deployed.directory


def assert_all_agree(path: Path) -> int:
    """Check every function that can be served, and return how many there are."""
    served = {each.function.name: each for each in read(path).functions}
    deployed = {function.name: function for function in read_deployment(path, TemplateContext(AWS)).functions}

    assert served.keys() <= deployed.keys()
    for name, function in served.items():
        assert_agreement(function, deployed[name])
    return len(served)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_both_readings_of_a_template_agree(path: Path):
    """Every template in this repository."""
    assert assert_all_agree(path) > 0


VARIABLES = st.dictionaries(
    st.sampled_from(["A", "B", "C"]),
    st.sampled_from(["text", 5, True, None, {"Ref": "G"}, {"Ref": "Nobody"}, {"Ref": "AWS::NoValue"}, "{{resolve:x}}"]),
)
SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "Handler": st.sampled_from(["app.handler", "src/app.main", {"Ref": "Text"}]),
    "Timeout": st.sampled_from([1, "7", 900, {"Ref": "Number"}, {"Fn::If": ["Yes", 5, 6]}]),
    "CodeUri": st.sampled_from(["code", "./a/b/", {"Ref": "Text"}]),
    "Environment": st.fixed_dictionaries({"Variables": VARIABLES}),
}
SAM_SETTINGS = st.fixed_dictionaries({}, optional=SETTINGS)
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "timeout": st.sampled_from([1, "7", 900, "${self:custom.number}"]),
    "environment": VARIABLES | st.just("${self:custom.variables}") | st.just("${file(more.yml):variables}"),
    "name": st.sampled_from(["fixed", "${sls:stage}-named"]),
}
SERVICE_SETTINGS = st.fixed_dictionaries(
    {"handler": st.sampled_from(["app.handler", "src/app.main"])}, optional=OPTIONAL
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(SAM_SETTINGS, SAM_SETTINGS, st.sampled_from([None, "Yes", "No", "Nobody"]), st.booleans())
def test_both_readings_of_any_sam_template_agree(
    tmp_path: Path, own: dict[str, Any], shared: dict[str, Any], condition: str | None, is_sam: bool
):
    """Its own properties and those of Globals, which are SAM's only; conditions; a function of CloudFormation's."""
    kind = "AWS::Serverless::Function" if is_sam else "AWS::Lambda::Function"
    function = {"Type": kind, "Properties": {**own, **({} if is_sam else {"Code": "plain"})}}
    other = {"Type": kind, "Properties": {"CodeUri": "c", "Code": "c", "Handler": "app.handler"}}
    tree = {
        "Parameters": {"Text": {"Type": "String", "Default": "a.b"}, "Number": {"Type": "Number", "Default": 9}},
        "Conditions": {"Yes": {"Fn::Equals": ["a", "a"]}, "No": {"Fn::Equals": ["a", "b"]}},
        "Globals": {"Function": shared},
        "Resources": {"F": {**function, **({"Condition": condition} if condition else {})}, "G": other},
    }
    path = tmp_path / "template.yaml"
    path.write_text(yaml.safe_dump(tree))

    assert assert_all_agree(path) > 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(SERVICE_SETTINGS, st.fixed_dictionaries({}, optional=OPTIONAL), st.booleans())
def test_both_readings_of_any_service_agree(
    tmp_path: Path, own: dict[str, Any], provider: dict[str, Any], is_list: bool
):
    """Its own settings and those of the provider, with variables and included files."""
    function = {"f": own}
    tree = {
        "service": "shop",
        "provider": {"name": "aws", **{name: value for name, value in provider.items() if name != "name"}},
        "custom": {"number": 8, "variables": {"A": "from-custom", "D": "${env:NOT_SET}"}},
        "functions": [function] if is_list else function,
        "resources": {"Resources": {"G": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "${ssm:/queue}"}}}},
    }
    path = tmp_path / "serverless.yml"
    path.write_text(yaml.safe_dump(tree))
    (tmp_path / "more.yml").write_text("variables: {B: from-file, E: '${ssm:/key}'}\n")

    assert assert_all_agree(path) == 1


def test_package_needs_pyyaml_only():
    """The extra ``cli`` brings that: a CI job that checks least privilege installs no web server."""
    script = (
        "import sys, lambdachain._templates.deployment, lambdachain._templates.invocation_config\n"
        "needed = {name.partition('.')[0] for name in sys.modules} & "
        "{'yaml', 'pydantic', 'boto3', 'botocore', 'aiohttp', 'dotenv', 'watchfiles', 'click', 'awslambdaric'}\n"
        "print(sorted(needed), any(name.startswith('lambdachain.local') for name in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout == "['yaml'] False\n"
