"""trio: an async client says that it needs asyncio; a blocking one works in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.to_thread
import pytest
import trio
import trio.lowlevel

from lambdachain import (
    AsyncHttpTransport,
    AsyncLambdaClient,
    BotoTransport,
    Contract,
    ContractError,
    HttpTransport,
    Invocation,
    LambdaClient,
    Outcome,
    S3Offload,
)
from lambdachain.testing import StubTransport

double = Contract("orders-double", request=int, response=int)
URL = "http://127.0.0.1:1"


async def consume(items: AsyncIterator[Any]) -> None:
    """Iterate over all items."""
    async for _ in items:
        pass


USES: dict[str, Callable[[AsyncLambdaClient], Any]] = {
    "call": lambda client: client.call(double, 1),
    "offload": lambda client: client.call(Contract("f", request=int, response=int, offload=S3Offload("bucket")), 1),
    "fire": lambda client: client.fire(double, 1),
    "can_invoke": lambda client: client.can_invoke(double),
    "map": lambda client: consume(client.map(double, [1])),
    "fire_map": lambda client: consume(client.fire_map(double, [1])),
    "stream": lambda client: consume(client.stream(double, 1)),
}
TRANSPORTS: dict[str, Callable[[], Any]] = {
    "default": lambda: None,
    "async http": lambda: AsyncHttpTransport(endpoint_url=URL),
    "http": lambda: HttpTransport(endpoint_url=URL),
    "boto": lambda: BotoTransport(endpoint_url=URL),
}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("use", USES)
def test_an_async_client_says_that_it_needs_asyncio(use: str, transport: str):
    """And what to do in trio, also through anyio."""

    async def run() -> None:
        async with AsyncLambdaClient(TRANSPORTS[transport]()) as client:
            await USES[use](client)

    for start in (lambda: trio.run(run), lambda: anyio.run(run, backend="trio")):
        with pytest.raises(ContractError, match=r"needs asyncio, and this is trio: call a LambdaClient in a thread"):
            start()


def test_without_a_loop_it_says_so():
    """Where a coroutine is driven by hand, while trio is installed."""
    coroutine = AsyncLambdaClient(AsyncHttpTransport(endpoint_url=URL)).call(double, 1)
    with pytest.raises(ContractError, match="no event loop of asyncio is running here"):
        coroutine.send(None)


def test_a_blocking_client_works_in_a_thread():
    """As the message says."""

    async def run() -> int:
        return await anyio.to_thread.run_sync(LambdaClient().call, double, 21)

    with StubTransport() as stub:
        stub.on(double).returns(42)
        assert anyio.run(run, backend="trio") == 42


def test_a_transport_that_needs_no_asyncio_works():
    """A stub, and one that a user wrote for trio."""

    class TrioTransport:
        async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as AsyncTransport
            await trio.lowlevel.checkpoint()
            return Outcome(status=200, payload=b"42", executed_version="1")

        async def close(self) -> None:
            """Nothing is open."""

    async def run() -> list[int]:
        return [await AsyncLambdaClient(TrioTransport()).call(double, 21), await AsyncLambdaClient().call(double, 21)]

    with StubTransport() as stub:
        stub.on(double).returns(42)
        assert trio.run(run) == [42, 42]


def test_anyio_over_asyncio_works():
    """Unchanged."""

    async def run() -> int:
        assert asyncio.get_running_loop()
        return await AsyncLambdaClient().call(double, 21)

    with StubTransport() as stub:
        stub.on(double).returns(42)
        assert anyio.run(run, backend="asyncio") == 42
