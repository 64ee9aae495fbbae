"""Hedging: a duplicate request is sent for a late call that may run twice, and for no other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from lambdachain import (
    CallTimeoutError,
    Contract,
    DeadlineExceededError,
    Invocation,
    LambdaClient,
    NoAnswerError,
    Outcome,
    Progress,
    RetryPolicy,
    ServiceError,
    Trouble,
)

PATIENCE = 20.0  # guards a hang; no test waits for it
GOOD = Outcome(200, b"1", executed_version="$LATEST", request_id="r-1")
FAILED = Outcome(500, error_code="ServiceException")
LATE = NoAnswerError("no answer in time", progress=Progress.PERHAPS_SENT, trouble=Trouble.TIMEOUT)
HEDGED = RetryPolicy(max_attempts=2, hedge_after=0.02, initial_delay=0.0, budget=None)
plain = Contract("double", request=int, response=int)
idempotent = Contract("double", request=int, response=int, idempotent=True)

Reply = Outcome | NoAnswerError | BaseException


class Line:
    """A transport with functions for replies: each attempt runs the next of them in its own thread."""

    def __init__(self, *replies: Callable[[], Reply]) -> None:
        self.replies = list(replies)
        self.sent: list[Invocation] = []

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Run the next reply."""
        reply = self.replies[len(self.sent)]
        self.sent.append(invocation)
        result = reply()
        if isinstance(result, BaseException):
            raise result
        return result

    def close(self) -> None:
        """No-op."""


class DeferredCall:
    """A reply that comes when it is released."""

    def __init__(self, reply: Reply) -> None:
        self.released = threading.Event()
        self._reply = reply

    def __call__(self) -> Reply:
        assert self.released.wait(PATIENCE)
        return self._reply


def _at_once(reply: Reply) -> Callable[[], Reply]:
    return lambda: reply


def test_a_late_call_is_hedged_and_the_first_success_counts() -> None:
    """The second attempt responds while the first is still in flight."""
    slow = DeferredCall(Outcome(200, b"7", executed_version="1"))
    line = Line(slow, _at_once(GOOD))

    result = LambdaClient(line, retry=HEDGED).invoke(idempotent, 1)
    slow.released.set()

    assert (1, "r-1", 2) == (result.value, result.request_id, len(line.sent))
    assert [(None, 200)] == [(attempt.error, attempt.status) for attempt in result.attempts]


def test_a_prompt_call_is_sent_once() -> None:
    """Hedging costs no request if the response is in time."""
    line = Line(_at_once(GOOD))

    assert 1 == LambdaClient(line, retry=RetryPolicy(hedge_after=PATIENCE)).call(idempotent, 1)
    assert 1 == len(line.sent)


@pytest.mark.parametrize("options", [{"idempotency_key": "k"}, {"durable_name": "n"}])
def test_a_key_allows_hedging_too(options: Any) -> None:
    """By its contract, key or durable name; every attempt has the same key."""
    slow = DeferredCall(GOOD)
    line = Line(slow, _at_once(GOOD))

    assert 1 == LambdaClient(line, retry=HEDGED).call(plain, 1, **options)
    slow.released.set()
    assert 2 == len(line.sent)


@pytest.mark.parametrize("verb", ["call", "fire", "can_invoke"])
def test_what_may_not_run_twice_or_waits_for_nothing_is_not_hedged(verb: str) -> None:
    """A plain contract never; an event and a permission check have no response to wait for."""
    main = threading.get_ident()
    threads: list[int] = []
    statuses = {"call": GOOD, "fire": Outcome(202), "can_invoke": Outcome(204)}

    def noted() -> Reply:
        threads.append(threading.get_ident())
        return statuses[verb]

    client = LambdaClient(Line(noted), retry=HEDGED)
    contract = plain if verb == "call" else idempotent
    getattr(client, verb)(contract, *([] if verb == "can_invoke" else [1]))

    assert [main] == threads


def test_a_failure_waits_for_the_other_attempt_in_flight() -> None:
    """One of two fails; the other one's success is the response, and the failure stays on record."""
    slow = DeferredCall(GOOD)

    def fail_and_release() -> Reply:
        slow.released.set()
        return FAILED

    result = LambdaClient(Line(slow, fail_and_release), retry=HEDGED).invoke(idempotent, 1)

    assert 1 == result.value
    assert [None, "ServiceError"] == sorted((attempt.error for attempt in result.attempts), key=str)


def test_there_are_never_more_attempts_than_the_policy_allows() -> None:
    """Hedges count: with two attempts allowed, a third is not sent, however late the response is."""
    slow = [DeferredCall(FAILED), DeferredCall(FAILED)]
    line = Line(*slow)
    policy = RetryPolicy(max_attempts=2, hedge_after=0.01, initial_delay=0.0, budget=None)
    threading.Timer(0.2, lambda: [each.released.set() for each in slow]).start()

    with pytest.raises(ServiceError) as failed:
        LambdaClient(line, retry=policy).call(idempotent, 1)
    assert 2 == len(line.sent) == len(failed.value.attempts)


def test_time_that_runs_out_leaves_open_what_may_have_run() -> None:
    """No attempt is launched after the deadline, and what is out is waited for."""
    slow = DeferredCall(LATE)
    line = Line(slow)
    threading.Timer(0.3, slow.released.set).start()
    policy = RetryPolicy(hedge_after=0.25, budget=None)

    with pytest.raises((CallTimeoutError, DeadlineExceededError)) as late:
        LambdaClient(line, retry=policy).call(idempotent, 1, timeout=0.2)
    assert isinstance(late.value, CallTimeoutError)
    assert 1 == len(line.sent)


def test_what_a_hook_raises_comes_out_where_the_call_was_made() -> None:
    """Unchanged, from the thread of its attempt; and context variables reach that thread."""
    tenant: ContextVar[str] = ContextVar("tenant")
    tenant.set("acme")
    seen: list[str] = []

    def hook(_invocation: Invocation, _proceed: Callable[[], Outcome]) -> Outcome:
        seen.append(tenant.get())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LambdaClient(Line(), retry=HEDGED, hooks=[hook]).call(idempotent, 1)
    assert ["acme"] == seen


@pytest.mark.parametrize("wrong", [-1, float("nan"), "1", True])
def test_a_wrong_hedge_is_refused(wrong: Any) -> None:
    """Seconds, or None."""
    with pytest.raises(ValueError, match="hedge_after must be 0 or more seconds"):
        RetryPolicy(hedge_after=wrong)
