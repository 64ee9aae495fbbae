"""``lambdachain.durable`` in the SDK's own test runner: real executions, suspended and replayed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, StepConfig
from aws_durable_execution_sdk_python.exceptions import RetryableSerDesError
from aws_durable_execution_sdk_python.retries import RetryPresets
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner
from pydantic import BaseModel, Field

from lambdachain import (
    CallError,
    Contract,
    FunctionCrashedError,
    FunctionError,
    FunctionNotFoundError,
    InvalidRequestError,
    Invocation,
    LambdaClient,
    Outcome,
    RemoteError,
    RequestRejectedError,
    ResponseError,
    RetryPolicy,
    ThrottledError,
    TransportWrapper,
    current_invocation,
    durable,
    invocation_scope,
    remote,
)
from lambdachain.testing import StubTransport


class Order(BaseModel):
    order_id: str = Field(alias="orderId")
    cents: int = 5


class Placed(BaseModel):
    placed_id: str = Field(alias="placedId")


class Declined(RemoteError):
    reason: str


place = Contract("orders-place", request=Order, response=Placed, errors=[Declined])
price = Contract("orders-price", request=str, response=int, idempotent=True, errors=[Declined])
archive = Contract("orders-archive", request=str, response=list[str], envelope=True)
ORDER = Order(orderId="o-1")

Handler = Callable[[Any, DurableContext], Any]


class Runner:
    """Runs durable functions, and returns their result."""

    def __init__(self) -> None:
        self.functions: dict[str, Any] = {}
        self.durable: dict[str, Any] = {}

    def run(self, handler: Handler, **options: Any) -> Any:
        with DurableFunctionTestRunner(durable_execution(handler), poll_interval=0.05) as runner:
            for name, function in self.functions.items():
                runner.register_function(name, function)
            for name, function in self.durable.items():
                runner.register_durable_function(name, function)
            self.result = runner.run(input="{}", execution_timeout=60, **options)
        runner._scheduler._loop.close()  # the SDK stops it only
        assert self.result.error is None, self.result.error
        return json.loads(self.result.result)


@pytest.fixture(name="runner")
def _runner() -> Runner:
    return Runner()


def _describe(exc: BaseException) -> list[Any]:
    return [type(exc).__name__, str(exc)]


@remote(place)
def place_handler(order: Order) -> Placed:
    """Place an order."""
    if order.cents == 0:
        raise Declined(reason="free")
    if order.cents < 0:
        raise ValueError("negative")
    return Placed(placedId=f"p-{order.order_id}")


def test_a_contract_is_invoked(runner: Runner) -> None:
    """The request is validated and written by its aliases; the response is the contract's type."""
    runner.functions["orders-place"] = place_handler
    seen: list[Placed] = []

    def handler(_: Any, context: DurableContext) -> str:
        seen.append(durable.invoke(context, place, ORDER, name="place"))
        context.wait(Duration.from_seconds(1))
        seen.append(durable.invoke(context, place_handler, Order(orderId="o-2")))
        return seen[-1].placed_id

    assert runner.run(handler) == "p-o-2"
    assert Placed(placedId="p-o-1") in seen
    assert len(seen) > 2  # it was replayed
    assert runner.result.get_invoke("place")


@pytest.mark.parametrize("kind", ["plain", "durable"])
def test_errors_of_an_invoked_function(runner: Runner, kind: str) -> None:
    """A declared error is its class, with its fields; another failure is a FunctionError: in each replay the same."""
    if kind == "plain":
        runner.functions["orders-place"] = place_handler
    else:
        runner.durable["orders-place"] = durable_execution(place_handler)
    runs: list[list[Any]] = []

    def handler(_: Any, context: DurableContext) -> list[Any]:
        caught: list[Any] = []
        for cents in (0, -1):
            try:
                durable.invoke(context, place, Order(orderId="o-1", cents=cents))
            except Declined as exc:
                caught += ["Declined", exc.reason, exc.function]
            except FunctionError as exc:
                caught += [type(exc).__name__, (exc.error_type or "").rpartition(".")[2], exc.error_message]
            context.wait(Duration.from_seconds(1))
        runs.append(caught)
        return caught

    assert runner.run(handler) == ["Declined", "free", "orders-place", "FunctionError", "ValueError", "negative"]


def test_a_request_that_the_function_rejects(runner: Runner) -> None:
    """The details come back, as in a call."""
    runner.functions["orders-price"] = place_handler

    def handler(_: Any, context: DurableContext) -> list[Any]:
        try:
            durable.invoke(context, price, "sku")
        except RequestRejectedError as exc:
            return [error["type"] for error in exc.errors]
        return []

    assert runner.run(handler) == ["model_type"]


