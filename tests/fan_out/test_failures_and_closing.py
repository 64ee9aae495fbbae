"""Exceptions of the program's own code during a map, and closed clients: errors are raised, and nothing hangs."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from pydantic import BeforeValidator

from lambdachain import (
    AsyncHttpTransport,
    AsyncLambdaClient,
    CallError,
    ConnectError,
    Contract,
    DeadlineExceededError,
    HttpTransport,
    Invocation,
    LambdaClient,
    NoAnswerError,
    Outcome,
    Progress,
    RetryPolicy,
    ServiceError,
    ThrottledError,
)
from lambdachain._core import clock
from lambdachain.testing import StubTransport
from tests.fan_out.counting_transport import THROTTLED, CountingTransport, answer
from tests.support.async_as_sync import iterated
from tests.support.throttling_server import ThrottlingServer

double = Contract("double", request=int, response=int)
Map = Callable[..., Iterator[Any]]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Fail a test that leaves a thread of a map running."""
    yield
    left = [thread for thread in threading.enumerate() if thread.name in ("lambdachain-map", "lambdachain-loop")]
    for thread in left:
        thread.join(5)
    assert not any(thread.is_alive() for thread in left)


@pytest.fixture(params=["blocking", "async"])
def mapped(request: pytest.FixtureRequest) -> Map:
    """Return a map over a blocking transport, by either client."""
    if request.param == "blocking":
        return lambda counter, *arguments, **options: LambdaClient(counter).map(*arguments, **options)
    return lambda counter, *arguments, **options: iterated(AsyncLambdaClient(counter).map(*arguments, **options))


class NoNumberError(BaseException):
    """Derives from BaseException only, as exceptions of test runners and debuggers do."""


def refuse_seven(value: object) -> object:
    """Raise as a program's own code does: not a validation error."""
    if value == 7:
        raise LookupError("seven")
    return value


Picky = Annotated[int, BeforeValidator(refuse_seven)]


def test_an_exception_while_a_response_is_decoded_ends_the_map(mapped: Map):
    """After the results of earlier payloads, with other calls in flight."""
    counter, given = CountingTransport(delay=0.002), list[int]()
    counter.reply = answer
    with pytest.raises(LookupError, match="seven"):
        given.extend(mapped(counter, Contract("double", request=int, response=Picky), range(100)))

    assert given == list(range(7))
    assert counter.inside == 0


def test_an_exception_while_a_payload_is_encoded_ends_the_map(mapped: Map):
    """After the results of earlier payloads, with other calls in flight."""
    counter, given = CountingTransport(delay=0.002), list[int]()
    with pytest.raises(LookupError, match="seven"):
        given.extend(mapped(counter, Contract("double", request=Picky, response=int), range(100)))

    assert given == [2 * number for number in range(7)]
    assert counter.inside == 0


def test_a_source_may_raise_a_base_exception(mapped: Map):
    """It passes unchanged, once the calls in flight have ended."""

    def source() -> Iterator[int]:
        yield from range(5)
        raise NoNumberError

    counter = CountingTransport(delay=0.002)
    with pytest.raises(NoNumberError):
        list(mapped(counter, double, source()))

    assert counter.inside == 0


def test_an_exception_of_on_progress_ends_the_map(mapped: Map):
    """Unchanged."""

    def on_progress(progress: Any) -> None:
        if progress.done:
            raise LookupError("bar")

    counter = CountingTransport(delay=0.002)
    with pytest.raises(LookupError, match="bar"):
        list(mapped(counter, double, range(100), on_progress=on_progress))

    assert counter.inside == 0


def test_a_slow_source_does_not_delay_results(mapped: Map):
    """Though many more calls may start, and each payload takes seconds."""
    taken = 0

    def source() -> Iterator[int]:
        nonlocal taken
        for taken in range(1, 100):
            counter.settle()
            clock.skip(1.0)
            yield taken

    counter = SettlingTransport()
    results = mapped(counter, double, source())
    first = next(results)
    before = taken
    results.close()

    assert first == 2
    assert before < 8


class SettlingTransport(CountingTransport):
    """A transport that a test can wait for."""

    def settle(self) -> None:
        """Wait until no call is in flight."""
        while self.inside:
            threading.Event().wait(0.001)
        threading.Event().wait(0.01)


