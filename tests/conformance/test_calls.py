"""Through a client: values, errors and metadata are the same over every transport."""

from __future__ import annotations

import pytest

from lambdachain import (
    Contract,
    Execution,
    FunctionCrashedError,
    FunctionError,
    FunctionNotFoundError,
    FunctionTimeoutError,
    LambdaClient,
    PermissionReason,
    RequestRejectedError,
    ResponseError,
    ResponseTooLargeError,
    RetryPolicy,
    ThrottledError,
    invocation_scope,
)
from lambdachain.testing import LambdaContext
from tests.conformance.conformance_functions import Order, OutOfStock, Placed, place, relay

ONE = Order(item="mug", quantity=1)
NEVER = RetryPolicy.never()


@pytest.mark.parametrize("contract", [place, relay], ids=["directly", "through another function"])
def test_an_answer_comes_back_typed(client: LambdaClient, contract: Contract[Order, Placed]):
    """As the contract says."""
    assert client.call(contract, ONE) == Placed(text="1 x mug")


@pytest.mark.parametrize("contract", [place, relay], ids=["directly", "through another function"])
def test_a_declared_error_comes_back_as_its_class(client: LambdaClient, contract: Contract[Order, Placed]):
    """With its fields, however many functions it passed."""
    with pytest.raises(OutOfStock) as refused:
        client.call(contract, Order(item="mug", quantity=3))

    assert refused.value == OutOfStock(available=2)
    assert refused.value.execution is Execution.EXECUTED
    assert refused.value.error_type == "OutOfStock"
    assert refused.value.function == contract.function


def test_an_undeclared_error_is_a_function_error(client: LambdaClient):
    """Its class is not known here; its name is."""
    with pytest.raises(FunctionError) as failed:
        client.call(place, Order(item="undeclared", quantity=1))

    assert type(failed.value) is FunctionError
    assert failed.value.error_type == "Undeclared"
    assert failed.value.error_message == '{"secret":"s"}'


def test_a_request_that_the_callee_refuses_says_where(client: LambdaClient):
    """Who calls by name has no contract to check it first."""
    with pytest.raises(RequestRejectedError) as rejected:
        client.call("place", {"item": "mug", "quantity": "many"})

    assert [(error["loc"], error["type"]) for error in rejected.value.errors] == [(("quantity",), "int_parsing")]


@pytest.mark.parametrize(
    ("function", "payload", "error"),
    [
        ("fail", "x", FunctionError),
        ("leave", 1, FunctionCrashedError),
        ("oversleep", None, FunctionTimeoutError),
        ("answer-a-set", None, FunctionError),
        ("answer-nan", None, ResponseError),
        ("answer-large", 7_000_000, ResponseTooLargeError),
        ("gone", None, FunctionNotFoundError),
        ("echo:gone", None, FunctionNotFoundError),
        ("parked", None, ThrottledError),
    ],
)
def test_a_failure_is_its_class(client: LambdaClient, function: str, payload: object, error: type[Exception]):
    """And nothing is tried again that must not be."""
    with pytest.raises(error) as failed:
        client.call(function, payload, retry=NEVER)

    assert type(failed.value) is error


def test_the_callee_reads_what_the_caller_told(client: LambdaClient):
    """Correlation, depth, attempt, key and how long it may take."""
    context = LambdaContext(request_id="outermost", timeout=60)
    with invocation_scope(context):
        answer = client.call("told", None, idempotency_key="k-1", timeout=8)

    assert answer == {"correlation_id": "outermost", "depth": 1, "attempt": 1, "key": "k-1", "remaining": 7}


def test_an_invocation_tells_what_lambda_said(client: LambdaClient):
    """Version, id, log and attempts."""
    result = client.invoke(place, ONE, log_tail=True)

    assert result.value == Placed(text="1 x mug")
    assert result.executed_version == "$LATEST"
    assert [(attempt.error, attempt.status) for attempt in result.attempts] == [(None, 200)]
    assert f"START RequestId: {result.request_id}" in (result.log_tail or "")


def test_firing_gives_a_receipt(client: LambdaClient):
    """One attempt, one id."""
    receipt = client.fire(place, ONE)

    assert receipt.request_id
    assert [(attempt.error, attempt.status) for attempt in receipt.attempts] == [(None, 202)]


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("place", PermissionReason.ALLOWED),
        ("gone", PermissionReason.NO_SUCH_FUNCTION),
        ("echo:gone", PermissionReason.NO_SUCH_QUALIFIER),
    ],
)
def test_asking_runs_nothing_and_tells_what_is_missing(client: LambdaClient, function: str, reason: PermissionReason):
    """Allowed, no such function, no such qualifier."""
    assert client.can_invoke(function).reason is reason
