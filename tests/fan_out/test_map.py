"""``map`` and ``fire_map`` over blocking transports: lazy, limited, ordered, and no thread left behind."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from lambdachain import (
    CallError,
    CallTimeoutError,
    ConnectError,
    Contract,
    ContractError,
    DeadlineExceededError,
    FunctionError,
    InProcessTransport,
    InvalidRequestError,
    Invocation,
    LambdaClient,
    MapProgress,
    Outcome,
    Receipt,
    ResponseError,
    RetryPolicy,
    ServiceError,
    ThrottledError,
    invocation_scope,
    remote,
)
from lambdachain._core import clock
from lambdachain._fan_out.concurrency_limit import INITIAL
from lambdachain.testing import StubTransport
from tests.fan_out.counting_transport import PATIENCE, THROTTLED, CountingTransport, answer

double = Contract("double", request=int, response=int)
AT_ONCE = RetryPolicy(initial_delay=0.0)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Fail a test that leaves a thread of a map running."""
    yield
    assert [thread.name for thread in threading.enumerate() if "-map" in thread.name] == []


def _client(counter: Any, **options: Any) -> LambdaClient:
    return LambdaClient(counter, retry=AT_ONCE, **options)


def test_results_are_in_the_order_of_the_payloads():
    """With many calls in flight."""
    counter = CountingTransport(delay=0.001)

    assert list(_client(counter).map(double, range(200))) == [2 * number for number in range(200)]
    assert counter.peak > 1


def test_unordered_results_come_as_they_complete():
    """The first payload is held back until all others are done."""
    counter, others = CountingTransport(), threading.Event()

    def reply(number: int) -> Outcome:
        if number == 0:
            assert others.wait(PATIENCE)
        return answer(number)

    counter.reply = reply
    given = []
    for number in _client(counter).map(double, range(30), ordered=False, max_concurrency=4):
        given.append(number)
        if len(given) == 29:
            others.set()

    assert given[-1] == 0
    assert sorted(given) == list(range(30))


def test_no_payloads_yield_no_results():
    """And no call."""
    counter = CountingTransport()

    assert list(_client(counter).map(double, [])) == []
    assert counter.seen == []


def test_a_map_is_lazy():
    """Nothing is sent before the first result is asked for, as with Python's own map."""
    counter, taken = CountingTransport(), list[int]()
    results = _client(counter).map(double, (taken.append(n) or n for n in range(3)))

    assert (taken, counter.seen) == ([], [])
    assert list(results) == [0, 2, 4]


@pytest.mark.parametrize("ordered", [True, False])
def test_backpressure_limits_the_payloads_that_are_taken(ordered: bool):
    """From an endless source, as many as may be in flight, and as many again."""
    counter, taken = CountingTransport(), list[int]()

    def source() -> Iterator[int]:
        for number in range(1_000_000):
            taken.append(number)
            yield number

    with closing(_client(counter).map(double, source(), max_concurrency=5, ordered=ordered)) as results:
        for count in range(1, 40):
            next(results)
            assert len(taken) <= count + 10


@pytest.mark.parametrize("ordered", [True, False])
def test_max_concurrency_is_a_limit(ordered: bool):
    """Even if Lambda would accept more."""
    counter = CountingTransport(delay=0.001)
    list(_client(counter).map(double, range(100), max_concurrency=3, ordered=ordered))

    assert counter.peak <= 3


def test_results_behind_a_slow_call_do_not_pile_up():
    """In order, they wait for it; at most twice ``max_concurrency`` payloads are taken meanwhile."""
    counter, release = CountingTransport(), threading.Event()

    def reply(number: int) -> Outcome:
        if number == 0:
            assert release.wait(PATIENCE)
        return answer(number)

    counter.reply = reply
    threading.Timer(0.2, release.set).start()
    with closing(_client(counter).map(double, range(1000), max_concurrency=4)) as results:
        assert next(results) == 0
        assert len(counter.seen) <= 8
        assert [next(results) for _ in range(20)] == list(range(1, 21))


