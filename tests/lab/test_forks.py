"""A fork process has its own connections, locks and deadlines: it never gets another process's response."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config

from lambdachain import BotoTransport, ContractError, HttpTransport, LambdaClient, S3Offload
from lambdachain._contracts.s3_offload import REFERENCE
from lambdachain._json import gc_paused as collector
from lambdachain._lambda_api.stream_events import invoke_complete, payload_chunk
from lambdachain._transports.deadline_timer import deadline_timer
from lambdachain._transports.http.credentials import Credentials
from tests.core.snapshots import printed_around_snapshot
from tests.support.async_as_sync import ASYNC_TRANSPORTS
from tests.support.laboratory import Connection, Fault, Laboratory
from tests.support.responses import http_response

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),
]
ROUNDS, CALLS, CHILDREN = 3, 20, 3


def _echo(connection: Connection) -> None:
    request = connection.read_request()
    connection.send(http_response("200 OK", request.body, {"X-Amz-Executed-Version": "1"}))


ECHO = Fault("echo", _echo, runs=True)


def fork(work: Callable[[], bool]) -> int:
    """Start a child process that runs *work*, and exits with 0 if it returns true."""
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return pid


def wait_for_exit(pid: int) -> int:
    """Wait for a child, and return its exit status."""
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
    """Check whether every call gets its own response."""
    mine = [os.getpid() * 1000 + number for number in range(CALLS)]
    return mine == [client.call("echo", number, timeout=30) for number in mine]


def _ours(url: str) -> Any:
    return BotoTransport(endpoint_url=url)


def _passed_client(url: str) -> Any:
    return BotoTransport(boto3.client("lambda", endpoint_url=url, config=Config(retries={"total_max_attempts": 1})))


@pytest.fixture(params=["plain", "TLS"])
def echoing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    """A laboratory that responds with the request's body."""
    found: Laboratory = request.getfixturevalue("laboratory" if request.param == "plain" else "tls_laboratory")
    if found.certificate is not None:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(found.certificate))
    found.play(ECHO)
    return found


@pytest.mark.parametrize(
    "make", [_ours, _passed_client, lambda url: HttpTransport(endpoint_url=url)], ids=["ours", "given", "http"]
)
def test_parent_and_children_call_concurrently(echoing: Laboratory, make: Callable[[str], Any]) -> None:
    """Each gets its own responses, over several rounds of forks."""
    with LambdaClient(make(echoing.url)) as client:
        assert calls(client)
        for _ in range(ROUNDS):
            children = [fork(lambda: calls(client)) for _ in range(CHILDREN)]
            mine = calls(client)
            assert (True, [0] * CHILDREN) == (mine, [wait_for_exit(child) for child in children])


@pytest.mark.parametrize("over", ASYNC_TRANSPORTS)
def test_a_child_has_its_own_event_loop(echoing: Laboratory, over: str) -> None:
    """It calls in a loop of its own while the parent's loop runs."""
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
            children = [await asyncio.to_thread(fork, child) for _ in range(CHILDREN)]
            assert await some()
            assert [0] * CHILDREN == [await asyncio.to_thread(wait_for_exit, pid) for pid in children]
        await client.aclose()

    asyncio.run(main())


def test_a_given_client_that_was_used_before_the_fork(laboratory: Laboratory) -> None:
    """Its pool has connections of unknown age and process."""
    laboratory.play(ECHO)
    client = boto3.client("lambda", endpoint_url=laboratory.url, config=Config(retries={"total_max_attempts": 1}))
    client.invoke(FunctionName="echo", Payload=b"1")["Payload"].read()

    child = fork(lambda: calls(LambdaClient(BotoTransport(client))))

    assert (True, 0) == (calls(LambdaClient(BotoTransport(client))), wait_for_exit(child))


def test_a_client_whose_pools_cannot_be_replaced_is_rejected(laboratory: Laboratory, monkeypatch: Any) -> None:
    """It could get another process's response."""
    laboratory.play(ECHO)
    client: Any = boto3.client("lambda", endpoint_url=laboratory.url, config=Config(retries={"total_max_attempts": 1}))
    monkeypatch.setattr(type(client._endpoint.http_session), "_get_pool_manager_kwargs", None)
    over = LambdaClient(BotoTransport(client))
    over.call("echo", 1)

    def refused() -> bool:
        with pytest.raises(Exception, match="create the client after the fork"):
            over.call("echo", 2)
        return True

    assert 0 == wait_for_exit(fork(refused))


