"""Options of a call: what Lambda would refuse, or drop in silence, is refused before anything is sent."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lambdachain import (
    Contract,
    ContractError,
    DeadlineExceededError,
    Execution,
    InvalidArnError,
    InvalidRequestError,
    Invocation,
    InvocationType,
    LambdaClient,
    NotInvokedError,
    Outcome,
    RequestTooLargeError,
)

KINDS = {
    "call": Outcome(200, b"1", executed_version="$LATEST", request_id="r-1"),
    "fire": Outcome(202, request_id="r-1"),
    "can_invoke": Outcome(204, request_id="r-1"),
}
SECRET = "canary-4111"
double: Contract[int, int] = Contract("double", request=int, response=int)


class Recorder:
    """A transport that records invocations and responds as Lambda does to a success."""

    def __init__(self) -> None:
        self.sent: list[tuple[Invocation, float | None]] = []

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Answer with what fits the invocation's type."""
        self.sent.append((invocation, timeout))
        kinds = dict(zip(InvocationType, KINDS.values(), strict=True))
        return kinds[invocation.invocation_type]

    def close(self) -> None:
        """No-op."""


@pytest.fixture
def recorder() -> Recorder:
    """Return a new recorder."""
    return Recorder()


def _use(recorder: Recorder, verb: str, **options: Any) -> tuple[Invocation, float | None]:
    client = LambdaClient(recorder)
    arguments = (double,) if verb == "can_invoke" else (double, 1)
    getattr(client, verb)(*arguments, **options)
    return recorder.sent[-1]


def _get_rejection(recorder: Recorder, error: type[Exception], verb: str = "call", **options: Any) -> str:
    with pytest.raises(error) as caught:
        _use(recorder, verb, **options)
    assert [] == recorder.sent
    if isinstance(caught.value, NotInvokedError):
        assert (Execution.NOT_EXECUTED, False, "double", ()) == (
            caught.value.execution,
            caught.value.retryable,
            caught.value.function,
            caught.value.attempts,
        )
    return str(caught.value)


def _get_sent_texts(invocation: Invocation) -> dict[str, str]:
    """Read the texts of a client context but for our own."""
    texts = json.loads(base64.b64decode(invocation.client_context or "e30=")).get("custom", {})
    return {name: text for name, text in texts.items() if not name.startswith("lc-")}


def _custom(size: int) -> dict[str, str]:
    """Make a client context whose JSON is *size* bytes."""
    empty = len(json.dumps({"custom": {"k": ""}}, separators=(",", ":")))
    return {"k": "v" * (size - empty)}


@pytest.mark.parametrize("verb", KINDS)
def test_without_options_nothing_extra_is_sent(verb: str, recorder: Recorder) -> None:
    """An invocation has the name, its type and the payload, if any; a call also has metadata."""
    kind = dict(zip(KINDS, InvocationType, strict=True))[verb]
    invocation, timeout = _use(recorder, verb)

    payload = b"" if verb == "can_invoke" else b"1"
    assert (Invocation("double", kind, payload), None) == (replace(invocation, client_context=None), timeout)
    assert (verb == "call") == (invocation.client_context is not None)


@pytest.mark.parametrize("verb", KINDS)
def test_an_unknown_option_is_refused_by_name(verb: str, recorder: Recorder) -> None:
    """A misspelt option is not lost; the error lists those there are."""
    message = _get_rejection(recorder, ContractError, verb, time_out=3)

    assert "unknown option 'time_out'" in message
    assert "timeout, retry, idempotency_key, qualifier, tenant_id, durable_name, client_context, log_tail" in message


def test_bind_and_with_options_refuse_unknown_options(recorder: Recorder) -> None:
    """Where options are laid down, not only where they are used."""
    client = LambdaClient(recorder)

    for use in (lambda: client.bind(double, retires=3), lambda: client.bind(double).with_options(retires=3)):  # type: ignore[call-arg]
        with pytest.raises(ContractError, match="unknown option 'retires'"):
            use()