def test_a_map_closed_early_waits_for_calls_in_flight():
    """They are completed, and others are not sent."""
    counter = CountingTransport(delay=0.02)
    results = _client(counter).map(double, range(1000), max_concurrency=8)
    next(results)
    results.close()
    seen = len(counter.seen)

    assert counter.inside == 0
    assert seen < 30
    with pytest.raises(StopIteration):
        next(results)
    assert len(counter.seen) == seen


def test_an_exception_of_the_source_is_raised_after_earlier_results():
    """Unchanged, and no result is lost."""

    def source() -> Iterator[int]:
        yield from range(7)
        raise LookupError("no more rows")

    results = _client(CountingTransport(delay=0.001)).map(double, source(), return_exceptions=True)
    given = [next(results) for _ in range(7)]

    assert given == [2 * number for number in range(7)]
    with pytest.raises(LookupError, match="no more rows"):
        next(results)


def test_an_invalid_payload_is_a_result_with_return_exceptions():
    """One among thousands."""
    payloads: list[Any] = list(range(2000))
    payloads[1234] = "twelve"
    results = list(_client(CountingTransport()).map(double, payloads, return_exceptions=True))
    failures = [(number, result) for number, result in enumerate(results) if isinstance(result, CallError)]

    assert [(number, type(error)) for number, error in failures] == [(1234, InvalidRequestError)]
    assert results[1233:1236:2] == [2466, 2470]


def test_an_invalid_payload_ends_a_map_after_the_calls_in_flight():
    """And after the earlier results."""
    counter, given = CountingTransport(delay=0.005), list[int]()
    payloads: list[Any] = [*range(50), "twelve", *range(1000)]
    results = _client(counter).map(double, payloads)
    with pytest.raises(InvalidRequestError, match="double"):
        given.extend(results)

    assert given == [2 * number for number in range(50)]
    assert counter.inside == 0
    assert len(counter.seen) < 200


def test_the_first_error_ends_a_map():
    """That of the earliest payload, if several fail."""
    counter = CountingTransport(delay=0.001)
    counter.reply = lambda n: answer(n) if n < 10 else Outcome(200, b'{"errorType":"E%d"}' % n, "Unhandled", "1")
    given = list[int]()
    with pytest.raises(FunctionError) as caught:
        given.extend(_client(counter).map(double, range(100)))

    assert given == list(range(10))
    assert caught.value.error_type == "E10"
    assert len(caught.value.attempts) == 1


def test_errors_are_results_with_return_exceptions():
    """One for each payload, in order, retried as the policy defines."""
    counter = CountingTransport()
    counter.reply = lambda n: answer(n) if n % 3 else Outcome(500, error_code="ServiceException")
    results = list(_client(counter).map(double, range(9), return_exceptions=True))

    assert [type(result) for result in results] == [ServiceError, int, int] * 3


def test_an_invalid_response_is_an_error():
    """It is decoded where the map is consumed."""
    counter = CountingTransport()
    counter.reply = lambda n: answer("two") if n == 2 else answer(n)
    results = list(_client(counter).map(double, range(4), return_exceptions=True))

    assert [type(result) for result in results] == [int, int, ResponseError, int]
    with pytest.raises(ResponseError):
        list(_client(counter).map(double, range(4)))


def test_another_exception_ends_a_map_in_any_case():
    """A hook's own exception is not the error of a payload."""

    def hook(_invocation: Invocation, _proceed: Callable[[], Outcome]) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(_client(CountingTransport(), hooks=[hook]).map(double, range(4), return_exceptions=True))


