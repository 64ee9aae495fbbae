"""The project that ``lambdachain init`` writes, judged by the tools that its users run."""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import RUN, Served
from tests.project.small_pytest import run_pytest

# Of different lengths, and before and after every other module in the alphabet.
NAMES = ["a", "shop", f"z{'-long' * 20}"]


def init(directory: Path, *arguments: str) -> Path:
    """Write a project into a new directory."""
    subprocess.run([*RUN, "init", directory, *arguments], capture_output=True, check=True)
    return directory


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a new project."""
    return init(tmp_path_factory.mktemp("projects") / "shop")


def run_tool(directory: Path, *command: str) -> str:
    """Run a tool and return its output; it must succeed."""
    ran = subprocess.run(
        [*command], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def test_its_tests_pass(project: Path, environment: dict[str, str]):
    """With a stub, in one process, and in processes of the runtime client; warnings are errors."""
    ran = run_pytest(project, environment, "-q", "-W", "error")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "8 passed" in ran.stdout


def test_its_tests_fail_with_a_defect(tmp_path: Path, environment: dict[str, str]):
    """Those of the callee, and those of both together."""
    project = init(tmp_path / "shop")
    prices = project / "src" / "prices.py"
    prices.write_text(prices.read_text().replace("* request.quantity", "+ request.quantity"))
    ran = run_pytest(project, environment, "-q", "-k", "not as_on_lambda")

    assert "2 failed" in ran.stdout
    assert "test_prices.py::test_the_price_is_that_of_all_items" in ran.stdout
    assert "test_system.py::test_an_order_is_placed_in_this_process" in ran.stdout


def test_serve_serves_it(project: Path, tmp_path: Path, serve: Callable[..., Served]):
    """From the template, without a build; the functions find each other, and the declared error arrives."""
    served = serve(str(project / "template.yaml"))

    assert served.call("PlaceOrder", {"product": "book", "quantity": 2}) == {"product": "book", "cents": 2500}
    assert served.call("PlaceOrder", {"product": "rope", "quantity": 1})["errorType"] == "OrderRejectedError"
    assert served.messages_of_type("problem") == []


@pytest.mark.parametrize("name", NAMES, ids=["short", "usual", "long"])
def test_ruff_finds_nothing(tmp_path: Path, name: str):
    """The order of imports and the breaks of lines do not depend on the project's name."""
    pytest.importorskip("ruff")
    project = init(tmp_path / "project", "--name", name)

    run_tool(project, sys.executable, "-m", "ruff", "check", "--no-cache", ".")
    run_tool(project, sys.executable, "-m", "ruff", "format", "--no-cache", "--check", ".")


@pytest.mark.typing
@pytest.mark.parametrize(
    ("checker", "summary"),
    [
        (["mypy", "--cache-dir", os.devnull], "no issues found in 7 source files"),
        (["pyright", "--pythonpath", sys.executable], "0 errors, 0 warnings"),
    ],
    ids=["mypy", "pyright"],
)
def test_types_check(project: Path, checker: list[str], summary: str):
    """In strict mode, as its settings say."""
    assert summary in run_tool(project, sys.executable, "-m", *checker)


def test_its_grants_match_its_calls(project: Path):
    """And no timeout of a callee exceeds that of its caller."""
    checked = run_tool(project, *RUN, "policy", "src", "--check", "template.yaml")
    warnings = run_tool(project, *RUN, "graph", "src", "--template", "template.yaml", "--check")

    assert checked == "template.yaml: 2 functions checked: grants match the calls\n"
    assert warnings == ""


def test_cfn_lint_finds_nothing(project: Path):
    """Not even an informational message."""
    script = Path(sys.executable).with_name("cfn-lint")
    if not script.exists():
        pytest.skip("cfn-lint is not installed")

    assert run_tool(project, str(script), "--include-checks", "I", "--template", "template.yaml") == ""


@pytest.fixture(scope="module")
def stack(project: Path) -> dict[str, Any]:
    """Return the resources that SAM makes of the template, whose code is in S3 as after ``sam package``."""
    parser = pytest.importorskip("samtranslator.parser.parser")
    translator = importlib.import_module("samtranslator.translator.translator")
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    import boto3

    read = importlib.import_module("samtranslator.yaml_helper").yaml_parse
    template = read((project / "template.yaml").read_text())
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/code.zip"
    session = boto3.Session(region_name="eu-west-1")
    made = translator.Translator({}, parser.Parser(), boto_session=session).translate(template, {})
    resources: dict[str, Any] = made["Resources"]
    return resources


def test_the_caller_may_invoke_the_callee_and_nothing_else(stack: dict[str, Any]):
    """The callee may invoke nothing."""
    policies = {
        name: [policy["PolicyDocument"] for policy in resource["Properties"].get("Policies", [])]
        for name, resource in stack.items()
        if resource["Type"] == "AWS::IAM::Role"
    }
    callee = {"Fn::GetAtt": ["QuotePrice", "Arn"]}
    statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": [callee]}

    assert policies == {"PlaceOrderRole": [{"Version": "2012-10-17", "Statement": [statement]}], "QuotePriceRole": []}


def test_functions_are_deployed_with_what_their_code_needs(stack: dict[str, Any], project: Path):
    """The handler, the name of the callee, and a runtime that Lambda has and this machine too."""
    functions = {name: each["Properties"] for name, each in stack.items() if each["Type"] == "AWS::Lambda::Function"}
    handlers = {name: each["Handler"] for name, each in functions.items()}
    source = (
        project
        / yaml.safe_load((project / "template.yaml").read_text().replace("!", ""))["Globals"]["Function"]["CodeUri"]
    )

    assert handlers == {"PlaceOrder": "orders.handler", "QuotePrice": "prices.handler"}
    assert functions["PlaceOrder"]["Environment"]["Variables"] == {"LAMBDACHAIN_QUOTE_PRICE": {"Ref": "QuotePrice"}}
    assert "Environment" not in functions["QuotePrice"]
    assert {each["Runtime"] for each in functions.values()} == {f"python3.{sys.version_info.minor}"}
    assert {each.name for each in source.iterdir()} >= {"orders.py", "prices.py", "shop_contracts", "requirements.txt"}
