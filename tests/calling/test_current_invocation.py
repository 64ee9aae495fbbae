"""The invocation that code runs in: read off Lambda's context, bounding calls, seen by threads and tasks."""

from __future__ import annotations

import asyncio
import contextvars
import re
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext as PowertoolsContext
from awslambdaric.lambda_context import LambdaContext
from hypothesis import given
from hypothesis import strategies as st

from lambdachain import CurrentInvocation, current_invocation, invocation_scope, remote
from lambdachain._core.current_invocation import MARGIN, read_invocation
from lambdachain._core.metadata import Metadata

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SENT = {"lc-v": "1", "lc-id": "c-1", "lc-depth": "2", "lc-attempt": "3", "lc-idem": "k-1"}


def _context(remaining: float | None = 10.0, **custom: str) -> SimpleNamespace:
    context = SimpleNamespace(aws_request_id="r-1", client_context=SimpleNamespace(custom=custom))
    if remaining is not None:
        context.get_remaining_time_in_millis = lambda: remaining * 1000
    return context


def _read(context: Any, metadata: Metadata | None = None) -> CurrentInvocation:
    return read_invocation(context, metadata, monotonic=500.0, epoch=1000.0)


def _budget(**ends: int) -> dict[str, str]:
    return {**SENT, **{f"lc-{name}-ms": str(value) for name, value in ends.items()}}


def test_outside_there_is_none():
    """No invocation, no scope."""
    assert current_invocation() is None


def test_inside_it_is_the_one_of_the_scope():
    """It ends with the handler."""
    with invocation_scope(_context(**SENT)) as invocation:
        assert invocation is current_invocation()
        assert ("r-1", "c-1", 2, 3, "k-1") == (
            invocation.request_id,
            invocation.correlation_id,
            invocation.depth,
            invocation.attempt,
            invocation.idempotency_key,
        )

    assert current_invocation() is None


def test_it_is_gone_after_an_exception_too():
    """Which passes unchanged."""
    with pytest.raises(LookupError), invocation_scope(_context()):
        raise LookupError

    assert current_invocation() is None


def test_its_repr_keeps_the_key_to_itself():
    """And the trace."""
    shown = repr(_read(_context(traceparent=TRACEPARENT, **SENT)))

    assert "k-1" not in shown
    assert TRACEPARENT not in shown
    assert "correlation_id='c-1'" in shown


def test_a_plain_invocation_begins_a_chain():
    """Without metadata: the invocation's own id, depth 0, the first attempt, no key."""
    assert CurrentInvocation("r-1", "r-1", deadline=509.8) == _read(_context())


def test_an_invocation_without_anything():
    """A handler called by hand has an id of its own, and nothing bounds it."""
    one, other = _read(None), _read(None)

    assert (None, 0, None, None) == (one.request_id, one.depth, one.deadline, one.remaining_time())
    assert one.correlation_id != other.correlation_id


@pytest.mark.parametrize(
    ("remaining", "sent", "left"),
    [
        (10.0, {}, 9.8),
        (10.0, {"budget": 3000}, 3.0),
        (10.0, {"budget": 60_000}, 9.8),
        (10.0, {"budget": 0}, 0.0),
        (10.0, {"deadline": 1_004_000}, 5.0),
        (10.0, {"deadline": 1_060_000}, 9.8),
        (10.0, {"budget": 3000, "deadline": 1_004_000}, 3.0),
        (10.0, {"budget": 3000, "deadline": 1_001_000}, 2.0),
        (10.0, {"budget": 3000, "deadline": 1_003_000}, 3.0),
        (10.0, {"budget": 3000, "deadline": 1_002_200}, 3.0),
        (None, {"budget": 3000}, 3.0),
        (None, {}, None),
        (0.1, {}, -0.1),
    ],
)
def test_the_deadline_is_the_earliest_that_is_known(remaining: float | None, sent: dict[str, int], left: float | None):
    """Its own time less a margin, what its caller still waits, and until when by that one's clock and a second."""
    deadline = _read(_context(remaining, **_budget(**sent))).deadline

    assert deadline == (None if left is None else pytest.approx(500.0 + left))


