"""``map`` and ``fire_map`` of an async client: what holds for the blocking ones, async sources, and cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from lambdachain import (
    AsyncLambdaClient,
    CallError,
    CallTimeoutError,
    ConnectError,
    Contract,
    ContractError,
    DeadlineExceededError,
    FunctionError,
    InvalidRequestError,
    Invocation,
    MapProgress,
    Outcome,
    Receipt,
    RetryPolicy,
    ThrottledError,
)
from lambdachain._core import clock
from lambdachain.testing import StubTransport
from tests.fan_out.crowd import PATIENCE, Crowd, answer

pytestmark = pytest.mark.anyio
double = Contract("double", request=int, response=int)
AT_ONCE = RetryPolicy(initial_delay=0.0)


@pytest.fixture
def anyio_backend() -> str:
    """Run in asyncio."""
    return "asyncio"


class AsyncCrowd(Crowd):
    """The same crowd, awaited."""

    def __init__(self, *, capacity: int = 1_000_000, delay: float = 0.0) -> None:
        super().__init__(capacity=capacity, delay=delay)
        self.gate: asyncio.Event | None = None
        self.cancelled = 0

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # type: ignore[override]  # noqa: ASYNC109
        """Call the function; see ``AsyncTransport.send``."""
        entered = self.enter(invocation)
        if isinstance(entered, Outcome):
            return entered
        try:
            await asyncio.sleep(self.delay)
            if self.gate is not None:
                await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            self.leave(entered)
            raise
        return self.leave(entered)

    async def close(self) -> None:  # type: ignore[override]
        """Do nothing."""


def _client(crowd: Any, **options: Any) -> AsyncLambdaClient:
    return AsyncLambdaClient(crowd, retry=AT_ONCE, **options)


async def _all(results: AsyncIterator[Any]) -> list[Any]:
    return [result async for result in results]


async def _collect(results: AsyncIterator[Any], into: list[Any]) -> None:
    """Keep what comes before an error."""
    async for result in results:
        into.append(result)  # noqa: PERF401 - an error would lose them


async def test_a_map_gives_an_answer_for_each_payload_in_their_order():
    """Many at a time."""
    crowd = AsyncCrowd(delay=0.001)

    assert await _all(_client(crowd).map(double, range(300))) == [2 * number for number in range(300)]
    assert crowd.peak > 10


async def test_payloads_may_come_from_an_async_iterator():
    """However slowly; its end is the map's."""

    async def source() -> AsyncIterator[int]:
        for number in range(40):
            await asyncio.sleep(0)
            yield number

    assert await _all(_client(AsyncCrowd()).map(double, source())) == [2 * number for number in range(40)]


async def test_answers_are_given_while_the_next_payload_is_awaited():
    """A queue of work that is empty for now holds no answer back."""
    queue = asyncio.Queue[int | None]()

    async def source() -> AsyncIterator[int]:
        while (number := await queue.get()) is not None:
            yield number

    async with aclosing(_client(AsyncCrowd()).map(double, source())) as results, asyncio.timeout(PATIENCE):
        for number in range(3):
            queue.put_nowait(number)
            assert await anext(results) == 2 * number
        queue.put_nowait(None)
        assert await _all(results) == []


async def test_an_async_source_is_left_alone_when_a_map_is_closed():
    """It is not asked for more, and the map does not wait for it."""
    asked = list[int]()

    async def source() -> AsyncIterator[int]:
        for number in range(3):
            asked.append(number)
            yield number
        await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE):
        async with aclosing(_client(AsyncCrowd()).map(double, source())) as results:
            assert [await anext(results) for _ in range(3)] == [0, 2, 4]
    assert asked == [0, 1, 2]


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_source_that_raises_ends_the_map_behind_the_answers_before_it(asynchronous: bool):
    """Unchanged."""

    def source() -> Iterator[int]:
        yield from range(5)
        raise LookupError("no more rows")

    async def async_source() -> AsyncIterator[int]:
        for number in source():
            yield number

    given = list[int]()
    results = _client(AsyncCrowd(delay=0.001)).map(double, async_source() if asynchronous else source())
    with pytest.raises(LookupError, match="no more rows"):
        await _collect(results, given)

    assert given == [0, 2, 4, 6, 8]


