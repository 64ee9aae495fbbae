"""What interceptors see of the attempts of a call: retries, hedges, and the throttles that a map takes back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from lambdachain import (
    AsyncLambdaClient,
    CallError,
    Contract,
    DeadlineExceededError,
    HttpTransport,
    Invocation,
    LambdaClient,
    NoAnswerError,
    Outcome,
    OutgoingCall,
    Progress,
    RetryPolicy,
    ServiceError,
    ThrottledError,
)
from lambdachain.testing import StubTransport
from tests.interceptors.conftest import Recorder
from tests.support.throttling_server import ThrottlingServer

double = Contract("double", request=int, response=int, idempotent=True)
GOOD = Outcome(200, b"2", executed_version="$LATEST", request_id="r-2")
THROTTLED = Outcome(429, error_code="TooManyRequestsException", request_id="r-1")
FAILED = Outcome(500, error_code="ServiceException", request_id="r-0")


class Line:
    """A transport that returns one reply after the other."""

    def __init__(self, *replies: Outcome | NoAnswerError | threading.Event) -> None:
        self.replies = list(replies)

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        reply = self.replies.pop(0)
        if isinstance(reply, threading.Event):
            reply.wait()
            return GOOD
        if isinstance(reply, NoAnswerError):
            raise reply
        return reply

    def close(self) -> None:
        """No-op."""


def test_each_attempt_has_its_error_and_its_wait():
    """The pause before a retry is the wait of the next attempt, by the clock of a test too."""
    recorder = Recorder()
    client = LambdaClient(retry=RetryPolicy(initial_delay=10.0, jitter="none"), interceptors=[recorder])
    with StubTransport() as stub:
        stub.on(double).throttles(1).raises(ServiceError).returns(2)
        assert client.call(double, 1) == 2
    first, second, third = recorder.calls[0].attempts

    assert [each.number for each in recorder.calls[0].attempts] == [1, 2, 3]
    assert [type(each.error) for each in (first, second, third)] == [ThrottledError, ServiceError, type(None)]
    assert [each.status for each in (first, second, third)] == [429, 500, 200]
    assert first.wait == 0.0
    assert second.wait >= 10.0
    assert first.started_at + 10.0 <= second.started_at <= third.started_at
    assert [each.succeeded for each in (first, second, third)] == [False, False, True]
    assert third.request_id


def test_an_attempt_without_a_response_has_no_request_id():
    """Its error is the public one."""
    recorder = Recorder()
    refused = NoAnswerError("refused", progress=Progress.NOTHING_SENT)
    client = LambdaClient(Line(refused, GOOD), retry=RetryPolicy(initial_delay=0.0), interceptors=[recorder])

    assert client.call(double, 1) == 2
    assert [(type(each.error).__name__, each.request_id) for each in recorder.calls[0].attempts] == [
        ("ConnectError", None),
        ("NoneType", "r-2"),
    ]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["threads", "event loop"])
def test_a_hedge_is_marked_and_the_loser_has_no_duration(asynchronous: bool):
    """It was still in flight when the call ended."""
    recorder, late = Recorder(), threading.Event()
    policy = RetryPolicy(max_attempts=2, hedge_after=0.01)
    line = Line(late, GOOD)
    try:
        if asynchronous:
            client = AsyncLambdaClient(line, retry=policy, interceptors=[recorder])
            assert asyncio.run(client.call(double, 1)) == 2
        else:
            assert LambdaClient(line, retry=policy, interceptors=[recorder]).call(double, 1) == 2
    finally:
        late.set()
    first, second = recorder.calls[0].attempts

    assert (first.hedge, first.duration, first.error, first.succeeded) == (False, None, None, False)
    assert (second.hedge, second.succeeded, second.request_id) == (True, True, "r-2")
    assert second.wait > 0


def test_the_errors_of_attempts_are_those_that_hooks_see():
    """Also the error that a hook raises in place of another."""

    class Refused(CallError):
        """An error of a hook."""

    def refuse(invocation: Invocation, proceed: Callable[[], Outcome]) -> Outcome:
        raise Refused("not now", function=invocation.function)

    recorder = Recorder()
    client = LambdaClient(Line(GOOD), hooks=[refuse], interceptors=[recorder])
    with pytest.raises(Refused) as refused:
        client.call(double, 1)

    assert [each.error for each in recorder.calls[0].attempts] == [refused.value]


RUNS = ["threads", "event loop", "async client", "hooks"]
SHOP: ContextVar[str] = ContextVar("shop", default="unknown")


def run_map(how: str, url: str, recorder: Recorder, hooks: list[Any]) -> list[int]:
    """Run a map of 40 payloads in one of the ways that there are."""
    payloads: Any = range(40)
    retry = RetryPolicy(budget=None)
    settings: dict[str, Any] = {"session": _session(), "endpoint_url": url}
    if how == "async client":
        from lambdachain import AsyncHttpTransport

        async def collect() -> list[int]:
            async with AsyncLambdaClient(
                AsyncHttpTransport(**settings), retry=retry, interceptors=[recorder]
            ) as client:
                return [result async for result in client.map(double, payloads)]

        return asyncio.run(collect())
    transport: Any = HttpTransport(**settings)
    if how == "threads":
        transport = _Subclass(**settings)
    with LambdaClient(transport, retry=retry, interceptors=[recorder], hooks=hooks) as client:
        return [*client.map(double, payloads)]


class _Subclass(HttpTransport):
    """The loop would bypass what a subclass overrides, so its maps run in threads."""


def _session() -> Any:
    import boto3

    return boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")


@pytest.mark.parametrize("how", RUNS)
def test_a_throttle_that_a_map_takes_back_is_an_attempt(how: str):
    """A public error, in the call of its payload, which is entered and left once; hooks see the same."""
    seen: list[BaseException] = []

    def note(invocation: Invocation, proceed: Callable[[], Outcome]) -> Outcome:
        try:
            return proceed()
        except BaseException as error:
            seen.append(error)
            raise

    entered: list[str] = []

    class Contextual(Recorder):
        """Sets a context variable, and resets it, which raises in another context than it was set in."""

        @contextmanager
        def calling(self, call: OutgoingCall) -> Generator[None]:
            entered.append(SHOP.get())
            token = SHOP.set("inside")
            with super().calling(call):
                yield
            SHOP.reset(token)

    recorder = Contextual()
    token = SHOP.set("berlin")
    try:
        with ThrottlingServer(capacity=4, delay=0.01) as server:
            results = run_map(how, server.url, recorder, [note] if how == "hooks" else [])
            throttled = server.throttled
    finally:
        SHOP.reset(token)
    attempts = [each for call in recorder.calls for each in call.attempts]
    errors = [each.error for each in attempts if each.error is not None]

    assert results == [*range(40)]
    assert sorted(call.request for call in recorder.calls) == [*range(40)]
    assert entered == ["berlin"] * 40
    assert len([step for step in recorder.steps if step == "recorder leaves"]) == 40
    assert throttled
    assert {type(error) for error in errors} == {ThrottledError}
    assert len(errors) == throttled
    assert all(isinstance(error, CallError) for error in seen)
    assert how != "hooks" or len(seen) == throttled
    assert all(
        [each.number for each in call.attempts] == [*range(1, len(call.attempts) + 1)] for call in recorder.calls
    )


def test_a_map_that_is_closed_early_leaves_every_call():
    """Also those that were throttled and wait to be sent again: they fail with ``ThrottledError``."""
    recorder = Recorder()
    with ThrottlingServer(capacity=2, delay=0.02) as server:
        transport = _Subclass(session=_session(), endpoint_url=server.url)
        with LambdaClient(transport, retry=RetryPolicy(budget=None), interceptors=[recorder]) as client:
            results = client.map(double, range(1000), max_concurrency=32)
            next(results)
            results.close()

    assert len(recorder.steps) == 2 * len(recorder.calls)
    assert {type(error) for error in recorder.errors} <= {ThrottledError}
    assert server.throttled


def test_a_throttled_payload_whose_time_is_over_fails_inside():
    """Lambda asks to wait longer than the map has left."""
    recorder = Recorder()
    with StubTransport() as stub:
        stub.on(double).throttles(retry_after=15)
        client = LambdaClient(interceptors=[recorder], retry=RetryPolicy(budget=None))
        results = [*client.map(double, range(8), timeout=10, return_exceptions=True)]

    assert {type(result) for result in results} == {DeadlineExceededError}
    assert sorted(map(id, recorder.errors)) == sorted(map(id, results))
    assert [step for step in recorder.steps if "sees" in step] == ["recorder sees DeadlineExceededError"] * 8


class FirstOnly:
    """Returns the first payload once another has been throttled, for longer than any test takes."""

    def __init__(self) -> None:
        self.throttled = threading.Event()

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        if invocation.payload == b"0":
            assert self.throttled.wait(20)
            return Outcome(200, b"0", executed_version="$LATEST")
        self.throttled.set()
        return Outcome(429, error_code="TooManyRequestsException", retry_after=19.0)

    def close(self) -> None:
        """No-op."""


class Replaces(Recorder):
    """Raises another error in place of the first one of a kind."""

    def __init__(self, kind: type[CallError], error: BaseException) -> None:
        super().__init__()
        self.kind, self.error = kind, error

    @contextmanager
    def calling(self, call: OutgoingCall) -> Generator[None]:
        try:
            with super().calling(call):
                yield
        except self.kind:
            raise self.error from None


def test_an_error_in_its_place_ends_the_map():
    """It is not a ``CallError``, so it is not a result."""
    mine = LookupError("mine")
    replaces = Replaces(DeadlineExceededError, mine)
    with StubTransport() as stub:
        stub.on(double).throttles(retry_after=15)
        results = LambdaClient(interceptors=[replaces]).map(double, range(8), timeout=10, return_exceptions=True)
        with pytest.raises(LookupError) as raised:
            list(results)

    assert raised.value is mine
    assert len(replaces.steps) == 2 * len(replaces.calls)


@pytest.mark.parametrize("error", [LookupError("mine"), KeyboardInterrupt()], ids=["Exception", "interrupt"])
def test_an_error_in_place_of_a_dropped_payload(error: BaseException):
    """Nobody asks for its result, so only what must end the program passes."""
    replaces = Replaces(ThrottledError, error)
    results = LambdaClient(FirstOnly(), interceptors=[replaces]).map(double, range(8))
    assert next(results) == 0
    if isinstance(error, Exception):
        results.close()
    else:
        with pytest.raises(KeyboardInterrupt):
            results.close()

    assert len(replaces.steps) == 2 * len(replaces.calls)
    assert [type(each) for each in replaces.errors] == [ThrottledError] * (len(replaces.calls) - 1)
