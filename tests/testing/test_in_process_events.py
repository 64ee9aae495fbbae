"""Events in one process are delivered as by Lambda, on a virtual clock."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lambdachain import (
    ConnectionLostError,
    Contract,
    FunctionNotFoundError,
    InProcessTransport,
    Invocation,
    InvocationType,
    LambdaClient,
    RequestTooLargeError,
    RetryPolicy,
    current_invocation,
    invocation_scope,
    remote,
)
from lambdachain.testing import LambdaContext

client = LambdaClient()


class Failing:
    """A handler that fails a number of times."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.events: list[Any] = []

    def __call__(self, event: Any, context: Any) -> Any:
        self.events.append((event, context.aws_request_id))
        if self.left:
            self.left -= 1
            raise ValueError(self.left)
        return "done"


def logged(system: InProcessTransport) -> list[tuple[Any, ...]]:
    """Return what the log has of each delivery."""
    return [(call.function, call.attempt, call.at, call.error_type) for call in system.calls]


def test_an_event_is_delivered_before_the_call_returns():
    """One delivery, one entry, the same id."""
    handler = Failing(0)
    with InProcessTransport({"mail": handler}) as system:
        receipt = client.fire("mail", {"to": "a"})

    assert handler.events == [({"to": "a"}, receipt.request_id)]
    assert logged(system) == [("mail", 1, 0, None)]
    assert repr(system.calls) == "(fire mail <- {'to': 'a'}: 'done',)"
    assert (system.calls[0].request_id, system.discarded) == (receipt.request_id, ())


def test_an_event_of_a_handler_waits_for_the_end_of_the_outermost_call():
    """So that the test sees its effects, and the handlers do not."""
    order: list[str] = []

    def inner(event: Any, context: Any) -> None:
        client.fire("note", "inner's")
        order.append("inner")

    def outer(event: Any, context: Any) -> None:
        client.call("inner", None)
        order.append("outer")

    functions = {"outer": outer, "inner": inner, "note": lambda event, _: order.append(event)}
    with InProcessTransport(functions) as system:
        client.call("outer", None)

    assert order == ["inner", "outer", "inner's"]
    assert ("inner", "note", InvocationType.EVENT) in system.graph
    assert [call.caller for call in system.calls] == [None, "outer", "inner"]


def test_events_are_delivered_in_the_order_in_which_they_are_due():
    """A retry comes after events that were fired in between, also those fired by events."""
    order: list[str] = []
    first = Failing(1)

    def flaky(event: Any, context: Any) -> None:
        order.append(event)
        first(event, context)
        client.fire("plain", "by flaky")

    functions = {"flaky": flaky, "plain": lambda event, _: order.append(event)}
    with InProcessTransport(functions, hold_events=True) as system:
        client.fire("flaky", "flaky")
        client.fire("plain", "plain")
        assert order == []
        assert system.deliver(0) == 2
        client.fire("plain", "later")
        assert system.deliver() == 3

    assert order == ["flaky", "plain", "later", "flaky", "by flaky"]


@pytest.mark.parametrize(
    ("failures", "deliveries"),
    [
        (1, [(1, 0, "ValueError"), (2, 60, None)]),
        (9, [(1, 0, "ValueError"), (2, 60, "ValueError"), (3, 180, "ValueError")]),
    ],
)
def test_an_event_that_fails_is_delivered_again(failures: int, deliveries: list[tuple[Any, ...]]):
    """After one minute, and after two more; with the same id and a new context."""
    handler = Failing(failures)
    with InProcessTransport({"mail": handler}) as system:
        receipt = client.fire("mail", 1)

    assert [line[1:] for line in logged(system)] == deliveries
    assert handler.events == [(1, receipt.request_id)] * len(deliveries)
    assert len(system.discarded) == (failures == 9)


def test_discarded_events_are_listed():
    """On AWS they would go to a dead-letter queue."""
    with InProcessTransport({"mail": Failing(9)}) as system:
        client.fire("mail", {"to": "a"})

    assert repr(system.discarded) == "(fire mail <- {'to': 'a'} (delivery 3, 180 s): ValueError: 6,)"
    assert system.discarded[0] is system.calls[-1]


def test_held_events_are_delivered_by_the_test():
    """With deliver(), and their retries when they are due."""
    handler = Failing(2)
    with InProcessTransport({"mail": handler}, hold_events=True) as system:
        client.fire("mail", 1)
        delivered = [len(handler.events), *(system.deliver(seconds) for seconds in (0, 59, 1, 119, 1, 1000))]
        client.fire("mail", 2)
        system.deliver(0)

    assert delivered == [0, 1, 0, 1, 0, 1, 0]
    assert [(call.attempt, call.at) for call in system.calls] == [(1, 0), (2, 60), (3, 180), (1, 0)]


def test_an_event_for_an_unknown_function_is_rejected():
    """It is never queued."""
    with InProcessTransport({"mail": Failing(0)}, hold_events=True) as system:
        with pytest.raises(FunctionNotFoundError):
            client.fire("gone", 1)
        assert system.deliver() == 0


