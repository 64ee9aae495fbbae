"""What a durable execution keeps of its caller over replays: deadline, correlation id, the metadata of interceptors."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner

from lambdachain import (
    Contract,
    CurrentInvocation,
    DeadlineExceededError,
    LambdaClient,
    RetryPolicy,
    current_invocation,
    durable,
    invocation_scope,
    remote,
)
from lambdachain._core import clock
from lambdachain._core.metadata import Metadata
from lambdachain.testing import StubTransport

place = Contract("orders-place", request=str, response=list[str])
price = Contract("orders-price", request=str, response=int, idempotent=True)
archive = Contract("orders-archive", request=str, response=list[str], envelope=True)

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
RECORD = "lambdachain.caller"

Entry = Callable[[Any, Any], Any]


class Invoked:
    """Lambda's context, with the ClientContext of the invocation."""

    aws_request_id = "r-1"

    def __init__(self, context: Any, custom: Mapping[str, str]) -> None:
        self.client_context = SimpleNamespace(custom=dict(custom)) if custom else None
        self.invoked_function_arn = context.invoked_function_arn
        self.tenant_id = None

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


class CalledExecution:
    """Runs a durable function as a caller starts it: its ClientContext comes with the first invocations only."""

    def __init__(self, metadata: Metadata | None = None, *, comes: int = 1) -> None:
        self.texts = metadata.texts() if metadata else {}
        self.comes = comes
        self.invocations = 0
        self.functions: dict[str, Any] = {}
        self.durable: dict[str, Any] = {}
        self.result: Any = None

    def entry(self, handler: Callable[[Any, DurableContext], Any]) -> Entry:
        run = durable_execution(handler)

        def invoke(event: Any, context: Any) -> Any:
            self.invocations += 1
            return run(event, Invoked(context, self.texts if self.invocations <= self.comes else {}))

        return invoke

    def run(self, handler: Callable[[Any, DurableContext], Any], payload: str = '"o-1"') -> Any:
        with DurableFunctionTestRunner(self.entry(handler), poll_interval=0.05) as runner:
            for name, function in self.functions.items():
                runner.register_function(name, function)
            for name, function in self.durable.items():
                runner.register_durable_function(name, function)
            self.result = runner.run(input=payload, execution_timeout=60)
        runner._scheduler._loop.close()  # the SDK stops it only
        assert self.result.error is None, self.result.error
        return json.loads(self.result.result)

    @property
    def names(self) -> list[str | None]:
        """The operations of the execution, in the order in which they were recorded."""
        return [operation.name for operation in self.result.operations]


def _metadata(seconds: float | None = 600.0, **fields: Any) -> Metadata:
    limits = {} if seconds is None else {"budget_ms": int(seconds * 1000), "deadline_ms": _epoch_ms(seconds)}
    return Metadata("c-1", 2, idempotency_key="k-1", **{**limits, **fields})


def _epoch_ms(seconds: float) -> int:
    return int((time.time() + seconds) * 1000)


def _current() -> CurrentInvocation:
    invocation = current_invocation()
    assert invocation is not None
    return invocation


def _deadline(invocation: CurrentInvocation) -> float:
    assert invocation.deadline is not None
    return invocation.deadline


def test_what_the_caller_sent_is_the_same_in_each_replay() -> None:
    """The ClientContext comes with the first invocation only."""
    execution = CalledExecution(_metadata(trace={"traceparent": TRACE}, offload=True, extra={"tenant": "acme"}))
    seen: list[CurrentInvocation] = []

    @remote(place)
    def handler(_: str, context: DurableContext) -> list[str]:
        seen.append(_current())
        context.wait(Duration.from_seconds(1))
        context.step(lambda _: "noted", "note")
        context.wait(Duration.from_seconds(1))
        return [invocation.correlation_id for invocation in seen]

    assert execution.run(handler) == ["c-1"] * 3
    first, *others = seen
    assert all(
        other._replace(deadline=0, caller_deadline=0) == first._replace(deadline=0, caller_deadline=0)
        for other in others
    )
    assert (first.depth, first.idempotency_key, first.offload) == (2, "k-1", True)
    assert dict(first.metadata) == {"tenant": "acme", "traceparent": TRACE}
    # Until the same moment, by the clock: the caller's 600 seconds, and not the 900 of each invocation.
    assert [_deadline(other) for other in others] == pytest.approx([_deadline(first)] * 2, abs=0.1)
    assert execution.names.count(RECORD) == 1


