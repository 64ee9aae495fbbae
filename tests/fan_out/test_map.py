"""``map`` and ``fire_map`` over transports that block: lazy, bounded, ordered, and nothing left behind."""

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
from tests.fan_out.crowd import PATIENCE, THROTTLED, Crowd, answer

double = Contract("double", request=int, response=int)
AT_ONCE = RetryPolicy(initial_delay=0.0)


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    """Fail a test that leaves a thread of a map behind."""
    yield
    assert [thread.name for thread in threading.enumerate() if "-map" in thread.name] == []


def _client(crowd: Any, **options: Any) -> LambdaClient:
    return LambdaClient(crowd, retry=AT_ONCE, **options)


def test_a_map_gives_an_answer_for_each_payload_in_their_order():
    """Many at a time, and nobody notices."""
    crowd = Crowd(delay=0.001)

    assert list(_client(crowd).map(double, range(200))) == [2 * number for number in range(200)]
    assert crowd.peak > 1


def test_a_map_without_order_gives_answers_as_they_come():
    """The first payload is held back until all others are through."""
    crowd, others = Crowd(), threading.Event()

    def reply(number: int) -> Outcome:
        if number == 0:
            assert others.wait(PATIENCE)
        return answer(number)

    crowd.reply = reply
    given = []
    for number in _client(crowd).map(double, range(30), ordered=False, max_concurrency=4):
        given.append(number)
        if len(given) == 29:
            others.set()

    assert given[-1] == 0
    assert sorted(given) == list(range(30))


def test_no_payloads_are_no_answers():
    """And no call."""
    crowd = Crowd()

    assert list(_client(crowd).map(double, [])) == []
    assert crowd.seen == []


def test_nothing_happens_before_the_first_answer_is_asked_for():
    """A map is as lazy as Python's own."""
    crowd, taken = Crowd(), list[int]()
    results = _client(crowd).map(double, (taken.append(n) or n for n in range(3)))

    assert (taken, crowd.seen) == ([], [])
    assert list(results) == [0, 2, 4]


@pytest.mark.parametrize("ordered", [True, False])
def test_payloads_are_taken_as_answers_are_asked_for(ordered: bool):
    """Of a source without end, no more is taken than what may be in flight, and as much again."""
    crowd, taken = Crowd(), list[int]()

    def source() -> Iterator[int]:
        for number in range(1_000_000):
            taken.append(number)
            yield number

    with closing(_client(crowd).map(double, source(), max_concurrency=5, ordered=ordered)) as results:
        for count in range(1, 40):
            next(results)
            assert len(taken) <= count + 10


@pytest.mark.parametrize("ordered", [True, False])
def test_max_concurrency_is_a_limit(ordered: bool):
    """However many Lambda would take."""
    crowd = Crowd(delay=0.001)
    list(_client(crowd).map(double, range(100), max_concurrency=3, ordered=ordered))

    assert crowd.peak <= 3


def test_one_that_is_slow_does_not_let_the_others_pile_up():
    """In order, answers behind a slow one wait; twice ``max_concurrency`` payloads at most are on the way."""
    crowd, release = Crowd(), threading.Event()

    def reply(number: int) -> Outcome:
        if number == 0:
            assert release.wait(PATIENCE)
        return answer(number)

    crowd.reply = reply
    threading.Timer(0.2, release.set).start()
    with closing(_client(crowd).map(double, range(1000), max_concurrency=4)) as results:
        assert next(results) == 0
        assert len(crowd.seen) <= 8
        assert [next(results) for _ in range(20)] == list(range(1, 21))


def test_a_map_closed_early_starts_nothing_more_and_waits_for_what_is_under_way():
    """What was sent has an end, what was not is not sent."""
    crowd = Crowd(delay=0.02)
    results = _client(crowd).map(double, range(1000), max_concurrency=8)
    next(results)
    results.close()
    seen = len(crowd.seen)

    assert crowd.inside == 0
    assert seen < 30
    with pytest.raises(StopIteration):
        next(results)
    assert len(crowd.seen) == seen


def test_a_source_that_raises_ends_the_map_behind_the_answers_before_it():
    """Unchanged, with nothing of what was taken lost."""

    def source() -> Iterator[int]:
        yield from range(7)
        raise LookupError("no more rows")

    results = _client(Crowd(delay=0.001)).map(double, source(), return_exceptions=True)
    given = [next(results) for _ in range(7)]

    assert given == [2 * number for number in range(7)]
    with pytest.raises(LookupError, match="no more rows"):
        next(results)


