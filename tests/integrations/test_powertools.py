"""``lambdachain.powertools``: with Powertools' real Logger, circuit breaker and idempotency, the last two on moto."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, pairwise
from threading import Barrier
from typing import Any

import boto3
import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.circuit_breaker import CircuitBreakerConfig, CircuitState, CircuitTransition
from aws_lambda_powertools.utilities.circuit_breaker.exceptions import CircuitBreakerOpenError
from aws_lambda_powertools.utilities.circuit_breaker.persistence import CircuitBreakerDynamoDBPersistence
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig
from moto import mock_aws
from pydantic import BaseModel, Field

import lambdachain
from lambdachain import (
    AccessDeniedError,
    AsyncLambdaClient,
    CallError,
    CallTimeoutError,
    ConnectError,
    ConnectionLostError,
    Contract,
    ContractError,
    CredentialsError,
    DeadlineExceededError,
    FunctionCrashedError,
    FunctionError,
    FunctionInitError,
    FunctionMisconfiguredError,
    FunctionNotFoundError,
    FunctionNotReadyError,
    FunctionTimeoutError,
    InProcessTransport,
    InvalidRequestError,
    LambdaClient,
    RecursiveInvocationError,
    RemoteError,
    RequestRejectedError,
    RequestTooLargeError,
    ResponseError,
    ResponseTooLargeError,
    RetryPolicy,
    ServiceError,
    ThrottledError,
    is_callee_down,
    remote,
)
from lambdachain.powertools import (
    CircuitBreakerInterceptor,
    CircuitOpenError,
    LoggerInterceptor,
    idempotent_by_caller_key,
)
from lambdachain.testing import LambdaContext, StubTransport


class Order(BaseModel):
    order_id: str = Field(alias="orderId")
    cents: int = 5


class Placed(BaseModel):
    placed_id: str = Field(alias="placedId")


class Declined(RemoteError):
    reason: str


place = Contract("orders-place", request=Order, response=Placed, errors=[Declined], idempotent=True)
ORDER = Order(orderId="o-1")
ONCE = RetryPolicy.never()
_numbers = count()


@pytest.fixture(autouse=True, name="aws")
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    with mock_aws():
        database: Any = boto3.client("dynamodb")
        for table in ("circuits", "idempotency"):
            database.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        yield


# Logger


class Log:
    """A Logger, and what it has written."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.logger = Logger(service=f"orders-{next(_numbers)}", stream=self._stream)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


@pytest.fixture(name="log")
def _log() -> Log:
    return Log()


KEYS = ("correlation_id", "cold_start", "function_name", "function_memory_size", "function_arn", "function_request_id")


def test_each_line_has_the_keys_of_its_invocation(log: Log) -> None:
    """Without a line in the handlers; they are gone afterwards, also after a failure."""

    @remote("orders-outer")
    def outer(order_id: str) -> str:
        log.logger.info("outer", order_id=order_id)
        return client.call(inner, order_id)

    @remote("orders-inner")
    def inner(order_id: str) -> str:
        log.logger.info("inner")
        if order_id == "bad":
            raise ValueError(order_id)
        return order_id

    transport = InProcessTransport()
    transport.add(outer, memory=256)
    transport.add(inner)
    client = LambdaClient(transport=transport)
    with lambdachain.use(LoggerInterceptor(log.logger)):
        client.call("orders-outer", "o-1")
        log.logger.info("between")
        with pytest.raises(FunctionError):
            client.call("orders-outer", "bad")
        log.logger.info("after")
    first, second, between, third, fourth, after = log.lines

    assert [first["function_name"], second["function_name"]] == ["orders-outer", "orders-inner"]
    assert first["correlation_id"] == second["correlation_id"]
    assert first["function_request_id"] != second["function_request_id"]
    assert first["correlation_id"] != third["correlation_id"] == fourth["correlation_id"]
    assert int(first["function_memory_size"]) == 256
    assert first["function_arn"].endswith(":function:orders-outer")
    assert first["order_id"] == "o-1"
    assert not set(KEYS) & set(between)
    assert not set(KEYS) & set(after)


