"""The fake context has the attributes of the real one."""

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
    """Build the real context as the runtime client does."""
    arn = "arn:aws:lambda:us-east-1:123456789012:function:orders"
    return RealContext("r-1", client_context, None, int(time.time() * 1000) + 20_000, arn, "t-1")


def ours(client_context: Any = None) -> LambdaContext:
    """Return the attributes of the fake context for comparison."""
    return LambdaContext(
        "orders", timeout=20, memory=256, request_id="r-1", tenant_id="t-1", client_context=client_context
    )


def public(thing: object) -> dict[str, Any]:
    """Return the public attributes and their values; for a method, that it is one."""
    names = [name for name in dir(thing) if not name.startswith("_")]
    return {name: "method" if callable(value := getattr(thing, name)) else value for name in names}


def shape(thing: object) -> dict[str, Any]:
    """Return the public attributes, and those of their values."""
    nested = {"client_context", "identity", "client"}
    return {
        name: shape(value) if name in nested and value is not None else value for name, value in public(thing).items()
    }


@pytest.mark.parametrize("client_context", [None, {}, {"custom": {"a": "1"}}, TOLD])
def test_it_has_the_attributes_of_the_real_one(client_context: dict[str, Any] | None):
    """Exactly these, of the same types and with the same values, including the client's application."""
    theirs, mine = shape(real(None if client_context is None else dict(client_context))), shape(ours(client_context))
    streams = [theirs.pop("log_stream_name"), mine.pop("log_stream_name")]

    assert mine == theirs
    assert all(re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream) for stream in streams)


@pytest.mark.parametrize("client_context", [None, {}, {"w3c": 3}, {"w3c": {"baggage": "b"}}, TOLD])
def test_it_has_the_trace_context_that_lambda_delivers(client_context: dict[str, Any] | None):
    """Only the standard's fields, only strings, and not in the client context."""
    assert ours(client_context).w3c() == real(None if client_context is None else dict(client_context)).w3c()


@pytest.mark.parametrize("client_context", [[1], "text", 0, {"client": [1]}])
def test_it_raises_when_the_real_one_does(client_context: Any):
    """A client context that is not an object ends an invocation before the handler runs."""
    with pytest.raises(AttributeError) as theirs:
        real(client_context)
    with pytest.raises(AttributeError) as mine:
        ours(client_context)

    assert str(mine.value) == str(theirs.value)


def test_the_log_accepts_any_object(capsys: pytest.CaptureFixture[str]):
    """It goes to the test's own output."""
    for context in (real(), ours()):
        context.log(7)

    assert capsys.readouterr().out == "77"


def test_the_remaining_time_runs_down_to_zero(monkeypatch: pytest.MonkeyPatch):
    """In whole milliseconds, by the clock that tests can skip."""
    monkeypatch.setattr(clock, "_skipped", clock._skipped)
    context = ours()
    left = context.get_remaining_time_in_millis()
    clock.skip(15)

    assert isinstance(left, int)
    assert 15_000 < left <= 20_000
    assert left - 15_000 - 5_000 < context.get_remaining_time_in_millis() <= left - 15_000
    clock.skip(15)
    assert context.get_remaining_time_in_millis() == 0


def test_the_default_values():
    """Every invocation has its own id, a function and a location."""
    one, other = LambdaContext(), LambdaContext()

    assert one.aws_request_id != other.aws_request_id
    assert one.invoked_function_arn == "arn:aws:lambda:us-east-1:123456789012:function:function"
    assert one.identity is not other.identity


def test_its_repr_does_not_show_the_client_context():
    """It may have secrets of the caller."""
    assert repr(ours({"custom": {"token": "canary"}})) == "LambdaContext('orders', request_id='r-1')"