def test_a_fork_while_every_lock_is_held(laboratory: Laboratory) -> None:
    """The threads that held them exist only in the parent."""
    laboratory.play(ECHO)
    transport = BotoTransport(endpoint_url=laboratory.url)
    client = LambdaClient(transport)
    client.call("echo", 1)
    credentials = Credentials(None, explicit=False)
    own = [client._invoker._lock, transport._lock, transport._creation_lock]
    held = [*own, credentials._lock, deadline_timer._changed]
    for lock in held:
        lock.acquire()

    child = fork(lambda: calls(client) and credentials.current() is not None)

    for lock in held:
        lock.release()
    assert 0 == wait_for_exit(child)


def test_a_timer_of_the_parent_does_not_fire_in_the_child(laboratory: Laboratory) -> None:
    """The deadline thread starts again with the child's first timer."""
    rung = threading.Event()
    bell = deadline_timer.set(time.monotonic() + 3600, rung.set)

    def child() -> bool:
        mine = threading.Event()
        deadline_timer.set(time.monotonic(), mine.set)
        return mine.wait(30) and len(deadline_timer._timers) == 0

    assert 0 == wait_for_exit(fork(child))
    deadline_timer.cancel(bell)


BLOCKING = pytest.mark.parametrize("make", [_ours, lambda url: HttpTransport(endpoint_url=url)], ids=["boto3", "http"])


@BLOCKING
def test_a_fork_during_a_map(laboratory: Laboratory, make: Callable[[str], Any]) -> None:
    """The child gets an error, releases the parent's map, and can start others."""
    laboratory.play(ECHO)
    numbers = list(range(100))
    with LambdaClient(make(laboratory.url)) as client:
        results = client.map("echo", numbers)
        first = next(results)

        def child() -> bool:
            with pytest.raises(ContractError, match="started before this process was forked"):
                next(results)
            return calls(client) and numbers == list(client.map("echo", numbers))

        pid = fork(child)
        assert numbers == [first, *results]
        assert 0 == wait_for_exit(pid)


@pytest.mark.parametrize("over", ASYNC_TRANSPORTS)
def test_a_fork_during_an_async_map(laboratory: Laboratory, over: str) -> None:
    """The same, and the work in the parent's loop is not affected."""
    from lambdachain import AsyncLambdaClient

    laboratory.play(ECHO)
    numbers = list(range(100))

    async def main() -> None:
        async with AsyncLambdaClient(ASYNC_TRANSPORTS[over](endpoint_url=laboratory.url)) as client:
            results = client.map("echo", numbers)
            first = await anext(results)

            async def refused() -> bool:
                with pytest.raises(ContractError, match="the map was started before this process was forked"):
                    await anext(results)
                return numbers == [number async for number in client.map("echo", numbers)]

            def child() -> bool:
                asyncio.set_event_loop(None)
                return asyncio.run(refused())

            pid = await asyncio.to_thread(fork, child)
            assert numbers == [first, *[number async for number in results]]
            assert 0 == await asyncio.to_thread(wait_for_exit, pid)

    asyncio.run(main())


