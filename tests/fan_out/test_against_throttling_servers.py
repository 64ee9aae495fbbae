"""Maps over real transports and a real server: they find its capacity, lose no payload, and keep connections."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from botocore.config import Config

from lambdachain import (
    AsyncHttpTransport,
    AsyncLambdaClient,
    BotoTransport,
    ConnectError,
    Contract,
    HttpTransport,
    LambdaClient,
    RetryPolicy,
    Transport,
)
from lambdachain._transports.http import async_pool as pool
from tests.support.throttling_server import ThrottlingServer

echo = Contract("echo", request=int, response=int)
Map = Callable[..., list[int]]


def _over_http(url: str, payloads: range, **options: Any) -> list[int]:
    with LambdaClient(HttpTransport(endpoint_url=url), retry=RetryPolicy.never()) as client:
        return list(client.map(echo, payloads, **options))


def _over_boto(url: str, payloads: range, **options: Any) -> list[int]:
    with LambdaClient(BotoTransport(endpoint_url=url), retry=RetryPolicy.never()) as client:
        return list(client.map(echo, payloads, **options))


def _over_async_http(url: str, payloads: range, **options: Any) -> list[int]:
    async def run() -> list[int]:
        async with AsyncLambdaClient(AsyncHttpTransport(endpoint_url=url), retry=RetryPolicy.never()) as client:
            return [result async for result in client.map(echo, payloads, **options)]

    return asyncio.run(run())


@pytest.fixture(params=[_over_http, _over_boto, _over_async_http], ids=["http", "boto3", "async http"])
def mapped(request: pytest.FixtureRequest) -> Map:
    """Return a map over each transport."""
    way: Map = request.param
    return way


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Fail a test that leaves a thread running."""
    yield
    gc.collect()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("lambdachain-")] in (
        [],
        ["lambdachain-deadlines"],
    )


@pytest.mark.parametrize("capacity", [3, 24])
def test_the_capacity_of_a_server_is_found(mapped: Map, capacity: int):
    """The concurrency stays close to it, never collapses, and every payload gets one response."""
    # It takes 240 calls a second: no more than a busy machine makes over boto3, or the capacity would never be met.
    with ThrottlingServer(capacity=capacity, delay=capacity / 240) as server:
        results = mapped(server.url, range(900), max_concurrency=150)
    settled = server.in_flight[400:850]

    assert results == list(range(900))
    assert sorted(map(int, server.seen)) == list(range(900))
    assert server.throttled > 0
    assert max(settled) == capacity
    assert sum(settled) / len(settled) >= 0.4 * capacity


def test_connections_are_kept_from_one_map_to_the_next():
    """The background loop is kept, with its connections."""
    with ThrottlingServer(delay=0.005) as server, LambdaClient(HttpTransport(endpoint_url=server.url)) as client:
        for _ in range(3):
            assert list(client.map(echo, range(300), max_concurrency=20)) == list(range(300))

    assert server.connections <= 20


def test_a_client_that_is_garbage_collected_ends_its_loop():
    """Without close, too; the fixture checks its thread."""
    with ThrottlingServer() as server:
        client = LambdaClient(HttpTransport(endpoint_url=server.url))
        assert list(client.map(echo, range(50))) == list(range(50))
        del client
        gc.collect()


def test_a_map_over_a_loop_that_is_closed_early_waits_for_calls_in_flight():
    """And the loop is usable for the next map."""
    with ThrottlingServer(delay=0.02) as server, LambdaClient(HttpTransport(endpoint_url=server.url)) as client:
        with closing(client.map(echo, range(1000), max_concurrency=10)) as results:
            next(results)
        begun = len(server.in_flight)

        assert len(server.seen) == begun < 60
        assert list(client.map(echo, range(50))) == list(range(50))


def test_nested_maps_share_one_loop():
    """Payloads are taken in the consumer's thread, never in the loop's."""
    with ThrottlingServer() as server, LambdaClient(HttpTransport(endpoint_url=server.url)) as client:
        assert list(client.map(echo, client.map(echo, range(100)))) == list(range(100))


def test_maps_of_several_threads_share_one_loop():
    """A client is thread-safe."""
    results = dict[int, list[int]]()
    with (
        ThrottlingServer(delay=0.002) as server,
        LambdaClient(HttpTransport(endpoint_url=server.url)) as client,
    ):

        def run(number: int) -> None:
            results[number] = list(client.map(echo, range(200), max_concurrency=20))

        threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert results == {number: list(range(200)) for number in range(4)}


def test_payloads_are_taken_in_the_consumer_s_thread():
    """A database cursor would not work in another."""
    seen = set[int]()

    def source() -> Iterator[int]:
        for number in range(50):
            seen.add(threading.get_ident())
            yield number

    with ThrottlingServer() as server, LambdaClient(HttpTransport(endpoint_url=server.url)) as client:
        list(client.map(echo, source()))

    assert seen == {threading.get_ident()}


@pytest.mark.parametrize("kind", [HttpTransport, BotoTransport])
def test_a_closed_transport_fails_each_call(kind: Callable[..., Transport]):
    """As it does outside of a map."""
    transport = kind(endpoint_url="http://127.0.0.1:9", region=None)
    client = LambdaClient(transport)
    transport.close()
    results = list(client.map(echo, range(20), return_exceptions=True))
    client.close()

    assert {type(result) for result in results} == {ConnectError}
    assert len(results) == 20


def test_a_map_is_limited_by_the_pool_of_a_boto3_client():
    """With a pool of ten, more calls in flight would open a connection each."""
    import boto3

    with ThrottlingServer(delay=0.005) as server:
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=4)
        given: Any = boto3.client("lambda", endpoint_url=server.url, region_name="eu-west-1", config=config)
        with LambdaClient(BotoTransport(given)) as client:
            assert list(client.map(echo, range(100), max_concurrency=50)) == list(range(100))

    assert max(server.in_flight) <= 4
    assert server.connections <= 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_maps_with_a_loop_of_its_own():
    """The parent's loop is not in the fork."""
    with ThrottlingServer() as server, LambdaClient(HttpTransport(endpoint_url=server.url)) as client:
        assert list(client.map(echo, range(50))) == list(range(50))
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if list(client.map(echo, range(50))) == list(range(50)) else 1)
            except BaseException:
                os._exit(2)
        _, status = os.waitpid(child, 0)
        assert list(client.map(echo, range(50))) == list(range(50))

    assert os.waitstatus_to_exitcode(status) == 0


def test_a_released_connection_is_reused_before_another_is_opened(monkeypatch: pytest.MonkeyPatch):
    """While others are being opened, which takes time: a hundred calls in flight need only a few."""
    connect = pool.connect

    async def slowly(*arguments: Any) -> Any:
        await asyncio.sleep(0.05)
        return await connect(*arguments)

    monkeypatch.setattr(pool, "connect", slowly)
    monkeypatch.setattr(pool, "MAX_OPENING", 1)
    monkeypatch.setattr(pool, "MAX_OPENINGS_PER_SECOND", 0.0)

    async def run(url: str) -> list[int]:
        async with AsyncLambdaClient(AsyncHttpTransport(endpoint_url=url)) as client:
            await client.call(echo, 0)
            return await asyncio.gather(*[client.call(echo, number) for number in range(100)])

    with ThrottlingServer() as server:
        assert asyncio.run(run(server.url)) == list(range(100))
    assert server.connections < 60
