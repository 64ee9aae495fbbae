"""Definitions in moto's interpreter: what is run again after a fault, and where declared errors go."""

from __future__ import annotations

import importlib.util
import json
import threading
from base64 import b64decode
from types import SimpleNamespace

import pytest

from lambdachain import Contract, Execution, ResponseTooLargeError, S3Offload, remote
from lambdachain.stepfunctions import choice, distributed_map, read_error, state_machine, task, to_call_error
from tests.support.faults import bare_status, function_error, service_error
from tests.support.laboratory import Fault, Laboratory
from tests.support.orders_contracts import CardDeclined, charge, charge_again, purchase, refund
from tests.support.responses import http_response
from tests.support.state_machines import REGION, interpreter, make_client

ORDER = {"order_id": "o-1", "cents": 500}
CHARGED = {"charge_id": "c-1", "order_id": "o-1", "cents": 500}
LANGUAGES = [
    "JSONPath",
    pytest.param(
        "JSONata",
        marks=pytest.mark.skipif(not importlib.util.find_spec("jsonata"), reason="needs jsonata-python"),
    ),
]


def succeed(value: object = CHARGED) -> Fault:
    """Return what lets a function respond with a value."""
    response = http_response("200 OK", json.dumps(value).encode(), {"X-Amz-Executed-Version": "$LATEST"})
    return Fault("success", lambda connection: (connection.read_request(), connection.send(response)), runs=True)