async def test_payloads_are_taken_as_answers_are_asked_for():
    """What is in flight, and as much again."""
    taken = list[int]()

    def source() -> Iterator[int]:
        for number in range(1_000_000):
            taken.append(number)
            yield number

    async with aclosing(_client(AsyncCrowd()).map(double, source(), max_concurrency=5)) as results:
        for count in range(1, 40):
            await anext(results)
            assert len(taken) <= count + 10


async def test_a_map_that_is_cancelled_cancels_its_calls():
    """And nothing of it is left in the loop."""
    crowd = AsyncCrowd()
    crowd.gate = asyncio.Event()
    client = _client(crowd)
    before = asyncio.all_tasks()
    task = asyncio.create_task(_all(client.map(double, range(100))))
    while crowd.inside < 10:  # noqa: ASYNC110 - the crowd is shared with threads
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (crowd.inside, crowd.cancelled) == (0, 10)
    assert asyncio.all_tasks() == before
    assert client._invoker.concurrency_limits["double"].in_flight == 0


async def test_an_asyncio_timeout_around_a_map_ends_it():
    """As around any other code."""
    crowd = AsyncCrowd()
    crowd.gate = asyncio.Event()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await _all(_client(crowd).map(double, range(100)))

    assert crowd.inside == 0


async def test_a_map_closed_early_waits_for_what_is_under_way():
    """What was sent has an end, what was not is not sent."""
    crowd = AsyncCrowd(delay=0.01)
    client = _client(crowd)
    async with aclosing(client.map(double, range(1000), max_concurrency=8)) as results:
        await anext(results)
    seen = len(crowd.seen)
    await asyncio.sleep(0.05)

    assert (crowd.inside, crowd.cancelled, len(crowd.seen)) == (0, 0, seen)
    assert seen < 30
    assert client._invoker.concurrency_limits["double"].in_flight == 0


async def test_a_bad_payload_is_a_result_where_failures_are():
    """One among thousands; without, it ends the map."""
    payloads: list[Any] = list(range(2000))
    payloads[1234] = "twelve"
    results = await _all(_client(AsyncCrowd()).map(double, payloads, return_exceptions=True))

    assert [number for number, result in enumerate(results) if isinstance(result, InvalidRequestError)] == [1234]
    with pytest.raises(InvalidRequestError):
        await _all(_client(AsyncCrowd()).map(double, payloads))


async def test_the_first_failure_ends_a_map():
    """Once what is under way has ended."""
    crowd = AsyncCrowd(delay=0.001)
    crowd.reply = lambda n: answer(n) if n < 10 else Outcome(200, b'{"errorType":"E%d"}' % n, "Unhandled", "1")
    with pytest.raises(FunctionError) as caught:
        await _all(_client(crowd).map(double, range(100)))

    assert caught.value.error_type == "E10"
    assert crowd.inside == 0


@pytest.mark.parametrize("capacity", [1, 5, 40])
async def test_a_function_that_throttles_beyond_a_number_loses_no_payload(capacity: int):
    """However few it takes."""
    crowd = AsyncCrowd(capacity=capacity, delay=0.002)
    client = AsyncLambdaClient(crowd, retry=RetryPolicy.never())
    results = await _all(client.map(double, range(600), max_concurrency=200))

    assert results == [2 * number for number in range(600)]
    assert sorted(crowd.seen) == list(range(600))
    assert crowd.throttled > 0


async def test_a_callee_that_throttles_everything_ends_a_map():
    """Down to one call at a time, and then the retry policy decides."""
    with pytest.raises(ThrottledError):
        await _all(_client(AsyncCrowd(capacity=0)).map(double, range(1000)))


async def test_maps_of_one_function_at_the_same_time_share_its_capacity():
    """Neither starves, and no payload is lost."""
    crowd = AsyncCrowd(capacity=10, delay=0.002)
    client = _client(crowd)
    both = await asyncio.gather(*[_all(client.map(double, range(200), max_concurrency=50)) for _ in range(2)])

    assert both == [[2 * number for number in range(200)]] * 2


