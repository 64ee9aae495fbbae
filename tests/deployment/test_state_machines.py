"""Exported state machines in a CDK app: `make deployed` synthesizes it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lambdachain._analysis.permissions.required_permissions import Stack
from lambdachain.stepfunctions import S3Items, S3Results, distributed_map, state_machine
from lambdachain.stepfunctions._export.statements import find_statements
from lambdachain.stepfunctions._export.writers import WRITERS, StateMachineExport
from tests.deployment.test_deploy_tools import find_errors, run
from tests.support.orders_contracts import charge_again

pytestmark = pytest.mark.skipif("LAMBDACHAIN_DEPLOY_TOOLS" not in os.environ, reason="`make deployed` runs these")

APP = """
import aws_cdk
from machine import add_state_machine

app = aws_cdk.App()
add_state_machine(aws_cdk.Stack(app, "Orders"))
app.synth()
"""


def test_cdk_synthesizes_an_exported_state_machine(tmp_path: Path) -> None:
    """Its template has the definition and the statements, and no circular reference between role and state machine."""
    definition = state_machine(
        {"Map": distributed_map(charge_again, items=S3Items("b", "in.jsonl"), results=S3Results("b", "out"))}
    )
    statements = find_statements(definition, "orders").each
    export = StateMachineExport("orders", definition, statements, Stack())
    (tmp_path / "machine.py").write_text(WRITERS["cdk"](export))
    (tmp_path / "app.py").write_text(APP)

    run("cdk", "--app", "python app.py", "synth", "--quiet", cwd=tmp_path)

    file = tmp_path / "cdk.out" / "Orders.template.json"
    assert find_errors(file) == []
    resources = json.loads(file.read_text())["Resources"].values()
    [machine] = [one["Properties"] for one in resources if one["Type"] == "AWS::StepFunctions::StateMachine"]
    [policy] = [one["Properties"] for one in resources if one["Type"] == "AWS::IAM::Policy"]
    assert json.loads(machine["DefinitionString"]) == definition
    assert [one["Sid"] for one in policy["PolicyDocument"]["Statement"]] == [one.sid for one in statements]