def test_keys_of_its_own_are_kept(log: Log) -> None:
    """What was there before an invocation is there afterwards."""

    @remote("orders-log")
    def handler(order_id: str) -> str:
        log.logger.info(order_id)
        return order_id

    log.logger.thread_safe_append_keys(correlation_id="batch-7", tenant="acme")
    with lambdachain.use(LoggerInterceptor(log.logger)):
        handler("o-1", LambdaContext())
    log.logger.info("after")
    log.logger.thread_safe_clear_keys()
    during, after = log.lines

    assert during["tenant"] == after["tenant"] == "acme"
    assert during["correlation_id"] == during["function_request_id"]
    assert after["correlation_id"] == "batch-7"
    assert "function_name" not in after


def test_concurrent_invocations_keep_their_keys_apart(log: Log) -> None:
    """In threads, which all run at the same moment."""
    together = Barrier(8)

    @remote("orders-log")
    def handler(order_id: str) -> str:
        together.wait(timeout=30)
        log.logger.info(order_id)
        return order_id

    contexts = [LambdaContext() for _ in range(8)]
    with lambdachain.use(LoggerInterceptor(log.logger)), ThreadPoolExecutor(8) as pool:
        list(pool.map(handler, [f"o-{number}" for number in range(8)], contexts))

    assert {line["function_request_id"] for line in log.lines} == {context.aws_request_id for context in contexts}
    assert all(line["correlation_id"] == line["function_request_id"] for line in log.lines)


def test_a_coroutine_handler_and_its_tasks(log: Log) -> None:
    """They run in the context of the invocation."""

    @remote("orders-log")
    async def handler(order_id: str) -> str:
        async def work() -> None:
            log.logger.info(order_id)

        await asyncio.gather(work(), work())
        return order_id

    context = LambdaContext()
    with lambdachain.use(LoggerInterceptor(log.logger)):
        handler("o-1", context)

    assert [line["function_request_id"] for line in log.lines] == [context.aws_request_id] * 2


def test_a_handler_that_is_called_without_a_context(log: Log) -> None:
    """As tests do: it has a correlation id, and nothing of Lambda's."""

    @remote("orders-log")
    def handler(order_id: str) -> str:
        log.logger.info(order_id)
        return order_id

    with lambdachain.use(LoggerInterceptor(log.logger)):
        handler("o-1")
    (line,) = log.lines

    assert line["correlation_id"]
    assert "function_name" not in line


def test_beside_the_decorator_of_powertools(log: Log) -> None:
    """Both may be there; inside the handler, the correlation id is the one that goes on to other functions."""

    @log.logger.inject_lambda_context(correlation_id_path="id", clear_state=True)
    @remote("orders-log", interceptors=[LoggerInterceptor(log.logger)])
    def handler(order: dict[str, str]) -> str:
        log.logger.info("inside")
        return order["id"]

    context: Any = LambdaContext()
    handler({"id": "o-1"}, context)
    (line,) = log.lines

    assert line["function_request_id"] == context.aws_request_id
    assert line["correlation_id"] == context.aws_request_id


_COLD = """
import json, sys
import lambdachain
from aws_lambda_powertools import Logger
from lambdachain.powertools import LoggerInterceptor
from lambdachain.testing import LambdaContext
logger = Logger(service="orders", stream=sys.stdout)
lambdachain.use(LoggerInterceptor(logger))
@lambdachain.remote("orders-log")
def handler(order_id: str) -> str:
    logger.info(order_id)
    return order_id
handler("o-1", LambdaContext())
handler("o-2", LambdaContext())
assert "boto3" not in sys.modules
"""


