"""A forked process has connections, locks and deadlines of its own: no other process's answer, and none lost."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from awaited import ASYNC_TRANSPORTS
from botocore.config import Config
from lab_faults import answer
from laboratory import Connection, Fault, Laboratory

from lambdachain import BotoTransport, ContractError, HttpTransport, LambdaClient
from lambdachain._alarm import alarm
from lambdachain._http.credentials import Credentials

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),
]
ROUNDS, CALLS, CHILDREN = 3, 20, 3


def _echo(connection: Connection) -> None:
    request = connection.read_request()
    connection.send(answer("200 OK", request.body, {"X-Amz-Executed-Version": "1"}))


ECHO = Fault("echo", _echo, runs=True)


def forked(work: Callable[[], bool]) -> int:
    """Start a child process that does *work*, and ends with 0 if it says that all was well."""
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return pid


def ended(pid: int) -> int:
    """Wait for a child, and return how it ended."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return -99


def calls(client: LambdaClient) -> bool:
    """Check whether every call gets its own answer."""
    mine = [os.getpid() * 1000 + number for number in range(CALLS)]
    return mine == [client.call("echo", number, timeout=30) for number in mine]


def _ours(url: str) -> Any:
    return BotoTransport(endpoint_url=url)


def _given(url: str) -> Any:
    return BotoTransport(boto3.client("lambda", endpoint_url=url, config=Config(retries={"total_max_attempts": 1})))


@pytest.fixture(params=["plain", "TLS"])
def echoing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    """A laboratory that answers with what it is asked."""
    found: Laboratory = request.getfixturevalue("laboratory" if request.param == "plain" else "tls_laboratory")
    if found.certificate is not None:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(found.certificate))
    found.play(ECHO)
    return found


@pytest.mark.parametrize(
    "make", [_ours, _given, lambda url: HttpTransport(endpoint_url=url)], ids=["ours", "given", "http"]
)
def test_parent_and_children_call_at_once(echoing: Laboratory, make: Callable[[str], Any]) -> None:
    """Each gets its own answers, over several rounds of forks."""
    with LambdaClient(make(echoing.url)) as client:
        assert calls(client)
        for _ in range(ROUNDS):
            children = [forked(lambda: calls(client)) for _ in range(CHILDREN)]
            mine = calls(client)
            assert (True, [0] * CHILDREN) == (mine, [ended(child) for child in children])


@pytest.mark.parametrize("over", ASYNC_TRANSPORTS)
def test_an_event_loop_of_ones_own(echoing: Laboratory, over: str) -> None:
    """A child calls in a loop of its own while the parent's loop goes on."""
    from lambdachain import AsyncLambdaClient

    client = AsyncLambdaClient(ASYNC_TRANSPORTS[over](endpoint_url=echoing.url))

    async def some() -> bool:
        mine = [os.getpid() * 1000 + number for number in range(CALLS)]
        return mine == await asyncio.gather(*[client.call("echo", number, timeout=30) for number in mine])

    def child() -> bool:
        asyncio.set_event_loop(None)
        return asyncio.run(some())

    async def main() -> None:
        assert await some()
        for _ in range(ROUNDS):
            children = [await asyncio.to_thread(forked, child) for _ in range(CHILDREN)]
            assert await some()
            assert [0] * CHILDREN == [await asyncio.to_thread(ended, pid) for pid in children]
        await client.aclose()

    asyncio.run(main())


def test_a_client_that_was_used_before_the_fork_and_given_after_it(laboratory: Laboratory) -> None:
    """Its pool holds connections that nobody knows the age or the process of."""
    laboratory.play(ECHO)
    client = boto3.client("lambda", endpoint_url=laboratory.url, config=Config(retries={"total_max_attempts": 1}))
    client.invoke(FunctionName="echo", Payload=b"1")["Payload"].read()

    child = forked(lambda: calls(LambdaClient(BotoTransport(client))))

    assert (True, 0) == (calls(LambdaClient(BotoTransport(client))), ended(child))


def test_a_client_whose_pools_cannot_be_replaced_is_refused(laboratory: Laboratory, monkeypatch: Any) -> None:
    """Rather than to risk another process's answer."""
    laboratory.play(ECHO)
    client: Any = boto3.client("lambda", endpoint_url=laboratory.url, config=Config(retries={"total_max_attempts": 1}))
    monkeypatch.setattr(type(client._endpoint.http_session), "_get_pool_manager_kwargs", None)
    over = LambdaClient(BotoTransport(client))
    over.call("echo", 1)

    def refused() -> bool:
        with pytest.raises(Exception, match="make the client after the fork"):
            over.call("echo", 2)
        return True

    assert 0 == ended(forked(refused))


def test_a_fork_while_every_lock_is_held(laboratory: Laboratory) -> None:
    """Whoever held them has stayed with the parent."""
    laboratory.play(ECHO)
    transport = BotoTransport(endpoint_url=laboratory.url)
    client = LambdaClient(transport)
    client.call("echo", 1)
    credentials = Credentials(None, given=False)
    held = [client._caller._lock, transport._lock, transport._making, credentials._lock, alarm._changed]
    for lock in held:
        lock.acquire()

    child = forked(lambda: calls(client) and credentials.current() is not None)

    for lock in held:
        lock.release()
    assert 0 == ended(child)


def test_a_bell_of_the_parent_does_not_ring_in_the_child(laboratory: Laboratory) -> None:
    """The thread of deadlines begins anew with what the child sets."""
    rung = threading.Event()
    bell = alarm.set(time.monotonic() + 3600, rung.set)

    def child() -> bool:
        mine = threading.Event()
        alarm.set(time.monotonic(), mine.set)
        return mine.wait(30) and len(alarm._bells) == 0

    assert 0 == ended(forked(child))
    alarm.cancel(bell)


@pytest.mark.parametrize("make", [_ours, lambda url: HttpTransport(endpoint_url=url)], ids=["boto3", "http"])
def test_a_fork_amid_a_map(laboratory: Laboratory, make: Callable[[str], Any]) -> None:
    """The child is told that the map is the parent's, lets go of it, and begins others."""
    laboratory.play(ECHO)
    numbers = list(range(100))
    with LambdaClient(make(laboratory.url)) as client:
        results = client.map("echo", numbers)
        first = next(results)

        def child() -> bool:
            with pytest.raises(ContractError, match="begun before this process was forked"):
                next(results)
            return calls(client) and numbers == list(client.map("echo", numbers))

        pid = forked(child)
        assert numbers == [first, *results]
        assert 0 == ended(pid)