@pytest.mark.parametrize("capacity", [1, 5, 40])
def test_no_payload_is_lost_when_a_function_throttles(capacity: int):
    """The limit adapts to its capacity, no retries are used, and every payload succeeds."""
    counter = CountingTransport(capacity=capacity, delay=0.05 if capacity > 5 else 0.001)
    client = LambdaClient(counter, retry=RetryPolicy.never())
    results = list(client.map(double, range(600), max_concurrency=200))

    assert results == [2 * number for number in range(600)]
    assert sorted(counter.seen) == list(range(600))
    assert counter.throttled > 0


def test_a_function_that_throttles_everything_ends_a_map():
    """Down to one call in flight, and then the retry policy decides, and gives up."""
    counter = CountingTransport(capacity=0)
    with pytest.raises(ThrottledError) as caught:
        list(_client(counter).map(double, range(1000)))

    assert len(caught.value.attempts) == 3
    assert counter.throttled < 50


def test_a_function_that_throttles_everything_fails_each_payload_with_return_exceptions():
    """Each of them is sent, one at a time, and because of the retry budget hardly more than once."""
    counter = CountingTransport(capacity=0)
    results = list(_client(counter).map(double, range(100), return_exceptions=True))

    assert [type(result) for result in results] == [ThrottledError] * 100
    assert counter.throttled < 150


def test_retry_after_is_obeyed_by_the_whole_map():
    """Nothing is sent until then, and then everything is."""
    sent = list[float]()
    with StubTransport() as stub:
        stub.on(double).throttles(1, retry_after=7).runs(lambda n: sent.append(clock.monotonic()) or n)
        began = clock.monotonic()
        assert list(LambdaClient().map(double, range(30))) == list(range(30))
    after = [at - began for at in sent if at - began > 6.9]

    assert len(after) >= 20


def test_a_retry_after_beyond_max_delay_is_not_waited_for():
    """As for a single call."""
    with StubTransport() as stub:
        stub.on(double).throttles(retry_after=3600)
        with pytest.raises(ThrottledError):
            list(LambdaClient().map(double, range(30)))


def test_a_stub_is_called_in_the_order_of_the_payloads():
    """So that a test can script a response for each, and check the requests."""
    with StubTransport() as stub:
        doubles = stub.on(double).returns(*range(40))
        assert list(LambdaClient().map(double, range(40))) == list(range(40))
        doubles.assert_called_with(*range(40))


def test_time_simulated_for_one_call_does_not_count_for_others():
    """They were in flight at the time, within the timeout of each call or that of the map."""
    with StubTransport() as stub:
        stub.on(double).runs(lambda n: n)
        stub.on(double, when=lambda n: n == 3).times_out()
        each = list(LambdaClient(timeout=5).map(double, range(10), return_exceptions=True))
        whole = list(LambdaClient().map(double, range(10), timeout=5, return_exceptions=True))

    for results in (each, whole):
        assert [type(result) for result in results] == [*[int] * 3, CallTimeoutError, *[int] * 6]


def test_the_deadline_is_that_of_the_whole_map():
    """A payload that there is no time for is not sent, and its error says so."""
    with StubTransport() as stub:
        stub.on(double).runs(lambda n: clock.skip(1.0) or n)
        results = list(LambdaClient().map(double, range(20), timeout=5.5, max_concurrency=1, return_exceptions=True))
        calls = stub.calls

    assert [result for result in results if isinstance(result, int)] == [0, 1, 2, 3, 4, 5]
    assert {type(result) for result in results[6:]} == {DeadlineExceededError}
    assert len(results) == 20
    assert len(calls) == 6


def test_a_deadline_before_the_end_of_a_pause_ends_the_map():
    """Lambda asks to wait for longer than there is time, so the map does not wait."""
    with StubTransport() as stub:
        stub.on(double).throttles(retry_after=10)
        results = list(LambdaClient().map(double, range(15), timeout=5, return_exceptions=True))

    assert {type(result) for result in results} == {DeadlineExceededError}