def test_a_bad_payload_is_a_result_where_failures_are():
    """One among thousands."""
    payloads: list[Any] = list(range(2000))
    payloads[1234] = "twelve"
    results = list(_client(Crowd()).map(double, payloads, return_exceptions=True))
    failures = [(number, result) for number, result in enumerate(results) if isinstance(result, CallError)]

    assert [(number, type(error)) for number, error in failures] == [(1234, InvalidRequestError)]
    assert results[1233:1236:2] == [2466, 2470]


def test_a_bad_payload_ends_a_map_once_what_is_under_way_has_ended():
    """And the answers before it are given."""
    crowd, given = Crowd(delay=0.005), list[int]()
    payloads: list[Any] = [*range(50), "twelve", *range(1000)]
    results = _client(crowd).map(double, payloads)
    with pytest.raises(InvalidRequestError, match="double"):
        given.extend(results)

    assert given == [2 * number for number in range(50)]
    assert crowd.inside == 0
    assert len(crowd.seen) < 200


def test_the_first_failure_ends_a_map():
    """The first of the payloads, where several fail."""
    crowd = Crowd(delay=0.001)
    crowd.reply = lambda n: answer(n) if n < 10 else Outcome(200, b'{"errorType":"E%d"}' % n, "Unhandled", "1")
    given = list[int]()
    with pytest.raises(FunctionError) as caught:
        given.extend(_client(crowd).map(double, range(100)))

    assert given == list(range(10))
    assert caught.value.error_type == "E10"
    assert len(caught.value.attempts) == 1


def test_failures_are_results_where_asked_for():
    """One for each payload, in its place, retried as the policy says."""
    crowd = Crowd()
    crowd.reply = lambda n: answer(n) if n % 3 else Outcome(500, error_code="ServiceException")
    results = list(_client(crowd).map(double, range(9), return_exceptions=True))

    assert [type(result) for result in results] == [ServiceError, int, int] * 3


def test_an_answer_that_does_not_fit_is_a_failure():
    """It is read where the map is consumed."""
    crowd = Crowd()
    crowd.reply = lambda n: answer("two") if n == 2 else answer(n)
    results = list(_client(crowd).map(double, range(4), return_exceptions=True))

    assert [type(result) for result in results] == [int, int, ResponseError, int]
    with pytest.raises(ResponseError):
        list(_client(crowd).map(double, range(4)))


def test_what_is_no_failure_of_a_call_ends_a_map_in_any_case():
    """A hook's own exception is not one of a payload."""

    def hook(_invocation: Invocation, _proceed: Callable[[], Outcome]) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(_client(Crowd(), hooks=[hook]).map(double, range(4), return_exceptions=True))


@pytest.mark.parametrize("capacity", [1, 5, 40])
def test_a_function_that_throttles_beyond_a_number_loses_no_payload(capacity: int):
    """The limit comes down to it, retries are not used up, and everything is through in the end."""
    crowd = Crowd(capacity=capacity, delay=0.05 if capacity > 5 else 0.001)
    client = LambdaClient(crowd, retry=RetryPolicy.never())
    results = list(client.map(double, range(600), max_concurrency=200))

    assert results == [2 * number for number in range(600)]
    assert sorted(crowd.seen) == list(range(600))
    assert crowd.throttled > 0


def test_a_callee_that_throttles_everything_ends_a_map():
    """Down to one call at a time, and then the retry policy decides, and gives up."""
    crowd = Crowd(capacity=0)
    with pytest.raises(ThrottledError) as caught:
        list(_client(crowd).map(double, range(1000)))

    assert len(caught.value.attempts) == 3
    assert crowd.throttled < 50


def test_a_callee_that_throttles_everything_fails_each_payload_where_failures_are_results():
    """Each of them is tried, one at a time, and the retry budget sees to it that it is hardly more than once."""
    crowd = Crowd(capacity=0)
    results = list(_client(crowd).map(double, range(100), return_exceptions=True))

    assert [type(result) for result in results] == [ThrottledError] * 100
    assert crowd.throttled < 150


def test_retry_after_is_obeyed_by_the_whole_map():
    """Lambda asks to wait: nothing is sent until then, and then all of it is."""
    sent = list[float]()
    with StubTransport() as stub:
        stub.on(double).throttles(1, retry_after=7).runs(lambda n: sent.append(clock.monotonic()) or n)
        began = clock.monotonic()
        assert list(LambdaClient().map(double, range(30))) == list(range(30))
    after = [at - began for at in sent if at - began > 6.9]

    assert len(after) >= 20


