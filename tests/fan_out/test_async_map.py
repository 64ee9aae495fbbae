"""``map`` and ``fire_map`` of an async client: as the blocking ones, with async sources and cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from itertools import pairwise
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator

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
from lambdachain._fan_out.async_executors import MAX_TURN
from lambdachain.testing import StubTransport
from tests.fan_out.counting_transport import PATIENCE, CountingTransport, answer

pytestmark = pytest.mark.anyio
double = Contract("double", request=int, response=int)
AT_ONCE = RetryPolicy(initial_delay=0.0)


@pytest.fixture
def anyio_backend() -> str:
    """Run in asyncio."""
    return "asyncio"


class AsyncCountingTransport(CountingTransport):
    """The same transport, async."""

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
        """No-op."""


def _client(counter: Any, **options: Any) -> AsyncLambdaClient:
    return AsyncLambdaClient(counter, retry=AT_ONCE, **options)


async def _all(results: AsyncIterator[Any]) -> list[Any]:
    return [result async for result in results]


def _note(values: list[int]) -> Callable[[int], int]:
    """Return a validator that records what it validates."""

    def note(value: int) -> int:
        values.append(value)
        return value

    return note


async def _collect(results: AsyncIterator[Any], into: list[Any]) -> None:
    """Collect the results before an error."""
    async for result in results:
        into.append(result)  # noqa: PERF401 - an error would lose them


async def test_results_are_in_the_order_of_the_payloads():
    """With many calls in flight."""
    counter = AsyncCountingTransport(delay=0.001)

    assert await _all(_client(counter).map(double, range(300))) == [2 * number for number in range(300)]
    assert counter.peak > 10


async def test_other_tasks_run_while_many_responses_are_read():
    """Responses that arrive together are read in several turns of the loop."""
    counter, read = AsyncCountingTransport(delay=0.01), list[int]()
    noted = Contract("double", request=int, response=Annotated[int, AfterValidator(_note(read))])
    client = _client(counter)
    await _all(client.map(noted, range(2_000), max_concurrency=500))  # Lambda is known to have capacity for that many
    counter.gate, before = asyncio.Event(), len(read)

    results = asyncio.create_task(_all(client.map(noted, range(500), max_concurrency=500)))
    async with asyncio.timeout(PATIENCE):
        while counter.inside < 500:  # noqa: ASYNC110 - the counter is shared with threads
            await asyncio.sleep(0)
        counter.gate.set()
        seen = [len(read)]
        while not results.done():
            await asyncio.sleep(0)
            seen.append(len(read))

    assert await results == [2 * number for number in range(500)]
    assert len(read) == before + 500
    assert max(after - earlier for earlier, after in pairwise(seen)) <= MAX_TURN < 500


async def test_payloads_may_come_from_an_async_iterator():
    """However slowly; its end is the end of the map."""

    async def source() -> AsyncIterator[int]:
        for number in range(40):
            await asyncio.sleep(0)
            yield number

    assert await _all(_client(AsyncCountingTransport()).map(double, source())) == [2 * number for number in range(40)]


async def test_results_are_yielded_while_the_next_payload_is_awaited():
    """A work queue that is empty for now delays no response."""
    queue = asyncio.Queue[int | None]()

    async def source() -> AsyncIterator[int]:
        while (number := await queue.get()) is not None:
            yield number

    async with aclosing(_client(AsyncCountingTransport()).map(double, source())) as results, asyncio.timeout(PATIENCE):
        for number in range(3):
            queue.put_nowait(number)
            assert await anext(results) == 2 * number
        queue.put_nowait(None)
        assert await _all(results) == []


async def test_closing_a_map_cancels_reading_the_async_source():
    """It is not asked for more, and the map does not wait for it."""
    asked = list[int]()

    async def source() -> AsyncIterator[int]:
        for number in range(3):
            asked.append(number)
            yield number
        await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE):
        async with aclosing(_client(AsyncCountingTransport()).map(double, source())) as results:
            assert [await anext(results) for _ in range(3)] == [0, 2, 4]
    assert asked == [0, 1, 2]


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_an_exception_of_the_source_is_raised_after_earlier_results(asynchronous: bool):
    """Unchanged."""

    def source() -> Iterator[int]:
        yield from range(5)
        raise LookupError("no more rows")

    async def async_source() -> AsyncIterator[int]:
        for number in source():
            yield number

    given = list[int]()
    results = _client(AsyncCountingTransport(delay=0.001)).map(double, async_source() if asynchronous else source())
    with pytest.raises(LookupError, match="no more rows"):
        await _collect(results, given)

    assert given == [0, 2, 4, 6, 8]


async def test_backpressure_limits_the_payloads_that_are_taken():
    """As many as are in flight, and as many again."""
    taken = list[int]()

    def source() -> Iterator[int]:
        for number in range(1_000_000):
            taken.append(number)
            yield number

    async with aclosing(_client(AsyncCountingTransport()).map(double, source(), max_concurrency=5)) as results:
        for count in range(1, 40):
            await anext(results)
            assert len(taken) <= count + 10


async def test_cancelling_a_map_cancels_its_calls():
    """And leaves no task in the loop."""
    counter = AsyncCountingTransport()
    counter.gate = asyncio.Event()
    client = _client(counter)
    before = asyncio.all_tasks()
    task = asyncio.create_task(_all(client.map(double, range(100))))
    while counter.inside < 10:  # noqa: ASYNC110 - the counter is shared with threads
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (counter.inside, counter.cancelled) == (0, 10)
    assert asyncio.all_tasks() == before
    assert client._invoker.concurrency_limits["double"].in_flight == 0


async def test_an_asyncio_timeout_around_a_map_ends_it():
    """As around any other code."""
    counter = AsyncCountingTransport()
    counter.gate = asyncio.Event()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await _all(_client(counter).map(double, range(100)))

    assert counter.inside == 0


async def test_a_map_closed_early_waits_for_calls_in_flight():
    """Calls in flight are completed, others are not sent."""
    counter = AsyncCountingTransport(delay=0.01)
    client = _client(counter)
    async with aclosing(client.map(double, range(1000), max_concurrency=8)) as results:
        await anext(results)
    seen = len(counter.seen)
    await asyncio.sleep(0.05)

    assert (counter.inside, counter.cancelled, len(counter.seen)) == (0, 0, seen)
    assert seen < 30
    assert client._invoker.concurrency_limits["double"].in_flight == 0


async def test_an_invalid_payload_is_a_result_with_return_exceptions():
    """One among thousands; otherwise, it ends the map."""
    payloads: list[Any] = list(range(2000))
    payloads[1234] = "twelve"
    results = await _all(_client(AsyncCountingTransport()).map(double, payloads, return_exceptions=True))

    assert [number for number, result in enumerate(results) if isinstance(result, InvalidRequestError)] == [1234]
    with pytest.raises(InvalidRequestError):
        await _all(_client(AsyncCountingTransport()).map(double, payloads))


async def test_the_first_error_ends_a_map():
    """Once the calls in flight have ended."""
    counter = AsyncCountingTransport(delay=0.001)
    counter.reply = lambda n: answer(n) if n < 10 else Outcome(200, b'{"errorType":"E%d"}' % n, "Unhandled", "1")
    with pytest.raises(FunctionError) as caught:
        await _all(_client(counter).map(double, range(100)))

    assert caught.value.error_type == "E10"
    assert counter.inside == 0


@pytest.mark.parametrize("capacity", [1, 5, 40])
async def test_no_payload_is_lost_when_a_function_throttles(capacity: int):
    """However small its capacity is."""
    counter = AsyncCountingTransport(capacity=capacity, delay=0.002)
    client = AsyncLambdaClient(counter, retry=RetryPolicy.never())
    results = await _all(client.map(double, range(600), max_concurrency=200))

    assert results == [2 * number for number in range(600)]
    assert sorted(counter.seen) == list(range(600))
    assert counter.throttled > 0


async def test_a_function_that_throttles_everything_ends_a_map():
    """Down to one call in flight, and then the retry policy decides."""
    with pytest.raises(ThrottledError):
        await _all(_client(AsyncCountingTransport(capacity=0)).map(double, range(1000)))


async def test_maps_of_one_function_at_the_same_time_share_its_capacity():
    """None starves, and no payload is lost."""
    counter = AsyncCountingTransport(capacity=10, delay=0.002)
    client = _client(counter)
    both = await asyncio.gather(*[_all(client.map(double, range(200), max_concurrency=50)) for _ in range(2)])

    assert both == [[2 * number for number in range(200)]] * 2


async def test_nested_maps_complete():
    """The results of one are the payloads of another, of the same function."""
    client = _client(AsyncCountingTransport(capacity=2, delay=0.001))
    inner = client.map(double, range(60), max_concurrency=20)

    assert await _all(client.map(double, inner, max_concurrency=20)) == [4 * number for number in range(60)]


async def test_time_simulated_for_one_call_does_not_count_for_others():
    """They were in flight at the time, within the timeout of each call or that of the map."""
    with StubTransport() as stub:
        stub.on(double).runs(lambda n: n)
        stub.on(double, when=lambda n: n == 3).times_out()
        each = await _all(AsyncLambdaClient(timeout=5).map(double, range(10), return_exceptions=True))
        whole = await _all(AsyncLambdaClient().map(double, range(10), timeout=5, return_exceptions=True))

    for results in (each, whole):
        assert [type(result) for result in results] == [*[int] * 3, CallTimeoutError, *[int] * 6]


async def test_the_deadline_is_that_of_the_whole_map():
    """A payload that there is no time for is not sent."""
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
    client = _client(AsyncCountingTransport())
    await client.aclose()
    with pytest.raises(ConnectError, match="closed"):
        await _all(client.map(double, [1]))


async def test_progress_is_reported_in_the_loop():
    """Counted up to the total."""
    told = list[MapProgress]()
    await _all(_client(AsyncCountingTransport()).map(double, range(50), on_progress=told.append))

    assert (told[-1].done, told[-1].failed, told[-1].total, told[-1].in_flight) == (50, 0, 50, 0)


async def test_invalid_arguments_are_refused_before_anything_is_awaited():
    """Where map() is called."""
    with pytest.raises(ContractError, match="not str"):
        _client(AsyncCountingTransport()).map("double", "text")
    with pytest.raises(ContractError, match="max_concurrency"):
        _client(AsyncCountingTransport()).map(double, [1], max_concurrency=0)


async def test_fire_map_queues_an_event_for_each_payload():
    """Of a bound function, too."""
    with StubTransport() as stub:
        stub.on(double).accepts()
        client = AsyncLambdaClient()
        receipts = await _all(client.fire_map(double, range(20)))
        receipts += await _all(client.bind(double).fire_map(range(20)))

    assert len(receipts) == 40
    assert all(isinstance(receipt, Receipt) for receipt in receipts)


async def test_map_of_a_bound_function():
    """With errors as results on request."""
    with StubTransport() as stub:
        stub.on(double, when=lambda n: n == 1).denies()
        stub.on(double).runs(lambda n: n)
        results = await _all(AsyncLambdaClient().bind(double).map(range(3), return_exceptions=True))

    assert [isinstance(result, CallError) for result in results] == [False, True, False]


async def test_a_stream_of_a_stub_has_its_chunks():
    """With text decoded, and the function's error at its end."""
    with StubTransport() as stub:
        stub.on(double).streams("für ", "€".encode()[:1], "€".encode()[1:], ValueError("no more"))
        came = list[str]()
        with pytest.raises(FunctionError) as caught:
            await _collect(AsyncLambdaClient().stream(double, 1, text=True), came)

    assert came == ["für ", "€"]
    assert (caught.value.error_type, caught.value.received_bytes) == ("ValueError", 8)
