"""Cancellation: at every wait of a call it goes through at once and unchanged, and nothing of the call is left."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lambdachain import AsyncHttpTransport, AsyncLambdaClient, Invocation, RetryPolicy
from lambdachain._transports.http import async_pool as pools
from tests.support import faults
from tests.support.laboratory import Connection, Fault, Laboratory, unreachable

SMALL = Invocation("orders", payload=b"{}")
LARGE = Invocation("orders", payload=b'"%s"' % (b"x" * 6_000_000))
Reached = Callable[[], bool]


async def until(reached: Reached) -> None:
    """Wait until a call has come to where it waits."""
    while not reached():  # noqa: ASYNC110 - a server in threads sets no event of a loop
        await asyncio.sleep(0.001)


async def cancelled(call: Awaitable[object], reached: Reached) -> None:
    """Cancel a call where it waits."""
    task = asyncio.ensure_future(call)
    await until(reached)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def timed_out(call: Awaitable[object], reached: Reached) -> None:
    """Have an ``asyncio.timeout`` around a call end it."""

    async def end(limit: asyncio.Timeout) -> None:
        await until(reached)
        limit.reschedule(asyncio.get_running_loop().time())

    with pytest.raises(TimeoutError):  # noqa: PT012 - the block is what raises
        async with asyncio.timeout(None) as limit:
            ending = asyncio.ensure_future(end(limit))
            await call
    await ending


async def abandoned_by_its_group(call: Awaitable[object], reached: Reached) -> None:
    """Have another task's failure end a call."""

    async def fail() -> None:
        await until(reached)
        raise LookupError

    async def wait() -> None:
        await call

    with pytest.raises(ExceptionGroup) as failed:  # noqa: PT012 - the block is what raises
        async with asyncio.TaskGroup() as group:
            group.create_task(wait())
            group.create_task(fail())
    assert [type(exc) for exc in failed.value.exceptions] == [LookupError]


def soon() -> Reached:
    """Give a call time to come somewhere; nothing depends on how far it has come."""
    end = time.monotonic() + 0.2
    return lambda: time.monotonic() > end


ENDS = pytest.mark.parametrize("end", [cancelled, timed_out, abandoned_by_its_group], ids=lambda end: end.__name__)
End = Callable[[Awaitable[object], Reached], Awaitable[None]]


def check(transport: AsyncHttpTransport, end: End, reached: Reached, invocation: Invocation = SMALL) -> None:
    """End a call, and hold that no task and no connection is left of it, and that its place is free."""

    async def check_it() -> None:
        await end(transport.send(invocation, timeout=60), reached)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert all(not pool._idle and pool._room == pools.MAX_OPEN for pool in pools_of(transport))
        await transport.close()

    asyncio.run(check_it())


def going(transport: AsyncHttpTransport) -> bool:
    """Tell whether a request is under way."""
    return any(pool._room < pools.MAX_OPEN for pool in pools_of(transport))


def pools_of(transport: AsyncHttpTransport) -> list[Any]:
    """Give the pools of all loops."""
    return [pool for way in transport._ways.values() for pool in way._pools.values()]  # type: ignore[attr-defined]


@ENDS
@pytest.mark.parametrize("fault", [faults.SILENT, faults.TRICKLED_HEADERS, *faults.ENDLESS_BODIES], ids=str)
def test_while_an_answer_is_awaited_or_read(laboratory: Laboratory, fault: Fault, end: End) -> None:
    """The connection is closed, for the answer may still come on it."""
    laboratory.play(fault)

    check(AsyncHttpTransport(endpoint_url=laboratory.url), end, lambda: laboratory.received == 1)

    laboratory.settle(idle_too=True)
    assert laboratory.received == 1


@ENDS
@pytest.mark.parametrize("fault", [faults.SILENT, faults.SILENT_HANDSHAKE], ids=str)
def test_under_tls(tls_laboratory: Laboratory, fault: Fault, end: End) -> None:
    """In the handshake, and afterwards."""
    tls_laboratory.play(fault)

    check(AsyncHttpTransport(endpoint_url=tls_laboratory.url), end, soon())

    tls_laboratory.settle(idle_too=True)


@ENDS
def test_while_a_request_is_sent(laboratory: Laboratory, end: End) -> None:
    """The other side has taken a part of it."""
    begun, closed = threading.Event(), threading.Event()

    def stall(connection: Connection) -> None:
        connection.read(1000)
        begun.set()
        closed.wait(20)
        connection.read(10_000_000)

    laboratory.play(Fault("stalled request", stall))

    check(AsyncHttpTransport(endpoint_url=laboratory.url), end, begun.is_set, LARGE)

    closed.set()
    laboratory.settle(idle_too=True)
    assert laboratory.received == 0


@ENDS
def test_while_it_connects(end: End) -> None:
    """The socket is closed; a warning about one that is not would be an error here."""
    with unreachable() as url:
        check(AsyncHttpTransport(endpoint_url=url), end, soon())