async def test_a_map_in_a_map_goes_through():
    """The answers of one are the payloads of another, of the same function."""
    client = _client(AsyncCrowd(capacity=2, delay=0.001))
    inner = client.map(double, range(60), max_concurrency=20)

    assert await _all(client.map(double, inner, max_concurrency=20)) == [4 * number for number in range(60)]


async def test_time_that_a_stub_lets_pass_for_one_call_is_not_taken_from_those_beside_it():
    """They were under way at the time, by the timeout of each call or by that of the map."""
    with StubTransport() as stub:
        stub.on(double).runs(lambda n: n)
        stub.on(double, when=lambda n: n == 3).times_out()
        each = await _all(AsyncLambdaClient(timeout=5).map(double, range(10), return_exceptions=True))
        whole = await _all(AsyncLambdaClient().map(double, range(10), timeout=5, return_exceptions=True))

    for results in (each, whole):
        assert [type(result) for result in results] == [*[int] * 3, CallTimeoutError, *[int] * 6]


async def test_one_deadline_is_for_the_whole_map():
    """What there is no time for is not sent."""
    with StubTransport() as stub:
        stub.on(double).runs(lambda n: clock.skip(1.0) or n)
        results = await _all(
            AsyncLambdaClient().map(double, range(20), timeout=5.5, max_concurrency=1, return_exceptions=True)
        )
        calls = stub.calls

    assert [result for result in results if isinstance(result, int)] == [0, 1, 2, 3, 4, 5]
    assert {type(result) for result in results[6:]} == {DeadlineExceededError}
    assert len(calls) == 6


async def test_retry_after_is_obeyed_by_the_whole_map():
    """By a stub's own clock."""
    with StubTransport() as stub:
        stub.on(double).throttles(1, retry_after=7).runs(lambda n: n)
        began = clock.monotonic()
        assert await _all(AsyncLambdaClient().map(double, range(30))) == list(range(30))

    assert clock.monotonic() - began >= 7


async def test_a_closed_client_refuses_a_map():
    """With the error that every call gets."""
    client = _client(AsyncCrowd())
    await client.aclose()
    with pytest.raises(ConnectError, match="closed"):
        await _all(client.map(double, [1]))


async def test_progress_is_told_in_the_loop():
    """Counted up to all of them."""
    told = list[MapProgress]()
    await _all(_client(AsyncCrowd()).map(double, range(50), on_progress=told.append))

    assert (told[-1].done, told[-1].failed, told[-1].total, told[-1].in_flight) == (50, 0, 50, 0)


async def test_what_cannot_be_is_refused_at_once():
    """Where the map is written."""
    with pytest.raises(ContractError, match="not str"):
        _client(AsyncCrowd()).map("double", "text")
    with pytest.raises(ContractError, match="max_concurrency"):
        _client(AsyncCrowd()).map(double, [1], max_concurrency=0)


async def test_fire_map_queues_an_event_for_each_payload():
    """Of a bound function, too."""
    with StubTransport() as stub:
        stub.on(double).accepts()
        client = AsyncLambdaClient()
        receipts = await _all(client.fire_map(double, range(20)))
        receipts += await _all(client.bind(double).fire_map(range(20)))

    assert len(receipts) == 40
    assert all(isinstance(receipt, Receipt) for receipt in receipts)


async def test_a_bound_function_maps():
    """With failures as results where asked for."""
    with StubTransport() as stub:
        stub.on(double, when=lambda n: n == 1).denies()
        stub.on(double).runs(lambda n: n)
        results = await _all(AsyncLambdaClient().bind(double).map(range(3), return_exceptions=True))

    assert [isinstance(result, CallError) for result in results] == [False, True, False]


async def test_a_stream_of_a_stub_comes_in_its_pieces():
    """With text decoded, and what the function fails with at its end."""
    with StubTransport() as stub:
        stub.on(double).streams("für ", "€".encode()[:1], "€".encode()[1:], ValueError("no more"))
        came = list[str]()
        with pytest.raises(FunctionError) as caught:
            await _collect(AsyncLambdaClient().stream(double, 1, text=True), came)

    assert came == ["für ", "€"]
    assert (caught.value.error_type, caught.value.received_bytes) == ("ValueError", 8)
