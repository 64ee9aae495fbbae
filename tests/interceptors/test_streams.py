"""A stream inside interceptors: left when it ends, in the context that it was entered in."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from lambdachain import (
    AsyncLambdaClient,
    Contract,
    FunctionError,
    Interceptor,
    InvalidRequestError,
    LambdaClient,
    OutgoingCall,
    ResponseError,
    StreamResult,
)
from lambdachain.testing import StubTransport
from tests.interceptors.conftest import Recorder

words = Contract("words", request=int, response=Any)
SPAN: ContextVar[str] = ContextVar("span", default="none")


class Span(Interceptor):
    """Sets the current span, as tracers do; ``reset`` raises in another context."""

    def __init__(self) -> None:
        self.calls: list[OutgoingCall] = []
        self.left: list[str] = []

    @contextmanager
    def calling(self, call: OutgoingCall) -> Generator[None]:
        self.calls.append(call)
        token = SPAN.set("call")
        try:
            yield
        finally:
            self.left.append(SPAN.get())
            SPAN.reset(token)


def test_the_consumer_does_not_see_what_interceptors_set():
    """Between two chunks, its own context variables are as they were."""
    span = Span()
    with StubTransport() as stub:
        stub.on(words).streams("one", "two")
        seen = [(chunk, SPAN.get()) for chunk in LambdaClient(interceptors=[span]).stream(words, 1, text=True)]

    assert seen == [("one", "none"), ("two", "none")]
    assert span.left == ["call"]
    assert span.calls[0].result == StreamResult(received_bytes=6, complete=True)


def test_nothing_is_entered_before_the_first_chunk_is_asked_for():
    """A stream that nobody reads is not a call."""
    span = Span()
    LambdaClient(interceptors=[span]).stream(words, 1).close()

    assert span.calls == []


@pytest.mark.parametrize("end", ["close", "garbage"])
def test_a_stream_that_ends_early_has_a_result(end: str):
    """Which says so; closing is not a failure."""
    span = Span()
    with StubTransport() as stub:
        stub.on(words).streams("one", "two")
        chunks = LambdaClient(interceptors=[span]).stream(words, 1)
        assert next(chunks) == b"one"
        assert span.left == []
        if end == "close":
            chunks.close()
        del chunks
        gc.collect()

    assert span.left == ["call"]
    assert span.calls[0].result == StreamResult(received_bytes=3, complete=False)
    assert [each.error for each in span.calls[0].attempts] == [None]


def test_a_stream_may_be_read_in_several_threads():
    """It is left in the context that it was entered in, whichever thread reads the end."""
    span = Span()
    with StubTransport() as stub:
        stub.on(words).streams("one", "two")
        chunks = LambdaClient(interceptors=[span]).stream(words, 1)
        read = [next(chunks)]
        thread = threading.Thread(target=lambda: read.extend(chunks))
        thread.start()
        thread.join()

    assert read == [b"one", b"two"]
    assert span.left == ["call"]


def test_a_stream_may_be_closed_in_another_context():
    """As by a task that did not open it."""
    span = Span()
    with StubTransport() as stub:
        stub.on(words).streams("one", "two")
        chunks = LambdaClient(interceptors=[span]).stream(words, 1)
        copy_context().run(next, chunks)
        copy_context().run(chunks.close)

    assert span.left == ["call"]


def test_a_stream_that_breaks_off_is_a_failure():
    """The attempt has the error, although its first chunk arrived."""
    recorder = Recorder()
    with StubTransport() as stub:
        stub.on(words).streams("one", RuntimeError("no more"))
        with pytest.raises(FunctionError) as failed:
            list(LambdaClient(interceptors=[recorder]).stream(words, 1))

    assert recorder.errors == [failed.value]
    assert [each.error for each in recorder.calls[0].attempts] == [failed.value]
    assert failed.value.received_bytes == 3


def test_a_stream_that_is_not_text_is_a_failure():
    """Decoding is part of the call."""
    recorder = Recorder()
    with StubTransport() as stub:
        stub.on(words).streams(b"\xff")
        with pytest.raises(ResponseError) as failed:
            list(LambdaClient(interceptors=[recorder]).stream(words, 1, text=True))

    assert recorder.errors == [failed.value]


@pytest.mark.parametrize("client", [LambdaClient, AsyncLambdaClient])
def test_an_option_that_streams_do_not_have_is_seen(client: Any):
    """It is refused at once, as without interceptors."""
    recorder = Recorder()
    with pytest.raises(InvalidRequestError) as refused:
        client(interceptors=[recorder]).stream(words, 1, durable_name="once")

    assert recorder.errors == [refused.value]


def test_an_async_stream_keeps_its_context():
    """Each of its steps runs in the context of its first one, also where another task reads on."""
    span = Span()

    async def read() -> list[tuple[bytes, str]]:
        chunks = AsyncLambdaClient(interceptors=[span]).stream(words, 1)
        first = await asyncio.create_task(anext(chunks))  # type: ignore[arg-type]
        return [(first, SPAN.get()), *[(chunk, SPAN.get()) async for chunk in chunks]]

    with StubTransport() as stub:
        stub.on(words).streams("one", "two")
        assert asyncio.run(read()) == [(b"one", "none"), (b"two", "none")]

    assert span.left == ["call"]
    assert span.calls[0].result == StreamResult(received_bytes=6, complete=True)


@pytest.mark.parametrize("end", ["close", "garbage"])
def test_an_async_stream_that_ends_early_has_a_result(end: str):
    """Also where the loop closes what was dropped."""
    span = Span()

    async def read() -> None:
        chunks = AsyncLambdaClient(interceptors=[span]).stream(words, 1)
        assert await anext(chunks) == b"one"
        if end == "close":
            await chunks.aclose()

    with StubTransport() as stub:
        stub.on(words).streams("one", "two")
        asyncio.run(read())

    assert span.left == ["call"]
    assert span.calls[0].result == StreamResult(received_bytes=3, complete=False)


def test_a_cancelled_async_stream_is_cancelled_inside():
    """The cancellation is raised at the ``yield``, and passes."""
    recorder = Recorder()

    class Waits:
        """A transport whose response never comes."""

        async def send(self, *_: Any, **__: Any) -> Any:
            asking.set()
            await asyncio.Event().wait()

        async def close(self) -> None:
            """No-op."""

    async def read() -> None:
        async for _ in AsyncLambdaClient(Waits(), interceptors=[recorder]).stream(words, 1):
            pass

    async def cancel() -> None:
        task = asyncio.create_task(read())
        await asking.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asking = asyncio.Event()
    asyncio.run(cancel())

    assert [type(error) for error in recorder.errors] == [asyncio.CancelledError]
    assert [each.duration for each in recorder.calls[0].attempts] == [None]
