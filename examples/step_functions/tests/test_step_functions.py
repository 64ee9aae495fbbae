"""The functions alone, and the whole state machine with the functions in the real runtime."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
from step_functions_demo import StateMachine, deployed, system
from transaction_contracts import Outcome, Purchase, Refund, RefundTooLate, process_purchase, process_refund
from transaction_functions import purchase, refund
from transaction_machine import DEFINITION

from lambdachain import InProcessTransport, LambdaClient
from lambdachain.testing import assert_handler_fulfils

PURCHASE = Purchase(transaction_id="t-1", amount=Decimal("24.90"))
REFUND = Refund(transaction_id="t-1", amount=Decimal("24.90"), days_since_purchase=3)
LATE = REFUND.model_copy(update={"days_since_purchase": 31})


@pytest.fixture(name="machine", scope="module")
def _machine() -> Iterator[StateMachine]:
    with system() as endpoint, deployed(endpoint) as machine:
        yield machine


def test_the_choice_sends_each_kind_to_its_function(machine: StateMachine) -> None:
    executions = [machine.run(PURCHASE), machine.run(REFUND)]

    assert [execution["status"] for execution in executions] == ["SUCCEEDED", "SUCCEEDED"]
    assert [json.loads(execution["output"])["outcome"] for execution in executions] == ["PURCHASED", "REFUNDED"]


def test_a_declared_error_is_caught_by_its_name_and_read(machine: StateMachine) -> None:
    assert json.loads(machine.run(LATE)["output"]) == {
        "outcome": "SUPPORT",
        "transaction_id": "t-1",
        "refusal": {"days": 31, "allowed": 30},
    }


def test_an_uncaught_error_fails_the_execution(machine: StateMachine) -> None:
    execution = machine.run({"kind": "PURCHASE", "transaction_id": "t-2", "amount": "nothing"})

    assert (execution["status"], execution["error"]) == ("FAILED", "RequestRejectedError")
    assert "nothing" not in execution["cause"]


def test_another_kind_reaches_no_function(machine: StateMachine) -> None:
    execution = machine.run({"kind": "GIFT"})

    assert (execution["status"], execution["error"]) == ("FAILED", "UnknownKind")


def test_the_functions_in_one_process(lambda_inprocess: InProcessTransport) -> None:
    lambda_inprocess.add(purchase)
    lambda_inprocess.add(refund)
    client = LambdaClient()

    assert client.call(process_purchase, PURCHASE) == Outcome(outcome="PURCHASED", transaction_id="t-1")
    assert client.call(process_refund, REFUND) == Outcome(outcome="REFUNDED", transaction_id="t-1")
    with pytest.raises(RefundTooLate) as late:
        client.call(process_refund, LATE)
    assert late.value == RefundTooLate(days=31, allowed=30)


def test_the_functions_fulfil_their_contracts() -> None:
    assert_handler_fulfils(process_purchase, purchase, requests=[PURCHASE])
    assert_handler_fulfils(process_refund, refund, requests=[REFUND, LATE])


def test_every_function_of_the_definition_is_one_of_ours() -> None:
    states = DEFINITION["States"].values()
    called = {state["Parameters"]["FunctionName"] for state in states if state["Type"] == "Task"}

    assert called == {process_purchase.function, process_refund.function}