def test_lambda_may_not_ask_for_more_patience_than_the_policy_has():
    """As for a single call."""
    with StubTransport() as stub:
        stub.on(double).throttles(retry_after=3600)
        with pytest.raises(ThrottledError):
            list(LambdaClient().map(double, range(30)))


def test_a_stub_is_asked_in_the_order_of_the_payloads():
    """So that a test may say an answer for each, and which requests came."""
    with StubTransport() as stub:
        doubles = stub.on(double).returns(*range(40))
        assert list(LambdaClient().map(double, range(40))) == list(range(40))
        doubles.assert_called_with(*range(40))


def test_time_that_a_stub_lets_pass_for_one_call_is_not_taken_from_those_beside_it():
    """They were under way at the time, by the timeout of each call or by that of the map."""
    with StubTransport() as stub:
        stub.on(double).runs(lambda n: n)
        stub.on(double, when=lambda n: n == 3).times_out()
        each = list(LambdaClient(timeout=5).map(double, range(10), return_exceptions=True))
        whole = list(LambdaClient().map(double, range(10), timeout=5, return_exceptions=True))

    for results in (each, whole):
        assert [type(result) for result in results] == [*[int] * 3, CallTimeoutError, *[int] * 6]


def test_one_deadline_is_for_the_whole_map():
    """What there is no time for is not sent, and says so."""
    with StubTransport() as stub:
        stub.on(double).runs(lambda n: clock.skip(1.0) or n)
        results = list(LambdaClient().map(double, range(20), timeout=5.5, max_concurrency=1, return_exceptions=True))
        calls = stub.calls

    assert [result for result in results if isinstance(result, int)] == [0, 1, 2, 3, 4, 5]
    assert {type(result) for result in results[6:]} == {DeadlineExceededError}
    assert len(results) == 20
    assert len(calls) == 6


def test_a_deadline_before_the_end_of_a_pause_is_heeded():
    """Lambda asks to wait for longer than there is time: nobody waits."""
    with StubTransport() as stub:
        stub.on(double).throttles(retry_after=10)
        results = list(LambdaClient().map(double, range(15), timeout=5, return_exceptions=True))

    assert {type(result) for result in results} == {DeadlineExceededError}


def test_a_map_ends_with_the_invocation_it_is_made_in():
    """As every call does."""

    class Context:
        aws_request_id = "8f5e"

        def get_remaining_time_in_millis(self) -> int:
            return 2200

    with StubTransport() as stub, invocation_scope(Context()):
        stub.on(double).runs(lambda n: clock.skip(1.5) or n)
        results = list(LambdaClient().map(double, range(5), max_concurrency=1, return_exceptions=True))

    assert [type(result) for result in results] == [int, int, *[DeadlineExceededError] * 3]


def test_a_clients_timeout_is_for_each_call_of_a_map():
    """Twenty calls of a second are no call of twenty seconds."""
    with StubTransport() as stub:
        stub.on(double).runs(lambda n: clock.skip(1.0) or n)
        assert len(list(LambdaClient(timeout=5).map(double, range(20), max_concurrency=1))) == 20
        assert all(call.options.get("timeout", 0) <= 5 for call in stub.calls)


def test_a_closed_client_refuses_a_map():
    """With the error that every call gets."""
    client = LambdaClient(Crowd())
    client.close()
    with pytest.raises(ConnectError, match="closed"):
        list(client.map(double, [1]))


def test_a_map_in_a_map_goes_through():
    """The answers of one are the payloads of another, of the same function, however few it takes."""
    client = _client(Crowd(capacity=2, delay=0.001))
    inner = client.map(double, range(60), max_concurrency=20)

    assert list(client.map(double, inner, max_concurrency=20)) == [4 * number for number in range(60)]


def test_maps_of_one_client_share_what_was_found_out_about_a_function():
    """The second one does not begin anew."""
    crowd, met = Crowd(), threading.Barrier(INITIAL)

    def reply(number: int) -> Outcome:
        met.wait(PATIENCE)
        return answer(number)

    crowd.reply = reply
    client, found, begun_with = _client(crowd), list[int](), list[int]()
    list(client.map(double, range(INITIAL), on_progress=lambda progress: found.append(progress.limit)))
    crowd.reply = answer
    list(client.map(double, range(3), on_progress=lambda progress: begun_with.append(progress.limit)))

    assert begun_with[0] >= found[-1] == 2 * INITIAL