@pytest.mark.parametrize("skew", [-0.9, -0.5, 0.0, 0.9])
def test_clocks_that_differ_by_less_than_a_second_take_no_time_away(skew: float):
    """The relative number counts; the absolute one only if it is earlier by more than the clock skew."""
    sent = _budget(budget=3000, deadline=int((1000.0 + skew + 3.0) * 1000))

    assert pytest.approx(503.0) == _read(_context(60.0, **sent)).deadline


def test_a_slow_start_is_seen_by_the_clock():
    """The relative number does not include a cold start of ten seconds, which the caller waits for, too."""
    sent = _budget(budget=3000, deadline=int((1000.0 - 10.0 + 3.0) * 1000))

    assert pytest.approx(494.0) == _read(_context(60.0, **sent)).deadline


@given(st.floats(0, 900), st.none() | st.integers(0, 10**7), st.none() | st.integers(0, 10**7))
def test_nothing_lasts_longer_than_the_functions_own_time(remaining: float, budget: int | None, deadline: int | None):
    """With any metadata of a caller."""
    sent = {name: value for name, value in (("budget", budget), ("deadline", deadline)) if value is not None}
    found = _read(_context(remaining, **_budget(**sent))).deadline

    assert found is not None
    assert found <= 500.0 + remaining - MARGIN + 1e-6


def test_remaining_time_counts_down_and_stops_at_nothing():
    """It is asked of the clock each time."""
    with invocation_scope(_context(10.0)) as invocation:
        first = invocation.remaining_time()
        time.sleep(0.01)
        second = invocation.remaining_time()

    assert first is not None
    assert second is not None
    assert 0 < second < first <= 9.8
    assert 0.0 == CurrentInvocation("r", "c", deadline=time.monotonic() - 5).remaining_time()


def test_a_scope_inside_another():
    """The inner one counts, and then the outer one again."""
    with invocation_scope(_context(10.0, **SENT)) as outer:
        with invocation_scope(_context(5.0, **{**SENT, "lc-id": "c-2"})) as inner:
            assert inner is current_invocation()
            assert "c-2" == inner.correlation_id
        assert outer is current_invocation()


def test_a_scope_of_the_same_context_keeps_what_came_with_the_event():
    """The envelope, or a queue's record, is not in the context; the time that is left may be."""
    sent = Metadata("c-1", 2, idempotency_key="k-1")
    with invocation_scope(_context(10.0), metadata=sent) as outer, invocation_scope(_context(5.0)) as inner:
        assert inner._replace(deadline=0) == outer._replace(deadline=0)
        assert inner.remaining_time() < 5.0

    other = SimpleNamespace(aws_request_id="r-2")
    with invocation_scope(_context(10.0), metadata=sent), invocation_scope(other) as inner:
        assert (inner.correlation_id, inner.depth) == ("r-2", 0)


@pytest.mark.parametrize("inner", [20.0, None])
def test_a_scope_never_outlives_the_one_around_it(inner: float | None):
    """A handler that another one runs in its own process has no more time than that."""
    with invocation_scope(_context(3.0)) as outer, invocation_scope(_context(inner)) as nested:
        assert outer.deadline == nested.deadline


def test_a_scope_of_nothing_changes_nothing():
    """A handler called by hand, from inside another: still the same invocation."""

    @remote("inner")
    def inner(_: Any) -> Any:
        return current_invocation() is outer

    with invocation_scope(_context(3.0, **SENT)) as outer:
        assert inner(1)
        assert outer is current_invocation()


def test_metadata_of_the_event_comes_before_that_of_the_context():
    """Where both are: the envelope was closed by who fired it."""
    sent = Metadata("c-9", 4, idempotency_key="k-9", trace={"baggage": "b"})
    found = _read(_context(**SENT), sent)

    assert ("c-9", 4, "k-9", {"baggage": "b"}) == (
        found.correlation_id,
        found.depth,
        found.idempotency_key,
        found.trace,
    )


def test_a_trace_is_taken_from_custom_whoever_wrote_it():
    """OpenTelemetry's JavaScript instrumentation puts it there too, without any metadata of ours."""
    found = _read(_context(traceparent=TRACEPARENT, tracestate="a=1", other="x"))

    assert {"traceparent": TRACEPARENT, "tracestate": "a=1"} == found.trace