def test_a_map_ends_with_the_current_invocation():
    """As every call does."""

    class Context:
        aws_request_id = "8f5e"

        def get_remaining_time_in_millis(self) -> int:
            return 2200

    with StubTransport() as stub, invocation_scope(Context()):
        stub.on(double).runs(lambda n: clock.skip(1.5) or n)
        results = list(LambdaClient().map(double, range(5), max_concurrency=1, return_exceptions=True))

    assert [type(result) for result in results] == [int, int, *[DeadlineExceededError] * 3]


def test_a_client_s_timeout_applies_to_each_call_of_a_map():
    """Twenty calls of a second are not a call of twenty seconds."""
    with StubTransport() as stub:
        stub.on(double).runs(lambda n: clock.skip(1.0) or n)
        assert len(list(LambdaClient(timeout=5).map(double, range(20), max_concurrency=1))) == 20
        assert all(call.options.get("timeout", 0) <= 5 for call in stub.calls)


def test_a_closed_client_refuses_a_map():
    """With the error that every call gets."""
    client = LambdaClient(CountingTransport())
    client.close()
    with pytest.raises(ConnectError, match="closed"):
        list(client.map(double, [1]))


def test_nested_maps_complete():
    """The results of one are the payloads of another, of the same function, however small its capacity."""
    client = _client(CountingTransport(capacity=2, delay=0.001))
    inner = client.map(double, range(60), max_concurrency=20)

    assert list(client.map(double, inner, max_concurrency=20)) == [4 * number for number in range(60)]


def test_maps_of_one_client_share_the_limit_of_a_function():
    """The second one does not begin again."""
    counter, met = CountingTransport(), threading.Barrier(INITIAL)

    def reply(number: int) -> Outcome:
        met.wait(PATIENCE)
        return answer(number)

    counter.reply = reply
    client, found, begun_with = _client(counter), list[int](), list[int]()
    list(client.map(double, range(INITIAL), on_progress=lambda progress: found.append(progress.limit)))
    counter.reply = answer
    list(client.map(double, range(3), on_progress=lambda progress: begun_with.append(progress.limit)))

    assert begun_with[0] >= found[-1] == 2 * INITIAL


def test_progress_is_reported_in_the_consumer_s_thread():
    """Counted without gaps up to the total."""
    told, threads = list[MapProgress](), set[int]()

    def on_progress(progress: MapProgress) -> None:
        told.append(progress)
        threads.add(threading.get_ident())

    counter = CountingTransport()
    counter.reply = lambda n: answer(n) if n else Outcome(500, error_code="ServiceException")
    list(_client(counter).map(double, range(50), on_progress=on_progress, return_exceptions=True))

    assert threads == {threading.get_ident()}
    assert [one.done for one in told] == sorted(one.done for one in told)
    assert (told[-1].done, told[-1].failed, told[-1].total, told[-1].in_flight) == (50, 1, 50, 0)


def test_a_generator_has_no_total():
    """Its payloads are not counted beforehand."""
    told = list[MapProgress]()
    list(_client(CountingTransport()).map(double, (n for n in range(3)), on_progress=told.append))

    assert {one.total for one in told} == {None}


@pytest.mark.parametrize(
    ("payloads", "options", "complaint"),
    [
        ("text", {}, "iterable of payloads, not str"),
        ({"a": 1}, {}, "iterable of payloads, not dict"),
        (7, {}, "iterable of payloads, not int"),
        ([1], {"max_concurrency": 0}, "max_concurrency must be an integer of 1 or more, not 0"),
        ([1], {"max_concurrency": True}, "max_concurrency must be an integer of 1 or more, not True"),
        ([1], {"idempotency_key": "k"}, "idempotency_key is for a single call"),
        ([1], {"durable_name": "d"}, "durable_name is for a single call"),
        ([1], {"max_concurency": 3}, "unknown option 'max_concurency'"),
    ],
)
def test_invalid_arguments_are_refused_before_anything_is_sent(payloads: Any, options: dict[str, Any], complaint: str):
    """Where map() is called, not where it is consumed."""
    with pytest.raises(ContractError, match=complaint):
        LambdaClient(CountingTransport()).map(double, payloads, **options)


