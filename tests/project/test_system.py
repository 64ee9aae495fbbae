"""Functions that call functions, each in processes of the real runtime client: deadlines, metadata, no retry storms."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

import lambdachain
from lambdachain import (
    BotoTransport,
    ConnectError,
    Contract,
    DeadlineExceededError,
    FunctionError,
    Invocation,
    LambdaClient,
    Outcome,
    RetryPolicy,
    ThrottledError,
)
from lambdachain.local import LocalEndpoint, LocalFunction
from tests.support.faults import bare_status
from tests.support.laboratory import Laboratory

SOURCE = Path(lambdachain.__file__).parent.parent

APP = """
import os
import time
from pathlib import Path
from typing import Any

from lambdachain import CallError, Contract, LambdaClient, RecursiveInvocationError, RetryPolicy
from lambdachain import current_invocation, invocation_scope, remote

client = LambdaClient(retry=RetryPolicy(initial_delay=0.01, max_delay=0.1))


def note(line: str) -> None:
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(f"{line}\\n")


def contract(name: str) -> Contract[Any, Any]:
    return Contract(name, request=Any, response=Any, idempotent=True)


def failure(error: CallError) -> dict[str, Any]:
    return {
        "error": type(error).__name__,
        "execution": str(error.execution),
        "attempts": [attempt.error for attempt in error.attempts],
    }


@remote("callee")
def callee(_: Any) -> Any:
    now = current_invocation()
    return {
        "request_id": now.request_id,
        "correlation_id": now.correlation_id,
        "depth": now.depth,
        "attempt": now.attempt,
        "key": now.idempotency_key,
        "remaining": now.remaining_time(),
        "trace": dict(now.trace),
    }


@remote("parent")
def parent(_: Any) -> Any:
    return {"parent": callee.local(None), "callee": client.call("callee", None, timeout=60)}


@remote("slow")
def slow(_: Any) -> Any:
    note("slow")
    time.sleep(4)


@remote("impatient")
def impatient(_: Any) -> Any:
    started = time.monotonic()
    try:
        client.call(contract("slow"), None, timeout=60)
    except CallError as error:
        return {**failure(error), "waited": time.monotonic() - started}


def impatient_without_remote(event, context):
    started = time.monotonic()
    with invocation_scope(context):
        try:
            client.call("slow", None)
        except CallError as error:
            return {**failure(error), "waited": time.monotonic() - started}


@remote("first")
def first(leaf: str) -> Any:
    note("first")
    return client.call(contract("second"), leaf)


@remote("second")
def second(leaf: str) -> Any:
    note("second")
    try:
        return client.call(contract(leaf), None)
    except CallError as error:
        note(f"second: {type(error).__name__} after {len(error.attempts)}")
        raise


@remote("leaf")
def leaf(_: Any) -> Any:
    note("leaf")
    raise RuntimeError("the leaf fails")


@remote("crashing")
def crashing(_: Any) -> Any:
    note("leaf")
    os._exit(3)


@remote("ouroboros")
def ouroboros(_: Any) -> Any:
    note(f"depth {current_invocation().depth}")
    try:
        return client.call("ouroboros", None)
    except RecursiveInvocationError as error:
        note(str(error))
        return "stopped"
"""

STRANGER = """
def handler(event, context):
    custom = context.client_context.custom if context.client_context else None
    return {"event": event, "custom": custom}


def heedless(event, context):
    return event
"""


@pytest.fixture(scope="module")
def broken() -> Iterator[Laboratory]:
    """Serve a Lambda that responds to every request with status 500."""
    with Laboratory() as laboratory:
        laboratory.play(bare_status(500, runs=True))
        yield laboratory


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file in which functions record that they ran."""
    return tmp_path_factory.mktemp("notes") / "notes.txt"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory, notes: Path, broken: Laboratory) -> Iterator[LocalEndpoint]:
    """Serve all functions."""
    directory = tmp_path_factory.mktemp("functions")
    (directory / "app.py").write_text(APP)
    (directory / "stranger.py").write_text(STRANGER)
    environment = {"PYTHONPATH": str(SOURCE), "NOTES": str(notes)}

    def function(name: str, handler: str | None = None, **options: Any) -> LocalFunction:
        settings = {"directory": directory, "environment": environment, "timeout": 60.0, **options}
        return LocalFunction(name, handler or f"app.{name}", **settings)

    elsewhere = {**environment, "AWS_ENDPOINT_URL_LAMBDA": broken.url}
    functions = [
        *(function(name) for name in ["callee", "slow", "first", "second", "leaf", "crashing", "ouroboros"]),
        function("throttled", "app.leaf", reserved_concurrency=0),
        function("parent", timeout=20.0),
        function("impatient", timeout=3.0),
        function("impatient-plain", "app.impatient_without_remote", timeout=3.0),
        function("second-elsewhere", "app.second", environment=elsewhere),
        function("stranger", "stranger.handler"),
        function("heedless", "stranger.heedless"),
    ]
    with LocalEndpoint(functions) as running:
        yield running


