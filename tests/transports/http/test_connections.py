"""Connections are kept and reused, replaced in time, and never shared with another process; and what each proves."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lambdachain import HttpTransport, Invocation, NoAnswerError, Progress, Trouble
from lambdachain._transports import socket_options
from lambdachain._transports.http import connection as connections
from lambdachain._transports.http import pool as pools
from lambdachain._transports.http.connection import Connection as Ours
from lambdachain._transports.http.response import Response, ResponseReader
from tests.core.snapshots import FORGET, printed_around_snapshot
from tests.support import faults
from tests.support.laboratory import Connection, Fault, Laboratory
from tests.support.responses import http_response

CALL = Invocation("orders", payload=b"{}")
LARGE = Invocation("orders", payload=b'"%s"' % (b"x" * 3_000_000))


def send(transport: HttpTransport, invocation: Invocation = CALL, timeout: float | None = 10) -> Any:
    """Send, and return the outcome or the error."""
    try:
        return transport.send(invocation, timeout=timeout)
    except NoAnswerError as exc:
        return exc


def get_idle_connections(transport: HttpTransport) -> list[Ours]:
    """Return the idle connections."""
    return [connection for sender in transport._senders.values() for connection in sender._pool._idle]  # type: ignore[attr-defined]


def test_one_connection_serves_one_call_after_the_other(laboratory: Laboratory, transport: HttpTransport) -> None:
    """It is released when the response is complete."""
    assert [200] * 20 == [send(transport).status for _ in range(20)]
    assert (1, 20) == (laboratory.connections, laboratory.received)


def test_concurrent_calls_have_a_connection_each(laboratory: Laboratory, transport: HttpTransport) -> None:
    """No thread waits for another one's connection; afterwards they are kept."""
    together = threading.Barrier(30)

    def act(connection: Connection) -> None:
        connection.read_request()
        together.wait(10)
        connection.send(faults.SUCCESSFUL["RequestResponse"])

    laboratory.play(Fault("together", act))
    with ThreadPoolExecutor(30) as threads:
        statuses = [outcome.status for outcome in threads.map(lambda _: send(transport), range(60))]

    assert [200] * 60 == statuses
    assert (30, 30) == (laboratory.connections, len(get_idle_connections(transport)))


def test_the_most_recently_used_connection_is_reused_first(laboratory: Laboratory, transport: HttpTransport) -> None:
    """So the connections that a peak needed age and are closed, instead of being kept alive in turn."""
    test_concurrent_calls_have_a_connection_each(laboratory, transport)
    laboratory.play(faults.SUCCESS, keep_connections=True)
    youngest = get_idle_connections(transport)[-1]

    for _ in range(5):
        send(transport)

    assert youngest is get_idle_connections(transport)[-1]
    assert 0 == laboratory.connections


