"""Transports around another one: what a client expects of the inner one is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from lambdachain import (
    AsyncHttpTransport,
    AsyncLambdaClient,
    AsyncStreamingTransport,
    AsyncTransport,
    AsyncTransportWrapper,
    BotoTransport,
    Contract,
    HttpTransport,
    InProcessTransport,
    Invocation,
    LambdaClient,
    Outcome,
    ResponseStream,
    S3Offload,
    StreamEnd,
    StreamingTransport,
    TransportWrapper,
)
from lambdachain.testing import RealInvokeBlockedError, StubTransport
from tests.support.throttling_server import ThrottlingServer

double = Contract("double", request=int, response=int)
text = Contract("text", request=int, response=Any)


class Counting(TransportWrapper):
    """Counts what is sent, in threads and in the loop of a map."""

    def __init__(self, transport: Any) -> None:
        super().__init__(transport)
        self.sent: list[str] = []

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        self.sent.append("send")
        return super().send(invocation, timeout=timeout)

    def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> ResponseStream:
        self.sent.append("open_stream")
        return super().open_stream(invocation, timeout=timeout)

    def wrap_async(self, transport: AsyncTransport) -> AsyncTransport:
        return AsyncCounting(transport, self.sent)


class AsyncCounting(AsyncTransportWrapper):
    """The same, for event loops."""

    def __init__(self, transport: Any, sent: list[str] | None = None) -> None:
        super().__init__(transport)
        self.sent = [] if sent is None else sent

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109
        self.sent.append("async send")
        return await super().send(invocation, timeout=timeout)


class InThreads(Counting):
    """Has no counterpart for event loops."""

    def wrap_async(self, transport: AsyncTransport) -> None:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
        return None


@pytest.mark.parametrize("inner", [HttpTransport, BotoTransport])
def test_a_test_s_transport_takes_the_place_of_the_inner_one(inner: Callable[..., Any]):
    """The wrapper's own code runs in the test, and nothing goes to AWS."""
    counting = Counting(inner(region="eu-west-1"))
    client = LambdaClient(counting)
    with StubTransport() as stub:
        stub.on(double).accepts().returns(2, 4, 6)
        assert client.call(double, 1) == 2
        assert [*client.map(double, [2, 3])] == [4, 6]
        client.fire(double, 1)

    assert counting.sent == ["send"] * 4


def test_a_stream_is_kept():
    """In its chunks, through several wrappers."""
    counting = Counting(Counting(HttpTransport(region="eu-west-1")))
    with StubTransport() as stub:
        stub.on(text).streams("one", "two")
        assert [*LambdaClient(counting).stream(text, 1)] == [b"one", b"two"]

    assert counting.sent == ["open_stream"]


def test_delays_are_skipped_as_over_the_inner_one():
    """A test does not wait for the pauses of retries."""
    counting = Counting(HttpTransport(region="eu-west-1"))
    with StubTransport() as stub:
        stub.on(double).throttles(2).returns(2)
        assert LambdaClient(counting).call(double, 1) == 2

    assert counting.sent == ["send"] * 3


def test_what_is_no_transport_of_aws_is_not_replaced():
    """As without the wrapper."""
    system = InProcessTransport({"double": lambda event, _context: event * 2})
    with StubTransport():
        assert LambdaClient(Counting(system)).call(double, 2) == 4


def test_the_network_guard_looks_inside():
    """Before a payload is stored in S3 for a call that a test blocks."""
    large = Contract("large", request=str, response=str, offload=S3Offload("bucket"))
    client = LambdaClient(Counting(HttpTransport(region="eu-west-1")))
    with pytest.raises(RealInvokeBlockedError):
        client.call(large, "x" * 7_000_000)


@pytest.mark.parametrize(("kind", "way"), [(Counting, "async send"), (InThreads, "send"), (TransportWrapper, None)])
def test_a_map_runs_in_a_loop_if_the_wrapper_can(kind: Callable[..., Any], way: str | None):
    """Else in threads: nothing bypasses what a wrapper overrides."""
    session = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")
    with ThrottlingServer() as server:
        wrapper = kind(HttpTransport(session=session, endpoint_url=server.url))
        with LambdaClient(wrapper) as client:
            assert [*client.map(double, range(40))] == [*range(40)]
            assert [*client.map(double, range(40))] == [*range(40)]

    assert way is None or wrapper.sent == [way] * 80


def test_an_async_wrapper_keeps_the_same():
    """Over a test's transport, streams and all."""
    counting = AsyncCounting(AsyncHttpTransport(region="eu-west-1"))

    async def use() -> list[bytes]:
        client = AsyncLambdaClient(counting)
        assert await client.call(double, 1) == 2
        return [chunk async for chunk in client.stream(text, 1)]

    with StubTransport() as stub:
        stub.on(double).throttles(1).returns(2)
        stub.on(text).streams("one", "two")
        assert asyncio.run(use()) == [b"one", b"two"]

    assert counting.sent == ["async send"] * 2


def test_an_async_wrapper_takes_a_blocking_transport():
    """Which has a thread for each call."""
    system = InProcessTransport({"double": lambda event, _context: event * 2})

    assert asyncio.run(AsyncLambdaClient(AsyncCounting(system)).call(double, 2)) == 4


def test_closing_closes_the_inner_one():
    """And the repr shows it."""
    wrapper = Counting(HttpTransport(region="eu-west-1"))
    wrapper.close()
    asyncio.run(AsyncCounting(AsyncHttpTransport(region="eu-west-1")).close())

    assert repr(wrapper).startswith("Counting(HttpTransport(")


class Streaming:
    """A transport of a user's that streams, with the public protocol."""

    class Chunks:
        """A response in two chunks."""

        def __init__(self) -> None:
            self.outcome = Outcome(200, executed_version="$LATEST")
            self._parts: list[bytes | StreamEnd] = [StreamEnd(), b"two", b"one"]

        def read(self) -> bytes | StreamEnd:
            """Return the next one."""
            return self._parts.pop()

        def close(self) -> None:
            """No-op."""

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Return the whole."""
        return Outcome(200, b'"onetwo"', executed_version="$LATEST")

    def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> ResponseStream:
        """Return the chunks."""
        return self.Chunks()

    def close(self) -> None:
        """No-op."""


def test_a_transport_of_ones_own_streams():
    """By the public protocol."""
    transport: StreamingTransport = Streaming()

    assert isinstance(transport, StreamingTransport)
    assert [*LambdaClient(transport).stream(text, 1)] == [b"one", b"two"]
    assert [*LambdaClient(TransportWrapper(transport)).stream(text, 1)] == [b"one", b"two"]
    assert isinstance(AsyncHttpTransport(region="eu-west-1"), AsyncStreamingTransport)