def test_progress_is_told_in_the_consumers_thread():
    """Counted without gaps up to all of them."""
    told, threads = list[MapProgress](), set[int]()

    def on_progress(progress: MapProgress) -> None:
        told.append(progress)
        threads.add(threading.get_ident())

    crowd = Crowd()
    crowd.reply = lambda n: answer(n) if n else Outcome(500, error_code="ServiceException")
    list(_client(crowd).map(double, range(50), on_progress=on_progress, return_exceptions=True))

    assert threads == {threading.get_ident()}
    assert [one.done for one in told] == sorted(one.done for one in told)
    assert (told[-1].done, told[-1].failed, told[-1].total, told[-1].in_flight) == (50, 1, 50, 0)


def test_a_generator_has_no_total():
    """Nobody counts it beforehand."""
    told = list[MapProgress]()
    list(_client(Crowd()).map(double, (n for n in range(3)), on_progress=told.append))

    assert {one.total for one in told} == {None}


@pytest.mark.parametrize(
    ("payloads", "options", "complaint"),
    [
        ("text", {}, "iterable of payloads, not str"),
        ({"a": 1}, {}, "iterable of payloads, not dict"),
        (7, {}, "iterable of payloads, not int"),
        ([1], {"max_concurrency": 0}, "max_concurrency must be 1 or more, not 0"),
        ([1], {"max_concurrency": True}, "max_concurrency must be 1 or more, not True"),
        ([1], {"idempotency_key": "k"}, "idempotency_key is for one call"),
        ([1], {"durable_name": "d"}, "durable_name is for one call"),
        ([1], {"max_concurency": 3}, "unknown option 'max_concurency'"),
    ],
)
def test_what_cannot_be_is_refused_at_once(payloads: Any, options: dict[str, Any], complaint: str):
    """Where the map is written, and not where it is consumed."""
    with pytest.raises(ContractError, match=complaint):
        LambdaClient(Crowd()).map(double, payloads, **options)


def test_fire_map_queues_an_event_for_each_payload():
    """And gives the receipts."""
    with StubTransport() as stub:
        stub.on(double).throttles(3).accepts()
        receipts = list(LambdaClient().fire_map(double, range(40)))

    assert all(isinstance(receipt, Receipt) and receipt.request_id for receipt in receipts)
    assert len(receipts) == 40
    assert {call.request for call in stub.calls} == set(range(40))
    assert len(stub.calls) == 43


def test_fire_map_gives_failures_where_asked_for():
    """As map does."""
    with StubTransport() as stub:
        stub.on(double, when=lambda n: n == 3).denies()
        stub.on(double).accepts()
        results = list(LambdaClient().fire_map(double, range(5), return_exceptions=True))

    assert [isinstance(result, Receipt) for result in results] == [True, True, True, False, True]


def test_a_handler_maps_in_the_system_that_it_runs_in():
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


def test_a_bound_function_maps_with_its_options():
    """They are each call's."""
    with StubTransport() as stub:
        stub.on(double, "live-double", qualifier="live").returns(1)
        bound = LambdaClient().bind(double, "live-double", qualifier="live", timeout=3)
        assert list(bound.map(range(3), max_concurrency=2)) == [1, 1, 1]
        assert {call.options.get("qualifier") for call in stub.calls} == {"live"}


def test_a_plain_name_maps_json():
    """With the type of the answer as a keyword, as for a call."""
    client = _client(Crowd())

    assert list(client.map("double", [1, 2])) == [2, 4]
    assert list(client.map("double", [1, 2], response=float)) == [2.0, 4.0]


class Trivial:
    """Answers at once."""

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Give back the payload."""
        return Outcome(200, invocation.payload, executed_version="1")

    def close(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("ordered", [True, False])
def test_memory_does_not_grow_with_the_number_of_payloads(ordered: bool):
    """Three thousand payloads hold no more than the first thousand did; benchmarks/fan_out_memory.py does a million."""
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


def test_the_pool_of_a_transport_bounds_a_map():
    """With more calls in flight than connections are kept, each would open one of its own."""
    crowd = Crowd(delay=0.001)
    crowd.max_connections = 4  # type: ignore[attr-defined]
    list(_client(crowd).map(double, range(100), max_concurrency=50))

    assert crowd.peak <= 4


def test_a_throttle_in_a_later_attempt_is_the_policys():
    """What may have run before is not begun anew by the map: its attempts stay one call's."""
    replies = {5: [Outcome(500, error_code="ServiceException"), THROTTLED, answer(10)]}

    class Flaky(Trivial):
        def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
            left = replies.get(int(invocation.payload))
            return left.pop(0) if left else answer(int(invocation.payload) * 2)

    idempotent = Contract("double", request=int, response=int, idempotent=True)

    assert list(_client(Flaky()).map(idempotent, range(8))) == [2 * number for number in range(8)]
    assert replies == {5: []}
