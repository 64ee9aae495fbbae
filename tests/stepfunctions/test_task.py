"""The state of a task: what is retried, caught and sent, and how long it may take."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest
from pydantic import BaseModel

from lambdachain import Contract, ContractError, Execution, RemoteError, RetryPolicy, S3Offload, remote
from lambdachain._calling.error_table import SERVICE_ERRORS, Retryability
from lambdachain.stepfunctions import read_error, task
from lambdachain.stepfunctions._error_names import find_rule
from tests.support.orders_contracts import CardDeclined, OutOfStock, charge, charge_again, refund

JSONATA = {"query_language": "JSONata"}


def get_retried(state) -> set[str]:
    """Return the names of all errors that a state retries."""
    return {name for retrier in state.get("Retry", []) for name in retrier["ErrorEquals"]}


def test_nothing_that_may_have_run_is_retried():
    """Each name that is retried means that the function did not run."""
    retried = get_retried(task(charge))

    assert {"Lambda.TooManyRequestsException", "Lambda.ENINotReadyException"} <= retried
    assert {find_rule(name).execution for name in retried} == {Execution.NOT_EXECUTED}


@pytest.mark.parametrize(
    "name",
    [
        *("States.ALL", "States.TaskFailed", "States.Timeout", "Lambda.Unknown", "Lambda.ServiceException"),
        *("Lambda.AWSLambdaException", "Lambda.SdkClientException", "Lambda.ClientExecutionTimeoutException"),
        *("Sandbox.Timedout", "Runtime.ExitError", "Lambda.NewException", "CardDeclined", "Exception"),
    ],
)
def test_an_error_of_a_function_that_may_have_run_is_not_retried(name):
    """Not by a name, and not by a wildcard."""
    assert name not in get_retried(task(charge))


def test_an_idempotent_function_is_retried_after_what_may_have_run():
    """But not after errors that it raised itself, and not by a wildcard, which would match those."""
    added = get_retried(task(charge_again)) - get_retried(task(charge))

    assert {"Lambda.Unknown", "States.Timeout", "Sandbox.Timedout", "Lambda.ServiceException"} <= added
    assert {"Lambda.AWSLambdaException", "Lambda.SdkClientException", "Lambda.EFSIOException"} <= added
    assert not added & {"States.ALL", "States.TaskFailed", "CardDeclined", "Runtime.ExitError"}


def test_all_that_the_package_itself_retries_is_retried():
    """The table of errors decides for both; the AWS SDK for Java spells some names differently."""
    codes = {code for code, rule in SERVICE_ERRORS.items() if rule.retry is Retryability.SAFE}
    codes = {code for code in codes if code.endswith("Exception")}

    assert {f"Lambda.{code}" for code in codes} | {"Lambda.Ec2ThrottledException"} <= get_retried(task(charge))
    assert find_rule("Lambda.Ec2ThrottledException") == find_rule("Lambda.EC2ThrottledException")


def test_retries_are_spread_and_bounded():
    """With jitter, a longest delay and a number of attempts."""
    state = task(charge, retry=RetryPolicy(max_attempts=4, initial_delay=0.2, max_delay=9.5))

    assert {name: value for name, value in state["Retry"][0].items() if name != "ErrorEquals"} == {
        "IntervalSeconds": 1,
        "MaxAttempts": 3,
        "BackoffRate": 2.0,
        "MaxDelaySeconds": 10,
        "JitterStrategy": "FULL",
    }


def test_a_longest_delay_exceeds_the_first():
    """Step Functions demands it."""
    (retrier,) = task(charge, retry=RetryPolicy(initial_delay=30, max_delay=5, jitter="none"))["Retry"]

    assert (retrier["IntervalSeconds"], retrier["MaxDelaySeconds"], retrier["JitterStrategy"]) == (30, 31, "NONE")


def test_a_policy_without_retries():
    """No Retry at all."""
    assert "Retry" not in task(charge_again, retry=RetryPolicy.never())


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (RetryPolicy(max_attempts=lambda _: True), "tenacity"),
        (RetryPolicy(retry_on=lambda _: True), "retry_on"),
        (RetryPolicy(hedge_after=1.0), "hedge_after"),
    ],
)
def test_what_step_functions_cannot_do_is_refused(policy, message):
    """Rather than left out silently."""
    with pytest.raises(ContractError, match=message):
        task(charge, retry=policy)


def test_the_function_is_named_with_its_qualifier():
    """As the contract declares it, or as the template names it."""
    assert task(charge_again)["Parameters"]["FunctionName"] == "charge:live"
    assert task(charge_again, function="${ChargeArn}")["Parameters"]["FunctionName"] == "${ChargeArn}"
    assert task(charge, **JSONATA)["Arguments"] == {"FunctionName": "charge", "Payload": "{% $states.input %}"}


def test_the_resource_is_of_the_partition_of_the_function():
    """China and GovCloud have partitions of their own."""
    china = Contract("arn:aws-cn:lambda:cn-north-1:123456789012:function:f", request=int, response=int)

    assert task(china)["Resource"] == "arn:aws-cn:states:::lambda:invoke"
    assert task(charge)["Resource"] == "arn:aws:states:::lambda:invoke"


def test_a_handler_is_a_contract_too():
    """What remote() made is accepted wherever a contract is."""

    @remote("double", description="Doubles a number.")
    def double(request: int) -> int:
        return request * 2

    assert task(double)["Parameters"]["FunctionName"] == "double"
    assert task(double)["Comment"] == "Doubles a number."


@pytest.mark.parametrize("timeout", [0, -1, 901])
def test_a_timeout_that_no_function_has_is_refused(timeout):
    """Lambda allows 15 minutes."""
    with pytest.raises(ContractError, match="function_timeout"):
        task(charge, function_timeout=timeout)


def test_the_task_waits_longer_than_the_function_runs():
    """Otherwise a response would be lost, and the function would run on."""
    assert task(charge)["TimeoutSeconds"] > 900
    assert task(charge, function_timeout=2.5)["TimeoutSeconds"] == 63


def test_errors_are_caught_by_their_names():
    """Those of the contract, and those of Lambda and Step Functions."""
    state = task(
        charge, catch={CardDeclined: "Decline", "States.Timeout": "Late", "States.ALL": "Give up"}, next="Ship"
    )

    assert state["Catch"] == [
        {"ErrorEquals": ["CardDeclined"], "ResultPath": "$.error", "Next": "Decline"},
        {"ErrorEquals": ["States.Timeout"], "ResultPath": "$.error", "Next": "Late"},
        {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Give up"},
    ]
    assert state["Next"] == "Ship"


@pytest.mark.parametrize("error", [OutOfStock, "OutOfStock", "CardDeclind"])
def test_an_error_that_the_function_does_not_declare_is_not_caught(error):
    """It would never be, and a typo would be found in production."""
    with pytest.raises(ContractError, match="charge does not declare"):
        task(charge, catch={error: "x"})


def test_another_class_of_the_same_name_is_not_caught():
    """Its fields may differ."""

    class CardDeclined(RemoteError):
        code: int

    with pytest.raises(ContractError, match="does not declare CardDeclined"):
        task(charge, catch={CardDeclined: "x"})


def test_read_error_gives_two_states():
    """The second reads what the first has parsed."""
    states = read_error("ReadRefusal", next="AskSupport")

    assert [(name, state["Next"]) for name, state in states.items()] == [
        ("ReadRefusal", "ReadRefusalFields"),
        ("ReadRefusalFields", "AskSupport"),
    ]


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "$.order",
        {"order_id.$": "$.id", "cents": 5},
        {"order_id": "o-1", "cents": "7"},  # pydantic reads it
        {"order_id.$": "$.id", "cents.$": "$.total", "note.$": "$.note"},
        {"order_id.$": "States.UUID()", "cents": 1},
    ],
)
def test_a_payload_that_can_fit(payload):
    """Whatever is evaluated at run time may be right."""
    task(charge, payload=payload)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"order_id.$": "$.id"}, "cents"),
        ({"order_id.$": "$.id", "cents": 0}, "cents"),
        ({"order_id.$": "$.id", "cents.$": "$.c", "sku.$": "$.sku"}, "sku"),
        ({"order_id.$": "$.id", "cents": {"amount.$": "$.c"}}, "cents"),
        ({}, "order_id"),
        ("o-1", "object|dictionary"),
        ("States of matter", "object|dictionary"),
        (["o-1"], "object|dictionary"),
    ],
)
def test_a_payload_that_cannot_fit_is_refused(payload, message):
    """A field is missing, unknown, or a constant of the wrong type."""
    with pytest.raises(ContractError, match=message):
        task(charge, payload=payload)


def test_a_payload_in_jsonata():
    """Expressions are values, and names stay as they are."""
    task(charge, payload="{% $states.input.order %}", **JSONATA)
    state = task(charge, payload={"order_id": "{% $states.input.id %}", "cents": 5}, **JSONATA)
    assert state["Arguments"]["Payload"] == {"order_id": "{% $states.input.id %}", "cents": 5}
    with pytest.raises(ContractError, match="cents"):
        task(charge, payload={"order_id": "{% $states.input.id %}"}, **JSONATA)


def test_a_payload_that_is_not_json_is_refused():
    """Such as a Decimal or a set."""
    with pytest.raises(ContractError, match="not JSON"):
        task(charge, payload={"order_id": {1, 2}, "cents": 1})


def test_unions_are_decided_by_their_constants():
    """What depends on a value of run time is not reported."""

    class Envelope(BaseModel):
        order: refund.request | charge.request

    wrapped = Contract("wrapped", request=Envelope, response=None)
    task(wrapped, payload={"order": {"kind.$": "$.kind", "order_id": "o-1"}})
    task(wrapped, payload={"order": {"order_id.$": "$.id", "cents": 5}})
    with pytest.raises(ContractError, match="order"):
        task(wrapped, payload={"order": {"kind": "GIFT"}})


def test_where_the_response_goes():
    """It is the output, or is added to the input."""
    assert task(charge)["OutputPath"] == "$.Payload"
    assert task(charge, output="$.charge")["ResultPath"] == "$.charge"
    assert task(charge, **JSONATA)["Output"] == "{% $states.result.Payload %}"
    assert task(charge, output="{% $states.result %}", **JSONATA)["Output"] == "{% $states.result %}"


def test_a_function_whose_responses_may_be_too_large_is_to_offload_earlier():
    """Step Functions fails at 256 KiB, where Lambda allows 6 MiB."""
    large = Contract("report", request=int, response=str, offload=S3Offload("bucket"))

    with pytest.raises(ContractError, match=r"threshold=253_952"):
        task(large)


def test_a_function_that_offloads_is_told_that_its_response_may_be_a_reference():
    """As a client of this package tells it, in the ClientContext."""
    offload = S3Offload("bucket", threshold=200_000)
    state = task(Contract("report", request=int, response=str, offload=offload))

    custom = json.loads(b64decode(state["Parameters"]["ClientContext"]))["custom"]
    assert custom["lc-offload"] == "s3"
    assert "ClientContext" not in task(charge)["Parameters"]