@pytest.mark.parametrize("kind", [LambdaClient, AsyncLambdaClient])
def test_a_slow_source_does_not_extend_the_deadline(kind: Callable[..., Any]):
    """It is that of the whole map, whenever a payload comes."""

    def source() -> Iterator[int]:
        for number in range(10):
            clock.skip(1.0)
            yield number

    with StubTransport() as stub:
        stub.on(double).runs(lambda number: number)
        results = kind().map(double, source(), timeout=5.5, return_exceptions=True)
        came = list(results if kind is LambdaClient else iterated(results))
        calls = stub.calls

    assert [type(result) for result in came[5:]] == [DeadlineExceededError] * 5
    assert all(call.options["timeout"] <= 4.5 - call.request for call in calls)


def test_a_map_continues_if_no_more_threads_can_be_started(monkeypatch: pytest.MonkeyPatch):
    """A sandbox of Lambda has at most 1,024."""
    start, begun = threading.Thread.start, list[threading.Thread]()

    def few(thread: threading.Thread) -> None:
        if thread.name == "lambdachain-map":
            if len(begun) == 3:
                raise RuntimeError("can't start new thread")
            begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", few)
    counter = CountingTransport(delay=0.001)

    assert list(LambdaClient(counter).map(double, range(100))) == [2 * number for number in range(100)]
    assert counter.peak <= 3


def test_a_map_that_cannot_start_a_thread_raises(monkeypatch: pytest.MonkeyPatch):
    """And does not wait for a job that was never started."""

    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none)
    client = LambdaClient(CountingTransport())
    with pytest.raises(RuntimeError, match="can't start"):
        list(client.map(double, range(100)))

    assert client._invoker.concurrency_limits["double"].in_flight == 0


