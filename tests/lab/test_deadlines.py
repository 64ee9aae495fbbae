"""No call outlives its deadline, for any behavior of the server, and ending one call never affects another."""

from __future__ import annotations

import importlib.util
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import botocore.session
import pytest

from lambdachain import (
    CallError,
    CallTimeoutError,
    Contract,
    DeadlineExceededError,
    Execution,
    LambdaClient,
    RetryPolicy,
    invocation_scope,
)
from lambdachain._transports import socket_options
from tests.support import faults
from tests.support.faults import service_error
from tests.support.growing_timeouts import SHORT, check_with_growing_timeouts
from tests.support.laboratory import EPSILON, Connection, Fault, Laboratory, unreachable

TIMEOUT = 0.4

PLAIN = Contract("billing-charge", request=Any, response=Any)
IDEMPOTENT = Contract("billing-charge", request=Any, response=Any, idempotent=True)


class Context:
    """Lambda's context of an invocation with some remaining time."""

    aws_request_id = "8f5e7a34"

    def __init__(self, left: float) -> None:
        self._end = time.monotonic() + left

    def get_remaining_time_in_millis(self) -> int:
        return int((self._end - time.monotonic()) * 1000)


def _failure(call: Callable[[], object]) -> tuple[CallError, float]:
    began = time.monotonic()
    with pytest.raises(CallError) as caught:
        call()
    return caught.value, time.monotonic() - began


ENDLESS = (faults.SILENT, faults.TRICKLED_HEADERS, *faults.ENDLESS_BODIES)


