"""``raises``: the stub sends the response of Lambda that causes an error, or the error cannot be simulated."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

import lambdachain
from lambdachain import (
    CallError,
    ConnectionLostError,
    Contract,
    ContractError,
    DeadlineExceededError,
    ErrorDetail,
    Execution,
    FunctionError,
    FunctionInitError,
    FunctionNotFoundError,
    LambdaChainError,
    LambdaClient,
    NotInvokedError,
    OutcomeUnknownError,
    PermissionReason,
    RemoteError,
    RequestRejectedError,
    RequestTooLargeError,
    RetryPolicy,
    ServiceError,
    ThrottledError,
)
from lambdachain.testing import StubError, StubTransport


class Order(BaseModel):
    item: str


class Declined(RemoteError):
    reason: str


class Undeclared(RemoteError):
    reason: str


place = Contract("place", request=Order, response=None, errors=[Declined])
ORDER = Order(item="mug")
BASES = {CallError, NotInvokedError, OutcomeUnknownError, RemoteError}
CALL_ERRORS = [
    error
    for _, error in inspect.getmembers(lambdachain, inspect.isclass)
    if issubclass(error, CallError) and error not in BASES and error is not DeadlineExceededError
]


@pytest.fixture(name="stub")
def _stub() -> StubTransport:
    return StubTransport()


@pytest.fixture(name="client")
def _client(stub: StubTransport) -> Iterator[LambdaClient]:
    with LambdaClient(stub, retry=RetryPolicy.never()) as client:
        yield client


def test_every_error_class_is_covered():
    """A new one fails here."""
    assert len(CALL_ERRORS) == 20


@pytest.mark.parametrize("error", CALL_ERRORS, ids=lambda error: error.__name__)
def test_an_error_of_the_client_is_raised_with_its_exact_class(
    stub: StubTransport, client: LambdaClient, error: type[CallError]
):
    """With all attributes of a real one."""
    stub.on(place).raises(error)
    with pytest.raises(CallError) as raised:
        client.call(place, ORDER)

    assert type(raised.value) is error
    assert raised.value.function == "place"
    assert len(raised.value.attempts) == 1
    assert raised.value.execution is error()._execution


@pytest.mark.parametrize("error", [*sorted(BASES - {RemoteError}, key=str), DeadlineExceededError])
def test_an_error_that_lambda_never_causes_cannot_be_simulated(stub: StubTransport, error: type[CallError]):
    """A base class, or an error that the client raises by itself."""
    with pytest.raises(ContractError, match=rf"raises\(\) cannot simulate {error.__name__}: Lambda never produces it"):
        stub.on(place).raises(error)


@pytest.mark.parametrize("wrong", ["ServiceError", 3, int, KeyboardInterrupt()], ids=repr)
def test_only_exceptions_can_be_raised(stub: StubTransport, wrong: type[Exception]):
    """And only those that a function can report."""
    with pytest.raises(ContractError, match="raises\\(\\) takes exceptions"):
        stub.on(place).raises(wrong)


def test_a_declared_error_has_its_fields(stub: StubTransport, client: LambdaClient):
    """It was serialized."""
    stub.on(place).raises(Declined(reason="limit"))
    with pytest.raises(Declined) as declined:
        client.call(place, ORDER)

    assert declined.value == Declined(reason="limit")
    assert declined.value.execution is Execution.EXECUTED


def test_an_undeclared_error_is_rejected_when_the_stub_is_scripted(stub: StubTransport):
    """Callers could not decode it."""
    with pytest.raises(StubError, match=r"does not declare Undeclared.*errors=\[Undeclared\]"):
        stub.on(place).raises(Undeclared(reason="x"))


def test_a_stub_by_name_may_raise_any_domain_error(stub: StubTransport, client: LambdaClient):
    """The caller gets a plain FunctionError, as on AWS."""
    stub.on("place").raises(Undeclared(reason="x"))
    with pytest.raises(FunctionError) as failed:
        client.call("place", None)

    assert type(failed.value) is FunctionError
    assert (failed.value.error_type, failed.value.error_message) == ("Undeclared", '{"reason":"x"}')


@pytest.mark.parametrize("error", [ValueError("boom"), ValueError], ids=["instance", "class"])
def test_any_other_exception_is_a_function_error(stub: StubTransport, client: LambdaClient, error: Exception):
    """As Python's runtime reports it."""
    stub.on(place).raises(error)
    with pytest.raises(FunctionError) as failed:
        client.call(place, ORDER)

    assert failed.value.error_type == "ValueError"
    assert failed.value.error_message == ("boom" if isinstance(error, ValueError) else "")


