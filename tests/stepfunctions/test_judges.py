"""Definitions before other judges: npm's asl-validator, and the service model of Step Functions in botocore."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber

from lambdachain.stepfunctions import S3Items, S3Results, choice, distributed_map, read_error, state_machine, task
from tests.support.orders_contracts import CardDeclined, charge, charge_again, purchase, refund

VALIDATOR = Path(__file__).parent / "node_modules" / "asl-validator"
SCRIPT = """
const { default: validate } = { default: require(process.argv[1]), ...require(process.argv[1]) };
for (const line of require("fs").readFileSync(0, "utf-8").trim().split("\\n")) {
  const verdict = validate(JSON.parse(line));
  console.log(JSON.stringify(verdict.isValid ? "" : verdict.errorsText("; ")));
}
"""


def make_definitions() -> dict[str, dict]:
    """Return a definition for each helper and option, in both languages."""
    found = {}
    for language in ("JSONPath", "JSONata"):
        options = {"query_language": language}
        fields = read_error("Read", next="Failed") if language == "JSONPath" else {}
        states = {
            "Which": choice("order.kind-of", {"A": "Charge", 1: "Map", None: "Charge"}, default="Failed", **options),
            "Charge": task(
                charge_again,
                catch={CardDeclined: "Read" if fields else "Failed", "States.Timeout": "Failed"},
                next="Map",
                **options,
            ),
            **fields,
            "Map": distributed_map(
                charge_again,
                items=S3Items("b", "k", "CSV", headers=("a", "b"), delimiter=";", max_items=5),
                results=S3Results("b", "p"),
                tolerated_failure_percentage=100,
                with_index=True,
                execution_type="EXPRESS",
                **options,
            ),
            "Failed": {"Type": "Fail"},
        }
        found[f"{language} of all"] = state_machine(states, comment="All", **options)
        found[f"{language} of an array"] = state_machine({"Map": distributed_map(charge, **options)}, **options)
        found[f"{language} of contracts"] = state_machine(
            {
                "Which": choice("kind", {purchase: "Purchase", refund: "Refund"}, **options),
                "Purchase": task(purchase, **options),
                "Refund": task(refund, **options),
            },
            **options,
        )
    found["two maps"] = state_machine(
        {"A": distributed_map(charge, next="B"), "B": distributed_map(charge, child_name="Call again")}
    )
    for form in ("JSON", "JSONL"):
        found[form] = state_machine({"Map": distributed_map(charge, items=S3Items("$.b", "k", form))})
    return found


@pytest.mark.skipif(
    not VALIDATOR.exists() or not shutil.which("node"), reason="needs npm install --prefix tests/stepfunctions"
)
def test_asl_validator_accepts_all_definitions():
    """Schema, paths and names of states."""
    definitions = make_definitions()
    lines = "\n".join(json.dumps(definition) for definition in definitions.values())

    ran = subprocess.run(
        ["node", "-e", SCRIPT, str(VALIDATOR)], input=lines, capture_output=True, text=True, check=True, timeout=60
    )

    verdicts = dict(zip(definitions, map(json.loads, ran.stdout.splitlines()), strict=True))
    assert verdicts == dict.fromkeys(definitions, "")


def test_a_definition_fits_the_service_model():
    """Its size and type are those that CreateStateMachine takes."""
    client = boto3.client("stepfunctions")
    for definition in make_definitions().values():
        parameters = {"name": "n", "definition": json.dumps(definition), "roleArn": "arn:aws:iam::123456789012:role/r"}
        with Stubber(client) as stub:
            stub.add_response("create_state_machine", {"stateMachineArn": "arn", "creationDate": 0}, parameters)
            client.create_state_machine(**parameters)
