"""Exported state machines: judged by the tools that deploy them, and by an evaluator of IAM policies."""

from __future__ import annotations

import ast
import importlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from moto.iam.access_control import IAMPolicy, PermissionResult

from lambdachain import Contract
from lambdachain._analysis.permissions.required_permissions import Stack
from lambdachain.stepfunctions import S3Items, S3Results, choice, distributed_map, state_machine, task
from lambdachain.stepfunctions._export.statements import find_statements
from lambdachain.stepfunctions._export.writers import WRITERS, StateMachineExport
from tests.support.cloudformation_yaml import load_cloudformation
from tests.support.orders_contracts import charge, charge_again, purchase, refund

HERE = Stack(None, "eu-west-1", "123456789012")
STATES = "arn:aws:states:eu-west-1:123456789012"
LAMBDA = "arn:aws:lambda:eu-west-1:123456789012:function"
# With everything that a format may stumble over: quotes, placeholders, templates of Terraform, other alphabets.
ODD = "Say \"\"\"no\"\"\", '''yes''', ${var.x}, ${other}, %{if}, \\n and é"
DEFINITIONS = {
    "map": state_machine(
        {"Map": distributed_map(charge_again, items=S3Items("b", "in.jsonl"), results=S3Results("b", "out"))}
    ),
    "jsonata": state_machine(
        {
            "Which": choice("kind", {purchase: "P", refund: "R"}, query_language="JSONata"),
            "P": task(purchase, query_language="JSONata", comment=ODD),
            "R": task(refund, query_language="JSONata"),
        },
        query_language="JSONata",
    ),
}


def make_export(definition: dict[str, Any], stack: Stack = HERE, **options: Any) -> StateMachineExport:
    """Return the export of a definition."""
    return StateMachineExport("orders-1", definition, find_statements(definition, "orders-1", **options).each, stack)


def allows(policy: str, action: str, arn: str) -> bool:
    """Evaluate a policy with moto."""
    return IAMPolicy(policy).is_action_permitted(action, arn) is PermissionResult.PERMITTED


NEEDED = [
    ("lambda:InvokeFunction", f"{LAMBDA}:charge:live"),
    ("states:StartExecution", f"{STATES}:stateMachine:orders-1"),
    ("states:DescribeExecution", f"{STATES}:execution:orders-1:run"),
    ("s3:GetObject", "arn:aws:s3:::b/in.jsonl"),
    ("s3:PutObject", "arn:aws:s3:::b/out/x/manifest.json"),
    ("s3:GetObject", "arn:aws:s3:::b/out/x/manifest.json"),
    ("s3:AbortMultipartUpload", "arn:aws:s3:::b/out/x"),
]
NOT_NEEDED = [
    ("lambda:InvokeFunction", f"{LAMBDA}:charge"),
    ("lambda:InvokeFunction", f"{LAMBDA}:charge:1"),
    ("lambda:InvokeFunction", f"{LAMBDA}:other:live"),
    ("states:StartExecution", f"{STATES}:stateMachine:orders-2"),
    ("states:StopExecution", f"{STATES}:execution:orders-1:run"),
    ("states:RedriveExecution", f"{STATES}:execution:orders-1/Map:run"),
    ("s3:GetObject", "arn:aws:s3:::b/other.jsonl"),
    ("s3:PutObject", "arn:aws:s3:::b/in.jsonl"),
    ("s3:PutObject", "arn:aws:s3:::b/outer"),
    ("s3:DeleteObject", "arn:aws:s3:::b/out/x"),
    ("s3:ListBucket", "arn:aws:s3:::b"),
]


@pytest.mark.parametrize(("action", "arn"), NEEDED)
def test_the_policy_allows_what_the_definition_does(action, arn):
    """Calls of the qualified function, the map's own executions, reading and writing S3."""
    assert allows(WRITERS["iam"](make_export(DEFINITIONS["map"])), action, arn)


@pytest.mark.parametrize(("action", "arn"), NOT_NEEDED)
def test_the_policy_allows_no_more(action, arn):
    """Neither another version, nor a neighbor in the bucket."""
    assert not allows(WRITERS["iam"](make_export(DEFINITIONS["map"])), action, arn)