@pytest.mark.parametrize(
    ("started_as", "cold"), [("on-demand", [True, False]), ("provisioned-concurrency", [False, False])]
)
def test_the_first_invocation_of_a_process_is_its_cold_start(started_as: str, cold: list[bool]) -> None:
    """Not of one that Lambda has started beforehand."""
    environment = {**os.environ, "AWS_LAMBDA_INITIALIZATION_TYPE": started_as}
    ran = subprocess.run([sys.executable, "-c", _COLD], env=environment, capture_output=True, text=True, check=True)

    assert [json.loads(line)["cold_start"] for line in ran.stdout.splitlines()] == cold


# Circuit breaker

DOWN = [
    ThrottledError,
    FunctionNotReadyError,
    FunctionMisconfiguredError,
    ServiceError,
    ConnectError,
    ConnectionLostError,
    CallTimeoutError,
    FunctionTimeoutError,
    FunctionCrashedError,
    FunctionInitError,
]
NOT_DOWN = [
    FunctionError,
    RequestRejectedError,
    InvalidRequestError,
    RequestTooLargeError,
    ResponseTooLargeError,
    ResponseError,
    AccessDeniedError,
    CredentialsError,
    FunctionNotFoundError,
    RecursiveInvocationError,
    DeadlineExceededError,
    ContractError,
    ValueError,
    KeyboardInterrupt,
]


def test_what_says_that_the_callee_is_down() -> None:
    """A function that answered is not down, and a mistake of the caller says nothing about it."""
    assert [kind for kind in DOWN if not is_callee_down(kind())] == []
    assert [kind for kind in NOT_DOWN if is_callee_down(kind())] == []
    assert not is_callee_down(Declined(reason="limit"))


def test_a_wrong_setting_of_the_caller_is_not_a_callee_that_is_down() -> None:
    """A closed client cannot connect; neither can one to a port where nobody listens, which may be an outage."""
    transport: Any = lambdachain.HttpTransport(endpoint_url="http://127.0.0.1:9", region="eu-west-1")
    client = LambdaClient(transport=transport, retry=ONCE)
    with pytest.raises(ConnectError) as refused:
        client.call(place, ORDER)
    client.close()
    with pytest.raises(ConnectError) as closed:
        client.call(place, ORDER)

    assert is_callee_down(refused.value)
    assert not is_callee_down(closed.value)


class Circuits:
    """A breaker on a DynamoDB table, a client behind it, and the transitions of its circuits."""

    def __init__(self, **config: Any) -> None:
        self.number = next(_numbers)
        self.transitions: list[CircuitTransition] = []
        self.stub = StubTransport()
        self.breaker = CircuitBreakerInterceptor(
            CircuitBreakerDynamoDBPersistence(table_name="circuits"),
            config=CircuitBreakerConfig(**{"failure_threshold": 2, "local_cache_max_age": 0, **config}),
            # Powertools counts by name, for the life of the process.
            name=lambda call: f"{self.number}-{call.function}",
            on_transition=self.transitions.append,
        )
        self.client = LambdaClient(transport=self.stub, interceptors=[self.breaker], retry=ONCE)

    @property
    def states(self) -> list[CircuitState]:
        return [transition.to_state for transition in self.transitions]

    def fail(self, expected: type[BaseException], times: int = 1) -> None:
        for _ in range(times):
            with pytest.raises(expected):
                self.client.call(place, ORDER)


def test_the_circuit_opens_after_failures_of_the_callee() -> None:
    """Then nothing is sent: the error is ours and Powertools', and says that the function did not run."""
    circuits = Circuits()
    circuits.stub.on(place).raises(ServiceError)
    circuits.fail(ServiceError, times=2)
    sent = len(circuits.stub.calls)
    with pytest.raises(CircuitOpenError, match=r"orders-place: the circuit .* is open") as caught:
        circuits.client.call(place, ORDER)

    assert circuits.states == [CircuitState.OPEN]
    assert len(circuits.stub.calls) == sent
    assert isinstance(caught.value, CircuitBreakerOpenError)
    assert caught.value.execution == lambdachain.Execution.NOT_EXECUTED
    assert caught.value.circuit.state == CircuitState.OPEN
    assert not caught.value.retryable
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (str(copied), copied.circuit) == (str(caught.value), caught.value.circuit)