def test_the_number_of_idle_connections_is_limited(
    laboratory: Laboratory, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest connections are closed."""
    monkeypatch.setattr(pools, "MAX_IDLE_CONNECTIONS", 3)

    test_calls = 10
    together = threading.Barrier(test_calls)

    def act(connection: Connection) -> None:
        connection.read_request()
        together.wait(10)
        connection.send(faults.SUCCESSFUL["RequestResponse"])

    laboratory.play(Fault("together", act))
    with ThreadPoolExecutor(test_calls) as threads:
        list(threads.map(lambda _: send(transport), range(test_calls)))

    assert 3 == len(get_idle_connections(transport))


def test_a_connection_used_a_moment_later_is_still_usable(laboratory: Laboratory, transport: HttpTransport) -> None:
    """One thread reads the clock, and another one releases the connection before the first one takes it."""
    send(transport)
    [connection] = get_idle_connections(transport)

    assert connection.is_usable(connection._used - 0.01)


@pytest.mark.parametrize("end", ["close", "reset", "speak"])
def test_data_on_an_idle_connection_means_its_end(end: str, laboratory: Laboratory, transport: HttpTransport) -> None:
    """Closed, reset, or with data nobody asked for: nothing is sent on it any more."""

    def act(connection: Connection) -> None:
        faults.succeed(connection)
        if end == "speak":
            connection.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        else:
            getattr(connection, end)()

    laboratory.play(Fault(end, act), faults.SUCCESS)
    first = send(transport)
    _until(lambda: not get_idle_connections(transport) or get_idle_connections(transport)[0]._has_data())

    assert (200, 200) == (first.status, send(transport).status)
    assert (2, 2) == (laboratory.connections, laboratory.received)


@pytest.mark.parametrize("jump", [socket_options.MAX_IDLE + 1, -socket_options.MAX_IDLE - 1])
def test_a_sandbox_that_was_frozen_reuses_no_connection(
    jump: float, laboratory: Laboratory, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wall clock advances meanwhile; if it was set back, the idle time is unknown."""
    send(transport)
    now = time.time() + jump
    monkeypatch.setattr(time, "time", lambda: now)

    send(transport)

    assert 2 == laboratory.connections


def test_a_failed_first_send_proves_that_nothing_was_sent(
    laboratory: Laboratory, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the call may be retried, for example if a kept connection was reset at that very moment."""
    laboratory.play(Fault("reset", lambda c: (faults.succeed(c), c.reset())))
    send(transport)
    _until(get_idle_connections(transport)[0]._has_data)
    monkeypatch.setattr(Ours, "is_usable", lambda *_: True)

    failure = send(transport)

    assert (Progress.NOTHING_SENT, Trouble.CONNECTION, 1) == (failure.progress, failure.trouble, laboratory.received)


def test_a_connection_closed_during_the_request_may_have_received_it(
    laboratory: Laboratory, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel accepts bytes for a connection that the server has closed: nobody knows who read them."""
    laboratory.play(Fault("close", lambda c: (faults.succeed(c), c.close())))
    send(transport)
    _until(get_idle_connections(transport)[0]._has_data)
    monkeypatch.setattr(Ours, "is_usable", lambda *_: True)

    failure = send(transport)

    assert (Progress.PERHAPS_SENT, Trouble.CONNECTION) == (failure.progress, failure.trouble)


class Socket:
    """A socket that fails at a scripted point."""

    def __init__(self, *, takes: int, then: Exception, recv: list[bytes] | None = None) -> None:
        self.takes, self.then, self.pieces = takes, then, recv or []
        self.timeouts: list[float] = []
        self.closed = False
        self.sent = b""

    def fileno(self) -> int:
        return 0

    def settimeout(self, seconds: float) -> None:
        self.timeouts.append(seconds)

    def send(self, data: bytes) -> int:
        if self.takes == 0:
            raise self.then
        self.sent += data[: self.takes]
        return min(len(data), self.takes)

    def sendall(self, data: memoryview) -> None:
        if len(self.sent) + len(data) > self.takes:
            raise self.then
        self.sent += bytes(data)

    def recv(self, _: int) -> bytes:
        if not self.pieces:
            raise self.then
        return self.pieces.pop(0)

    def close(self) -> None:
        self.closed = True


def _exchange(sock: Any, head: bytes, payload: bytes, deadline: float) -> Response:
    """Send a request over *sock*, and return its response."""
    reader = ResponseReader()
    Ours(sock).send_request(reader, head, payload, deadline)
    return reader.response


ANSWER = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
BEGUN = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("takes", "then", "pieces", "progress", "trouble"),
    [
        (0, BrokenPipeError(), [], Progress.NOTHING_SENT, Trouble.CONNECTION),
        (0, ConnectionResetError(), [], Progress.NOTHING_SENT, Trouble.CONNECTION),
        (1, ConnectionResetError(), [], Progress.PERHAPS_SENT, Trouble.CONNECTION),
        (9**9, ConnectionResetError(), [], Progress.PERHAPS_SENT, Trouble.CONNECTION),
        (9**9, ConnectionResetError(), [b""], Progress.PERHAPS_SENT, Trouble.CONNECTION),
        (9**9, TimeoutError(110, "keep-alive"), [], Progress.PERHAPS_SENT, Trouble.CONNECTION),
        (9**9, ConnectionResetError(), [BEGUN], Progress.ANSWER_BEGUN, Trouble.CONNECTION),
        (9**9, ConnectionResetError(), [b"garbage"], Progress.PERHAPS_SENT, Trouble.CONNECTION),
        (9**9, ConnectionResetError(), [b"HTTP/1.1 500 Oh\r\n"], Progress.PERHAPS_SENT, Trouble.CONNECTION),
    ],
)
@pytest.mark.parametrize("payload", [b"{}", b"x" * 100_000], ids=["small", "large"])
def test_how_far_a_request_got_is_known(
    *, takes: int, then: Exception, pieces: list[bytes], progress: Progress, trouble: Trouble, payload: bytes
) -> None:
    """Nothing sent, perhaps sent, or the response begun; and in every case the connection is closed."""
    sock: Any = Socket(takes=takes, then=then, recv=list(pieces))

    with pytest.raises(NoAnswerError) as caught:
        _exchange(sock, b"POST / HTTP/1.1\r\n\r\n", payload, time.monotonic() + 60)

    assert (progress, trouble, True) == (caught.value.progress, caught.value.trouble, sock.closed)
    assert caught.value.__cause__ is then or pieces


def test_an_error_response_before_the_end_of_the_request_is_read() -> None:
    """A server that does not accept that much responds, and hangs up on the rest."""
    sock: Any = Socket(takes=20_000, then=BrokenPipeError(), recv=[ANSWER])

    response = _exchange(sock, b"POST / HTTP/1.1\r\n\r\n", b"x" * 100_000, time.monotonic() + 60)

    assert 413 == response.status


@pytest.mark.parametrize("size", [0, 1, 16_000, 16_384, 16_385, 100_000])
@pytest.mark.parametrize("takes", [1, 100, 9**9])
def test_every_byte_is_sent_once_however_much_the_first_send_takes(size: int, takes: int) -> None:
    """In one piece, if it is small."""

    class Counting(Socket):
        def sendall(self, data: memoryview) -> None:
            self.sent += bytes(data)

    sock: Any = Counting(takes=takes, then=ConnectionResetError(), recv=[ANSWER])
    head, payload = b"POST / HTTP/1.1\r\n\r\n", bytes(range(256)) * (size // 256) + b"y" * (size % 256)

    _exchange(sock, head, payload, time.monotonic() + 60)

    assert head + payload == sock.sent


def test_no_wait_is_longer_than_the_remaining_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may take what the deadline leaves, by one clock."""
    clock = iter([100.0, 101.0, 102.0, 103.0, 104.0])
    monkeypatch.setattr(connections.time, "monotonic", lambda: next(clock))
    sock: Any = Socket(takes=9**9, then=ConnectionResetError(), recv=[b"HTTP/1.1 204 ", b"No Content\r\n\r\n"])

    _exchange(sock, b"POST / HTTP/1.1\r\n\r\n", b"", 110.0)

    assert [10.0, 9.0, 8.0] == sock.timeouts


def test_past_the_deadline_nothing_is_sent() -> None:
    """And the error proves it."""
    sock: Any = Socket(takes=9**9, then=ConnectionResetError())

    with pytest.raises(NoAnswerError) as caught:
        _exchange(sock, b"POST / HTTP/1.1\r\n\r\n", b"", time.monotonic() - 1)

    assert (Progress.NOTHING_SENT, Trouble.TIMEOUT, b"") == (caught.value.progress, caught.value.trouble, sock.sent)


class FrameworkError(Exception):
    """Raised by a test's replacement for the network, for example."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, FrameworkError])
def test_foreign_exceptions_pass_unchanged(error: type[BaseException]) -> None:
    """The connection is closed, because the response may still arrive on it."""
    sock: Any = Socket(takes=9**9, then=error())  # type: ignore[arg-type]

    with pytest.raises(error):
        _exchange(sock, b"POST / HTTP/1.1\r\n\r\n", b"", time.monotonic() + 60)

    assert sock.closed


def test_after_a_bug_the_function_may_have_run() -> None:
    """An exception that is not the network's says nothing about how far the request got."""
    sock: Any = Socket(takes=9**9, then=ValueError())  # type: ignore[arg-type]

    with pytest.raises(NoAnswerError) as caught:
        _exchange(sock, b"POST / HTTP/1.1\r\n\r\n", b"", time.monotonic() + 60)

    assert (Progress.PERHAPS_SENT, True) == (caught.value.progress, sock.closed)


@pytest.mark.parametrize("kind", ["plain", "TLS"])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_process_shares_no_connection(kind: str, request: pytest.FixtureRequest) -> None:
    """Two processes on one TLS connection would read each other's responses; the parent's connection is unaffected."""
    laboratory = request.getfixturevalue("laboratory" if kind == "plain" else "tls_laboratory")
    transport = HttpTransport(endpoint_url=laboratory.url)
    send(transport)

    pid = os.fork()
    if pid == 0:
        os._exit(0 if not get_idle_connections(transport) and send(transport).status == 200 else 1)
    _, status = os.waitpid(pid, 0)
    after = send(transport)
    transport.close()

    assert (0, 200) == (os.waitstatus_to_exitcode(status), after.status)
    assert (2, 3) == (laboratory.connections, laboratory.received)


def test_a_snapshot_holds_no_connection(laboratory: Laboratory) -> None:
    """SnapStart restores many sandboxes from one: they would share a connection, and its TLS keys."""
    program = (
        "from lambdachain import HttpTransport, Invocation\n"
        f"transport = HttpTransport(endpoint_url={laboratory.url!r})\n"
        "def kept(): return [len(sender._pool._idle) for sender in transport._senders.values()]\n"
        "transport.send(Invocation('orders'), timeout=10)\nbefore = kept()\n"
        f"{FORGET}"
        "print(before, kept(), transport.send(Invocation('orders'), timeout=10).status)\ntransport.close()"
    )

    assert "[1] [0] 200" == printed_around_snapshot(program)
    assert (2, 2) == (laboratory.connections, laboratory.received)


def test_a_closed_transport_closes_released_connections(laboratory: Laboratory, transport: HttpTransport) -> None:
    """A call in flight ends normally; no other one starts."""
    started, finish = threading.Event(), threading.Event()

    def act(connection: Connection) -> None:
        connection.read_request()
        started.set()
        finish.wait(10)
        connection.send(faults.SUCCESSFUL["RequestResponse"])

    laboratory.play(Fault("slow", act))
    with ThreadPoolExecutor(1) as thread:
        under_way = thread.submit(send, transport)
        started.wait(10)
        [sender] = transport._senders.values()
        transport.close()
        finish.set()
        assert 200 == under_way.result(10).status

    refused = send(transport)
    assert (Progress.NOTHING_SENT, Trouble.SETUP) == (refused.progress, refused.trouble)
    assert 0 == len(sender._pool._idle)  # type: ignore[attr-defined]


def test_a_transport_that_is_dropped_leaves_no_socket_open(laboratory: Laboratory) -> None:
    """A warning about one would be an error here."""
    transport = HttpTransport(endpoint_url=laboratory.url)
    send(transport)

    del transport
    gc.collect()
    laboratory.settle(idle_too=True)


def test_large_payloads_in_both_directions(laboratory: Laboratory, transport: HttpTransport) -> None:
    """Over a real socket, byte for byte."""

    def echo(connection: Connection) -> None:
        body = connection.read_request().body
        connection.send(http_response("200 OK", body, {"X-Amz-Executed-Version": "1"}))

    laboratory.play(Fault("echo", echo))

    assert [LARGE.payload] * 2 == [send(transport, LARGE).payload for _ in range(2)]
    assert 1 == laboratory.connections


def test_large_payloads_in_both_directions_under_tls(tls_laboratory: Laboratory) -> None:
    """The same under TLS."""
    transport = HttpTransport(endpoint_url=tls_laboratory.url)
    test_large_payloads_in_both_directions(tls_laboratory, transport)
    transport.close()


def test_a_host_with_many_addresses_is_reached_at_the_one_that_accepts(
    laboratory: Laboratory, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name may have an IPv6 address where nothing listens."""
    resolve = socket.getaddrinfo
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        refusing = resolve("127.0.0.1", bound.getsockname()[1], type=socket.SOCK_STREAM)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: [*refusing, *resolve(*args, **options)])

        assert 200 == send(transport).status


def _until(holds: Any) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)
