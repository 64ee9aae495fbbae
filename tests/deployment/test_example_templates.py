"""Each template of the examples, judged by the tool that deploys it, and by what it grants and sets."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from deployed_demo import local_client, serve
from purchase_contracts import Purchase

from tests.support.cloudformation_yaml import load_cloudformation
from tests.templates.test_sam_translator import translate

EXAMPLES = Path(__file__).parents[2] / "examples"
DEPLOYED = EXAMPLES / "deployed"
SAM = sorted(EXAMPLES.glob("**/template.yaml"))


def load(path: Path) -> dict[str, Any]:
    """Read a template."""
    tree: dict[str, Any] = load_cloudformation(path.read_text())
    return tree


def resources(tree: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of a template's resources of a type."""
    return {name: one.get("Properties", {}) for name, one in tree["Resources"].items() if one["Type"] == kind}


def run_lambdachain(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-c", "from lambdachain.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", SAM, ids=lambda path: path.parent.name)
def test_cfn_lint_has_no_complaint(path: Path) -> None:
    """It translates a template with SAM's own translator, and checks the result by CloudFormation's schemas."""
    api = pytest.importorskip("cfnlint.api")
    found = api.lint_file(path, config=api.ManualArgs(regions=["eu-west-1"]))

    assert [str(match) for match in found] == []


@pytest.mark.parametrize("path", SAM, ids=lambda path: path.parent.name)
def test_sams_translator_makes_functions_that_are_complete(path: Path) -> None:
    """With a role, a runtime, a handler, and code that is in the checkout."""
    pytest.importorskip("samtranslator")
    tree = load(path)
    # The translator accepts code in S3 only, where `sam package` puts it.
    shared: dict[str, Any] = tree.get("Globals", {}).get("Function", {})
    for function in resources(tree, "AWS::Serverless::Function").values():
        module, _, name = {**shared, **function}["Handler"].rpartition(".")
        code = path.parent / {**shared, **function}["CodeUri"]
        assert re.search(rf"^def {name}\(", (code / f"{module}.py").read_text(), re.MULTILINE)
        function["CodeUri"] = "s3://bucket/code.zip"
    for layer in resources(tree, "AWS::Serverless::LayerVersion").values():
        layer["ContentUri"] = "s3://bucket/layer.zip"
    shared.pop("CodeUri", None)
    translated = translate(tree)
    functions = resources(translated, "AWS::Lambda::Function")

    assert len(functions) >= 2
    for function in functions.values():
        assert function["Runtime"] == "python3.13"
        assert function["Role"]["Fn::GetAtt"][0] in resources(translated, "AWS::IAM::Role")


@pytest.mark.parametrize(
    ("directory", "template"), [(DEPLOYED, "sam/template.yaml"), (EXAMPLES / "parent_child", "template.yaml")]
)
def test_the_template_grants_what_the_code_calls(directory: Path, template: str) -> None:
    """Exactly that, by ``lambdachain policy``."""
    path = directory / template if directory == DEPLOYED else EXAMPLES / "least_privilege" / template
    ran = run_lambdachain("policy", str(directory), "--check", str(path), cwd=EXAMPLES)

    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr
    assert "2 functions checked: grants match the calls" in ran.stderr


def test_the_template_of_least_privilege_is_served() -> None:
    """From its sources."""
    order = Purchase.model_validate({"product": "Keyboard", "quantity": 3, "unit_price": "24.90"})
    with serve(EXAMPLES / "least_privilege" / "template.yaml") as environment, local_client(environment) as client:
        assert "74.70 to pay" in str(client.call("ParentFunction", order.model_dump(mode="json")))


def test_the_serverless_file_grants_the_alias_that_its_function_calls() -> None:
    """Its code is in zip files, which ``lambdachain policy`` does not search."""
    tree = load(DEPLOYED / "serverless" / "serverless.yml")
    roles = resources(tree["resources"], "AWS::IAM::Role")
    allowed = {
        name: [
            (statement["Action"], statement["Resource"])
            for policy in role.get("Policies", [])
            for statement in policy["PolicyDocument"]["Statement"]
        ]
        for name, role in roles.items()
    }
    called = tree["functions"]["checkout"]["environment"]["PRICING_FUNCTION"]

    assert allowed["CheckoutRole"][0] == ("lambda:InvokeFunction", called)
    assert allowed["CheckoutRole"][1][0] == "sqs:SendMessage"
    assert allowed["PricingRole"] == []
    assert {name: function["role"] for name, function in tree["functions"].items()} == {
        "checkout": "CheckoutRole",
        "pricing": "PricingRole",
    }


def _unquote(value: Any) -> Any:
    return value[1:-1] if isinstance(value, str) and value[:1] == value[-1:] == '"' else value


@cache
def read_terraform() -> dict[str, dict[str, dict[str, Any]]]:
    """Return the resources of main.tf, by type and name, as Terraform's parser for Python reads them."""
    hcl2 = pytest.importorskip("hcl2")
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for block in hcl2.loads((DEPLOYED / "terraform" / "main.tf").read_text())["resource"]:
        for kind, named in block.items():
            for name, attributes in named.items():
                values = {key: _unquote(value) for key, value in attributes.items()}
                found.setdefault(_unquote(kind), {})[_unquote(name)] = values
    return found


def test_what_is_served_in_terraforms_place_has_its_settings() -> None:
    """The ``lambdachain.toml`` beside main.tf, which has to be kept up to date by hand."""
    terraform = read_terraform()
    aliases = {_unquote(one["name"]) for one in terraform["aws_lambda_alias"].values()}
    served = tomllib.loads((DEPLOYED / "terraform" / "lambdachain.toml").read_text())

    assert set(served["functions"]) == set(terraform["aws_lambda_function"]) == set(terraform["aws_lambda_alias"])
    for name, function in terraform["aws_lambda_function"].items():
        local = {**served["defaults"], **served["functions"][name]}
        assert (local["handler"], local["timeout"], local["memory"], set(local["aliases"])) == (
            function["handler"],
            function["timeout"],
            function["memory_size"],
            aliases,
        )
        variables = function.get("environment", [{"variables": {}}])[0]["variables"]
        own = served["functions"][name].get("environment", {})
        assert set(own) == {_unquote(variable) for variable in variables} - {"__is_block__"}


def test_terraforms_formatter_has_no_complaint() -> None:
    """The program itself parses the file."""
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("terraform is not installed")
    ran = subprocess.run(
        [terraform, "fmt", "-check", "-diff", DEPLOYED / "terraform"], capture_output=True, text=True, check=False
    )

    assert (ran.returncode, ran.stdout) == (0, "")


def test_all_tools_deploy_the_same_settings() -> None:
    """Timeouts, memory, architecture and tracing of the SAM template, main.tf and serverless.yml."""
    sam = load(DEPLOYED / "sam" / "template.yaml")
    serverless = load(DEPLOYED / "serverless" / "serverless.yml")
    terraform = read_terraform()["aws_lambda_function"]
    timeouts = {
        "sam": {name.lower(): each["Timeout"] for name, each in resources(sam, "AWS::Serverless::Function").items()},
        "serverless": {name: each["timeout"] for name, each in serverless["functions"].items()},
        "terraform": {name: each["timeout"] for name, each in terraform.items()},
    }

    assert timeouts["sam"] == timeouts["serverless"] == timeouts["terraform"] == {"checkout": 20, "pricing": 5}
    assert sam["Globals"]["Function"]["Architectures"] == [serverless["provider"]["architecture"]] == ["arm64"]
    assert {sam["Globals"]["Function"]["MemorySize"], serverless["provider"]["memorySize"]} == {512}
    assert sam["Globals"]["Function"]["Tracing"] == "Active"
    assert serverless["provider"]["tracing"] == {"lambda": True}
    assert json.dumps(terraform).count('"mode": "\\"Active\\""') == 2


def test_the_image_has_the_code_of_its_handlers() -> None:
    """What the Dockerfile copies is there, and has the modules of both functions."""
    instructions = [line.split(maxsplit=1) for line in (DEPLOYED / "Dockerfile").read_text().splitlines() if line]
    copied = [DEPLOYED / source for name, rest in instructions if name == "COPY" for source in rest.split()[:-1]]
    [command] = [json.loads(rest) for name, rest in instructions if name == "CMD"]
    modules = {path.stem for source in copied if source.is_dir() for path in source.glob("*.py")}

    assert [source for source in copied if not source.exists()] == []
    assert modules == {"pricing_contracts", "checkout_function", "pricing_function"}
    assert command == ["checkout_function.handler"]