@pytest.mark.parametrize("verb", KINDS)
@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        (3, 3.0),
        (0.25, 0.25),
        (timedelta(minutes=2), 120.0),
        (timedelta(milliseconds=500), 0.5),
        (None, None),
        (math.inf, 1_000_000.0),
    ],
)
def test_a_timeout_is_seconds_or_a_timedelta(
    timeout: Any, seconds: float | None, verb: str, recorder: Recorder
) -> None:
    """The transport gets the seconds that are left, or None for as long as a function may run."""
    left = _use(recorder, verb, timeout=timeout)[1]

    assert seconds == pytest.approx(left, abs=0.2) if left is not None else seconds is None


@pytest.mark.parametrize("verb", KINDS)
@pytest.mark.parametrize("timeout", [0, -1, -0.5, timedelta(0), timedelta(seconds=-1), -math.inf])
def test_a_timeout_that_is_over_leaves_no_time_to_send(timeout: Any, verb: str, recorder: Recorder) -> None:
    """Zero and less is a deadline that has passed."""
    assert "no time left to send it" in _get_rejection(recorder, DeadlineExceededError, verb, timeout=timeout)


@pytest.mark.parametrize("verb", KINDS)
@pytest.mark.parametrize("timeout", [True, False, "3", math.nan, [3], object(), 1j])
def test_a_timeout_that_is_no_time_is_refused(timeout: Any, verb: str, recorder: Recorder) -> None:
    """What cannot be seconds is a wrong request, not a passed deadline."""
    assert "seconds or a timedelta" in _get_rejection(recorder, InvalidRequestError, verb, timeout=timeout)


@pytest.mark.parametrize("qualifier", ["live", "3", "$LATEST", "$LATEST.PUBLISHED", "q" * 128])
@pytest.mark.parametrize("verb", KINDS)
def test_a_qualifier_goes_out_as_it_is(qualifier: str, verb: str, recorder: Recorder) -> None:
    """Any version or alias, with every verb."""
    invocation, _ = _use(recorder, verb, qualifier=qualifier)

    assert ("double", qualifier) == (invocation.function_name, invocation.qualifier)


@pytest.mark.parametrize("qualifier", ["", "li ve", "live\n", "a:b", "q" * 129, 3])
@pytest.mark.parametrize("verb", KINDS)
def test_a_bad_qualifier_is_refused(qualifier: Any, verb: str, recorder: Recorder) -> None:
    """What Lambda refuses is not sent."""
    assert "qualifier" in _get_rejection(recorder, InvalidArnError, verb, qualifier=qualifier)


_TEXTS: list[tuple[str, list[str], list[Any]]] = [
    (
        "tenant_id",
        ["t", "acme-1", "a.b_c:d/e=f+g-h@i j", "t" * 256],
        ["", "t" * 257, "naïve", "a\n", "a\tb", "a#b", 5, b"t", ["t"]],
    ),
    ("durable_name", ["n", "order-5_a", "n" * 64], ["", "n" * 65, "a.b", "a b", "a\n", "é", 5, b"n"]),
]


@pytest.mark.parametrize("verb", KINDS)
@pytest.mark.parametrize(("name", "text"), [(name, text) for name, good, _ in _TEXTS for text in good])
def test_good_texts_go_out_as_they_are(name: str, text: str, verb: str, recorder: Recorder) -> None:
    """Tenant and durable name, with every verb."""
    assert text == getattr(_use(recorder, verb, **{name: text})[0], name)


@pytest.mark.parametrize("verb", KINDS)
@pytest.mark.parametrize(("name", "text"), [(name, text) for name, _, bad in _TEXTS for text in bad])
def test_bad_texts_are_refused(name: str, text: Any, verb: str, recorder: Recorder) -> None:
    """A value that Lambda's pattern refuses, or that is not text, is not sent; the error has the pattern."""
    assert f"{name} must match" in _get_rejection(recorder, InvalidRequestError, verb, **{name: text})


def test_a_client_context_goes_out_as_lambda_wants_it(recorder: Recorder) -> None:
    """JSON in base64, the texts under ``custom``; text of any language survives."""
    custom = {"a": "1", "ü": "☃", "": ""}
    invocation, _ = _use(recorder, "call", client_context=custom)

    assert invocation.client_context is not None
    assert custom == _get_sent_texts(invocation)
    assert "☃" not in repr(invocation)
    assert invocation.client_context not in repr(invocation)