def test_answers_do_not_open_it() -> None:
    """Declared errors, other exceptions, and requests that are refused on either side."""
    circuits = Circuits(failure_threshold=1)
    circuits.stub.on(place).raises(Declined(reason="limit"))
    circuits.fail(Declined, times=3)
    circuits.stub.on(place).raises(RequestRejectedError)
    circuits.fail(RequestRejectedError, times=3)
    with pytest.raises(InvalidRequestError):
        circuits.client.call(place, "not an order")  # type: ignore[arg-type]

    assert circuits.states == []


def test_a_throttle_that_a_retry_overcomes_does_not_count() -> None:
    """Only one that ends the call does."""
    circuits = Circuits(failure_threshold=1)
    patient = RetryPolicy(max_attempts=4, initial_delay=0.001)
    circuits.stub.on(place).throttles(3).returns(Placed(placedId="p"))
    circuits.client.call(place, ORDER, retry=patient)

    assert circuits.states == []
    circuits.stub.on(place).throttles(1)
    circuits.fail(ThrottledError)
    assert circuits.states == [CircuitState.OPEN]


def test_a_throttle_that_a_map_takes_back_does_not_count() -> None:
    """It is sent again later; the map sees no failure."""
    circuits = Circuits(failure_threshold=1)
    circuits.stub.on(place).throttles(3).returns(Placed(placedId="p"))
    results = list(circuits.client.map(place, [ORDER] * 5, max_concurrency=2, retry=RetryPolicy()))

    assert len(results) == 5
    assert circuits.states == []


def test_an_open_circuit_in_a_map_is_a_result() -> None:
    """``return_exceptions`` yields it, as it yields each failed call."""
    circuits = Circuits(failure_threshold=1)
    circuits.stub.on(place).raises(ServiceError)
    circuits.fail(ServiceError)
    results = list(circuits.client.map(place, [ORDER] * 3, return_exceptions=True))

    assert [type(result) for result in results] == [CircuitOpenError] * 3


def test_events_and_permission_checks_pass_an_open_circuit() -> None:
    """An event waits in its queue until the function is up again."""
    circuits = Circuits(failure_threshold=1)
    circuits.stub.on(place).raises(ServiceError).accepts()
    circuits.fail(ServiceError)

    assert circuits.client.fire(place, ORDER).request_id
    assert circuits.client.can_invoke(place)
    circuits.fail(CircuitOpenError)


def test_it_is_probed_and_closed() -> None:
    """After the recovery time, by as many successes as Powertools wants."""
    circuits = Circuits(failure_threshold=1, recovery_timeout=1, success_threshold=2)
    circuits.stub.on(place).throttles(1).returns(Placed(placedId="p"))
    circuits.fail(ThrottledError)
    answered = 0
    while answered < 2:
        try:
            circuits.client.call(place, ORDER)
        except CircuitOpenError:
            continue  # until Powertools' clock, of whole seconds, has reached the recovery time
        answered += 1

    assert circuits.states == [CircuitState.OPEN, CircuitState.HALF_OPEN, CircuitState.CLOSED]


def test_an_async_client_has_the_same_circuits() -> None:
    """One interceptor serves both."""
    circuits = Circuits()
    circuits.stub.on(place).raises(ServiceError)
    circuits.fail(ServiceError)

    async def call() -> None:
        async with AsyncLambdaClient(transport=circuits.stub, interceptors=[circuits.breaker], retry=ONCE) as client:
            with pytest.raises(ServiceError):
                await client.call(place, ORDER)
            with pytest.raises(CircuitOpenError):
                await client.call(place, ORDER)

    asyncio.run(call())

    assert circuits.states == [CircuitState.OPEN]


