"""``queue()``: SQS batches are handled record by record, and those that fail are reported."""

from __future__ import annotations

import json
import logging
import pickle
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from lambdachain import (
    Contract,
    ContractError,
    CurrentInvocation,
    HandledInvocation,
    HttpTransport,
    InProcessTransport,
    Interceptor,
    LambdaClient,
    RemoteError,
    RequestRejectedError,
    S3Offload,
    current_invocation,
)
from lambdachain.local import LocalEndpoint, LocalFunction
from lambdachain.sqs import QueueHandler, queue
from lambdachain.testing import LambdaContext, StubTransport, UnstubbedCallError, sqs_event

FUNCTIONS = Path(__file__).parent / "functions"


class Order(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    number: int


class OutOfStock(RemoteError):
    sku: str


PLACE = Contract("orders-place", request=Order, response=str, errors=[OutOfStock], idempotent=True)
ENVELOPED = Contract("orders-place", request=Order, response=None, envelope=True)


def batch(*numbers: int, contract: Contract[Order, Any] = PLACE, **options: Any) -> dict[str, Any]:
    """Return a batch of orders."""
    return sqs_event(contract, *(Order(number=number) for number in numbers), **options)


def join(*events: dict[str, Any]) -> dict[str, Any]:
    """Return one batch of the records of several."""
    return {"Records": [record for event in events for record in event["Records"]]}


def failed_in(event: dict[str, Any], response: Any) -> list[int]:
    """Return the positions of the records that a response reports."""
    assert set(response) == {"batchItemFailures"}
    ids = [record["messageId"] for record in event["Records"]]
    return [ids.index(failure["itemIdentifier"]) for failure in response["batchItemFailures"]]


def make_handler(**options: Any) -> tuple[QueueHandler[Order], list[int]]:
    """Return a handler that fails for odd numbers, and what it has handled."""
    handled: list[int] = []

    @queue(PLACE, **options)
    def handler(order: Order) -> None:
        handled.append(order.number)
        if order.number % 2:
            raise OutOfStock(sku="a secret sku")

    return handler, handled


def test_records_that_fail_are_reported():
    """And only those: the others are done."""
    handler, handled = make_handler()
    event = batch(2, 3, 4, 5)

    assert failed_in(event, handler(event, LambdaContext("f"))) == [1, 3]
    assert handled == [2, 3, 4, 5]


def test_an_empty_batch():
    """Nothing fails."""
    assert make_handler()[0]({"Records": []}) == {"batchItemFailures": []}


@pytest.mark.parametrize(
    "body",
    ["not json", "", "null", '{"number": "5"}', '{"number": 1, "more": 1}', '{"number": 1e400}', "[" * 100_000],
    ids=["text", "empty", "null", "wrong type", "unknown field", "not finite", "nested"],
)
def test_a_body_that_cannot_be_read_fails_alone(body: str, caplog: pytest.LogCaptureFixture):
    """Wherever it is in the batch, and without its contents in the log."""
    handler, handled = make_handler()
    event = batch(2, 4, 6)
    event["Records"][1]["body"] = body.replace("5", "secret") if body else body

    assert failed_in(event, handler(event)) == [1]
    assert handled == [2, 6]
    assert event["Records"][1]["messageId"] in caplog.text
    assert "secret" not in caplog.text


def test_failures_are_logged_without_the_message(caplog: pytest.LogCaptureFixture):
    """The class of the error and where it was raised; neither its fields nor its text."""
    handler, _ = make_handler()
    event = batch(3, queue="orders")
    event["Records"][0]["attributes"]["ApproximateReceiveCount"] = "2"
    handler(event)
    [record] = caplog.records

    assert (record.name, record.levelno) == ("lambdachain.sqs", logging.ERROR)
    message_id = event["Records"][0]["messageId"]
    assert record.getMessage().startswith(f"queue orders: record {message_id} (receive 2) failed: OutOfStock at ")
    assert "test_queue.py:" in record.getMessage()
    assert "secret" not in record.getMessage()
    assert record.exc_info is None


@pytest.mark.parametrize("error", [ValueError, OSError, RecursionError, RequestRejectedError, TimeoutError])
def test_any_exception_fails_its_record_only(error: type[Exception]):
    """Of the function, or of what it calls."""

    @queue(PLACE)
    def handler(order: Order) -> None:
        if order.number == 1:
            raise error

    event = batch(0, 1, 2)
    assert failed_in(event, handler(event)) == [1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_process_passes(error: type[BaseException]):
    """The batch fails as a whole."""

    @queue(PLACE)
    def handler(order: Order) -> None:
        raise error

    with pytest.raises(error):
        handler(batch(1))


def test_coroutine_functions():
    """One after another, in the loop of the environment."""
    handled: list[int] = []

    @queue(PLACE)
    async def handler(order: Order, context: Any) -> str:
        assert isinstance(context, LambdaContext)
        handled.append(order.number)
        if order.number == 2:
            raise ValueError
        return "done"

    event = batch(1, 2, 3)
    assert failed_in(event, handler(event, LambdaContext("f"))) == [1]
    assert handled == [1, 2, 3]


def test_a_coroutine_function_inside_a_loop_is_an_error():
    """Not a failure of every record."""
    import asyncio

    @queue(PLACE)
    async def handler(order: Order) -> None: ...

    async def run() -> None:
        handler(batch(1))

    with pytest.raises(ContractError, match=r"await handler\.function\(request\)"):
        asyncio.run(run())


def seen_by(contract: Contract[Order, Any], event: dict[str, Any], context: Any = None) -> list[CurrentInvocation]:
    """Return the invocation that each record of a batch is handled in."""
    seen: list[CurrentInvocation] = []

    @queue(contract)
    def handler(order: Order) -> None:
        invocation = current_invocation()
        assert invocation is not None
        seen.append(invocation)

    assert handler(event, context) == {"batchItemFailures": []}
    return seen


def test_each_record_is_an_invocation_of_its_own():
    """With the key and the correlation id of its sender, and the deadline of the batch."""
    event = join(
        batch(1, contract=ENVELOPED, idempotency_key="key-1"), batch(2, contract=ENVELOPED, idempotency_key="key-2")
    )
    bodies = [json.loads(record["body"])["__lambdachain__"] for record in event["Records"]]
    seen = seen_by(ENVELOPED, event, LambdaContext("f", timeout=30))

    assert [invocation.idempotency_key for invocation in seen] == ["key-1", "key-2"]
    assert [invocation.correlation_id for invocation in seen] == [body["lc-id"] for body in bodies]
    assert [invocation.depth for invocation in seen] == [1, 1]
    assert all(invocation.remaining_time() <= 30 for invocation in seen)
    assert current_invocation() is None


@pytest.mark.parametrize("contract", [PLACE, ENVELOPED], ids=["plain", "enveloped"])
def test_a_record_without_metadata_is_its_own_correlation_id(contract: Contract[Order, Any]):
    """SQS keeps it over deliveries, and the sender's receipt has it."""
    event = batch(1, 2)
    seen = seen_by(contract, event, LambdaContext("f"))

    assert [invocation.correlation_id for invocation in seen] == [record["messageId"] for record in event["Records"]]
    assert [(invocation.depth, invocation.idempotency_key) for invocation in seen] == [(0, None)] * 2


def test_an_envelope_is_opened_only_for_a_contract_that_has_one():
    """For another, it is a body that does not fit."""
    handler, _ = make_handler()
    event = batch(2, contract=ENVELOPED)

    assert failed_in(event, handler(event)) == [0]


def test_a_fifo_queue_stops_at_the_first_failure_of_a_group():
    """Later messages of the group are reported without being handled; other groups go on."""
    handler, handled = make_handler()
    event = join(
        batch(2, 3, 4, queue="orders.fifo", group_id="a"),
        batch(6, queue="orders.fifo", group_id="b"),
        batch(8, queue="orders.fifo", group_id="a"),
        batch(5, 10, queue="orders.fifo", group_id="b"),
    )

    assert failed_in(event, handler(event)) == [1, 2, 4, 5, 6]
    assert handled == [2, 3, 6, 5]


def test_groups_of_a_standard_queue_do_not_order_messages():
    """Fair queues have groups, too."""
    handler, handled = make_handler()
    event = batch(3, 4, queue="orders", group_id="tenant")

    assert failed_in(event, handler(event)) == [0]
    assert handled == [3, 4]


class Context:
    """A context whose time runs down by a second with each record."""

    aws_request_id = "id"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@pytest.mark.parametrize(("options", "started"), [({}, 3), ({"time_per_record": timedelta(seconds=1)}, 2)])
@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_records_without_time_left_are_reported(
    options: dict[str, Any], started: int, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """They are delivered again, not lost."""
    now = 1000.0
    monkeypatch.setattr("lambdachain._core.clock.monotonic", lambda: now)
    handled: list[int] = []

    @queue(PLACE, **options)
    def handler(order: Order) -> None:
        nonlocal now
        now += 1
        handled.append(order.number)

    event = batch(1, 2, 3, 4, 5, queue=name)
    # Of 3 s, lambdachain keeps 0.2 s for the response.
    assert failed_in(event, handler(event, Context(3.0))) == [*range(started, 5)]
    assert handled == [*range(1, started + 1)]
    assert "was not started" in caplog.text


@pytest.mark.parametrize("wrapper", ["sns", "eventbridge"])
def test_wrapped_bodies(wrapper: Any):
    """Unwrapped where the queue is said to carry them."""
    handler, handled = make_handler(wrapped_by=wrapper)
    event = join(batch(2, wrapped_by=wrapper), batch(4), batch(6, wrapped_by=wrapper))
    event["Records"][2]["body"] = event["Records"][2]["body"].replace("detail-type", "kind").replace("Topic", "T")

    assert failed_in(event, handler(event)) == [1, 2]
    assert handled == [2]


@pytest.mark.parametrize("wrapper", ["sns", "eventbridge"])
def test_bodies_are_never_unwrapped_by_guessing(wrapper: Any, caplog: pytest.LogCaptureFixture):
    """The log has a hint; a contract that is an event of EventBridge itself gets it whole."""
    handler, handled = make_handler()
    event = batch(2, wrapped_by=wrapper)

    assert failed_in(event, handler(event)) == [0]
    assert handled == []
    assert f"queue(contract, wrapped_by={wrapper!r})" in caplog.text

    received: list[dict[str, Any]] = []

    @queue(Contract("any", request=dict[str, Any], response=None))
    def whole(event: dict[str, Any]) -> None:
        received.append(event)

    whole(event)
    assert received == [json.loads(event["Records"][0]["body"])]


@pytest.mark.parametrize("wrapper", ["sns", "eventbridge"])
def test_wrapped_envelopes_are_opened(wrapper: Any):
    """Also those that SNS and EventBridge carry."""
    event = batch(1, contract=ENVELOPED, idempotency_key="k", wrapped_by=wrapper)
    seen: list[str | None] = []

    @queue(ENVELOPED, wrapped_by=wrapper)
    def handler(order: Order) -> None:
        invocation = current_invocation()
        seen.append(invocation and invocation.idempotency_key)

    handler(event)
    assert seen == ["k"]


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"number": 1},
        {"Records": None},
        {"Records": ["x"]},
        {"Records": [{"eventSource": "aws:kinesis", "kinesis": {}}]},
        {"Records": [{"eventSource": "aws:sqs", "body": "{}"}]},
        {"Records": [{"eventSource": "aws:sqs", "messageId": "m"}]},
    ],
)
def test_what_is_not_a_batch_of_sqs_fails_as_a_whole(event: Any):
    """No record could be reported: a response without failures would delete them all."""
    with pytest.raises(RequestRejectedError, match="Records"):
        make_handler()[0](event)


