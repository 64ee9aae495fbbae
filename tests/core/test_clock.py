"""One clock for deadlines, remaining times and delays: what a test skips has passed for all of them."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from lambdachain import (
    DeadlineExceededError,
    InProcessTransport,
    Invocation,
    LambdaClient,
    Outcome,
    RetryPolicy,
    ThrottledError,
    invocation_scope,
)
from lambdachain._core import clock
from lambdachain.testing import LambdaContext

THROTTLED = Outcome(429, error_code="TooManyRequestsException")
FINE = Outcome(200, b"1", executed_version="$LATEST")


class Scripted:
    """A transport that responds from a list and skips delays."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.pauses: list[float] = []
        self.timeouts: list[float | None] = []

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        self.timeouts.append(timeout)
        return self.outcomes.pop(0)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        clock.skip(seconds)

    def close(self) -> None: ...


def test_skipped_time_has_passed_by_both_clocks():
    """The monotonic one and the date."""
    monotonic, epoch = clock.monotonic(), clock.epoch()
    clock.skip(1000)

    assert clock.monotonic() - monotonic >= 1000
    assert clock.epoch() - epoch >= 1000


def test_a_tests_transport_skips_delays():
    """Two delays of an hour each, and the call measures them."""
    hours = RetryPolicy(initial_delay=3600 / 20, max_delay=7200, jitter="none")
    transport = Scripted(THROTTLED, THROTTLED, FINE)
    result = LambdaClient(transport, retry=hours).invoke("f", {})

    assert transport.pauses == [3600, 7200]
    assert result.duration >= 3600 + 7200


def test_skipped_delays_count_towards_the_timeout():
    """The second attempt has what the delay left; a third would be too late."""
    minute = RetryPolicy(initial_delay=60 / 20, max_delay=60, jitter="none", max_attempts=9)
    transport = Scripted(THROTTLED, THROTTLED, FINE)
    with pytest.raises(DeadlineExceededError) as late:
        LambdaClient(transport, retry=minute).call("f", {}, timeout=100)

    assert isinstance(late.value.__cause__, ThrottledError)
    first, second = transport.timeouts
    assert first is not None
    assert second is not None
    assert 99 < first <= 100
    assert 39 < second <= 40


def test_skipped_time_counts_towards_the_invocations_time():
    """``remaining_time`` in a handler includes what its calls have waited."""
    context = SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: 10_000)
    with invocation_scope(context) as invocation:
        clock.skip(5)
        left = invocation.remaining_time()

    assert left is not None
    assert 4 < left < 5


def test_a_clock_frozen_by_a_test_does_not_end_the_invocation(monkeypatch: pytest.MonkeyPatch):
    """As freezegun does it: the fixture's context was created before, and would seem decades old."""
    context = LambdaContext(timeout=60)
    epoch = clock.epoch()
    monkeypatch.setattr(time, "monotonic", lambda: 1577836800.0)
    monkeypatch.setattr(time, "time", lambda: 1577836800.0)

    assert 50_000 < context.get_remaining_time_in_millis() <= 60_000
    assert 0 <= clock.epoch() - epoch < 60


def test_a_handler_may_freeze_the_clock(monkeypatch: pytest.MonkeyPatch):
    """This uses up neither its own time nor that of the functions it calls."""

    def inner(event: Any, context: Any) -> Any:
        return context.get_remaining_time_in_millis() > 0

    def outer(event: Any, context: Any) -> Any:
        monkeypatch.setattr(time, "monotonic", lambda: 1577836800.0)
        return client.call("inner", event)

    with InProcessTransport({"inner": inner, "outer": outer}, timeout=60) as system:
        client = LambdaClient(system)
        assert client.call("outer", None) is True


def test_delays_are_slept_with_a_real_transport():
    """Real transports have no ``pause``: the delay is slept."""
    plain = Scripted(THROTTLED, FINE)
    waits = SimpleNamespace(send=plain.send, close=plain.close)
    began = time.monotonic()
    LambdaClient(waits, retry=RetryPolicy(initial_delay=0.01, jitter="none")).call("f", {})

    assert plain.pauses == []
    assert time.monotonic() - began >= 0.2  # never less: that is no matter of the machine's speed