def test_a_client_context_may_be_any_mapping_and_empty(recorder: Recorder) -> None:
    """It is copied when it is sent."""

    class Custom(Mapping[str, str]):
        def __getitem__(self, key: str) -> str:
            return {"a": "1"}[key]

        def __iter__(self):
            return iter(["a"])

        def __len__(self) -> int:
            return 1

    sent = [_use(recorder, "call", client_context=custom)[0] for custom in (Custom(), {})]

    assert [{"a": "1"}, {}] == [_get_sent_texts(invocation) for invocation in sent]


def test_a_client_context_is_measured_as_lambda_measures_it(recorder: Recorder) -> None:
    """At most 3,583 bytes of base64, so 2,685 of JSON: one more is refused here, and its content is not shown."""
    invocation, _ = _use(recorder, "call", client_context=_custom(2685))

    assert 3580 == len(invocation.client_context or "")
    message = _get_rejection(Recorder(), RequestTooLargeError, client_context=_custom(2686))
    assert "client_context is 3,584 bytes in base64; Lambda accepts at most 3,583" in message
    assert "vvv" not in message


@pytest.mark.parametrize(
    "custom", [{"a": 1}, {1: "a"}, {"a": None}, {"a": {"b": SECRET}}, {SECRET: b""}, SECRET, [SECRET], 5]
)
def test_a_client_context_is_made_of_text(custom: Any, recorder: Recorder) -> None:
    """Callees in Java and Go read only strings; other values are rejected and not shown."""
    message = _get_rejection(recorder, InvalidRequestError, client_context=custom)

    assert "client_context must map str to str" in message
    assert SECRET not in message


def test_a_client_context_with_an_event_is_refused(recorder: Recorder) -> None:
    """Lambda would drop it silently; the error says what to do."""
    assert "put it into the payload" in _get_rejection(recorder, InvalidRequestError, "fire", client_context={"a": "1"})


def test_a_permission_check_needs_no_client_context(recorder: Recorder) -> None:
    """Options of a bound function do not disturb ``can_invoke``."""
    invocation, _ = _use(recorder, "can_invoke", client_context={"a": "1"}, log_tail=True)

    assert (None, False) == (invocation.client_context, invocation.log_tail)


def test_a_log_tail_comes_with_a_call_only(recorder: Recorder) -> None:
    """An event returns no log: requesting it is a mistake."""
    assert _use(recorder, "call", log_tail=True)[0].log_tail is True
    assert _use(recorder, "call", log_tail=False)[0].log_tail is False
    assert _use(recorder, "fire", log_tail=False)[0].log_tail is False
    assert "log_tail" in _get_rejection(Recorder(), InvalidRequestError, "fire", log_tail=True)


@pytest.mark.parametrize("verb", KINDS)
def test_none_is_the_same_as_nothing(verb: str, recorder: Recorder) -> None:
    """``None`` removes an option, even one that the function was bound with."""
    names = ["timeout", "retry", "idempotency_key", "qualifier", "tenant_id", "durable_name", "client_context"]
    with_nothing, without = _use(recorder, verb, **dict.fromkeys(names)), _use(recorder, verb)

    assert replace(without[0], client_context=None) == replace(with_nothing[0], client_context=None)
    assert without[1] is with_nothing[1] is None
    assert {} == _get_sent_texts(with_nothing[0])


def test_the_client_s_timeout_is_for_calls_that_name_none(recorder: Recorder) -> None:
    """A call's own timeout wins, None included; the client's is checked like any other."""
    client = LambdaClient(recorder, timeout=timedelta(seconds=7))

    client.call(double, 1)
    client.call(double, 1, timeout=2)
    client.call(double, 1, timeout=None)
    client.fire(double, 1)

    assert [7, 2, None, 7] == [timeout and math.ceil(timeout) for _, timeout in recorder.sent]
    with pytest.raises(ContractError, match="timeout must be seconds"):
        LambdaClient(recorder, timeout="3")  # type: ignore[arg-type]