def test_local_runs_the_function():
    """With types, and its exceptions are raised."""
    handler, handled = make_handler()
    handler.local(Order(number=2))

    assert handled == [2]
    with pytest.raises(OutOfStock):
        handler.local(Order(number=3))


def test_a_test_that_lacks_a_stub_fails():
    """Its failure is not reported as one of the record."""
    client = LambdaClient(StubTransport())

    @queue(PLACE)
    def handler(order: Order) -> None:
        client.call("missing", {})

    with pytest.raises(UnstubbedCallError):
        handler(batch(1))


def test_a_queue_of_offloaded_payloads():
    """Large ones come from S3, or a test's memory."""
    offload = S3Offload("bucket", threshold=10)
    contract = Contract("texts", request=str, response=None, offload=offload)
    received: list[str] = []

    @queue(contract)
    def handler(text: str) -> None:
        received.append(text)

    bodies: list[Any] = []
    transport = InProcessTransport({"texts": lambda event, _context: bodies.append(event)})
    LambdaClient(transport).fire(contract, "x" * 100)
    transport.close()
    event = sqs_event(Contract("texts", request=Any, response=None), *bodies)

    assert handler(event) == {"batchItemFailures": []}
    assert received == ["x" * 100]


def test_the_handler_in_process():
    """As a function of a test's system, its batches are events as any."""
    handler, handled = make_handler()
    event = batch(2, 3)
    response = LambdaClient(InProcessTransport({"consumer": handler})).call("consumer", event)

    assert failed_in(event, response) == [1]
    assert handled == [2, 3]