def test_redriving_is_allowed_on_demand():
    """It needs an action of its own."""
    policy = WRITERS["iam"](make_export(DEFINITIONS["map"], redrive=True))

    assert allows(policy, "states:RedriveExecution", f"{STATES}:execution:orders-1/Map:run")


def test_another_account_and_partition_are_those_of_the_function():
    """As its ARN says."""
    arn = "arn:aws-cn:lambda:cn-north-1:111122223333:function:charge"
    contract = Contract(arn, request=int, response=int, qualifier="3")
    statements = find_statements(state_machine({"A": task(contract)}), "n").each

    assert [resource for each in statements for resource in each.resources] == [f"{arn}:3"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (task(charge, function="${ChargeArn}"), "${ChargeArn}, is not known here"),
        ({**task(charge), "Parameters": {"FunctionName.$": "$.f"}}, "which is in the input"),
        ({"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage"}, "sqs:sendMessage needs is not known"),
        (distributed_map(charge, items=S3Items("$.bucket", "k")), "the place of its ItemReader"),
        (distributed_map(charge, results=S3Results("b", "$.prefix")), "the place of its ResultWriter"),
    ],
)
def test_what_is_not_known_is_reported(state, reason):
    """Rather than allowed with a wildcard."""
    found = find_statements({"StartAt": "A", "States": {"A": state}}, "n")

    assert [reason in one for one in found.unresolved] == [True]
    assert not any(
        "*" in resource for each in found.each for resource in each.resources if "execution:" not in resource
    )


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS)
class TestFormats:
    """Each definition, for a region and an account that the tool fills in."""

    def test_sam_translates_it(self, definition, tmp_path):
        """The template is accepted by cfn-lint and by SAM's translator, and keeps the definition."""
        text = WRITERS["sam"](make_export(definition, Stack()))

        template = load_cloudformation(text)
        assert template["Resources"]["Orders1"]["Properties"]["Definition"] == definition
        assert find_lint_errors(tmp_path / "template.yaml", text) == []
        translated = translate(template)
        machine = translated["Resources"]["Orders1"]
        assert machine["Type"] == "AWS::StepFunctions::StateMachine"
        role = translated["Resources"]["Orders1Role"]["Properties"]
        assert role["Policies"][0]["PolicyDocument"]["Statement"]

    def test_cloudformation_accepts_the_resources_of_serverless(self, definition, tmp_path):
        """They are plain resources, without a plugin."""
        resources = load_cloudformation(WRITERS["serverless"](make_export(definition, Stack())))["resources"]
        # Without its tags, which cfn-lint reads in their long form, too.
        text = json.dumps({"AWSTemplateFormatVersion": "2010-09-09", **resources})

        assert find_lint_errors(tmp_path / "template.json", text) == []
        assert resources["Resources"]["Orders1"]["Properties"]["Definition"] == definition

    def test_terraform_parses_it(self, definition):
        """Its heredoc is the definition, with nothing in it that Terraform evaluates."""
        hcl2 = pytest.importorskip("hcl2")
        text = WRITERS["terraform"](make_export(definition, Stack()))

        parsed = hcl2.loads(text)

        assert {"resource", "data"} <= set(parsed)
        assert is_formatted(text)
        heredoc = text.partition("<<-EOT\n")[2].rpartition("\n  EOT")[0]
        assert json.loads(heredoc.replace("$${", "${").replace("%%{", "%{")) == definition
        assert "${" not in heredoc.replace("$${", "")
        assert "%{" not in heredoc.replace("%%{", "")

    def test_python_parses_the_cdk(self, definition):
        """The constant is the definition."""
        module = ast.parse(WRITERS["cdk"](make_export(definition, Stack())))

        [constant] = [node.value for node in module.body if isinstance(node, ast.Assign)]
        assert json.loads(ast.literal_eval(constant)) == definition


def is_formatted(text: str) -> bool:
    """Check whether Terraform's formatter leaves a file as it is, if Terraform is installed."""
    terraform = shutil.which("terraform")
    if terraform is None:
        return True
    ran = subprocess.run([terraform, "fmt", "-"], input=f"{text}\n", capture_output=True, text=True, check=True)
    return ran.stdout == f"{text}\n"


