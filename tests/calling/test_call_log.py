"""The fields of the records of the logger ``lambdachain``, as a formatter of JSON writes them."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lambdachain import (
    AsyncLambdaClient,
    CallError,
    ConnectionLostError,
    Contract,
    FunctionError,
    Invocation,
    LambdaClient,
    Outcome,
    RetryBudget,
    RetryPolicy,
    invocation_scope,
)
from lambdachain.testing import StubTransport

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "logging.md"
CANARY = "secret-canary"
double = Contract("orders-double", request=str, response=int)
FAST = RetryPolicy(max_attempts=3, initial_delay=0.001, jitter="none", budget=None)
THROTTLED = Outcome(429, b"{}", error_code="TooManyRequestsException", request_id="r-1")
GOOD = Outcome(200, b"42", request_id="r-2", executed_version="1")
UNUSABLE = Outcome(200, b'"secret-canary"', request_id="r-3", executed_version="1")
QUEUED = Outcome(202, b"", request_id="r-4")


class JsonFormatter(logging.Formatter):
    """Writes what a record has besides the usual, as formatters of JSON do."""

    usual = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in vars(record).items() if name not in self.usual}
        return json.dumps({"level": record.levelname, "message": record.getMessage(), **extra})


@pytest.fixture
def read_log(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Return a function that returns the records so far, of one kind or all."""
    caplog.set_level(logging.DEBUG, logger="lambdachain")

    def read(kind: str = "") -> list[dict[str, Any]]:
        lines = [JsonFormatter().format(record) for record in caplog.records if record.name == "lambdachain"]
        assert CANARY not in "".join(lines)
        records = [json.loads(line) for line in lines]
        assert not {name for record in records for name in record} - documented_fields()
        return [record for record in records if kind in ("", record["lambdachain_record"])]

    yield read
    read()


def documented_fields() -> set[str]:
    """Return the names in the table of the page."""
    return {"level", "message", *re.findall(r"^\| `(lambdachain_\w+)` \|", PAGE.read_text(), re.MULTILINE)}


class Scripted:
    """A transport with the outcomes of a script."""

    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = list(outcomes)

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        return self._outcomes.pop(0)

    def close(self) -> None:
        """Nothing is open."""


