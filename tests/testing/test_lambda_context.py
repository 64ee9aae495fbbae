"""The context of a test has what the real one has."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from awslambdaric.lambda_context import LambdaContext as RealContext

from lambdachain._core import clock
from lambdachain.testing import LambdaContext

TOLD = {
    "custom": {"a": "1"},
    "env": {"locale": "en"},
    "client": {"installation_id": "i-1", "app_title": "shop"},
    "w3c": {"traceparent": "00-1-2-01", "tracestate": 3, "other": "x"},
    "more": 1,
}


@pytest.fixture(autouse=True)
def _function(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/orders",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/20/[$LATEST]0123456789abcdef0123456789abcdef",
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    }.items():
        monkeypatch.setenv(name, value)


def real(client_context: Any = None) -> RealContext:
    """Make the context that Lambda gives."""
    arn = "arn:aws:lambda:us-east-1:123456789012:function:orders"
    return RealContext("r-1", client_context, None, int(time.time() * 1000) + 20_000, arn, "t-1")


def ours(client_context: Any = None) -> LambdaContext:
    """Give what is to be compared."""
    return LambdaContext(
        "orders", timeout=20, memory=256, request_id="r-1", tenant_id="t-1", client_context=client_context
    )


def public(thing: object) -> dict[str, Any]:
    """Give attributes and what is in them; of a method, that it is one."""
    names = [name for name in dir(thing) if not name.startswith("_")]
    return {name: "method" if callable(value := getattr(thing, name)) else value for name in names}


def shape(thing: object) -> dict[str, Any]:
    """Give attributes, and those of what is in them."""
    nested = {"client_context", "identity", "client"}
    return {
        name: shape(value) if name in nested and value is not None else value for name, value in public(thing).items()
    }


@pytest.mark.parametrize("told", [None, {}, {"custom": {"a": "1"}}, TOLD])
def test_it_has_the_attributes_of_the_real_one(told: dict[str, Any] | None):
    """No more, no fewer, of the same types and with the same values, down to the client's application."""
    theirs, mine = shape(real(None if told is None else dict(told))), shape(ours(told))
    streams = [theirs.pop("log_stream_name"), mine.pop("log_stream_name")]

    assert mine == theirs
    assert all(re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream) for stream in streams)


@pytest.mark.parametrize("told", [None, {}, {"w3c": 3}, {"w3c": {"baggage": "b"}}, TOLD])
def test_it_gives_the_trace_that_lambda_delivers(told: dict[str, Any] | None):
    """Only the fields of the standard, only as text, and not within the client context."""
    assert ours(told).w3c() == real(None if told is None else dict(told)).w3c()


@pytest.mark.parametrize("told", [[1], "text", 0, {"client": [1]}])
def test_it_fails_on_what_the_real_one_fails_on(told: Any):
    """A client context that is no object ends an invocation before the handler."""
    with pytest.raises(AttributeError) as theirs:
        real(told)
    with pytest.raises(AttributeError) as mine:
        ours(told)

    assert str(mine.value) == str(theirs.value)


def test_the_log_takes_anything(capsys: pytest.CaptureFixture[str]):
    """It goes where the test's own output goes."""
    for context in (real(), ours()):
        context.log(7)

    assert capsys.readouterr().out == "77"


def test_the_time_runs_down_to_nothing(monkeypatch: pytest.MonkeyPatch):
    """In whole milliseconds, and by the clock that tests may skip."""
    monkeypatch.setattr(clock, "_skipped", clock._skipped)
    context = ours()
    left = context.get_remaining_time_in_millis()
    clock.skip(15)

    assert isinstance(left, int)
    assert 15_000 < left <= 20_000
    assert left - 15_000 - 5_000 < context.get_remaining_time_in_millis() <= left - 15_000
    clock.skip(15)
    assert context.get_remaining_time_in_millis() == 0


def test_what_is_not_said_is_made_up():
    """Every invocation has an id of its own, a function and a place."""
    one, other = LambdaContext(), LambdaContext()

    assert one.aws_request_id != other.aws_request_id
    assert one.invoked_function_arn == "arn:aws:lambda:us-east-1:123456789012:function:function"
    assert one.identity is not other.identity


def test_its_representation_shows_nothing_that_was_told():
    """What a caller tells may be a secret."""
    assert repr(ours({"custom": {"token": "canary"}})) == "LambdaContext('orders', request_id='r-1')"
