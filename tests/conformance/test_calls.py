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
def test_a_response_is_typed(client: LambdaClient, contract: Contract[Order, Placed]):
    """By the contract."""
    assert client.call(contract, ONE) == Placed(text="1 x mug")


@pytest.mark.parametrize("contract", [place, relay], ids=["directly", "through another function"])
def test_a_declared_error_is_raised_as_its_class(client: LambdaClient, contract: Contract[Order, Placed]):
    """With its fields, also through several functions."""
    with pytest.raises(OutOfStock) as refused:
        client.call(contract, Order(item="mug", quantity=3))

    assert refused.value == OutOfStock(available=2)
    assert refused.value.execution is Execution.EXECUTED
    assert refused.value.error_type == "OutOfStock"
    assert refused.value.function == contract.function


def test_an_undeclared_error_is_a_function_error(client: LambdaClient):
    """Its class is unknown to the caller, its name is not."""
    with pytest.raises(FunctionError) as failed:
        client.call(place, Order(item="undeclared", quantity=1))

    assert type(failed.value) is FunctionError
    assert failed.value.error_type == "Undeclared"
    assert failed.value.error_message == '{"secret":"s"}'


def test_a_request_that_the_callee_rejects_has_the_path(client: LambdaClient):
    """A caller by name has no contract to check the request with."""
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
def test_each_failure_has_its_class(client: LambdaClient, function: str, payload: object, error: type[Exception]):
    """And is retried only if that is safe."""
    with pytest.raises(error) as failed:
        client.call(function, payload, retry=NEVER)

    assert type(failed.value) is error


def test_the_callee_reads_the_callers_metadata(client: LambdaClient):
    """Correlation id, depth, attempt, key and remaining time."""
    context = LambdaContext(request_id="outermost", timeout=60)
    with invocation_scope(context):
        answer = client.call("metadata", None, idempotency_key="k-1", timeout=8)

    assert answer == {"correlation_id": "outermost", "depth": 1, "attempt": 1, "key": "k-1", "remaining": 7}


def test_an_invoke_result_has_lambdas_metadata(client: LambdaClient):
    """Version, id, log and attempts."""
    result = client.invoke(place, ONE, log_tail=True)

    assert result.value == Placed(text="1 x mug")
    assert result.executed_version == "$LATEST"
    assert [(attempt.error, attempt.status) for attempt in result.attempts] == [(None, 200)]
    assert f"START RequestId: {result.request_id}" in (result.log_tail or "")


def test_fire_returns_a_receipt(client: LambdaClient):
    """With one attempt and one id."""
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
def test_can_invoke_runs_nothing_and_reports_what_is_missing(
    client: LambdaClient, function: str, reason: PermissionReason
):
    """Allowed, unknown function, unknown qualifier."""
    assert client.can_invoke(function).reason is reason