def test_a_function_error_keeps_its_message(stub: StubTransport, client: LambdaClient):
    """For example of a callee in another language."""
    stub.on(place).raises(
        FunctionError(error_type="TypeError", error_message="x is not a function", stack_trace=["at f"])
    )
    with pytest.raises(FunctionError) as failed:
        client.call(place, ORDER)

    assert (failed.value.error_type, failed.value.error_message) == ("TypeError", "x is not a function")
    assert failed.value.stack_trace == ("at f",)


def test_the_message_of_an_error_becomes_that_of_the_response(stub: StubTransport, client: LambdaClient):
    """If it has one."""
    stub.on(place).raises(ServiceError("out of order"), FunctionInitError("No module named 'x'"))

    with pytest.raises(ServiceError, match="ServiceException: out of order"):
        client.call(place, ORDER)
    with pytest.raises(FunctionInitError, match="No module named 'x'"):
        client.call(place, ORDER)


def test_a_throttle_keeps_its_reason(stub: StubTransport, client: LambdaClient):
    """And its Retry-After."""
    stub.on(place).raises(ThrottledError(reason="CallerRateLimitExceeded", retry_after=2))
    with pytest.raises(ThrottledError) as throttled:
        client.call(place, ORDER)

    assert (throttled.value.reason, throttled.value.retry_after) == ("CallerRateLimitExceeded", 2)


def test_a_rejection_keeps_its_details(stub: StubTransport, client: LambdaClient):
    """Also one that was caught elsewhere."""
    details = [ErrorDetail(loc=("item",), type="missing", msg="Field required")]
    stub.on(place).raises(RequestRejectedError("caught", errors=details, function="other"))
    with pytest.raises(RequestRejectedError) as rejected:
        client.call(place, ORDER)

    assert rejected.value.errors == tuple(details)


def test_errors_of_lambda_itself_apply_to_events_and_dry_runs(stub: StubTransport, client: LambdaClient):
    """They come before any function runs; a function error does not apply to them."""
    stub.on(place).raises(FunctionNotFoundError)
    with pytest.raises(FunctionNotFoundError, match=r"Function not found: arn:.*:place:\$LATEST"):
        client.fire(place, ORDER)
    assert client.can_invoke(place).reason is PermissionReason.NO_SUCH_FUNCTION

    stub.on(place).raises(RequestTooLargeError)
    with pytest.raises(RequestTooLargeError, match="too large for the Event invocation type"):
        client.fire(place, ORDER)

    stub.on("other").raises(ValueError)
    assert client.can_invoke("other")


def test_several_errors_are_for_one_call_each(stub: StubTransport):
    """The client retries."""
    stub.on(place).raises(ConnectionLostError, ThrottledError).returns(None)
    client = LambdaClient(stub)

    with pytest.raises(ConnectionLostError):
        client.call(place, ORDER)
    assert [attempt.error for attempt in client.invoke(place, ORDER).attempts] == ["ThrottledError", None]


def test_raises_needs_an_exception(stub: StubTransport):
    """A stub without errors would do nothing."""
    with pytest.raises(ContractError, match="needs an exception"):
        stub.on(place).raises()


def test_every_stub_error_is_an_assertion_error():
    """So that test runners report a failure, not an error."""
    assert issubclass(StubError, AssertionError)
    assert issubclass(StubError, LambdaChainError)
