"""Cancellation: at every wait of a call it takes effect immediately and unchanged, and nothing of the call is left."""

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
    """Wait until a call has reached the wait in question."""
    while not reached():  # noqa: ASYNC110 - a server in threads sets no event of a loop
        await asyncio.sleep(0.001)


async def cancel(call: Awaitable[object], reached: Reached) -> None:
    """Cancel a call while it waits."""
    task = asyncio.ensure_future(call)
    await until(reached)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def time_out(call: Awaitable[object], reached: Reached) -> None:
    """End a call by an ``asyncio.timeout`` around it."""

    async def end(limit: asyncio.Timeout) -> None:
        await until(reached)
        limit.reschedule(asyncio.get_running_loop().time())

    with pytest.raises(TimeoutError):  # noqa: PT012 - the block is what raises
        async with asyncio.timeout(None) as limit:
            ending = asyncio.ensure_future(end(limit))
            await call
    await ending


async def fail_its_group(call: Awaitable[object], reached: Reached) -> None:
    """End a call by the failure of another task in its group."""

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
    """Run a call for some turns of the loop; the test does not depend on how far it gets."""
    end = time.monotonic() + 0.2
    return lambda: time.monotonic() > end


ENDS = pytest.mark.parametrize("end", [cancel, time_out, fail_its_group], ids=lambda end: end.__name__)
End = Callable[[Awaitable[object], Reached], Awaitable[None]]


def check(transport: AsyncHttpTransport, end: End, reached: Reached, invocation: Invocation = SMALL) -> None:
    """End a call, and check that no task and no connection of it is left, and that its slot is free."""

    async def check_it() -> None:
        await end(transport.send(invocation, timeout=60), reached)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert all(not pool._idle and pool._free_slots == pools.MAX_OPEN_CONNECTIONS for pool in get_pools(transport))
        await transport.close()

    asyncio.run(check_it())


def is_in_flight(transport: AsyncHttpTransport) -> bool:
    """Check whether a request is in flight."""
    return any(pool._free_slots < pools.MAX_OPEN_CONNECTIONS for pool in get_pools(transport))


def get_pools(transport: AsyncHttpTransport) -> list[Any]:
    """Return the pools of all loops."""
    return [pool for sender in transport._senders.values() for pool in sender._pools.values()]  # type: ignore[attr-defined]


@ENDS
@pytest.mark.parametrize("fault", [faults.SILENT, faults.TRICKLED_HEADERS, *faults.ENDLESS_BODIES], ids=str)
def test_while_a_response_is_awaited_or_read(laboratory: Laboratory, fault: Fault, end: End) -> None:
    """The connection is closed, because the response may still arrive on it."""
    laboratory.play(fault)

    check(AsyncHttpTransport(endpoint_url=laboratory.url), end, lambda: laboratory.received == 1)

    laboratory.settle(idle_too=True)
    assert laboratory.received == 1


@ENDS
@pytest.mark.parametrize("fault", [faults.SILENT, faults.SILENT_HANDSHAKE], ids=str)
def test_under_tls(tls_laboratory: Laboratory, fault: Fault, end: End) -> None:
    """During the handshake, and afterwards."""
    tls_laboratory.play(fault)

    check(AsyncHttpTransport(endpoint_url=tls_laboratory.url), end, soon())

    tls_laboratory.settle(idle_too=True)


@ENDS
def test_while_a_request_is_sent(laboratory: Laboratory, end: End) -> None:
    """The server has received a part of it."""
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
    """The socket is closed; a warning about an unclosed one would be an error here."""
    with unreachable() as url:
        check(AsyncHttpTransport(endpoint_url=url), end, soon())


