"""A prepared call: its deadline, its metadata, and what is refused before anything is sent."""

from __future__ import annotations

import base64
import json
import math
import uuid
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdachain import (
    CallError,
    Contract,
    CurrentInvocation,
    DeadlineExceededError,
    Execution,
    InvalidRequestError,
    Invocation,
    InvocationType,
    LambdaClient,
    Outcome,
    RecursiveInvocationError,
    RequestTooLargeError,
    RetryPolicy,
    invocation_scope,
)
from lambdachain._calling.compiled_call import compile_call
from lambdachain._calling.prepared_call import DEPTH_LIMIT, Moment, PreparedCall, prepare
from lambdachain._calling.target import locate

NOW = Moment(monotonic=500.0, epoch=1_800_000_000.0)
CALL, FIRE, CHECK = InvocationType.REQUEST_RESPONSE, InvocationType.EVENT, InvocationType.DRY_RUN
TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": "tenant=acme"}


def _prepare(
    kind: InvocationType = CALL,
    *,
    within: CurrentInvocation | None = None,
    contract: Contract[Any, Any] | None = None,
    payload: object = None,
    **options: Any,
) -> PreparedCall:
    target = locate(contract or Contract("orders", request=Any, response=Any))
    return prepare(compile_call(target, kind, options), payload, within=within, now=NOW)


def _get_sent_metadata(call: PreparedCall, attempt: int = 1, left: float | None = None) -> dict[str, str]:
    encoded = call.invocation_for_attempt(attempt, left).client_context
    assert encoded is not None
    custom: dict[str, str] = json.loads(base64.b64decode(encoded))["custom"]
    return custom


def _within(**facts: Any) -> CurrentInvocation:
    return CurrentInvocation(**{"request_id": "r-0", "correlation_id": "c-0", **facts})


@pytest.mark.parametrize(
    ("timeout", "ends", "deadline"),
    [
        (None, None, None),
        (3, None, 503.0),
        (None, 502.0, 502.0),
        (3, 502.0, 502.0),
        (1, 502.0, 501.0),
        (timedelta(milliseconds=250), 502.0, 500.25),
    ],
)
def test_the_deadline_is_the_earliest_of_all(timeout: Any, ends: float | None, deadline: float | None):
    """The call's own timeout, and the end of the invocation it is made in."""
    assert deadline == _prepare(within=_within(deadline=ends), timeout=timeout).deadline


@given(st.none() | st.floats(0.001, 1e5), st.none() | st.floats(0, 1000))
def test_no_call_outlives_the_invocation_it_is_made_in(timeout: float | None, ends: float | None):
    """With any timeout of its own."""
    deadline = _prepare(within=_within(deadline=ends), timeout=timeout).deadline

    assert (deadline is None) == (timeout is None and ends is None)
    assert ends is None or (deadline is not None and deadline <= ends)
    assert timeout is None or (deadline is not None and deadline <= 500.0 + timeout)


@pytest.mark.parametrize("timeout", [math.inf, 1e300, timedelta.max, 10**12])
def test_a_timeout_without_end_is_a_long_one(timeout: Any):
    """Longer than any call can take, and a number that every clock takes."""
    call = _prepare(timeout=timeout)

    assert 86_400 < (call.time_left(NOW.monotonic) or 0) < 1e8
    assert int(_get_sent_metadata(call, left=call.time_left(NOW.monotonic))["lc-budget-ms"]) > 0


def test_a_timeout_that_is_over_is_refused():
    """Before anything else is done."""
    with pytest.raises(DeadlineExceededError, match="the timeout is 0 s") as late:
        _prepare(timeout=0)

    assert Execution.NOT_EXECUTED is late.value.execution


def test_the_first_call_begins_a_chain():
    """Outside any invocation: a correlation id of its own, depth 1."""
    one, other = _get_sent_metadata(_prepare()), _get_sent_metadata(_prepare())

    assert "1" == one["lc-depth"]
    assert str(uuid.UUID(one["lc-id"])) == one["lc-id"] != other["lc-id"]


def test_a_call_within_an_invocation_continues_its_chain():
    """The same correlation id, one deeper, the same trace."""
    metadata = _get_sent_metadata(_prepare(within=_within(depth=4, trace=TRACE)))

    assert ("c-0", "5") == (metadata["lc-id"], metadata["lc-depth"])
    assert TRACE == {name: metadata[name] for name in TRACE}


def test_a_key_is_the_calls_own():
    """The key of the invocation that makes the call names another thing, and goes no further."""
    within = _within(idempotency_key="mine")

    assert "lc-idem" not in _get_sent_metadata(_prepare(within=within))
    assert "theirs" == _get_sent_metadata(_prepare(within=within, idempotency_key="theirs"))["lc-idem"]