class LostThenThrottled:
    """Loses the first attempt of each call after it was sent, and throttles the second."""

    def __init__(self) -> None:
        self.sent: dict[bytes, int] = {}

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Raise."""
        count = self.sent[invocation.payload] = self.sent.get(invocation.payload, 0) + 1
        if count == 1:
            raise NoAnswerError("reset", progress=Progress.PERHAPS_SENT)
        return THROTTLED if count == 2 else answer(json.loads(invocation.payload))

    def close(self) -> None:
        """No-op."""


def test_a_call_that_may_have_run_is_not_requeued():
    """The throttle of its second attempt is left to its retry policy, and the first attempt is not forgotten."""
    idempotent = Contract("double", request=int, response=int, idempotent=True)
    policy = RetryPolicy(initial_delay=0.0, max_attempts=2, budget=None)
    results = list(LambdaClient(LostThenThrottled(), retry=policy).map(idempotent, range(20), return_exceptions=True))

    assert {type(result).__name__ for result in results} == {"ConnectionLostError"}
    assert {len(result.attempts) for result in results if isinstance(result, CallError)} == {2}


def test_a_throttled_hedge_is_not_requeued():
    """The first attempt is still in flight, and its response counts."""
    hedged, sent = threading.Event(), list[int]()
    lock = threading.Lock()

    class DeferredCall(LostThenThrottled):
        def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
            number = json.loads(invocation.payload)
            with lock:
                is_first = number not in sent
                sent.append(number)
            if number != 3:
                return answer(number)
            if is_first:
                assert hedged.wait(20)
                return answer(number)
            hedged.set()
            return THROTTLED

    idempotent = Contract("double", request=int, response=int, idempotent=True)
    client = LambdaClient(DeferredCall(), retry=RetryPolicy(initial_delay=0.0, max_attempts=2, hedge_after=0.01))

    assert list(client.map(idempotent, range(8))) == list(range(8))
    assert sent.count(3) == 2


def test_a_cancelled_hook_ends_the_map():
    """As it ends a single call."""

    async def hook(invocation: Invocation, proceed: Any) -> Outcome:
        if invocation.payload == b"7":
            raise asyncio.CancelledError
        return await proceed()

    async def run() -> None:
        async with asyncio.timeout(20):
            client = AsyncLambdaClient(CountingTransport(), hooks=[hook])
            with pytest.raises(asyncio.CancelledError):
                [result async for result in client.map(double, range(20))]

    asyncio.run(run())


echo = Contract("echo", request=int, response=int)


def test_closing_a_client_during_a_map_completes_calls_in_flight():
    """Others are rejected, and no thread is left."""
    with ThrottlingServer(delay=0.05) as server:
        client = LambdaClient(HttpTransport(endpoint_url=server.url), retry=RetryPolicy.never())
        results = client.map(echo, range(100), max_concurrency=8, return_exceptions=True)
        came = [next(results)]
        client.close()
        came += results

    answered = [result for result in came if isinstance(result, int)]
    assert sorted(answered) == sorted(map(int, server.seen))
    assert len(came) == 100
    assert {type(result) for result in came if not isinstance(result, int)} == {ConnectError}


def test_a_client_may_be_closed_by_another_thread_during_a_map():
    """While the map waits for responses."""
    with ThrottlingServer(delay=0.1) as server:
        client = LambdaClient(HttpTransport(endpoint_url=server.url), retry=RetryPolicy.never())
        closing = threading.Timer(0.05, client.close)
        closing.start()
        with pytest.raises(ConnectError):
            list(client.map(echo, range(1000), max_concurrency=8))
        closing.join()


def test_closing_an_async_client_during_a_map_completes_calls_in_flight():
    """As for the blocking one."""

    async def run(url: str) -> list[Any]:
        client = AsyncLambdaClient(AsyncHttpTransport(endpoint_url=url), retry=RetryPolicy.never())
        results = client.map(echo, range(100), max_concurrency=8, return_exceptions=True)
        came = [await anext(results)]
        await client.aclose()
        return came + [result async for result in results]

    with ThrottlingServer(delay=0.05) as server:
        came = asyncio.run(run(server.url))

    assert sorted(result for result in came if isinstance(result, int)) == sorted(map(int, server.seen))
    assert {type(result) for result in came if not isinstance(result, int)} == {ConnectError}


def test_a_map_that_is_collected_in_its_own_loop_does_not_deadlock():
    """The garbage collector runs in whatever thread has allocated much."""
    with ThrottlingServer(delay=0.05) as server, LambdaClient(HttpTransport(endpoint_url=server.url)) as client:
        results = client.map(echo, range(1000), max_concurrency=8)
        next(results)
        side: Any = client._invoker._map_loop
        dropped = threading.Event()
        side.loop.call_soon_threadsafe(lambda: (results.close(), dropped.set()))

        assert dropped.wait(20)
        assert list(client.map(echo, range(50))) == list(range(50))


def test_a_map_that_is_collected_in_one_of_its_threads_does_not_deadlock():
    """In the middle of a job."""
    dropped, waiting = threading.Event(), threading.Event()

    def reply(number: int) -> Outcome:
        if number == 5:
            assert waiting.wait(20)
            results.close()
            dropped.set()
        return answer(number)

    counter = CountingTransport()
    counter.reply = reply
    results = LambdaClient(counter).map(double, range(1000), ordered=False, max_concurrency=6)
    next(results)
    waiting.set()

    assert dropped.wait(20)


def test_a_service_error_ends_a_map_with_that_error(mapped: Map):
    """And not with one of the throttles that came with it."""
    counter = CountingTransport(delay=0.001)
    counter.reply = lambda n: Outcome(500, error_code="ServiceException") if n == 3 else answer(n)
    with pytest.raises(ServiceError):
        list(mapped(counter, double, range(50)))
    with pytest.raises(ThrottledError):
        list(mapped(CountingTransport(capacity=0), double, range(50)))


def raise_base_exception(_value: object) -> object:
    """Raise what no caller catches."""
    raise NoNumberError


Broken = Annotated[int, BeforeValidator(raise_base_exception)]


@pytest.mark.parametrize("types", [{"request": Broken}, {"response": Broken}], ids=["request", "response"])
@pytest.mark.parametrize("kind", ["blocking", "async"])
def test_a_base_exception_of_a_model_ends_a_map_over_http(types: dict[str, Any], kind: str):
    """Where an event loop reads and prepares its calls."""
    contract = Contract("echo", **{"request": int, "response": int, **types})
    with ThrottlingServer() as server:
        client: Any = LambdaClient(HttpTransport(endpoint_url=server.url))
        if kind == "async":
            client = AsyncLambdaClient(AsyncHttpTransport(endpoint_url=server.url))
        results = client.map(contract, iter(range(100)))
        with pytest.raises(NoNumberError):
            list(results if kind == "blocking" else iterated(results))
        if kind == "blocking":
            client.close()