@pytest.fixture
def ran(notes: Path) -> Callable[[], list[str]]:
    """Return what the functions have recorded since the test began."""
    notes.write_text("")
    return lambda: notes.read_text().splitlines()


def _transport(endpoint: LocalEndpoint) -> BotoTransport:
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    return BotoTransport(session=session, endpoint_url=endpoint.url)


@pytest.fixture
def client(endpoint: LocalEndpoint) -> Iterator[LambdaClient]:
    """Return a client that calls them from outside."""
    with LambdaClient(_transport(endpoint), timeout=90) as calling:
        yield calling


def _call(client: LambdaClient, function: str, payload: Any = None, **options: Any) -> Any:
    return client.call(function, payload, **options)


@pytest.mark.parametrize("function", ["impatient", "impatient-plain"])
def test_a_parent_with_three_seconds_left_never_waits_four(
    function: str, client: LambdaClient, ran: Callable[[], list[str]]
):
    """It gives up before its own timeout, after a cold start, too, and can still respond; the child was called."""
    for _ in range(2):
        said = _call(client, function)

        assert ("CallTimeoutError", "unknown", ["CallTimeoutError"]) == (
            said["error"],
            said["execution"],
            said["attempts"],
        )
        assert said["waited"] < 4.0
    assert "slow" in ran()


class SlowSession(boto3.Session):
    """A session that is slow to create a client, as a small function is at a cold start."""

    def client(self, *args: Any, **options: Any) -> Any:  # type: ignore[override]
        """Sleep first."""
        time.sleep(0.5)
        return super().client(*args, **options)


