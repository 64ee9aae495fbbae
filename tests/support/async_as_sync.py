"""Adapters that make async clients and transports blocking, so that one suite of tests runs over both kinds.

Everything is awaited in one event loop, in a thread of its own, for as long as the tests run.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import AsyncGenerator, Awaitable, Generator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Final, Self, cast

from lambdachain import (
    AsyncBotoTransport,
    AsyncHttpTransport,
    AsyncLambdaClient,
    Invocation,
    LambdaClient,
    Outcome,
)

ASYNC_TRANSPORTS: Final[dict[str, Any]] = {"async http": AsyncHttpTransport} | (
    {"async boto3": AsyncBotoTransport} if find_spec("aiobotocore") else {}
)


def awaited(awaitable: Awaitable[Any]) -> Any:
    """Await *awaitable* in the loop of the tests, in a copy of this thread's context."""
    future = asyncio.run_coroutine_threadsafe(_to_coroutine(awaitable), _loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()  # an interrupted test leaves nothing running in the loop
        raise


async def _to_coroutine(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loop of the tests", daemon=True)
    thread.start()
    atexit.register(_end, loop, thread)
    return loop


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    # In the main thread, after the loop's own has ended: a loop may run in any one thread at a time.
    loop.run_until_complete(loop.shutdown_asyncgens())
    # Its threads have ended at exit; CPython 3.12.0 and 3.12.1 start none to wait for them.
    with suppress(RuntimeError):
        loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def iterated(results: AsyncGenerator[Any, None]) -> Generator[Any, None, None]:
    """Iterate over an async generator."""
    end = object()
    try:
        while (result := awaited(anext(results, end))) is not end:
            yield result
    finally:
        awaited(results.aclose())


class AwaitedTransport:
    """An async transport with the blocking interface of ``Transport``."""

    def __init__(self, transport: Any) -> None:
        self.inner = transport

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        return cast("Outcome", awaited(self.inner.send(invocation, timeout=timeout)))

    def close(self) -> None:
        awaited(self.inner.close())


class AwaitedClient:
    """An async client with the blocking interface of ``LambdaClient``."""

    def __init__(self, transport: Any, **settings: Any) -> None:
        self.inner = AsyncLambdaClient(transport, **settings)
        self._invoker = self.inner._invoker

    def call(self, *arguments: Any, **options: Any) -> Any:
        return awaited(self.inner.call(*arguments, **options))

    def invoke(self, *arguments: Any, **options: Any) -> Any:
        return awaited(self.inner.invoke(*arguments, **options))

    def fire(self, *arguments: Any, **options: Any) -> Any:
        return awaited(self.inner.fire(*arguments, **options))

    def can_invoke(self, *arguments: Any, **options: Any) -> Any:
        return awaited(self.inner.can_invoke(*arguments, **options))

    def map(self, *arguments: Any, **options: Any) -> Any:
        return iterated(self.inner.map(*arguments, **options))

    def fire_map(self, *arguments: Any, **options: Any) -> Any:
        return iterated(self.inner.fire_map(*arguments, **options))

    def stream(self, *arguments: Any, **options: Any) -> Any:
        return iterated(self.inner.stream(*arguments, **options))

    def bind(self, *arguments: Any, **options: Any) -> Any:
        return AwaitedFunction(self.inner.bind(*arguments, **options))

    def close(self) -> None:
        awaited(self.inner.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self.inner)


class AwaitedFunction:
    """A bound async function with the blocking interface of a bound function."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def call(self, payload: Any) -> Any:
        return awaited(self.inner.call(payload))

    def invoke(self, payload: Any) -> Any:
        return awaited(self.inner.invoke(payload))

    def fire(self, payload: Any) -> Any:
        return awaited(self.inner.fire(payload))

    def can_invoke(self) -> Any:
        return awaited(self.inner.can_invoke())

    def with_options(self, **options: Any) -> AwaitedFunction:
        return AwaitedFunction(self.inner.with_options(**options))

    def __repr__(self) -> str:
        return repr(self.inner)


def client_over(transport: Any, **settings: Any) -> LambdaClient:
    """Create the client for a transport, blocking or awaited."""
    if isinstance(transport, AwaitedTransport):
        return cast("LambdaClient", AwaitedClient(transport.inner, **settings))
    return LambdaClient(transport, **settings)


def session_for(over: str) -> Any:
    """Create a botocore session of the kind that a transport takes."""
    import botocore.session

    if over == "async boto3":
        from aiobotocore.session import AioSession

        session = AioSession()
        session.register_component("data_loader", _read_once())
        return session
    return botocore.session.Session()


@cache
def _read_once() -> Any:
    """Return a loader that caches botocore's models, so that creating a client takes less than the shortest timeout."""
    import botocore.loaders

    return botocore.loaders.create_loader()