def test_what_does_not_fit_the_contract(runner: Runner) -> None:
    """A request is refused before it is sent, a response when it is read; neither shows a value."""
    runner.functions["orders-place"] = lambda event, context: {"secret": "s3cr3t"}  # noqa: ARG005
    wrong: Any = {"orderId": ["s3cr3t"]}

    def handler(_: Any, context: DurableContext) -> list[Any]:
        caught: list[Any] = []
        for request in (wrong, ORDER):
            try:
                durable.invoke(context, place, request)
            except (InvalidRequestError, ResponseError) as exc:
                caught.append(_describe(exc))
        return caught

    refused, unreadable = runner.run(handler)

    assert refused[0] == "InvalidRequestError"
    assert unreadable[0] == "ResponseError"
    assert "s3cr3t" not in refused[1] + unreadable[1]


def test_a_function_that_does_not_exist(runner: Runner) -> None:
    """Lambda's own errors are those of a call."""

    def handler(_: Any, context: DurableContext) -> list[Any]:
        try:
            durable.invoke(context, place, ORDER, function="orders-place:live")
        except FunctionNotFoundError as exc:
            return [exc.function, str(exc.execution)]
        return []

    assert runner.run(handler) == ["orders-place:live", "not executed"]


def test_an_envelope_carries_the_correlation_id_and_a_key_of_the_operation(runner: Runner) -> None:
    """Both are the same in each replay, and no deadline is sent."""
    received: list[Any] = []

    @remote(archive)
    def archive_handler(order_id: str, context: Any) -> list[str]:
        received.append(context)
        invocation = current_invocation()
        assert invocation is not None
        return [order_id, invocation.correlation_id, str(invocation.idempotency_key), str(invocation.depth)]

    runner.functions["orders-archive"] = archive_handler
    ids: list[str] = []
    arns: list[str] = []

    def handler(_: Any, context: DurableContext) -> list[list[str]]:
        with invocation_scope(context) as invocation:
            ids.append(invocation.correlation_id)
        arns.append(context.execution_context.durable_execution_arn)
        first = durable.invoke(context, archive, "o-1")
        context.wait(Duration.from_seconds(1))
        with invocation_scope(context):
            second = durable.invoke(context, archive, "o-2")
        return [first, second]

    first, second = runner.run(handler, execution_name="order-7")

    assert [first[0], second[0]] == ["o-1", "o-2"]
    assert len(ids) > 2
    assert {*ids, first[1], second[1]} == {first[1]}
    assert arns[0].endswith(first[1])
    assert first[2] != second[2]
    assert first[3] == second[3] == "1"


def test_a_handler_of_remote_is_durable_and_keeps_its_callers_id(runner: Runner) -> None:
    """A durable callee, invoked in an envelope: the caller's correlation id in each of its invocations."""
    ids: list[str] = []

    @durable_execution
    @remote(archive)
    def archive_handler(order_id: str, context: DurableContext) -> list[str]:
        invocation = current_invocation()
        assert invocation is not None
        ids.append(invocation.correlation_id)
        context.wait(Duration.from_seconds(1))
        return [order_id]

    runner.durable["orders-archive"] = archive_handler
    callers: list[str] = []

    def handler(_: Any, context: DurableContext) -> list[str]:
        with invocation_scope(context) as invocation:
            callers.append(invocation.correlation_id)
            return durable.invoke(context, archive, "o-1")

    assert runner.run(handler) == ["o-1"]
    assert len(ids) == 2
    assert {*ids} == {*callers}


# Steps


class Stubbed:
    """A client over a stub."""

    def __init__(self) -> None:
        self.stub = StubTransport()
        self.client = LambdaClient(transport=self.stub, retry=RetryPolicy.never())
        self.price = self.client.bind(price)
        self.place = self.client.bind(place)


@pytest.fixture(name="stubbed")
def _stubbed() -> Stubbed:
    return Stubbed()


def test_a_call_in_a_step_is_sent_once(runner: Runner, stubbed: Stubbed) -> None:
    """Its response is recorded as the contract's type, and read back in each replay."""
    stubbed.stub.on(place).returns(Placed(placedId="p-1"))
    seen: list[Placed] = []

    def handler(_: Any, context: DurableContext) -> str:
        seen.append(durable.step(context, stubbed.place, ORDER, name="place"))
        context.wait(Duration.from_seconds(1))
        return seen[-1].placed_id

    assert runner.run(handler) == "p-1"
    assert seen == [Placed(placedId="p-1")] * 2
    assert len(stubbed.stub.calls) == 1
    assert runner.result.get_step("place")


def test_a_declared_error_of_a_step(runner: Runner, stubbed: Stubbed) -> None:
    """It is its class with its fields, in each replay, and nothing is retried."""
    stubbed.stub.on(price).raises(Declined(reason="limit"))
    seen: list[str] = []

    def handler(_: Any, context: DurableContext) -> str:
        try:
            durable.step(context, stubbed.price, "sku")
        except Declined as exc:
            seen.append(exc.reason)
        context.wait(Duration.from_seconds(1))
        return seen[-1]

    assert runner.run(handler) == "limit"
    assert seen == ["limit"] * 2
    assert len(stubbed.stub.calls) == 1