def find_lint_errors(file: Path, text: str) -> list[str]:
    """Return the errors that cfn-lint finds in a template."""
    file.write_text(text)
    api = pytest.importorskip("cfnlint.api")
    found = api.lint_file(file, config=api.ManualArgs(regions=["eu-west-1"]))
    return [str(match) for match in found if match.rule.severity == "error"]


def translate(template: dict[str, Any]) -> dict[str, Any]:
    """Translate a SAM template."""
    parser = pytest.importorskip("samtranslator.parser.parser").Parser()
    translator = importlib.import_module("samtranslator.translator.translator").Translator({}, parser)
    translated: dict[str, Any] = translator.translate(template, {"AWS::Region": "eu-west-1"})
    return translated


@pytest.fixture(name="project")
def _project(tmp_path, monkeypatch):
    source = Path(__file__).parents[1] / "support" / "orders_contracts.py"
    (tmp_path / "orders_contracts.py").write_text(source.read_text())
    (tmp_path / "machines.py").write_text(
        "from lambdachain.stepfunctions import state_machine, task\nfrom orders_contracts import charge\n"
        "ORDER = state_machine({'Charge': task(charge)})\n"
    )
    monkeypatch.chdir(tmp_path)


def export(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [str(Path(importlib.import_module("sys").executable).parent / "lambdachain"), "export", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("project")
def test_functions_are_called_one_after_another():
    """Each with the response of the one before."""
    ran = export("state-machine", "orders_contracts:charge", "orders_contracts:ship")

    states = json.loads(ran.stdout)["States"]
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [(name, state.get("Next")) for name, state in states.items()] == [
        ("charge", "ship"),
        ("ship", None),
    ]


@pytest.mark.usefixtures("project")
def test_a_definition_of_ones_own_is_exported():
    """With a name, and with the policy that it needs."""
    ran = export("state-machine", "machines:ORDER", "--name", "order", "--as", "sam", "--function-timeout", "5")
    assert ran.returncode == 0
    assert "Order:" in ran.stdout
    assert "pass --name" in export("state-machine", "machines:ORDER").stderr


@pytest.mark.usefixtures("project")
def test_a_map_is_exported():
    """The format of its items is that of the file's name."""
    ran = export(
        "distributed-map",
        "orders_contracts:charge",
        *("--items", "s3://b/in.csv", "--results", "s3://b/out", "--tolerated-failure-percentage", "100"),
        *("--function-timeout", "30", "--max-concurrency", "50", "--query-language", "JSONata"),
        *("--resolve", "prefix=prod-"),
    )

    state = json.loads(ran.stdout)["States"]["Map"]
    assert ran.returncode == 0
    assert state["ItemReader"]["ReaderConfig"]["InputType"] == "CSV"
    assert (state["MaxConcurrency"], state["ToleratedFailurePercentage"]) == (50, 100)
    call = state["ItemProcessor"]["States"]["Call"]
    assert (call["TimeoutSeconds"], call["Arguments"]["FunctionName"]) == (90, "prod-charge")


@pytest.mark.usefixtures("project")
def test_a_file_that_is_out_of_date_is_found():
    """By --check, as of `schema`."""
    arguments = ("state-machine", "orders_contracts:charge", "--as", "terraform")
    Path("charge.tf").write_text(export(*arguments).stdout)

    assert export(*arguments, "--check", "charge.tf").returncode == 0
    ran = export(*arguments, "--check", "charge.tf", "--name", "other")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "out of date" in ran.stderr


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["distributed-map", "orders_contracts:charge", "--items", "in.csv"], "not a place in S3"),
        (["distributed-map", "orders_contracts:charge", "--items", "s3://b/in.txt"], "must end with"),
        (["distributed-map", "orders_contracts:charge", "--execution-type", "EXPRESS"], "twice"),
        (["state-machine", "orders_contracts:charge", "--as", "iam"], "--region"),
        (["state-machine", "orders_contracts:charge", "--name", "a b"], "--name"),
        (["state-machine", "orders_contracts:nothing"], "nothing"),
        (["state-machine", "orders_contracts:ship", "orders_contracts:charge"], "charge accepts object"),
    ],
)
def test_a_wrong_argument_is_named(arguments, message):
    """In one line."""
    ran = export(*arguments)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert message in ran.stderr