class _Streaming:
    """A fault that sends one piece of a stream, and the other one when it may."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.fault = Fault("stream in halves", self._act, runs=True)

    def _act(self, connection: Connection) -> None:
        connection.read_request()
        connection.send(_STREAM_HEAD + _chunk(payload_chunk(b"one ")))
        self.go.wait(60)
        connection.send(_chunk(payload_chunk(b"two") + invoke_complete(None, None, None)) + _chunk(b""))


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nTransfer-Encoding: chunked\r\n"
    b"X-Amz-Executed-Version: 1\r\nx-amzn-RequestId: r\r\n\r\n"
)


@BLOCKING
def test_a_fork_during_a_stream(echoing: Laboratory, make: Callable[[str], Any]) -> None:
    """The child gets none of the parent's pieces, and closing the stream there does not end the parent's."""
    halves = _Streaming()
    with LambdaClient(make(echoing.url)) as client:
        assert calls(client)
        echoing.play(halves.fault, ECHO)
        pieces = client.stream("story", None, timeout=60)
        first = next(pieces)

        def child() -> bool:
            with pytest.raises(ContractError, match="the stream was started before this process was forked"):
                next(pieces)
            pieces.close()
            return calls(client)

        assert 0 == wait_for_exit(fork(child))
        dropped = fork(lambda: pieces.close() is None and gc.collect() >= 0)
        assert 0 == wait_for_exit(dropped)
        halves.go.set()
        assert [b"one ", b"two"] == [first, *pieces]


@pytest.mark.parametrize("over", ASYNC_TRANSPORTS)
def test_a_fork_during_an_async_stream(echoing: Laboratory, over: str) -> None:
    """The child does not stop the parent's loop from watching the connection."""
    from lambdachain import AsyncLambdaClient

    halves = _Streaming()

    async def main() -> None:
        async with AsyncLambdaClient(ASYNC_TRANSPORTS[over](endpoint_url=echoing.url)) as client:
            await client.call("echo", 1)
            echoing.play(halves.fault, ECHO)
            pieces = client.stream("story", None, timeout=60)
            first = await anext(pieces)

            async def refused() -> bool:
                with pytest.raises(ContractError, match="the stream was started before this process was forked"):
                    await anext(pieces)
                await pieces.aclose()
                return await client.call("echo", 2) == 2

            def child() -> bool:
                asyncio.set_event_loop(None)
                return asyncio.run(refused())

            assert 0 == await asyncio.to_thread(lambda: wait_for_exit(fork(child)))
            halves.go.set()
            assert [b"one ", b"two"] == [first, *[one async for one in pieces]]

    asyncio.run(main())


@pytest.mark.parametrize(
    "make", [_ours, _passed_client, lambda url: HttpTransport(endpoint_url=url)], ids=["ours", "given", "http"]
)
def test_a_fork_while_another_thread_calls(echoing: Laboratory, make: Callable[[str], Any]) -> None:
    """The call in flight continues in the parent, and its connection does not exist in the child."""
    begun, go = threading.Event(), threading.Event()

    def wait(connection: Connection) -> None:
        request = connection.read_request()
        begun.set()
        assert go.wait(60)
        connection.send(http_response("200 OK", request.body, {"X-Amz-Executed-Version": "1"}))

    with LambdaClient(make(echoing.url)) as client:
        assert calls(client)
        echoing.play(Fault("wait", wait, runs=True), ECHO)
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(client.call("echo", 7, timeout=60)))
        thread.start()
        assert begun.wait(60)
        child = fork(lambda: calls(client))
        assert 0 == wait_for_exit(child)
        go.set()
        thread.join(60)
        assert [7] == found


def _bucket(connection: Connection) -> None:
    """Respond as S3 to GetObject: the object is its key."""
    while b"\r\n\r\n" not in connection._buffer:
        connection._receive()
    head, _, connection._buffer = connection._buffer.partition(b"\r\n\r\n")
    key = head.split(b" ")[1].rpartition(b"/")[2]
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(key), key))


def test_the_client_of_an_offload(laboratory: Laboratory) -> None:
    """Parent and children get each payload that they request from the bucket."""
    laboratory.play(Fault("bucket", _bucket))
    offload = S3Offload("payloads", region="eu-west-1", endpoint_url=laboratory.url)

    def all_right() -> bool:
        keys = [f"lambdachain/{os.getpid()}-{number}" for number in range(CALLS)]
        wanted = [key.rpartition("/")[2].encode() for key in keys]
        return wanted == [offload.get(_reference(key, data)) for key, data in zip(keys, wanted, strict=True)]

    assert all_right()
    for _ in range(ROUNDS):
        children = [fork(all_right) for _ in range(CHILDREN)]
        assert (True, [0] * CHILDREN) == (all_right(), [wait_for_exit(child) for child in children])