def test_each_attempt_has_its_own_budget():
    """A relative number, in milliseconds from when it is sent; the point in time stays."""
    call = _prepare(timeout=3, idempotency_key="k")
    first, second = _get_sent_metadata(call, 1, 3.0), _get_sent_metadata(call, 2, 1.2345)

    assert ("3000", "1", "1234", "2") == (
        first["lc-budget-ms"],
        first["lc-attempt"],
        second["lc-budget-ms"],
        second["lc-attempt"],
    )
    assert "1800000003000" == first["lc-deadline-ms"] == second["lc-deadline-ms"]
    assert first["lc-id"] == second["lc-id"]


def test_without_a_deadline_the_metadata_has_none():
    """The callee has its own."""
    assert not {"lc-budget-ms", "lc-deadline-ms"} & _get_sent_metadata(_prepare()).keys()


@pytest.mark.parametrize("kind", [CALL, FIRE, CHECK])
def test_a_chain_that_is_too_long_ends_here(kind: InvocationType):
    """Before Lambda's own loop detection stops it, and with the id to look for in the logs."""
    with pytest.raises(
        RecursiveInvocationError, match=r"this would be call 13 of a chain \(correlation id c-0\), and 12 are allowed"
    ) as stopped:
        _prepare(kind, within=_within(depth=DEPTH_LIMIT))

    assert (Execution.NOT_EXECUTED, False, "orders", ()) == (
        stopped.value.execution,
        stopped.value.retryable,
        stopped.value.function,
        stopped.value.attempts,
    )


def test_the_last_call_of_a_chain_is_sent():
    """The limit counts calls; it is below the 16 or so at which Lambda stops a chain."""
    assert DEPTH_LIMIT < 16
    assert str(DEPTH_LIMIT) == _get_sent_metadata(_prepare(within=_within(depth=DEPTH_LIMIT - 1)))["lc-depth"]


def test_nothing_of_it_is_in_the_payload():
    """A callee that does not know lambdachain gets what it always got."""
    call = _prepare(payload={"id": 1}, idempotency_key="k", timeout=3)

    assert b'{"id":1}' == call.invocation.payload == call.invocation_for_attempt(1, 3.0).payload
    assert call.invocation.client_context is None


@pytest.mark.parametrize("kind", [FIRE, CHECK])
def test_events_and_checks_have_no_client_context(kind: InvocationType):
    """Lambda would drop it."""
    assert _prepare(kind, timeout=3).invocation_for_attempt(1, 3.0).client_context is None


def test_a_users_client_context_is_sent_with_the_metadata():
    """Under their own names, and over ours."""
    metadata = _get_sent_metadata(_prepare(client_context={"shop": "berlin", "lc-id": "mine"}))

    assert ("berlin", "mine", "1") == (metadata["shop"], metadata["lc-id"], metadata["lc-depth"])


@pytest.mark.parametrize("key", ["", "k" * 256, 7, b"k", ["k"], True])
def test_a_key_is_a_text_of_some_length(key: Any):
    """One to 255 characters."""
    with pytest.raises(InvalidRequestError, match="idempotency_key must be text of 1 to 255 characters") as refused:
        _prepare(idempotency_key=key)

    assert "k" * 256 not in str(refused.value)


@pytest.mark.parametrize("key", ["k", "k" * 255, "order/17 ü☃"])
def test_any_text_is_a_key(key: str):
    """It comes as it went."""
    assert key == _get_sent_metadata(_prepare(idempotency_key=key))["lc-idem"]


def test_a_key_that_cannot_reach_the_callee_is_refused():
    """An event has no ClientContext: the key would allow retries that the callee could not recognize."""
    with pytest.raises(
        InvalidRequestError, match=r"declare Contract\(\.\.\., envelope=True\), or put it into the payload"
    ):
        _prepare(FIRE, idempotency_key="k")


def test_a_key_travels_in_the_envelope_of_an_event():
    """Where the contract has one."""
    contract = Contract("orders", request=Any, response=Any, envelope=True)
    call = _prepare(FIRE, contract=contract, payload=7, idempotency_key="k")

    assert call.compiled.repeatable
    assert ("k", 7) == (
        json.loads(call.invocation.payload)["__lambdachain__"]["lc-idem"],
        json.loads(call.invocation.payload)["data"],
    )


def test_a_permission_check_takes_no_notice_of_a_key():
    """It runs nothing; a bound function may have one for its calls."""
    assert not _prepare(CHECK, idempotency_key="k").compiled.repeatable


def test_an_envelope_counts_for_the_size_of_an_event():
    """1 MiB is what Lambda takes, envelope included."""
    contract = Contract("orders", request=Any, response=Any, envelope=True)
    text = "x" * (1024 * 1024 - 10)
    with pytest.raises(RequestTooLargeError, match="the payload is 1,04"):
        _prepare(FIRE, contract=contract, payload=text)

    assert _prepare(FIRE, payload=text).invocation.payload