def test_an_event_for_a_function_without_concurrency_is_discarded():
    """Lambda accepts it, and discards it later."""
    with InProcessTransport() as system:
        system.add("parked", Failing(0), reserved_concurrency=0)
        assert client.fire("parked", 1).request_id

    assert logged(system) == [("parked", 1, 0, "TooManyRequestsException")]
    assert system.discarded == system.calls


def test_an_event_waits_for_concurrency():
    """A call would be throttled instead."""
    began, release = threading.Event(), threading.Event()
    seen: list[Any] = []

    def one_at_a_time(event: Any, context: Any) -> None:
        began.set()
        if event == "call":
            release.wait(5)
        seen.append(event)

    with InProcessTransport(timeout=10) as system, ThreadPoolExecutor(2) as pool:
        system.add("f", one_at_a_time, reserved_concurrency=1)
        called = pool.submit(client.call, "f", "call")
        assert began.wait(5)
        fired = pool.submit(client.fire, "f", "event")
        threading.Timer(0.02, release.set).start()
        called.result(5)
        fired.result(5)

    assert seen == ["call", "event"]
    assert [call.error_type for call in system.calls] == [None, None]


def test_an_event_that_times_out_is_delivered_again():
    """Like after any other failure."""
    release = threading.Event()
    with InProcessTransport() as system:
        system.add("hang", lambda *_: release.wait(5), timeout=0.01)
        client.fire("hang", 1)
    release.set()

    assert logged(system) == [("hang", n, at, "Sandbox.Timedout") for n, at in ((1, 0), (2, 60), (3, 180))]


def test_a_function_that_fires_itself_is_stopped():
    """After 16 invocations; the event that was stopped is discarded."""
    events: list[int] = []

    def again(event: Any, context: Any) -> None:
        events.append(event)
        client.fire("again", event + 1)

    with InProcessTransport({"again": again}) as system:
        client.fire("again", 1)

    assert events == list(range(1, 17))
    assert [(call.request, call.error_type) for call in system.discarded] == [(17, "RecursiveInvocationException")]


def test_an_event_does_not_run_in_the_invocation_that_fired_it():
    """It may run hours later: without deadline or caller; metadata is in its envelope."""
    seen: list[Any] = []
    plain = Contract("plain", request=int, response=None)
    enveloped = Contract("enveloped", request=int, response=None, envelope=True)

    @remote(plain)
    def plain_handler(number: int) -> None:
        seen.append(current_invocation())

    @remote(enveloped)
    def enveloped_handler(number: int) -> None:
        seen.append(current_invocation())

    system = InProcessTransport({plain: plain_handler, enveloped: enveloped_handler}, timeout=60)
    with system, invocation_scope(LambdaContext(request_id="outer", timeout=2)):
        client.fire(plain, 1)
        client.fire(enveloped, 1, idempotency_key="k-1")

    assert [(one.depth, one.idempotency_key) for one in seen] == [(0, None), (1, "k-1")]
    assert [one.correlation_id == "outer" for one in seen] == [False, True]
    assert all(50 < one.remaining_time() < 60 for one in seen)


def test_the_receipt_of_an_event_can_be_lost():
    """The event is queued, so firing it again delivers it twice."""
    handler = Failing(0)
    again = Contract("again", request=int, response=None, idempotent=True)
    with InProcessTransport({"mail": handler, again: handler}) as system:
        system.lose_answers("mail")
        with pytest.raises(ConnectionLostError):
            client.fire("mail", 1)
        system.lose_answers(again)
        assert len(client.fire(again, 2).attempts) == 2

    assert [event for event, _ in handler.events] == [1, 2, 2]


def test_many_threads_fire_concurrently():
    """Each event is delivered once, and all of them before the last call returns."""
    handler = Failing(0)
    with InProcessTransport({"mail": handler}) as system, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: client.fire("mail", number), range(40)))

    assert sorted(event for event, _ in handler.events) == list(range(40))
    assert len(system.calls) == 40


def test_an_event_loop_may_fire_events_for_coroutine_handlers():
    """Handlers have threads, and so event loops, of their own."""
    seen: list[int] = []

    @remote("wait")
    async def wait(number: int) -> None:
        await asyncio.sleep(0)
        seen.append(number)

    async def main() -> None:
        await asyncio.gather(*(asyncio.to_thread(client.fire, wait, number) for number in range(3)))
        client.fire(wait, 3)

    with InProcessTransport({wait: wait}):
        asyncio.run(main())

    assert sorted(seen) == [0, 1, 2, 3]


def test_an_event_that_is_too_large_is_rejected():
    """The limit is 1 MB, for a call 6 MB."""
    with InProcessTransport({"mail": Failing(0)}) as system:
        with pytest.raises(RequestTooLargeError):
            client.fire("mail", "x" * 1_048_576, retry=RetryPolicy.never())
        payload = b'"' + b"x" * 1_048_575 + b'"'
        outcome = system.send(Invocation("mail", InvocationType.EVENT, payload), timeout=None)

    assert (outcome.status, outcome.error_code) == (413, "RequestEntityTooLargeException")