def test_the_handler_in_the_real_runtime():
    """It returns what Lambda's poller reads, and logs each failure."""
    contract = Contract("orders-place", request=dict[str, int], response=None, envelope=True)
    event = sqs_event(contract, {"number": 5}, {"number": -1}, {"number": 6}, idempotency_key="k")
    with LocalEndpoint([LocalFunction("consumer", "consumer.handler", directory=FUNCTIONS, timeout=30.0)]) as endpoint:
        client = LambdaClient(HttpTransport(endpoint_url=endpoint.url))
        result = client.invoke("consumer", event, log_tail=True)

    assert failed_in(event, result.value) == [1]
    assert [line for line in (result.log_tail or "").splitlines() if line.startswith("handled")] == [
        "handled 5 k",
        "handled -1 k",
        "handled 6 k",
    ]
    assert "failed: ValueError at " in (result.log_tail or "")
    assert "secret" not in (result.log_tail or "")


def test_a_cold_start_loads_no_client():
    """Neither boto3 nor botocore, tenacity or asyncio, for a plain function."""
    script = (
        "import sys\nfrom lambdachain import Contract\nfrom lambdachain.sqs import queue\n"
        "@queue(Contract('f', request=int, response=None))\ndef handler(number: int) -> None: print(number)\n"
        "record = {'eventSource': 'aws:sqs', 'messageId': 'm', 'body': '5'}\n"
        "assert handler({'Records': [record]}) == {'batchItemFailures': []}\n"
        "print(sorted({'boto3', 'botocore', 'tenacity', 'asyncio'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.split("\n")[:2] == ["5", "[]"]


def test_wrong_declarations():
    """Found at import, with what to write instead."""

    def handler(order: Order) -> None: ...

    with pytest.raises(ContractError, match=r"@queue\(contract\)"):
        queue(handler)  # type: ignore[arg-type]
    with pytest.raises(ContractError, match="wrapped_by must be"):
        queue(PLACE, wrapped_by="kinesis")  # type: ignore[arg-type]
    for seconds in (-1, float("nan"), "5", timedelta(seconds=-1)):
        with pytest.raises(ContractError, match="time_per_record must be"):
            queue(PLACE, time_per_record=seconds)  # type: ignore[arg-type]
    with pytest.raises(ContractError, match="takes str, but"):

        @queue(PLACE)
        def _wrong(order: str) -> None: ...


def test_what_tools_see():
    """Its name and its function, as of any decorated function."""
    handler, _ = make_handler()

    assert handler.__name__ == "handler"
    assert handler.contract is PLACE
    assert repr(handler).startswith("QueueHandler(make_handler.<locals>.handler, Contract('orders-place'")


class Watch(Interceptor):
    """Keeps the requests and outcomes that it sees."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    @contextmanager
    def handling(self, invocation: HandledInvocation) -> Generator[None]:
        """Keep them."""
        try:
            yield
        except Exception as error:
            self.seen.append(type(error))
            raise
        self.seen.append(invocation.request.number)


def test_interceptors_are_around_each_record():
    """As around a handler of single events."""
    watch = Watch()

    @queue(PLACE, interceptors=[watch])
    def handler(order: Order) -> None:
        if order.number < 0:
            raise OutOfStock(sku="A5")

    handler(batch(1, -1, 2))

    assert watch.seen == [1, OutOfStock, 2]
    with pytest.raises(ContractError, match="pass an instance"):
        queue(PLACE, interceptors=[Watch])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


@queue(PLACE)
def module_handler(_order: Order) -> None:
    """Do nothing."""


def test_a_handler_is_pickled_by_name():
    """As a handler of remote() is, and as functions are."""
    assert pickle.loads(pickle.dumps(module_handler)) is module_handler