@pytest.mark.parametrize(
    ("contract", "options", "repeatable"),
    [
        ({}, {}, False),
        ({"idempotent": True}, {}, True),
        ({}, {"idempotency_key": "k"}, True),
        ({}, {"durable_name": "n"}, True),
    ],
    ids=["neither", "contract", "key", "durable name"],
)
def test_what_makes_a_call_repeatable(contract: dict[str, Any], options: dict[str, Any], repeatable: bool):
    """By its contract, or by a key or name with which a repetition is recognized."""
    call = _prepare(contract=Contract("orders", request=Any, response=Any, **contract), **options)

    assert (repeatable, repeatable) == (call.compiled.repeatable, call.semantics.idempotent)


def test_a_named_execution_is_not_bounded_by_one_caller():
    """It goes on when its first caller stops waiting: another one may take its result by the name."""
    for options, names in (({}, {"lc-budget-ms", "lc-deadline-ms"}), ({"durable_name": "order-17"}, set())):
        call = _prepare(timeout=3, **options)

        assert call.deadline == 503.0
        assert {name for name in _get_sent_metadata(call, left=3.0) if name.endswith("-ms")} == names


def test_a_durable_name_is_lambdas_own():
    """It goes out as ``DurableExecutionName``, not in our metadata."""
    call = _prepare(durable_name="order-17")

    assert "order-17" == call.invocation.durable_name
    assert "order-17" not in _get_sent_metadata(call).values()


def test_the_policy_of_a_call():
    """Its own, or the default."""
    assert RetryPolicy() == _prepare().compiled.policy == _prepare(retry=None).compiled.policy
    assert RetryPolicy.never() == _prepare(retry=RetryPolicy.never()).compiled.policy


class Recorder:
    """A transport that records invocations."""

    def __init__(self, *statuses: int) -> None:
        self.sent: list[tuple[Invocation, float | None]] = []
        self._statuses = list(statuses)

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Answer with the next status, or as Lambda does to a success."""
        self.sent.append((invocation, timeout))
        if self._statuses:
            return Outcome(self._statuses.pop(0))
        status = {CALL: 200, FIRE: 202, CHECK: 204}[invocation.invocation_type]
        return Outcome(status, b"null", executed_version="1")

    def close(self) -> None:
        """No-op."""


def _context(milliseconds: int, **custom: str) -> SimpleNamespace:
    return SimpleNamespace(
        aws_request_id="r-0",
        client_context=SimpleNamespace(custom=custom),
        get_remaining_time_in_millis=lambda: milliseconds,
    )


@pytest.mark.parametrize("verb", ["call", "fire", "can_invoke"])
def test_a_client_keeps_a_margin_of_the_invocations_time(verb: str):
    """Of 3 s that are left, the call may take 2.8 at most."""
    recorder = Recorder()
    arguments = () if verb == "can_invoke" else (1,)
    with invocation_scope(_context(3000)):
        getattr(LambdaClient(recorder, timeout=60), verb)("orders", *arguments)
    ((_, timeout),) = recorder.sent

    assert timeout is not None
    assert 2.0 < timeout <= 2.8


def test_a_client_waits_no_longer_than_its_callers_caller():
    """The time that it still waits limits every call made for it."""
    recorder = Recorder()
    with invocation_scope(_context(60_000, **{"lc-v": "1", "lc-budget-ms": "1500"})):
        LambdaClient(recorder).call("orders", 1)
    ((_, timeout),) = recorder.sent

    assert timeout is not None
    assert 1.0 < timeout <= 1.5


def test_an_invocation_without_time_sends_nothing():
    """The margin is for the function itself."""
    recorder = Recorder()
    with invocation_scope(_context(150)), pytest.raises(DeadlineExceededError):
        LambdaClient(recorder).call("orders", 1)

    assert [] == recorder.sent


def test_no_pause_outlasts_the_invocation():
    """A function with little time left gets the throttle immediately, and can still report it."""
    recorder = Recorder(429, 429, 429)
    policy = RetryPolicy(initial_delay=100.0, max_delay=3600.0, jitter="none", budget=None)
    with invocation_scope(_context(30_000)), pytest.raises(DeadlineExceededError) as late:
        LambdaClient(recorder, retry=policy).call("orders", 1)

    assert 1 == len(recorder.sent) == len(late.value.attempts)


def test_a_prepared_call_shows_nothing_secret():
    """Key, context and payload are not in its repr, and not in an error about them."""
    secret = "canary-4111"
    call = _prepare(
        payload=secret, idempotency_key=secret, client_context={"a": secret}, within=_within(trace={"baggage": secret})
    )

    assert secret not in repr(call)
    assert secret not in repr(call.invocation_for_attempt(1, 1.0))
    with pytest.raises(CallError) as refused:
        _prepare(idempotency_key=secret * 100)
    assert secret not in f"{refused.value} {refused.value!r}"