def test_a_step_is_retried_only_if_its_call_is_safe_to_retry(runner: Runner, stubbed: Stubbed) -> None:
    """A throttle is, also in later invocations; a crash of a function is not."""
    stubbed.stub.on(price).throttles(2).returns(7)
    stubbed.stub.on(place).crashes()

    def handler(_: Any, context: DurableContext) -> list[Any]:
        found = durable.step(context, stubbed.price, "sku")
        try:
            durable.step(context, stubbed.place, ORDER)
        except FunctionCrashedError as exc:
            return [found, *_describe(exc)]
        return []

    found, kind, message = runner.run(handler)

    assert [found, kind] == [7, "FunctionCrashedError"]
    assert message.startswith("orders-place: ")
    assert len(stubbed.stub.calls) == 4


def test_a_config_decides_about_retries(runner: Runner, stubbed: Stubbed) -> None:
    """That of the SDK, whose strategies see the error of the call."""
    stubbed.stub.on(price).throttles()
    asked: list[type] = []

    def strategy(error: Exception, attempts_made: int) -> Any:
        asked.append(type(error))
        return RetryPresets.none()(error, attempts_made)

    def handler(_: Any, context: DurableContext) -> str:
        try:
            durable.step(context, stubbed.price, "sku", config=StepConfig(retry_strategy=strategy))
        except CallError as exc:
            return type(exc).__name__
        return ""

    assert runner.run(handler) == "ThrottledError"
    assert asked == [ThrottledError]


def test_steps_send_the_correlation_id_of_the_execution(runner: Runner, stubbed: Stubbed) -> None:
    """Also in branches, which run in threads; the deadline is that of the invocation that calls."""
    stubbed.stub.on(price).returns(7)

    def handler(_: Any, context: DurableContext) -> list[int]:
        first = durable.step(context, stubbed.price, "a")
        context.wait(Duration.from_seconds(1))
        branches = [lambda inner, sku=sku: durable.step(inner, stubbed.price, sku) for sku in "bc"]
        return [first, *context.parallel(branches).get_results()]

    assert runner.run(handler) == [7, 7, 7]
    assert len({call.metadata.correlation_id for call in stubbed.stub.calls if call.metadata}) == 1


def test_a_failure_that_is_not_caught_fails_the_execution(runner: Runner, stubbed: Stubbed) -> None:
    """With the error's own type."""
    stubbed.stub.on(price).raises(Declined(reason="limit"))

    def handler(_: Any, context: DurableContext) -> int:
        return durable.step(context, stubbed.price, "sku")

    with pytest.raises(AssertionError, match="Declined"):
        runner.run(handler)


class RecordingTransport(TransportWrapper):
    """Sends nothing, and keeps what it would have sent."""

    def __init__(self) -> None:
        super().__init__(StubTransport())
        self.sent: list[Invocation] = []

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        assert timeout is not None
        self.sent.append(invocation)
        return Outcome(status=200, payload=b'{"placedId": "p"}', executed_version="1", from_lambda=True)


def test_a_step_starts_a_durable_function_by_its_name(runner: Runner) -> None:
    """``durable_name`` goes to Lambda as the name of the execution, which it starts only once."""
    transport = RecordingTransport()
    client = LambdaClient(transport=transport)

    def handler(_: Any, context: DurableContext) -> str:
        started = durable.step(context, client.bind(place, durable_name="order-7"), ORDER)
        context.wait(Duration.from_seconds(1))
        return started.placed_id

    assert runner.run(handler) == "p"
    assert [invocation.durable_name for invocation in transport.sent] == ["order-7"]


class InterruptedTransport(RecordingTransport):
    """Ends the first invocation while its call is in flight, as Lambda does at its timeout."""

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        outcome = super().send(invocation, timeout=timeout)
        if len(self.sent) == 1:
            raise RetryableSerDesError("the SDK has Lambda invoke the function again")
        return outcome


@pytest.mark.parametrize(("idempotent", "expected"), [(False, "OutcomeUnknownError"), (True, "p")])
def test_an_interrupted_step(runner: Runner, idempotent: bool, expected: str) -> None:
    """Its call may have run: it is sent again only if the contract says that this does no harm."""
    transport = InterruptedTransport()
    contract = Contract("orders-place", request=Order, response=Placed, idempotent=idempotent)
    function = LambdaClient(transport=transport).bind(contract)

    def handler(_: Any, context: DurableContext) -> str:
        try:
            return durable.step(context, function, ORDER).placed_id
        except CallError as exc:
            return type(exc).__name__

    assert runner.run(handler) == expected
    assert len(transport.sent) == 1 + idempotent