def test_each_function_has_a_circuit_of_its_own() -> None:
    """By the address that is called."""
    circuits = Circuits(failure_threshold=1)
    circuits.stub.on(place).raises(ServiceError)
    circuits.stub.on("orders-other").returns("fine")
    circuits.fail(ServiceError)

    assert circuits.client.call("orders-other", "o-1") == "fine"
    circuits.fail(CircuitOpenError)


# Idempotency


class Shop:
    """A handler that works once for each key, and the times that it worked."""

    def __init__(self, **options: Any) -> None:
        self.orders: list[str] = []
        self.errors: list[Exception] = []
        self.transport = InProcessTransport()
        self.client = LambdaClient(transport=self.transport)

        @remote(place)
        @idempotent_by_caller_key(
            persistence_store=DynamoDBPersistenceLayer(table_name="idempotency"),
            config=IdempotencyConfig(**options),
            key_prefix=f"shop-{next(_numbers)}",
        )
        def handler(order: Order) -> Placed:
            self.orders.append(order.order_id)
            if self.errors:
                raise self.errors.pop()
            return Placed(placedId=f"p-{len(self.orders)}")

        self.handler = handler
        self.transport.add(handler)

    def place(self, order: Order = ORDER, **options: Any) -> str:
        return self.client.call(place, order, retry=ONCE, **options).placed_id


def test_the_callers_key_decides() -> None:
    """The same key is answered with the first response, another one is another call."""
    shop = Shop(event_key_jmespath="orderId")

    assert [shop.place(idempotency_key=key) for key in ("k-1", "k-1", "k-2", "k-1")] == ["p-1", "p-1", "p-2", "p-1"]
    assert shop.orders == ["o-1", "o-1"]


@pytest.mark.parametrize("path", ["orderId", "", "[orderId]", "orderId || cents", "{id: orderId}"])
def test_without_a_key_the_expression_decides(path: str) -> None:
    """On the request as JSON, with its aliases; an empty one takes all of it."""
    shop = Shop(event_key_jmespath=path)
    other = Order(orderId="o-2")

    assert [shop.place(), shop.place(), shop.place(other), shop.place(idempotency_key="k")] == [
        "p-1",
        "p-1",
        "p-2",
        "p-3",
    ]


def test_a_key_and_a_request_of_the_same_text_are_not_the_same() -> None:
    """A caller may use the id of an order as its key."""
    shop = Shop(event_key_jmespath="orderId")

    assert shop.place() != shop.place(idempotency_key="o-1")


def test_a_key_belongs_to_one_request_if_that_is_validated() -> None:
    """By the expression of Powertools' own option."""
    shop = Shop(event_key_jmespath="orderId", payload_validation_jmespath="cents")
    shop.place(idempotency_key="k-1")
    with pytest.raises(FunctionError) as refused:
        shop.place(Order(orderId="o-1", cents=900), idempotency_key="k-1")

    assert refused.value.error_type == "IdempotencyValidationError"
    assert shop.orders == ["o-1"]


def test_a_failure_is_not_stored() -> None:
    """A declared error and one that is not: the next call with the key runs."""
    shop = Shop()
    shop.errors = [KeyError("x"), Declined(reason="limit")]
    with pytest.raises(Declined):
        shop.place(idempotency_key="k")
    with pytest.raises(FunctionError):
        shop.place(idempotency_key="k")

    assert shop.place(idempotency_key="k") == "p-3"