@ENDS
def test_while_a_name_is_looked_up(end: End, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver's thread ends by itself, and its result is dropped."""
    with slow_resolver(monkeypatch) as lookup_began:
        check(AsyncHttpTransport(endpoint_url="http://localhost:9"), end, lookup_began.is_set)


@contextmanager
def slow_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Make DNS lookups take 0.5 s, and fail."""
    lookup_began = threading.Event()

    def look_up(*_: object, **__: object) -> None:
        lookup_began.set()
        threading.Event().wait(0.5)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", look_up)
        yield lookup_began


@ENDS
def test_while_it_waits_for_free_slots(laboratory: Laboratory, end: End, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next call in the queue is not skipped."""
    monkeypatch.setattr(pools, "MAX_OPEN_CONNECTIONS", 1)
    answer = threading.Event()

    def act(connection: Connection) -> None:
        connection.read_request()
        answer.wait(20)
        connection.send(faults.SUCCESSFUL["RequestResponse"])

    laboratory.play(Fault("slow", act))
    transport = AsyncHttpTransport(endpoint_url=laboratory.url)

    async def check_it() -> None:
        first = asyncio.ensure_future(transport.send(SMALL, timeout=60))
        await until(lambda: bool(get_pools(transport)))
        [pool] = get_pools(transport)
        await until(lambda: laboratory.received == 1)
        ending = asyncio.ensure_future(end(transport.send(SMALL, timeout=60), lambda: bool(pool._slot_waiters)))
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
    """The next call in the queue is not held up."""
    monkeypatch.setattr(pools, "MAX_OPENING", 1)
    tls_laboratory.play(faults.SILENT_HANDSHAKE)
    transport = AsyncHttpTransport(endpoint_url=tls_laboratory.url)

    async def check_it() -> None:
        first = asyncio.ensure_future(transport.send(SMALL, timeout=60))
        await until(lambda: bool(get_pools(transport)))
        [pool] = get_pools(transport)
        pool._fastest_connect = 0.0
        await until(lambda: pool._opening == 1)
        ending = asyncio.ensure_future(
            end(transport.send(SMALL, timeout=60), lambda: len(pool._connection_waiters) == 2)
        )
        last = asyncio.ensure_future(transport.send(SMALL, timeout=60))
        await ending
        first.cancel()
        await until(lambda: pool._opening == 0 or last.done() or not pool._connection_waiters)
        last.cancel()
        await asyncio.gather(first, last, return_exceptions=True)
        assert (pool._opening, pool._free_slots) == (0, pools.MAX_OPEN_CONNECTIONS)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await transport.close()

    asyncio.run(check_it())


@ENDS
def test_between_two_attempts(laboratory: Laboratory, end: End) -> None:
    """The delay ends, and there is no other attempt."""
    has_answered = threading.Event()
    throttle = faults.service_error("TooManyRequestsException", 429)
    laboratory.play(Fault("throttle", lambda connection: (throttle.act(connection), has_answered.set())))
    transport = AsyncHttpTransport(endpoint_url=laboratory.url)
    client = AsyncLambdaClient(transport, retry=RetryPolicy(initial_delay=20, jitter="none", budget=None))

    async def check_it() -> None:
        async with client:
            await end(client.call("orders", None), lambda: has_answered.is_set() and not is_in_flight(transport))

    asyncio.run(check_it())
    assert laboratory.received == 1


@ENDS
def test_while_two_attempts_are_in_flight(laboratory: Laboratory, end: End) -> None:
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


def test_a_cancellation_after_the_response_is_not_lost(laboratory: Laboratory) -> None:
    """A call that is cancelled at the moment of its success does not swallow the cancellation."""
    transport = AsyncHttpTransport(endpoint_url=laboratory.url)

    async def check_it() -> None:
        await transport.send(SMALL, timeout=10)
        [pool] = get_pools(transport)
        [connection] = pool._idle
        task = asyncio.ensure_future(transport.send(SMALL, timeout=10))
        while connection._done is None or not connection._done.done():  # noqa: ASYNC110 - the very turn of the loop
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not pool._idle
        await transport.close()

    asyncio.run(check_it())
    laboratory.settle(idle_too=True)