DECLINED = function_error(
    "declared", {"errorType": "CardDeclined", "errorMessage": '{"reason":"limit"}', "stackTrace": []}
)
DID_NOT_RUN = [
    service_error("TooManyRequestsException", 429, reason="ReservedFunctionConcurrentInvocationLimitExceeded"),
    service_error("ENINotReadyException", 502),
    service_error("ResourceConflictException", 409),
]
MAY_HAVE_RUN = [
    service_error("ServiceException", 500, runs=True),
    service_error("EFSIOException", 410, runs=True),
    function_error("timed out", {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 3.00 seconds"}),
    function_error("sandbox", {"errorType": "Sandbox.Failure", "errorMessage": "x"}),
]
RAN = [
    DECLINED,
    function_error("raised", {"errorType": "KeyError", "errorMessage": "'x'"}),
    function_error("exit", {"errorType": "Runtime.ExitError", "errorMessage": "x"}),
    bare_status(500, runs=True),
]


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Laboratory() as lab:
        yield lab


@pytest.fixture(name="machines", scope="module")
def _machines(lab):
    with interpreter(lab.url) as machines:
        yield machines


@pytest.mark.parametrize("fault", DID_NOT_RUN, ids=lambda fault: fault.name)
def test_what_did_not_run_is_run_until_it_succeeds(lab, machines, fault):
    """Also a function that is not idempotent: it runs once."""
    lab.play(fault, fault, succeed())

    execution = machines.run(state_machine({"Charge": task(charge)}), ORDER)

    assert json.loads(execution["output"]) == CHARGED
    assert (lab.received, lab.executions) == (3, 1)


@pytest.mark.parametrize("fault", [*MAY_HAVE_RUN, *RAN], ids=lambda fault: fault.name)
def test_a_function_that_is_not_idempotent_never_runs_twice(lab, machines, fault):
    """Whatever happened to it, the execution fails instead."""
    lab.play(fault, succeed())

    execution = machines.run(state_machine({"Charge": task(charge)}), ORDER)

    assert execution["status"] == "FAILED"
    assert (lab.received, lab.executions) == (1, 1)


@pytest.mark.parametrize("fault", MAY_HAVE_RUN, ids=lambda fault: fault.name)
def test_an_idempotent_function_is_run_again_after_what_may_have_run(lab, machines, fault):
    """Until it succeeds."""
    lab.play(fault, succeed())

    execution = machines.run(state_machine({"Charge": task(charge_again)}), ORDER)

    assert execution["status"] == "SUCCEEDED"
    assert lab.received == 2


@pytest.mark.parametrize(("contract", "executions"), [(charge, 1), (charge_again, 2)], ids=["once", "again"])
def test_a_task_that_times_out(lab, machines, contract, executions):
    """The function may still run: only one that is idempotent is called again."""
    is_over = threading.Event()
    late = Fault(
        "late", lambda connection: (connection.read_request(), is_over.wait(20), connection.close()), runs=True
    )
    lab.play(late, succeed())
    definition = state_machine({"Charge": {**task(contract), "TimeoutSeconds": 1}})

    execution = machines.run(definition, ORDER)

    is_over.set()
    assert execution.get("error") == ("States.Timeout" if executions == 1 else None)
    assert lab.executions == executions


def test_an_error_of_an_idempotent_function_is_not_retried(lab, machines):
    """It would fail again."""
    lab.play(DECLINED, succeed())

    assert machines.run(state_machine({"Charge": task(charge_again)}), ORDER)["error"] == "CardDeclined"
    assert lab.received == 1


def test_retries_end(lab, machines):
    """After the attempts of the policy."""
    lab.play(DID_NOT_RUN[0])

    execution = machines.run(state_machine({"Charge": task(charge)}), ORDER)

    assert execution["error"] == "Lambda.TooManyRequestsException"
    assert lab.received == 7


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_fields_of_a_declared_error_are_read(lab, machines, language):
    """The next state finds them beside the input, in either language."""
    lab.play(DECLINED)
    is_path = language == "JSONPath"
    states = {
        "Charge": task(charge, catch={CardDeclined: "Read" if is_path else "Report"}, query_language=language),
        **(read_error("Read", next="Report") if is_path else {}),
        "Report": {"Type": "Pass", "End": True},
    }

    execution = machines.run(state_machine(states, query_language=language), ORDER)

    assert json.loads(execution["output"]) == {
        **ORDER,
        "error": {"Error": "CardDeclined", "Fields": {"reason": "limit"}},
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_payload_and_output(lab, machines, language):
    """A part of the input is sent; the response is added to it."""
    lab.play(succeed())
    options = (
        {"payload": {"order_id.$": "$.order.id", "cents": 5}, "output": "$.charge"}
        if language == "JSONPath"
        else {
            "payload": {"order_id": "{% $states.input.order.id %}", "cents": 5},
            "output": '{% $merge([$states.input, {"charge": $states.result}]) %}',
        }
    )

    execution = machines.run(
        state_machine({"Charge": task(charge, query_language=language, **options)}, query_language=language),
        {"order": {"id": "o-1"}},
    )

    assert json.loads(lab.requests[0].body) == {"order_id": "o-1", "cents": 5}
    output = json.loads(execution["output"])
    assert (output["order"], output["charge"]["Payload"]) == ({"id": "o-1"}, CHARGED)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"kind": "PURCHASE", "order_id": "o"}, "purchase"),
        ({"kind": "REPEAT", "order_id": "o"}, "purchase"),
        ({"kind": "REFUND", "order_id": "o"}, "refund"),
        ({"kind": "GIFT"}, None),
        ({}, None),
    ],
)
def test_a_choice_follows_the_contracts(lab, machines, language, value, expected):
    """An input without the field goes to the default, too."""
    lab.play(succeed(True))
    states = {
        "Which": choice("kind", {purchase: "Purchase", refund: "Refund"}, default="Other", query_language=language),
        "Purchase": task(purchase, query_language=language),
        "Refund": task(refund, query_language=language),
        "Other": {"Type": "Fail", "Error": "UnknownKind"},
    }

    execution = machines.run(state_machine(states, query_language=language), value)

    assert execution.get("error") == (None if expected else "UnknownKind")
    assert [request.path for request in lab.requests] == (
        [f"/2015-03-31/functions/{expected}/invocations"] if expected else []
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_map_calls_the_function_for_each_item(lab, machines, language):
    """The child executions have the index of the item; the function has the item alone."""
    lab.play(succeed())
    orders = [{"order_id": f"o-{number}", "cents": 5} for number in range(3)]

    execution = machines.run(
        state_machine(
            {"Map": distributed_map(charge, with_index=True, query_language=language)}, query_language=language
        ),
        orders,
    )

    assert json.loads(execution["output"]) == [CHARGED] * 3
    assert sorted(json.loads(request.body)["order_id"] for request in lab.requests) == ["o-0", "o-1", "o-2"]


def test_a_map_whose_item_fails_calls_no_function_again(lab, machines):
    """The map has no Retry: only what did not run is retried, in the child execution."""
    lab.play(*DID_NOT_RUN[:1], succeed(), MAY_HAVE_RUN[0])

    execution = machines.run(
        state_machine({"Map": distributed_map(charge, max_concurrency=1)}), [ORDER, {**ORDER, "order_id": "o-2"}]
    )

    # Step Functions would fail the execution; moto goes on, with null as the result of the item.
    assert json.loads(execution["output"]) == [CHARGED, None]
    assert lab.executions == 2


def test_a_response_that_is_too_large_is_told_to_use_offload(lab, machines):
    """Step Functions fails where Lambda would not; the function ran."""
    lab.play(succeed({**CHARGED, "charge_id": "c" * 300_000}))

    execution = machines.run(state_machine({"Charge": task(charge)}), ORDER)

    failed = to_call_error(charge, execution["error"], execution["cause"])
    assert isinstance(failed, ResponseTooLargeError)
    assert "S3Offload" in str(failed)
    assert failed.execution is Execution.EXECUTED


def test_a_function_knows_that_the_next_one_reads_its_response_from_s3(lab, machines):
    """The ClientContext of the task reaches its handler, which sends a reference."""
    large = Contract("report", request=int, response=str, offload=S3Offload("reports", threshold=1000, region=REGION))
    lab.play(succeed("short"))
    machines.run(state_machine({"Report": task(large)}), 5)
    make_client("s3").create_bucket(Bucket="reports")

    @remote(large)
    def handler(request: int) -> str:
        return "x" * 2000 * request

    context = LambdaContext(lab.requests[0].headers["x-amz-client-context"])
    assert list(handler(5, context)) == ["__lambdachain_s3__"]


class LambdaContext:
    """What a handler reads of its context."""

    aws_request_id = "r-1"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:report"

    def __init__(self, encoded: str) -> None:
        self.client_context = SimpleNamespace(**json.loads(b64decode(encoded)))

    def get_remaining_time_in_millis(self) -> int:
        """Return a minute."""
        return 60_000