@pytest.mark.parametrize("fault", ENDLESS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("contract", [PLAIN, IDEMPOTENT], ids=["once", "idempotent"])
def test_endless_response(laboratory: Laboratory, client: LambdaClient, fault: Fault, contract: Any) -> None:
    """A response that trickles in or never comes ends the call at its timeout."""
    laboratory.play(fault)

    def check(timeout: float) -> None:
        error, took = _failure(lambda: client.call(contract, 1, timeout=timeout))

        assert isinstance(error, CallTimeoutError)
        assert took < timeout + EPSILON

    check_with_growing_timeouts(check)


@pytest.mark.parametrize("fault", [*ENDLESS, faults.SILENT_HANDSHAKE], ids=lambda fault: fault.name)
def test_endless_response_over_tls(tls_laboratory: Laboratory, tls_client: LambdaClient, fault: Fault) -> None:
    """The same over TLS, in the handshake or after it."""
    tls_laboratory.play(fault)

    def check(timeout: float) -> None:
        error, took = _failure(lambda: tls_client.call(PLAIN, 1, timeout=timeout))

        assert (DeadlineExceededError if fault.below_tls else CallTimeoutError) is type(error)
        assert took < timeout + EPSILON

    check_with_growing_timeouts(check)


def test_trickled_handshake(tls_laboratory: Laboratory, tls_client: LambdaClient) -> None:
    """A handshake that trickles in byte by byte ends at the deadline, and nothing was sent."""

    def greet_slowly(connection: Connection) -> None:
        connection.read(40)
        connection.trickle(b"\x16\x03\x03\x20\x00" + b"\x02\x00\x1f\xfc" + b"a" * 3000)

    tls_laboratory.play(Fault("trickled handshake", greet_slowly, below_tls=True))

    error, took = _failure(lambda: tls_client.call(PLAIN, 1, timeout=TIMEOUT))

    assert Execution.NOT_EXECUTED is error.execution
    assert took < TIMEOUT + EPSILON


def test_request_that_the_server_does_not_read(laboratory: Laboratory, client: LambdaClient) -> None:
    """A large request that the server stops reading ends at the deadline, and may have run."""
    has_arrived, call_has_ended = threading.Event(), threading.Event()

    def stall(connection: Connection) -> None:
        connection.read(1000)
        has_arrived.set()
        call_has_ended.wait(60)
        connection.close()

    # On a busy machine, connecting may take the whole timeout: then nothing was sent, and that is another test's.
    timeout = SHORT / 2
    while not has_arrived.is_set():
        timeout *= 2
        call_has_ended.clear()
        laboratory.play(Fault("stalled request", stall))
        try:
            error, took = _failure(partial(client.call, PLAIN, "x" * 6_000_000, timeout=timeout))
        finally:
            call_has_ended.set()
        assert took < timeout + EPSILON

    assert Execution.UNKNOWN is error.execution
    assert 0 == laboratory.executions


def test_unreachable_endpoint(connect: Callable[[str], LambdaClient]) -> None:
    """Lost packets do not delay the timeout of a call."""
    with unreachable() as url, connect(url) as client:
        error, took = _failure(lambda: client.call(PLAIN, 1, timeout=TIMEOUT))

    assert isinstance(error, DeadlineExceededError)
    assert took < TIMEOUT + EPSILON


def _sessions() -> list[Any]:
    """Return the classes that find credentials for a transport."""
    is_awaited = importlib.util.find_spec("aiobotocore") is not None
    awaited = [importlib.import_module("aiobotocore.session").AioSession] if is_awaited else []
    return [botocore.session.Session, *awaited]


def _slow(find: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def find_slowly(session: Any) -> Any:
        time.sleep(0.05)
        return find(session)

    return find_slowly


def test_slow_creation_of_the_client(
    laboratory: Laboratory, connect: Callable[[str], LambdaClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call finds credentials: that counts against its timeout, and nothing is sent after it."""
    laboratory.play(faults.SUCCESS)
    for session in _sessions():
        monkeypatch.setattr(session, "get_credentials", _slow(session.get_credentials))
    with connect(laboratory.url) as cold:
        error, _ = _failure(lambda: cold.call(PLAIN, 1, timeout=0.03))

    assert isinstance(error, DeadlineExceededError)
    laboratory.settle()
    assert 0 == laboratory.received


def test_endpoint_with_many_unreachable_addresses(
    connect: Callable[[str], LambdaClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name with several addresses, as Lambda's endpoints have, gets no more time than one with a single address."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: resolve(*args, **options) * 5)

    with unreachable() as url, connect(url) as client:
        error, took = _failure(lambda: client.call(PLAIN, 1, timeout=TIMEOUT))

    assert isinstance(error, DeadlineExceededError)
    assert took < TIMEOUT + EPSILON


@pytest.mark.parametrize("way", ["call", "fire"])
def test_inherited_deadline(laboratory: Laboratory, client: LambdaClient, way: str) -> None:
    """A function with 1 s left waits no longer than that for another, less what it needs to respond itself."""
    laboratory.play(faults.SILENT)

    with invocation_scope(Context(1.0)):
        error, took = _failure(lambda: getattr(client, way)(PLAIN, 1, timeout=60))

    assert isinstance(error, CallTimeoutError)
    assert 0.5 < took < 1.0 + EPSILON


def test_inherited_deadline_bounds_retries(laboratory: Laboratory, client: LambdaClient) -> None:
    """All attempts share the remaining time of the invocation; it may end between two attempts or during one."""
    policy = RetryPolicy(max_attempts=1000, initial_delay=0.005, max_delay=0.1, jitter="none", budget=None)

    def check(left: float) -> None:
        laboratory.play(service_error("TooManyRequestsException", 429))
        with invocation_scope(Context(left)):
            error, took = _failure(lambda: client.call(PLAIN, 1, retry=policy))

        assert isinstance(error, DeadlineExceededError | CallTimeoutError)
        assert took < left + EPSILON
        assert 1 < len(error.attempts) < 100

    check_with_growing_timeouts(check)


def test_no_time_left_at_all(laboratory: Laboratory, client: LambdaClient) -> None:
    """A function without remaining time sends nothing."""
    laboratory.play(faults.SUCCESS)

    with invocation_scope(Context(0.1)), pytest.raises(DeadlineExceededError):
        client.call(PLAIN, 1)

    assert 0 == laboratory.received


def test_each_attempt_sends_the_remaining_time(laboratory: Laboratory, client: LambdaClient) -> None:
    """The callee learns how long its caller still waits; it decreases."""
    laboratory.play(service_error("TooManyRequestsException", 429), faults.SUCCESS)
    policy = RetryPolicy(initial_delay=0.002, jitter="none", budget=None)

    client.call(PLAIN, 1, timeout=30, retry=policy)

    first, second = (int(request.metadata["lc-budget-ms"]) for request in laboratory.requests)
    assert 30_000 >= first > second > 0


def test_connection_closed_while_idle(laboratory: Laboratory, client: LambdaClient) -> None:
    """A pooled connection that the server has closed is replaced before a request is sent on it."""
    laboratory.play(faults.SUCCESS)
    client.call(PLAIN, 1)
    laboratory.drop_idle()

    result = client.invoke(PLAIN, 1)

    assert 1 == len(result.attempts)
    assert (2, 2) == (laboratory.executions, laboratory.connections)


def _succeed_and_go_deaf(connection: Connection) -> None:
    faults.succeed(connection)
    connection.hang()


def test_connection_that_the_network_forgot(
    laboratory: Laboratory, client: LambdaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that was idle for too long is not used: nothing is sent on it."""
    laboratory.play(Fault("deaf afterwards", _succeed_and_go_deaf, runs=True), faults.SUCCESS)
    client.call(PLAIN, 1)
    monkeypatch.setattr(socket_options, "MAX_IDLE", 0.02)
    time.sleep(0.05)

    result = client.invoke(PLAIN, 1, timeout=10)

    assert 1 == len(result.attempts)
    assert (2, 2) == (laboratory.executions, laboratory.connections)


def test_connection_is_kept_while_young(laboratory: Laboratory, client: LambdaClient) -> None:
    """A connection that was used recently is reused."""
    laboratory.play(faults.SUCCESS)

    for _ in range(5):
        client.call(PLAIN, 1)

    assert (5, 1) == (laboratory.executions, laboratory.connections)


def test_close_that_races_with_the_request(laboratory: Laboratory, client: LambdaClient) -> None:
    """A connection that closes during the request leaves doubt, so nothing runs a second time."""
    laboratory.play(faults.SUCCESS, faults.CONNECTION_FAULTS[0], faults.SUCCESS)
    client.call(PLAIN, 1)

    error, _ = _failure(lambda: client.call(PLAIN, 1))

    assert (Execution.UNKNOWN, 1) == (error.execution, len(error.attempts))
    assert 1 == laboratory.executions


def _delay_from_payload(laboratory: Laboratory) -> Fault:
    """Respond after as many seconds as the payload says."""

    def act(connection: Connection) -> None:
        request = connection.read_request()
        laboratory.closing.wait(float(request.body))
        connection.send(faults.SUCCESSFUL[request.invocation_type])

    return Fault("as asked", act, runs=True)


def test_end_of_one_call_never_affects_another(laboratory: Laboratory, client: LambdaClient) -> None:
    """Calls that end at their deadline share a pool with others, which are not affected."""
    laboratory.play(_delay_from_payload(laboratory))
    failures: list[CallError] = []
    cut_off: list[object] = []

    def patient() -> None:
        for _ in range(60):
            try:
                client.call(PLAIN, 0.001, timeout=30)
            except CallError as exc:
                failures.append(exc)

    def hasty() -> None:
        # The responses come around the deadline: some calls end as their connection goes back to the pool.
        for turn in range(40):
            try:
                client.call(PLAIN, 0.01 + turn % 8 * 0.001, timeout=0.015)
            except CallError as exc:
                cut_off.append(exc)

    threads = [threading.Thread(target=run) for run in (patient, hasty) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [] == failures
    assert cut_off