@pytest.mark.parametrize("comes", [1, 9])
def test_what_came_first_counts(comes: int) -> None:
    """Also where Lambda passes a ClientContext with each invocation."""
    execution = CalledExecution(_metadata(), comes=comes)
    ids: list[str] = []

    @remote(place)
    def handler(_: str, context: DurableContext) -> list[str]:
        ids.append(_current().correlation_id)
        execution.texts = Metadata("another", 1).texts()
        context.wait(Duration.from_seconds(1))
        return ids

    assert execution.run(handler) == ["c-1", "c-1"]


def test_no_step_where_nothing_travels() -> None:
    """The history of an execution is the function's own, and its id is the execution's name."""
    execution = CalledExecution()
    seen: list[CurrentInvocation] = []

    @remote(place)
    def handler(_: str, context: DurableContext) -> list[str]:
        seen.append(_current())
        context.wait(Duration.from_seconds(1), "pause")
        return []

    execution.run(handler)

    assert execution.names == ["pause"]
    assert {invocation.caller_deadline for invocation in seen} == {None}
    assert len({invocation.correlation_id for invocation in seen}) == 1


def test_an_execution_that_began_without_a_record_goes_on() -> None:
    """As one that an older version of lambdachain has begun: nothing is recorded in a replay, no number changes."""
    execution = CalledExecution(_metadata(), comes=9)
    ids: list[str] = []
    upgraded = False

    def handler(_: Any, context: DurableContext) -> list[str]:
        nonlocal upgraded
        if upgraded:
            with invocation_scope(context) as invocation:
                ids.append(invocation.correlation_id)
                first = context.step(lambda _: "again", "first")
        else:
            upgraded = True
            first = context.step(lambda _: "first", "first")
        context.wait(Duration.from_seconds(1), "pause")
        return [first, context.step(lambda _: "second", "second")]

    assert execution.run(handler) == ["first", "second"]
    assert execution.names == ["first", "pause", "second"]
    assert "c-1" not in ids


def test_the_record_does_not_number_the_functions_own_operations() -> None:
    """The ids of its operations are those that they have without a caller's metadata."""

    def handler(_: Any, context: DurableContext) -> list[str]:
        with invocation_scope(context):
            context.step(lambda _: 1, "first")
        context.wait(Duration.from_seconds(1), "pause")
        context.run_in_child_context(lambda inner: inner.step(lambda _: 2, "inner"), "child")
        return []

    found: list[dict[str | None, str]] = []
    for metadata in (None, _metadata()):
        execution = CalledExecution(metadata)
        execution.run(handler)
        operations = {operation.name: operation.operation_id for operation in execution.result.operations}
        found.append(operations)

    assert found[1].pop(RECORD)
    assert found[0] == found[1]


@pytest.fixture(name="skipped_time")
def _skipped_time() -> Iterator[None]:
    yield
    clock.forget()


@pytest.mark.usefixtures("skipped_time")
@pytest.mark.parametrize("hours", [1, 24 * 90])
def test_a_deadline_that_has_passed_in_a_replay(hours: int) -> None:
    """A call in a step, and an invoke, are not sent; what has been recorded still comes back."""
    execution = CalledExecution(_metadata(600.0))
    execution.functions["orders-price"] = lambda event, context: 5  # noqa: ARG005
    stub = StubTransport()
    stub.on(price).returns(7)
    function = LambdaClient(transport=stub).bind(price)

    @remote(place)
    def handler(_: str, context: DurableContext) -> list[str]:
        seen = [str(durable.step(context, function, "a", name="before"))]
        if execution.invocations == 1:
            clock.skip(hours * 3600)
        context.wait(Duration.from_seconds(1))
        seen.append(str(_current().remaining_time()))
        for call in (
            lambda: durable.step(context, function, "b", name="after"),
            lambda: durable.invoke(context, price, "c", name="invoked"),
        ):
            try:
                seen.append(str(call()))
            except DeadlineExceededError as exc:
                seen.append(f"{type(exc).__name__}: {exc}")
        context.wait(Duration.from_seconds(1))
        return seen

    response, left, *late = execution.run(handler)

    assert (response, left, len(late)) == ("7", "0.0", 2)
    assert all(text.startswith("DeadlineExceededError: orders-price: no time left to send it") for text in late), late
    assert [call.request for call in stub.calls] == ["a"]


def test_a_deadline_is_handed_on_to_what_is_invoked() -> None:
    """In the envelope, which Lambda records: a durable callee keeps it, too, over its own replays."""
    execution = CalledExecution(_metadata(600.0))
    deadlines: list[float] = []

    @durable_execution
    @remote(archive)
    def archive_handler(order: str, context: DurableContext) -> list[str]:
        deadlines.append(_deadline(_current()))
        context.wait(Duration.from_seconds(1))
        return [order, _current().correlation_id, str(_current().depth)]

    execution.durable["orders-archive"] = archive_handler

    @remote(place)
    def handler(order: str, context: DurableContext) -> list[str]:
        deadlines.append(_deadline(_current()))
        context.wait(Duration.from_seconds(1))
        return context.run_in_child_context(lambda inner: durable.invoke(inner, archive, order))

    assert execution.run(handler) == ["o-1", "c-1", "3"]
    assert len(deadlines) >= 5
    # An epoch deadline counts with a second's difference between two clocks.
    assert deadlines == pytest.approx([deadlines[0]] * len(deadlines), abs=1.2)