def test_fire_map_queues_an_event_for_each_payload():
    """And yields the receipts."""
    with StubTransport() as stub:
        stub.on(double).throttles(3).accepts()
        receipts = list(LambdaClient().fire_map(double, range(40)))

    assert all(isinstance(receipt, Receipt) and receipt.request_id for receipt in receipts)
    assert len(receipts) == 40
    assert {call.request for call in stub.calls} == set(range(40))
    assert len(stub.calls) == 43


def test_fire_map_returns_exceptions():
    """As map does."""
    with StubTransport() as stub:
        stub.on(double, when=lambda n: n == 3).denies()
        stub.on(double).accepts()
        results = list(LambdaClient().fire_map(double, range(5), return_exceptions=True))

    assert [isinstance(result, Receipt) for result in results] == [True, True, True, False, True]


def test_a_handler_may_use_map_in_process():
    """A fan-out function, tested in this process."""

    @remote("double")
    def doubled(number: int) -> int:
        return number * 2

    @remote("sum")
    def summed(numbers: list[int]) -> int:
        return sum(doubled.map(numbers)) + sum(doubled.bind(timeout=2).map(numbers))

    with InProcessTransport({doubled: doubled, summed: summed}) as system:
        assert summed.call([1, 2, 3]) == 24

    assert ("sum", "double") in {edge[:2] for edge in system.graph}


def test_map_of_a_bound_function_uses_its_options():
    """They are those of each call."""
    with StubTransport() as stub:
        stub.on(double, "live-double", qualifier="live").returns(1)
        bound = LambdaClient().bind(double, "live-double", qualifier="live", timeout=3)
        assert list(bound.map(range(3), max_concurrency=2)) == [1, 1, 1]
        assert {call.options.get("qualifier") for call in stub.calls} == {"live"}


def test_map_of_a_plain_name_sends_json():
    """With the type of the response as a keyword, as for a call."""
    client = _client(CountingTransport())

    assert list(client.map("double", [1, 2])) == [2, 4]
    assert list(client.map("double", [1, 2], response=float)) == [2.0, 4.0]


class Trivial:
    """Responds immediately."""

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Return the payload."""
        return Outcome(200, invocation.payload, executed_version="1")

    def close(self) -> None:
        """No-op."""


@pytest.mark.parametrize("ordered", [True, False])
def test_memory_does_not_grow_with_the_number_of_payloads(ordered: bool):
    """Three thousand payloads need no more than the first thousand did; benchmarks/fan_out_memory.py maps a million."""
    results = _client(Trivial()).map(double, iter(range(4_000)), ordered=ordered, max_concurrency=10)
    for _ in range(1000):
        next(results)
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(3_000):
            next(results)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        results.close()

    assert held < 100_000


def test_a_map_is_limited_by_the_pool_of_its_transport():
    """With more calls in flight than connections are kept, each would open one of its own."""
    counter = CountingTransport(delay=0.001)
    counter.max_connections = 4  # type: ignore[attr-defined]
    list(_client(counter).map(double, range(100), max_concurrency=50))

    assert counter.peak <= 4


def test_a_throttled_retry_is_left_to_the_retry_policy():
    """A call that may have run is not requeued: its attempts stay those of one call."""
    replies = {5: [Outcome(500, error_code="ServiceException"), THROTTLED, answer(10)]}

    class Flaky(Trivial):
        def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
            left = replies.get(int(invocation.payload))
            return left.pop(0) if left else answer(int(invocation.payload) * 2)

    idempotent = Contract("double", request=int, response=int, idempotent=True)

    assert list(_client(Flaky()).map(idempotent, range(8))) == [2 * number for number in range(8)]
    assert replies == {5: []}