@pytest.mark.parametrize("custom", [None, [], "text", {"lc-v": 1}, {"lc-v": "1", "lc-depth": []}, {1: 2}])
def test_a_foreign_client_context_breaks_nothing(custom: Any):
    """Its ``custom`` may be anything."""
    context = SimpleNamespace(aws_request_id="r-1", client_context=SimpleNamespace(custom=custom))

    assert ("r-1", 0, 1) == (_read(context).correlation_id, _read(context).depth, _read(context).attempt)


@pytest.mark.parametrize("context", [SimpleNamespace(), object(), SimpleNamespace(client_context=None), {}])
def test_a_context_may_lack_everything(context: Any):
    """As tests' contexts do."""
    assert (None, 0, None) == (_read(context).request_id, _read(context).depth, _read(context).deadline)


def _runtime_context(client_context: dict[str, Any] | None, seconds: float = 30.0) -> Any:
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:f"
    return LambdaContext("r-2", client_context, None, int((time.time() + seconds) * 1000), arn)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("make", [Mock, MagicMock, lambda: Mock(spec=LambdaContext)])
def test_a_mock_is_a_context_without_metadata(make: Callable[[], Any]):
    """Every attribute of it is another mock: no time, no id, and no metadata for a callee."""
    current = _read(make())

    assert (current.request_id, current.deadline, current.trace) == (None, None, {})
    assert re.fullmatch("[0-9a-f-]{32,36}", current.correlation_id)


def test_a_context_of_the_real_runtime_client():
    """``awslambdaric`` makes it of the header."""
    with invocation_scope(_runtime_context({"custom": {**SENT, "lc-budget-ms": "2000"}})) as found:
        left = found.remaining_time()

    assert ("r-2", "c-1", 2, 3, "k-1") == (
        found.request_id,
        found.correlation_id,
        found.depth,
        found.attempt,
        found.idempotency_key,
    )
    assert left is not None
    assert 1.5 < left <= 2.0


@pytest.mark.parametrize("client_context", [None, {}, {"custom": None}, {"client": None, "env": {}}])
def test_a_context_of_the_real_runtime_client_without_metadata(client_context: dict[str, Any] | None):
    """It is not that of a mobile SDK."""
    found = _read(_runtime_context(client_context))

    assert ("r-2", 0, {}) == (found.correlation_id, found.depth, found.trace)


def test_the_runtimes_own_trace_comes_first():
    """AWS hands W3C trace context over in a place of its own, ``context.w3c()``."""
    client_context = {"w3c": {"traceparent": TRACEPARENT, "other": "x"}, "custom": {**SENT, "traceparent": "00-old"}}

    assert {"traceparent": TRACEPARENT} == _read(_runtime_context(client_context)).trace


def test_a_context_of_powertools():
    """Its class for tests and annotations."""
    context = PowertoolsContext()
    context._aws_request_id = "r-3"
    context._client_context = SimpleNamespace(custom=SENT)  # type: ignore[assignment]
    context.get_remaining_time_in_millis = lambda: 4000  # type: ignore[method-assign]
    found = _read(context)

    assert ("r-3", "c-1", "k-1", 503.8) == (
        found.request_id,
        found.correlation_id,
        found.idempotency_key,
        pytest.approx(found.deadline),
    )


def test_a_bare_context_of_powertools():
    """One without a request id or client context, as it is when made for a test."""
    context = PowertoolsContext()

    assert 0 == _read(context).depth


def _seen() -> Any:
    now = current_invocation()
    return now and now.correlation_id


def test_a_thread_sees_the_scope_whose_context_it_was_given():
    """A bare thread starts with none; ``copy_context`` takes it along."""
    found: list[Any] = []

    def note(run: Callable[..., Any]) -> None:
        thread = threading.Thread(target=run, args=(lambda: found.append(_seen()),))
        thread.start()
        thread.join()

    with invocation_scope(_context(**SENT)):
        note(contextvars.copy_context().run)
    note(contextvars.Context().run)

    assert ["c-1", None] == found