def test_an_event_has_no_deadline() -> None:
    """``fire`` does not wait: its envelope keeps the correlation id, and the execution takes as long as it takes."""
    sent = json.dumps({"__lambdachain__": _metadata(None).texts(), "data": "o-1"})
    execution = CalledExecution()
    seen: list[CurrentInvocation] = []

    @remote(archive)
    def handler(_: str, context: DurableContext) -> list[str]:
        seen.append(_current())
        with invocation_scope(context) as invocation:
            seen.append(invocation)
        context.wait(Duration.from_seconds(1))
        return []

    execution.run(handler, sent)

    assert [(one.correlation_id, one.caller_deadline) for one in seen] == [("c-1", None)] * 4
    assert RECORD not in execution.names


def test_a_retried_step_calls_within_the_callers_time() -> None:
    """Each attempt is in another invocation, and all of them have the caller's deadline and id."""
    execution = CalledExecution(_metadata(600.0))
    stub = StubTransport()
    stub.on(price).throttles(2).returns(7)
    function = LambdaClient(transport=stub, retry=RetryPolicy.never()).bind(price)

    # Not a handler of remote(): the step enters the invocation by itself.
    def handler(_: Any, context: DurableContext) -> int:
        return durable.step(context, function, "a")

    assert execution.run(handler) == 7
    sent = [call.metadata for call in stub.calls]
    assert [metadata and metadata.correlation_id for metadata in sent] == ["c-1"] * 3
    limits = [metadata.deadline_ms for metadata in sent if metadata and metadata.deadline_ms]
    assert limits == pytest.approx([limits[0]] * 3, abs=100)
    assert execution.names.count(RECORD) == 1


def test_branches_record_once() -> None:
    """Whichever is first; the record is the execution's own, so that it outlives the branch."""
    execution = CalledExecution(_metadata())
    ids: list[str] = []

    def branch(context: DurableContext) -> str:
        with invocation_scope(context) as invocation:
            ids.append(invocation.correlation_id)
        context.wait(Duration.from_seconds(1))
        return invocation.correlation_id

    def handler(_: Any, context: DurableContext) -> list[Any]:
        found: list[Any] = context.parallel([branch] * 4).get_results()
        context.wait(Duration.from_seconds(1))
        with invocation_scope(context) as invocation:
            return [*found, invocation.correlation_id]

    assert execution.run(handler) == ["c-1"] * 5
    assert {*ids} == {"c-1"}
    assert execution.names.count(RECORD) == 1
    record = next(one for one in execution.result.operations if one.name == RECORD)
    assert record.parent_id is None


def test_a_trace_alone_is_kept() -> None:
    """As OpenTelemetry's JavaScript instrumentation sends it, without metadata of lambdachain."""
    execution = CalledExecution()
    execution.texts = {"traceparent": TRACE, "mine": "x"}
    traces: list[Mapping[str, str]] = []

    @remote(place)
    def handler(_: str, context: DurableContext) -> list[str]:
        traces.append(_current().trace)
        context.wait(Duration.from_seconds(1))
        return []

    execution.run(handler)

    assert traces == [{"traceparent": TRACE}] * 2


def test_a_coroutine_handler() -> None:
    """The caller's metadata are read before its loop runs."""
    execution = CalledExecution(_metadata())

    @remote(place)
    async def handler(_: str, context: DurableContext) -> list[str]:
        context.wait(Duration.from_seconds(1))
        return [_current().correlation_id]

    assert execution.run(handler) == ["c-1"]


def test_a_plain_function_that_is_invoked_gets_the_deadline() -> None:
    """Of the caller, not of the invocation that suspends meanwhile: without one, none."""
    left: list[float | None] = []

    @remote(archive)
    def archive_handler(order: str) -> list[str]:
        left.append(_current().remaining_time())
        return [order]

    @remote(place)
    def handler(order: str, context: DurableContext) -> list[str]:
        return durable.invoke(context, archive, order)

    for seconds in (100.0, None):
        execution = CalledExecution(_metadata(seconds))
        execution.functions["orders-archive"] = archive_handler
        assert execution.run(handler) == ["o-1"]

    bounded, unbounded = left
    assert bounded is not None
    assert bounded <= 101.0
    assert unbounded is not None  # the runner's own context has 900 seconds
    assert unbounded > 800.0