def pick(records: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Return some fields of each record."""
    return [tuple(record[f"lambdachain_{name}"] for name in names) for record in records]


def test_a_call_that_is_retried(read_log: Any):
    """A record for each attempt, for the retry, and for the call, all of one correlation id."""
    LambdaClient(Scripted(THROTTLED, GOOD), retry=FAST).call(double, CANARY)
    records = read_log()
    ids = {record["lambdachain_correlation_id"] for record in records}

    assert [record["lambdachain_record"] for record in records] == ["attempt", "retry", "attempt", "call"]
    assert [record["level"] for record in records] == ["INFO", "INFO", "DEBUG", "DEBUG"]
    assert len(ids) == 1
    assert None not in ids
    assert set(pick(records, "function", "operation")) == {("orders-double", "call")}
    assert pick(read_log("attempt"), "attempt", "error", "execution", "status", "request_id") == [
        (1, "ThrottledError", "not executed", 429, "r-1"),
        (2, None, "executed", 200, "r-2"),
    ]
    assert pick(read_log("retry"), "attempt", "error", "retryable") == [(2, "ThrottledError", True)]
    assert pick(read_log("call"), "attempts", "error", "execution", "request_id") == [(2, None, "executed", "r-2")]
    assert all(record["lambdachain_duration"] >= 0 for record in read_log("call"))


def test_a_call_that_fails(read_log: Any):
    """At INFO; the correlation id is that of the invocation it was made in."""
    with invocation_scope(None) as invocation, pytest.raises(CallError):
        LambdaClient(Scripted(THROTTLED), retry=RetryPolicy.never()).call(double, CANARY)
    (record,) = read_log("call")

    assert record["level"] == "INFO"
    assert record["lambdachain_correlation_id"] == invocation.correlation_id
    assert pick([record], "attempts", "error", "execution", "retryable") == [
        (1, "ThrottledError", "not executed", True)
    ]


def test_a_response_that_does_not_fit(read_log: Any):
    """The call has failed after Lambda's response: a record of its own, without the response."""
    with pytest.raises(CallError):
        LambdaClient(Scripted(UNUSABLE)).call(double, CANARY)

    assert pick(read_log("call"), "error", "execution") == [(None, "executed"), ("ResponseError", "executed")]


def test_an_event_is_queued(read_log: Any):
    """Whether it runs is not known."""
    LambdaClient(Scripted(QUEUED)).fire(double, CANARY)

    assert pick(read_log("call"), "operation", "error", "execution", "request_id") == [("fire", None, None, "r-4")]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_stream(read_log: Any, is_async: bool):
    """It succeeds with its first chunk; if it fails after that, a second record says so."""
    for pieces in ((b"4", b"2"), (b"4", ValueError("secret-canary"))):
        with StubTransport() as stub, suppress(FunctionError):
            stub.on(double).streams(*pieces)
            _read_stream(stub, is_async)

    assert set(pick(read_log(), "function", "operation")) == {("orders-double", "stream")}
    assert pick(read_log("call"), "error", "execution") == [
        (None, "executed"),
        (None, "executed"),
        ("FunctionError", "executed"),
    ]


def _read_stream(stub: StubTransport, is_async: bool) -> None:
    async def read() -> None:
        async with AsyncLambdaClient(stub) as client:
            async for _ in client.stream(double, CANARY):
                pass

    if is_async:
        asyncio.run(read())
    else:
        list(LambdaClient(stub).stream(double, CANARY))


def test_a_budget_that_is_used_up(read_log: Any):
    """Says why a call was not retried."""
    policy = RetryPolicy(initial_delay=0.001, budget=RetryBudget(max_tokens=2, token_ratio=0.001))
    with pytest.raises(CallError):
        LambdaClient(Scripted(*[THROTTLED] * 3), retry=policy).call(double, CANARY)

    assert pick(read_log("budget"), "function", "error", "tokens") == [("orders-double", "ThrottledError", 1.0)]
    assert read_log("retry") == []


def test_a_map_that_slows_down(read_log: Any):
    """The limit of concurrency before and after."""
    outcomes = [*[GOOD] * 10, THROTTLED, *[GOOD] * 10]
    assert list(LambdaClient(Scripted(*outcomes), retry=FAST).map(double, [CANARY] * 20, max_concurrency=1))
    (record,) = read_log("concurrency")

    assert pick([record], "function", "operation") == [("orders-double", "map")]
    assert record["lambdachain_concurrency_limit"] < record["lambdachain_previous_concurrency_limit"]


def test_an_async_client_logs_the_same(read_log: Any):
    """The decisions are the same code."""
    import asyncio

    async def run() -> None:
        async with AsyncLambdaClient(Scripted(THROTTLED, GOOD), retry=FAST) as client:
            await client.call(double, CANARY)

    asyncio.run(run())
    assert [record["lambdachain_record"] for record in read_log()] == ["attempt", "retry", "attempt", "call"]


def test_untrusted_text_is_on_one_line(read_log: Any):
    """A request id comes from the network."""
    with pytest.raises(CallError):
        LambdaClient(Scripted(Outcome(500, b"", request_id="a\nb\x1b[2J"))).call(double, CANARY)

    assert read_log("call")[0]["lambdachain_request_id"] == "a\\nb\\x1b[2J"


def test_every_documented_field_is_logged(read_log: Any):
    """By one of these calls."""
    with StubTransport() as stub:
        stub.on(double).raises(ConnectionLostError)
        with pytest.raises(CallError):
            LambdaClient().call(double, CANARY)
    for run in (test_a_call_that_is_retried, test_a_budget_that_is_used_up):
        try:
            run(read_log)
        except AssertionError:  # it finds the records of the other calls, too
            continue
    test_names = {name for record in read_log() for name in record}
    maps = {"lambdachain_concurrency_limit", "lambdachain_previous_concurrency_limit", "lambdachain_in_flight"}

    assert documented_fields() - maps <= test_names


def test_what_is_not_wanted_is_not_built(caplog: pytest.LogCaptureFixture):
    """Its module is not even imported; see also the tests of a cold start."""
    import subprocess
    import sys

    script = (
        "import logging, sys\n"
        "logging.basicConfig(level=logging.WARNING)\n"
        "from lambdachain import LambdaClient\n"
        "from lambdachain.testing import StubTransport\n"
        "with StubTransport() as stub:\n"
        "    stub.on('f').returns(1)\n"
        "    LambdaClient().call('f', 1)\n"
        "print('lambdachain._calling.call_log' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert (ran.stdout.strip(), ran.stderr) == ("False", "")