def _reference(key: str, data: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    return {REFERENCE: {"bucket": "payloads", "key": key, "size": len(data), "sha256": digest}}


def _credentials(connection: Connection) -> None:
    """Respond as a container's credential endpoint, with keys that expire immediately and name the process."""
    request = connection.read_request()
    asked_by = request.headers["authorization"]
    expiry = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 300))
    keys = {"AccessKeyId": asked_by, "SecretAccessKey": "s", "Token": "t", "Expiration": expiry}
    connection.send(http_response("200 OK", json.dumps(keys).encode()))


@pytest.fixture
def container(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    """A container's credential endpoint, used before each request."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", laboratory.url)
    laboratory.play(Fault("credentials", _credentials))
    return laboratory


@pytest.mark.parametrize("kind", ["http", "boto3"])
def test_connections_to_a_credential_provider(
    container: Laboratory, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process gets its own keys, however often they are renewed."""
    session = botocore.session.Session()
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "AKIA0")
    if kind == "http":
        credentials = Credentials(session, explicit=True)
        current: Callable[[], str] = lambda: credentials.current().access_key  # noqa: E731
    else:
        transport = BotoTransport(session=session, region="eu-west-1", endpoint_url=container.url)
        client = transport._client_for(None, "f")
        current = lambda: client._request_signer._credentials.get_frozen_credentials().access_key  # noqa: E731
    assert "AKIA0" == current()

    def all_right(name: str) -> bool:
        os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = name
        return [name] * CALLS == [current() for _ in range(CALLS)]

    for _ in range(ROUNDS):
        children = [fork(partial(all_right, f"AKIA{number}")) for number in range(1, 1 + CHILDREN)]
        assert (True, [0] * CHILDREN) == (all_right("AKIA0"), [wait_for_exit(child) for child in children])


def test_locks_of_modules() -> None:
    """The threads that held them exist only in the parent."""
    from lambdachain._core import clock
    from lambdachain._transports import transport_override
    from lambdachain.testing import _sandboxes

    held = [clock._lock, transport_override._lock, _sandboxes._lock]
    for lock in held:
        lock.acquire()

    def free() -> bool:
        clock.forget()
        with transport_override.override_transport(Any):  # type: ignore[arg-type]
            return _sandboxes.sandbox_for(free, "s").can_run(free)

    child = fork(free)
    for lock in held:
        lock.release()
    assert 0 == wait_for_exit(child)


def test_a_pause_of_the_collector() -> None:
    """It ends in a child, where the parent's thread does not exist."""
    begun, go = threading.Event(), threading.Event()

    def make(_: object) -> bool:
        begun.set()
        return go.wait(60)

    thread = threading.Thread(target=collector.gc_paused, args=(collector.WORTH_PAUSING, make, None))
    thread.start()
    assert begun.wait(60)
    child = fork(lambda: gc.isenabled() and not collector._pause.locked())
    still_pausing = not gc.isenabled()
    go.set()
    thread.join(60)
    assert (True, 0, True) == (still_pausing, wait_for_exit(child), gc.isenabled())


_SNAPSHOT = """
import threading
from tests.support.responses import http_response
from tests.support.laboratory import Fault, Laboratory
from lambdachain import BotoTransport, HttpTransport, LambdaClient

def echo(connection):
    connection.send(http_response("200 OK", connection.read_request().body, {"X-Amz-Executed-Version": "1"}))

with Laboratory() as laboratory:
    for kind in (BotoTransport, HttpTransport):
        laboratory.play(Fault("echo", echo, runs=True))
        with LambdaClient(kind(endpoint_url=laboratory.url)) as client:
            assert [1, 2] == [client.call("f", 1), client.call("f", 2)]
            before = laboratory.connections
            for forget, arguments, options in snapshot_restore_py.get_before_snapshot(): forget(*arguments, **options)
            assert [3, 4] == [client.call("f", 3), client.call("f", 4)]
            print(before, laboratory.connections)
"""


def test_a_snapshot_holds_no_connections() -> None:
    """Every environment that SnapStart restores opens its own."""
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    printed = printed_around_snapshot(f"import sys\nsys.path[:0] = {paths!r}\n{_SNAPSHOT}")

    assert ["1 2", "1 2"] == printed.splitlines()
