"""A consumer that takes its time with a result does not hold up the calls of a map, up to the limit of backpressure."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing, closing
from typing import Any, Final

import pytest

from lambdachain import AsyncHttpTransport, AsyncLambdaClient, Contract, HttpTransport, Interceptor, LambdaClient
from lambdachain._client.map import prepare_map, run_numbered_map
from lambdachain._core.invocation import InvocationType
from tests.fan_out.counting_transport import PATIENCE, CountingTransport, answer
from tests.support.throttling_server import ThrottlingServer

echo = Contract("echo", request=int, response=int)
_IN_FLIGHT: Final = 4
# As many as may be in flight, and as many again; one of them has been yielded.
_STARTED: Final = 2 * _IN_FLIGHT


class Source:
    """Payloads, and an event for when so many have been taken that no more are until a result is."""

    def __init__(self) -> None:
        self.is_ahead = threading.Event()
        self.threads = set[int]()

    def __iter__(self) -> Iterator[int]:
        for number in range(100):
            self.threads.add(threading.get_ident())
            if number == _STARTED - 1:
                self.is_ahead.set()
            yield number


class WatchedServer(ThrottlingServer):
    """Responds once *source* is ahead, and says when it has run the function so many times."""

    def __init__(self) -> None:
        super().__init__()
        self.source = Source()
        self.has_run_all = threading.Event()

    async def invoke(self, body: bytes) -> bytes | None:
        """Run the function."""
        await asyncio.to_thread(self.source.is_ahead.wait, PATIENCE)
        response = await super().invoke(body)
        if len(self.seen) == _STARTED:
            self.has_run_all.set()
        return response


@pytest.fixture
def server() -> Iterator[WatchedServer]:
    """Run the function."""
    with WatchedServer() as running:
        yield running


@pytest.mark.parametrize("interceptors", [[], [Interceptor()]])
def test_a_slow_consumer_of_a_blocking_map(server: WatchedServer, interceptors: list[Interceptor]) -> None:
    """Over connections that an event loop watches: it starts the calls that may start while the consumer is busy."""
    client = LambdaClient(HttpTransport(endpoint_url=server.url), interceptors=interceptors)
    with client, closing(client.map(echo, server.source, max_concurrency=_IN_FLIGHT)) as results:
        assert next(results) == 0
        assert server.has_run_all.wait(PATIENCE)
        assert list(results) == list(range(1, 100))

    assert server.source.threads == {threading.get_ident()}


@pytest.mark.parametrize("interceptors", [[], [Interceptor()]])
def test_a_slow_consumer_of_an_async_map(server: WatchedServer, interceptors: list[Interceptor]) -> None:
    """It awaits something else for a while."""

    async def run() -> None:
        client = AsyncLambdaClient(AsyncHttpTransport(endpoint_url=server.url), interceptors=interceptors)
        results = client.map(echo, server.source, max_concurrency=_IN_FLIGHT)
        async with client, aclosing(results):
            assert await anext(results) == 0
            assert await asyncio.to_thread(server.has_run_all.wait, PATIENCE)
            assert [result async for result in results] == list(range(1, 100))

    asyncio.run(run())


@pytest.mark.parametrize("interceptors", [[], [Interceptor()]])
@pytest.mark.parametrize("ordered", [True, False])
def test_a_slow_consumer_of_a_map_in_threads(interceptors: list[Interceptor], ordered: bool) -> None:
    """Each thread takes the next payload; but no more than backpressure allows."""
    counter, source, has_run_all = CountingTransport(), Source(), threading.Event()

    def reply(number: int) -> Any:
        assert source.is_ahead.wait(PATIENCE)
        if len(counter.seen) == _STARTED:
            has_run_all.set()
        return answer(number)

    counter.reply = reply
    client = LambdaClient(counter, interceptors=interceptors)
    with closing(client.map(echo, source, max_concurrency=_IN_FLIGHT, ordered=ordered)) as results:
        first = next(results)
        assert has_run_all.wait(PATIENCE)
        assert len(counter.seen) == _STARTED
        assert sorted([first, *results]) == list(range(100))

    assert source.threads == {threading.get_ident()}


def test_a_numbered_map_takes_a_payload_only_if_its_call_can_start() -> None:
    """The command line announces each line before it is sent, so it must not be ahead of the calls."""
    counter, release, taken = CountingTransport(), threading.Event(), list[int]()
    all_started = threading.Barrier(_IN_FLIGHT + 1)

    def reply(number: int) -> Any:
        if number < _IN_FLIGHT:
            all_started.wait(PATIENCE)
            assert release.wait(PATIENCE)
        return answer(number)

    counter.reply = reply
    client = LambdaClient(counter)
    options: Any = {"max_concurrency": _IN_FLIGHT}
    request = prepare_map(client._invoker, echo, InvocationType.REQUEST_RESPONSE, options, return_exceptions=False)
    results = run_numbered_map(request, (taken.append(number) or number for number in range(100)))
    found = list[Any]()
    consumer = threading.Thread(target=lambda: found.extend(results))
    consumer.start()
    all_started.wait(PATIENCE)
    assert len(taken) == _IN_FLIGHT
    release.set()
    consumer.join()

    assert found == [(number, number) for number in range(100)]