@ENDS
def test_while_a_name_is_looked_up(end: End, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver's thread ends by itself, and nobody hears of it."""
    with slow_resolver(monkeypatch) as asked:
        check(AsyncHttpTransport(endpoint_url="http://localhost:9"), end, asked.is_set)


@contextmanager
def slow_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Have names looked up in 0.5 s, and in vain."""
    asked = threading.Event()

    def look_up(*_: object, **__: object) -> None:
        asked.set()
        threading.Event().wait(0.5)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", look_up)
        yield asked


@ENDS
def test_while_it_waits_for_room(laboratory: Laboratory, end: End, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one in the queue is not passed over."""
    monkeypatch.setattr(pools, "MAX_OPEN", 1)
    answer = threading.Event()

    def act(connection: Connection) -> None:
        connection.read_request()
        answer.wait(20)
        connection.send(faults.SUCCESSFUL["RequestResponse"])

    laboratory.play(Fault("slow", act))
    transport = AsyncHttpTransport(endpoint_url=laboratory.url)

    async def check_it() -> None:
        first = asyncio.ensure_future(transport.send(SMALL, timeout=60))
        await until(lambda: bool(pools_of(transport)))
        [pool] = pools_of(transport)
        await until(lambda: laboratory.received == 1)
        ending = asyncio.ensure_future(end(transport.send(SMALL, timeout=60), lambda: bool(pool._queue)))
        await asyncio.sleep(0)
        last = asyncio.ensure_future(transport.send(SMALL, timeout=60))
        await ending
        answer.set()
        assert [(await first).status, (await last).status] == [200, 200]
        await transport.close()

    asyncio.run(check_it())
    assert laboratory.received == 2


@ENDS
def test_while_it_waits_for_others_to_open_their_connections(
    tls_laboratory: Laboratory, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes behind it is not held up."""
    monkeypatch.setattr(pools, "OPENING_AT_ONCE", 1)
    tls_laboratory.play(faults.SILENT_HANDSHAKE)
    transport = AsyncHttpTransport(endpoint_url=tls_laboratory.url)

    async def check_it() -> None:
        first = asyncio.ensure_future(transport.send(SMALL, timeout=60))
        await until(lambda: bool(pools_of(transport)))
        [pool] = pools_of(transport)
        pool._quickest = 0.0
        await until(lambda: pool._opening == 1)
        ending = asyncio.ensure_future(end(transport.send(SMALL, timeout=60), lambda: len(pool._wanting) == 2))
        last = asyncio.ensure_future(transport.send(SMALL, timeout=60))
        await ending
        first.cancel()
        await until(lambda: pool._opening == 0 or last.done() or not pool._wanting)
        last.cancel()
        await asyncio.gather(first, last, return_exceptions=True)
        assert (pool._opening, pool._room) == (0, pools.MAX_OPEN)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await transport.close()

    asyncio.run(check_it())


@ENDS
def test_between_two_attempts(laboratory: Laboratory, end: End) -> None:
    """The pause ends, and there is no other attempt."""
    has_answered = threading.Event()
    throttle = faults.service_error("TooManyRequestsException", 429)
    laboratory.play(Fault("throttle", lambda connection: (throttle.act(connection), has_answered.set())))
    transport = AsyncHttpTransport(endpoint_url=laboratory.url)
    client = AsyncLambdaClient(transport, retry=RetryPolicy(initial_delay=20, jitter="none", budget=None))

    async def check_it() -> None:
        async with client:
            await end(client.call("orders", None), lambda: has_answered.is_set() and not going(transport))

    asyncio.run(check_it())
    assert laboratory.received == 1


@ENDS
def test_while_two_attempts_are_under_way(laboratory: Laboratory, end: End) -> None:
    """Hedged attempts are tasks of their own, and end with their call."""
    laboratory.play(faults.SILENT)
    client = AsyncLambdaClient(
        AsyncHttpTransport(endpoint_url=laboratory.url),
        retry=RetryPolicy(hedge_after=0.01, max_attempts=2, budget=None),
    )

    async def check_it() -> None:
        async with client:
            await end(client.call("orders", None, idempotency_key="k"), lambda: laboratory.received == 2)
            assert asyncio.all_tasks() <= {asyncio.current_task()}

    asyncio.run(check_it())
    laboratory.settle(idle_too=True)
    assert laboratory.received == 2


def test_a_cancellation_after_the_answer_has_come_is_still_one(laboratory: Laboratory) -> None:
    """A call that is cancelled in the moment of its success does not swallow it."""
    transport = AsyncHttpTransport(endpoint_url=laboratory.url)

    async def check_it() -> None:
        await transport.send(SMALL, timeout=10)
        [pool] = pools_of(transport)
        [connection] = pool._idle
        task = asyncio.ensure_future(transport.send(SMALL, timeout=10))
        while connection._answered is None or not connection._answered.done():  # noqa: ASYNC110 - the very turn of the loop
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not pool._idle
        await transport.close()

    asyncio.run(check_it())
    laboratory.settle(idle_too=True)
