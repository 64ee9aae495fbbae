"""What a language model reads about each error: what happened, and whether it may call again."""

from __future__ import annotations

import json

import pytest

import lambdachain
from lambdachain import (
    CallError,
    ErrorDetail,
    Execution,
    FunctionError,
    InvalidRequestError,
    RemoteError,
    RequestRejectedError,
    ThrottledError,
)
from lambdachain._core import errors
from lambdachain.agents import describe_error_for_model

SECRET = "secret-canary"
ADDRESS = "arn:aws:lambda:eu-west-1:123456789012:function:billing"


class CardDeclined(RemoteError):
    """A domain error."""

    reason: str
    retry_after_days: int | None = None


CALL_ERRORS = [
    kind
    for name in errors.__all__
    if issubclass(kind := getattr(lambdachain, name), CallError) and kind is not RemoteError
]
FACTS = {"function": ADDRESS, "request_id": "c0ffee"}


def describe(error: CallError) -> str:
    """Return the text about an error, which has no address and no message of the service's or the callee's."""
    text = describe_error_for_model(error)
    assert SECRET not in text
    assert "123456789012" not in text
    assert "c0ffee" not in text
    return text


def may_repeat(text: str) -> bool:
    """Check whether a text allows the same call again; none does both or says nothing."""
    allows, forbids = "You may repeat the call" in text, "DO NOT call the tool again" in text
    corrects, hopeless = "call the tool again" in text.replace("DO NOT call", ""), "does not help" in text
    assert [allows, forbids, corrects or "Call the tool again" in text, hopeless].count(True) == 1, text
    return allows


@pytest.mark.parametrize("kind", CALL_ERRORS)
def test_an_unknown_outcome_is_not_to_be_repeated(kind: type[CallError]):
    """Whatever the class, and for an idempotent contract, too: another tool call has another key."""
    for retryable in (False, True):
        error = kind(SECRET, execution=Execution.UNKNOWN, retryable=retryable, **FACTS)
        text = describe(error)

        assert text.startswith("The outcome is unknown")
        assert "DO NOT call the tool again" in text
        assert not may_repeat(text)


@pytest.mark.parametrize("kind", CALL_ERRORS)
def test_what_ran_is_not_to_be_repeated(kind: type[CallError]):
    """It may have had its effect before it failed."""
    text = describe(kind(SECRET, execution=Execution.EXECUTED, **FACTS))

    assert "The function ran" in text or "the arguments are too large" in text
    assert not may_repeat(text)


@pytest.mark.parametrize("kind", CALL_ERRORS)
def test_what_did_not_run_is_said_to_have_done_nothing(kind: type[CallError]):
    """And to be repeatable where a repetition can succeed."""
    text = describe(kind(SECRET, execution=Execution.NOT_EXECUTED, **FACTS))
    temporary = {
        "CallError",
        "ConnectError",
        "DeadlineExceededError",
        "FunctionNotReadyError",
        "NotInvokedError",
        "ThrottledError",
    }

    assert text.startswith("The function did not run, and nothing was done")
    if issubclass(kind, lambdachain.NotInvokedError):
        assert may_repeat(text) == (kind.__name__ in temporary)


def test_a_declared_error_is_its_class_and_its_fields():
    """As JSON."""
    text = describe(CardDeclined(reason="limit", retry_after_days=3))

    assert text.startswith("The function reported an error: CardDeclined ")
    assert json.loads(text[text.index("{") :]) == {"reason": "limit", "retry_after_days": 3}


@pytest.mark.parametrize("kind", [InvalidRequestError, RequestRejectedError])
def test_a_refused_request_is_its_locations(kind: type[InvalidRequestError | RequestRejectedError]):
    """On one line each, however the callee wrote them; so the model can correct it."""
    details = [
        ErrorDetail(loc=("items", 0, "cents"), type="int_parsing", msg="Input should be a valid integer"),
        ErrorDetail(loc=(), type="value_error", msg="first\nsecond\x1b[2J"),
    ]
    lines = describe(kind(SECRET, errors=details, **FACTS)).splitlines()

    assert lines[0].endswith("nothing was done: the arguments do not fit. Correct them and call the tool again:")
    assert lines[1:] == [
        "- items.0.cents: Input should be a valid integer",
        "- (all arguments): first\\nsecond\\x1b[2J",
    ]


def test_many_details_are_counted():
    """A model need not read thousands."""
    details = [ErrorDetail(loc=(number,), type="missing", msg="Field required") for number in range(1000)]
    lines = describe(InvalidRequestError(errors=details)).splitlines()

    assert len(lines) == 22
    assert lines[-1] == "- and 980 more"


def test_an_undeclared_error_is_only_its_name():
    """Its message was not written for models: it may have anything in it."""
    error = FunctionError(SECRET, error_type="KeyError", error_message=SECRET, stack_trace=[SECRET], log_tail=SECRET)
    assert "ran and failed (KeyError)" in describe(error)

    error = FunctionError(SECRET, error_type="Key\nError" * 1000, error_message=SECRET)
    assert len(describe(error).splitlines()) == 1
    assert len(describe(error)) < 1000


def test_a_throttle_says_when():
    """If Lambda does."""
    assert describe(ThrottledError(retry_after=1.5)).endswith("with the same arguments, in 1.5 seconds.")
    assert describe(ThrottledError()).endswith("with the same arguments, after a pause.")