def test_creating_a_client_counts_against_the_deadline(endpoint: LocalEndpoint, ran: Callable[[], list[str]]):
    """Cold or warm: if no time is left, nothing is sent."""
    session = SlowSession(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    with (
        LambdaClient(BotoTransport(session=session, endpoint_url=endpoint.url)) as client,
        pytest.raises(DeadlineExceededError) as late,
    ):
        client.call("slow", None, timeout=0.4)

    assert [] == ran()
    assert isinstance(late.value.__cause__, ConnectError)


def test_the_callee_sees_the_remaining_time_of_its_caller(client: LambdaClient):
    """Its own minute does not count if the caller has 20 s, less a margin, and the caller's caller 12."""
    said = _call(client, "parent")
    bounded = _call(client, "parent", timeout=12)

    assert 10 < said["parent"]["remaining"] <= 19.8
    assert 0 < said["callee"]["remaining"] <= said["parent"]["remaining"]
    assert 0 < bounded["callee"]["remaining"] <= bounded["parent"]["remaining"] <= 12.0


def test_the_callee_sees_the_correlation_id_and_the_depth(client: LambdaClient):
    """One correlation id from end to end, one level deeper at each call, different request ids."""
    said = _call(client, "parent")
    parent, callee = said["parent"], said["callee"]

    assert parent["correlation_id"] == callee["correlation_id"]
    assert (1, 2) == (parent["depth"], callee["depth"])
    assert parent["request_id"] != callee["request_id"]


def test_a_trace_goes_from_end_to_end(client: LambdaClient):
    """W3C trace context that comes with the first call reaches the last function."""
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=1"}
    said = _call(client, "parent", client_context=trace)

    assert trace == said["parent"]["trace"] == said["callee"]["trace"]


class ThrottledOnce:
    """A transport whose first response is a throttle."""

    def __init__(self, transport: BotoTransport) -> None:
        self._transport = transport
        self._sent = 0

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Throttle the first time, then send."""
        self._sent += 1
        if self._sent == 1:
            return Outcome(429, error_code="TooManyRequestsException")
        return self._transport.send(invocation, timeout=timeout)

    def close(self) -> None:
        """Close the wrapped transport."""
        self._transport.close()


def test_the_callee_sees_the_attempt_and_the_idempotency_key(endpoint: LocalEndpoint):
    """The same key with every attempt, and the number of the attempt."""
    with LambdaClient(ThrottledOnce(_transport(endpoint)), retry=RetryPolicy(initial_delay=0.01)) as client:
        said = _call(client, "callee", idempotency_key="order-17")

    assert (2, "order-17") == (said["attempt"], said["key"])


def test_a_leaf_that_raises_runs_once(client: LambdaClient, ran: Callable[[], list[str]]):
    """Three deep, every contract idempotent, three attempts each: what ran and failed is not run again."""
    with pytest.raises(FunctionError):
        _call(client, "first", "leaf")

    assert ["first", "second", "leaf", "second: FunctionError after 1"] == ran()


def test_a_leaf_that_crashes_runs_once(client: LambdaClient, ran: Callable[[], list[str]]):
    """Its process exited: it had started to run."""
    with pytest.raises(FunctionError):
        _call(client, "first", "crashing")

    assert ["first", "second", "leaf", "second: FunctionCrashedError after 1"] == ran()


def test_a_throttled_leaf_is_called_three_times_not_twentyseven(client: LambdaClient, ran: Callable[[], list[str]]):
    """Only its direct caller retries: its error is a response to those above."""
    with pytest.raises(FunctionError) as failed:
        _call(client, "first", "throttled")

    assert ["first", "second", "second: ThrottledError after 3"] == ran()
    assert 1 == len(failed.value.attempts)


def test_a_leaf_behind_a_broken_lambda_is_called_three_times_not_twentyseven(
    client: LambdaClient, ran: Callable[[], list[str]], broken: Laboratory
):
    """A 500 may have run: with idempotent contracts it is retried, by one caller and not by all of them."""
    broken.play(bare_status(500, runs=True))
    second = Contract("second-elsewhere", request=str, response=str, idempotent=True)
    with pytest.raises(FunctionError):
        client.call(second, "leaf")

    assert 3 == broken.received
    assert ["second", "second: ServiceError after 3"] == ran()


def test_a_direct_caller_of_a_throttled_function_gives_up_in_time(client: LambdaClient):
    """Its error has three attempts and names the limit."""
    with pytest.raises(ThrottledError) as throttled:
        _call(client, "throttled", retry=RetryPolicy(initial_delay=0.001, max_delay=0.05))

    assert (3, "ReservedFunctionConcurrentInvocationLimitExceeded") == (
        len(throttled.value.attempts),
        throttled.value.reason,
    )


def test_a_function_that_calls_itself_is_stopped(client: LambdaClient, ran: Callable[[], list[str]]):
    """At the twelfth call of the chain, of which the first eight are omitted here; the error has the correlation id."""
    said = _call(client, "ouroboros", client_context={"lc-depth": "9", "lc-id": "chain-4111"})
    *runs, stopped = ran()

    assert "stopped" == said
    assert ["depth 9", "depth 10", "depth 11", "depth 12"] == runs
    assert "this would be call 13 of a chain (correlation id chain-4111)" in stopped


def test_a_function_without_lambdachain_gets_the_payload_unchanged(client: LambdaClient):
    """It sees the event alone; the metadata is in the client context, if it looks."""
    event = {"a": [1, None, "ü"], "b": {}}
    said = _call(client, "stranger", event, timeout=30, client_context={"shop": "berlin"}, idempotency_key="k")

    assert event == said["event"]
    assert ("berlin", "k") == (said["custom"]["shop"], said["custom"]["lc-idem"])
    assert all(isinstance(text, str) for text in said["custom"].values())
    assert event == _call(client, "heedless", event)


def test_a_caller_without_lambdachain_may_call(endpoint: LocalEndpoint):
    """boto3, with a client context of its own or with none: the handler starts a chain."""
    plain = boto3.client(
        "lambda", endpoint_url=endpoint.url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    response = plain.invoke(FunctionName="callee", Payload=b"null")
    said = json.load(response["Payload"])
    plain.close()

    assert (said["request_id"], 0, 1, None) == (said["correlation_id"], said["depth"], said["attempt"], said["key"])
    assert 50 < said["remaining"] <= 59.8


def test_an_event_is_fired_within_the_time_that_is_left(client: LambdaClient, ran: Callable[[], list[str]]):
    """A fire is a call of its own; what the event causes is not waited for."""
    started = time.monotonic()
    client.fire("slow", None)
    while "slow" not in ran():
        assert time.monotonic() - started < 60
        time.sleep(0.05)

    assert ["slow"] == ran()