def test_threads_have_scopes_of_their_own():
    """Side by side, none sees another's."""
    inside = threading.Barrier(4)
    found: dict[str, Any] = {}

    def work(name: str) -> None:
        with invocation_scope(_context(**{**SENT, "lc-id": name})):
            inside.wait()
            found[name] = _seen()
            inside.wait()
        found[f"{name} after"] = _seen()

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {**{name: name for name in "abcd"}, **{f"{name} after": None for name in "abcd"}} == found


def test_tasks_inherit_a_scope_and_keep_their_own():
    """As contextvars do."""

    async def work(name: str) -> tuple[Any, Any]:
        before = _seen()
        with invocation_scope(_context(**{**SENT, "lc-id": name})):
            await asyncio.sleep(0)
            return before, _seen()

    async def main() -> list[tuple[Any, Any]]:
        with invocation_scope(_context(**SENT)):
            return list(await asyncio.gather(*(work(name) for name in "ab"), asyncio.to_thread(lambda: (_seen(), 0))))

    assert [("c-1", "a"), ("c-1", "b"), ("c-1", 0)] == asyncio.run(main())


def test_a_handler_sets_the_scope():
    """Of its context, for as long as it runs."""

    @remote("scoped")
    def handler(_: Any) -> Any:
        return _seen()

    assert "c-1" == handler(1, _runtime_context({"custom": SENT}))
    assert _seen() is None


def test_a_handler_run_here_is_bounded_by_the_context_it_is_given():
    """As on Lambda; without a context nothing is current, and inside an invocation it stays that one."""

    @remote("scoped")
    def handler(_: Any, context: Any) -> Any:
        current = current_invocation()
        return current and (current.request_id, current.remaining_time())

    request_id, left = handler.local(1, _context(2.0))
    assert request_id == "r-1"
    assert 0 < left <= 2.0 - MARGIN
    assert handler.local(1) is None
    with invocation_scope(SimpleNamespace(aws_request_id="r-0")):
        assert handler.local(1, _context(2.0)) == ("r-0", None)


def test_a_coroutine_handler_sets_the_scope():
    """And the tasks it starts see it."""

    @remote("scoped")
    async def handler(_: Any) -> Any:
        await asyncio.sleep(0)
        return [_seen(), *await asyncio.gather(asyncio.to_thread(_seen))]

    assert ["c-1", "c-1"] == handler(1, _runtime_context({"custom": SENT}))
    assert _seen() is None


def test_the_context_of_a_durable_function_has_lambdas_own():
    """Under ``lambda_context``; without one, as in a test of the durable function, there is no limit."""
    with invocation_scope(SimpleNamespace(lambda_context=_context(10.0, **SENT))) as invocation:
        assert invocation.correlation_id == SENT["lc-id"]
        assert 9.0 < (invocation.remaining_time() or 0.0) < 10.0
    with invocation_scope(SimpleNamespace(lambda_context=None)) as invocation:
        assert invocation.remaining_time() is None


def test_an_asgi_scope_has_lambdas_context():
    """Where Mangum puts it; the scope of another server has none."""
    with invocation_scope({"type": "http", "aws.event": {}, "aws.context": _context(10.0, **SENT)}) as invocation:
        assert invocation.correlation_id == SENT["lc-id"]
        assert 9.0 < (invocation.remaining_time() or 0.0) < 10.0
    with invocation_scope({"type": "http"}) as invocation:
        assert invocation.remaining_time() is None


def test_the_metadata_of_the_callers_interceptors():
    """With the trace among it; what no client of ours sends is ignored."""
    sent = {**SENT, "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    with invocation_scope(_context(**sent, **{"lc-metadata": '{"tenant":"acme"}'})) as invocation:
        assert invocation.metadata == {"tenant": "acme", "traceparent": sent["traceparent"]}
        assert "acme" not in repr(invocation.metadata)
    for invalid in ("[]", "{", '{"a":5}', '{"a":"two\\nlines"}', '{"a":"' + "x" * 3000 + '"}', "null", "[" * 2000):
        with invocation_scope(_context(**SENT, **{"lc-metadata": invalid})) as invocation:
            assert invocation.metadata == {}
            assert invocation.correlation_id == SENT["lc-id"]