def test_a_response_that_does_not_fit_is_not_stored() -> None:
    """It is the error that ``remote`` raises, and the key is free again."""
    answers: list[Any] = [Placed(placedId="p"), "not Placed"]

    @remote(place)
    @idempotent_by_caller_key(persistence_store=DynamoDBPersistenceLayer(table_name="idempotency"))
    def handler(order: Order) -> Placed:
        assert order
        answered: Placed = answers.pop()
        return answered

    event = {"orderId": "o-1"}
    with pytest.raises(ResponseError, match="the handler's response does not fit Placed"):
        handler(event, LambdaContext())

    assert handler(event, LambdaContext()) == {"placedId": "p"}
    assert handler(event, LambdaContext()) == {"placedId": "p"}


def test_a_lost_response_is_answered_from_the_table() -> None:
    """The retry of one call has its key."""
    shop = Shop()
    shop.transport.lose_answers(place, times=1)
    result = shop.client.invoke(place, ORDER, idempotency_key="k-1", retry=RetryPolicy(initial_delay=0.001))

    assert [attempt.error for attempt in result.attempts] == ["ConnectionLostError", None]
    assert result.value.placed_id == "p-1"
    assert shop.orders == ["o-1"]


def test_an_event_with_an_envelope_has_its_key() -> None:
    """``fire`` sends the key in the envelope."""
    seen: list[str] = []

    @remote("orders-archive", envelope=True)
    @idempotent_by_caller_key(persistence_store=DynamoDBPersistenceLayer(table_name="idempotency"))
    def handler(order_id: str, context: Any) -> None:
        assert context is not None
        seen.append(order_id)

    transport = InProcessTransport()
    transport.add(handler)
    client = LambdaClient(transport=transport)
    for order_id in ("o-1", "o-2"):
        client.fire(handler, order_id, idempotency_key="k-1")
    transport.deliver()

    assert seen == ["o-1"]


def test_the_time_of_the_invocation_limits_a_run_in_progress() -> None:
    """Also of a handler that does not take the context: Powertools stores until when the run may last."""
    stored: list[Any] = []
    layer = DynamoDBPersistenceLayer(table_name="idempotency")

    @remote("orders-log")
    @idempotent_by_caller_key(persistence_store=layer, key_prefix="in-progress")
    def handler(order_id: str) -> str:
        database: Any = boto3.client("dynamodb")
        stored.extend(item for item in database.scan(TableName="idempotency")["Items"])
        return order_id

    handler("o-1", LambdaContext(timeout=5))
    (item,) = stored

    assert item["status"] == {"S": "INPROGRESS"}
    assert "in_progress_expiration" in item


def test_concurrent_invocations_each_have_their_own_context() -> None:
    """Powertools keeps the context in its configuration, which threads would share."""
    shop = Shop(event_key_jmespath="orderId")
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda number: shop.place(Order(orderId=f"o-{number}")), range(8)))

    assert len(set(shop.orders)) == len(ids) == 8


def test_what_cannot_be_keyed_is_refused_where_it_is_decorated() -> None:
    """A coroutine function, missing annotations, a request without a JSON form."""
    decorate = idempotent_by_caller_key(persistence_store=DynamoDBPersistenceLayer(table_name="idempotency"))

    async def coroutine(order_id: str) -> str:
        return order_id

    def bare(order_id):  # type: ignore[no-untyped-def]
        return order_id

    def odd(order: Callable[[], int]) -> str:
        return str(order)

    for function, problem in ((coroutine, "coroutine"), (bare, "annotate"), (odd, "cannot be serialized as JSON")):
        with pytest.raises(ContractError, match=problem):
            decorate(function)  # type: ignore[arg-type]


def test_failed_calls_are_call_errors() -> None:
    """An open circuit is caught with every other failure of a call, in one clause."""
    circuits = Circuits(failure_threshold=1)
    circuits.stub.on(place).raises(ServiceError)
    raised: list[type] = []
    for _ in range(3):
        try:
            circuits.client.call(place, ORDER)
        except CallError as exc:
            raised.append(type(exc))

    assert list(pairwise(raised)) == [(ServiceError, CircuitOpenError), (CircuitOpenError, CircuitOpenError)]
