"""Metadata of a payload: written into the ClientContext of a call or the envelope of an event, and read again."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypedDict

from lambdachain import (
    Contract,
    InvalidRequestError,
    Invocation,
    InvocationType,
    LambdaClient,
    Outcome,
    RemoteHandler,
    RequestRejectedError,
    RequestTooLargeError,
    current_invocation,
    invocation_scope,
    remote,
)
from lambdachain._core.client_context import ENVELOPE, encode_client_context, unwrap_envelope, wrap_in_envelope
from lambdachain._core.metadata import DROPPED_FIRST, TRACE_NAMES, Metadata, merge_custom, read_metadata

LIMIT = 3583
TRACE = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "vendor=1",
    "baggage": "tenant=acme",
}
FULL = Metadata(
    correlation_id="0f7a9c1e-6c7a-4f5e-9a56-1d6f0f0f0f0f",
    depth=3,
    attempt=2,
    idempotency_key="order-17",
    budget_ms=2500,
    deadline_ms=1_800_000_000_000,
    trace=TRACE,
    offload=True,
)

texts = st.text(max_size=40)
names = st.text("abcdefghijklmnopqrstuvwxyz-ü☃", min_size=1, max_size=20) | st.sampled_from(
    [*TRACE_NAMES, "lc-id", "lc-idem", "lc-depth", "lc-v"]
)
plain_texts = st.text('abc "\\ü☃', max_size=30)
metadata = st.builds(
    Metadata,
    correlation_id=st.text(min_size=1, max_size=60),
    depth=st.integers(1, 12),
    attempt=st.integers(1, 99),
    idempotency_key=st.none() | st.text(min_size=1, max_size=255),
    budget_ms=st.none() | st.integers(0, 10**9),
    deadline_ms=st.none() | st.integers(0, 10**13),
    trace=st.dictionaries(st.sampled_from(TRACE_NAMES), st.text(max_size=1500)),
    extra=st.dictionaries(plain_texts, plain_texts, max_size=5),
)


def _encode_and_decode(original: Metadata, custom: dict[str, str] | None = None) -> dict[str, str]:
    encoded = encode_client_context(original, custom or {}, "f")
    sent: dict[str, str] = json.loads(base64.b64decode(encoded))["custom"]
    return sent


def test_the_names_on_the_wire():
    """Flat lower-case names and texts, which callees in any language can read."""
    assert {
        "lc-v": "1",
        "lc-id": "0f7a9c1e-6c7a-4f5e-9a56-1d6f0f0f0f0f",
        "lc-idem": "order-17",
        "lc-depth": "3",
        "lc-attempt": "2",
        "lc-budget-ms": "2500",
        "lc-deadline-ms": "1800000000000",
        "lc-offload": "s3",
        **TRACE,
    } == _encode_and_decode(FULL)


def test_unknown_metadata_is_not_written():
    """No deadline, no key, no trace: no names for them."""
    assert {"lc-v": "1", "lc-id": "c", "lc-depth": "1", "lc-attempt": "1"} == _encode_and_decode(Metadata("c", 1))


def test_only_custom_is_written():
    """The key ``w3c`` belongs to Lambda's runtimes; other unknown ones make some of them fail."""
    encoded = encode_client_context(FULL, {"shop": "berlin"}, "f")

    assert {"custom"} == json.loads(base64.b64decode(encoded)).keys()


@given(metadata)
def test_what_is_written_is_read(original: Metadata):
    """A round trip loses nothing."""
    assert original == read_metadata(original.texts())


@given(metadata, st.dictionaries(names, texts, max_size=30))
def test_a_users_texts_are_never_dropped_or_replaced(original: Metadata, custom: dict[str, str]):
    """However large ours are; texts that do not fit are rejected, and those that fit are within the limit."""
    try:
        encoded = encode_client_context(original, custom, "f")
    except RequestTooLargeError:
        kept = {name: text for name, text in original.texts().items() if name in {"lc-idem", "lc-metadata"}}
        least = {**({"lc-v": "1"} if kept else {}), **kept, **custom}
        assert len(base64.b64encode(json.dumps({"custom": least}, separators=(",", ":")).encode())) > LIMIT
        return
    sent = json.loads(base64.b64decode(encoded))["custom"]

    assert len(encoded) <= LIMIT
    assert custom == {name: sent[name] for name in custom}
    assert original.idempotency_key is None or "lc-idem" in sent
    assert not original.extra or "lc-metadata" in sent
    assert {name: text for name, text in sent.items() if name not in custom}.items() <= original.texts().items()


def test_a_users_trace_is_not_mixed_with_ours():
    """A ``tracestate`` belongs to its ``traceparent``: with the user's own, ours is not sent."""
    sent = _encode_and_decode(FULL, {"traceparent": "00-theirs"})

    assert "00-theirs" == sent["traceparent"]
    assert {"traceparent"} == TRACE.keys() & sent.keys()


def test_a_users_baggage_alone_leaves_the_trace():
    """It replaces ours by the same name, as any text of theirs does."""
    assert {**TRACE, "baggage": "mine=1"} == {
        name: text for name, text in _encode_and_decode(FULL, {"baggage": "mine=1"}).items() if name in TRACE
    }
    assert merge_custom({}, {"a": "b"}) == {"a": "b"}


@given(st.integers(0, 2700))
@example(0)
def test_metadata_that_does_not_fit_is_dropped_in_order(size: int):
    """Baggage first, the depth last; what is left is always the tail of that order, and the key stays."""
    try:
        sent = _encode_and_decode(FULL, {"own": "x" * size})
    except RequestTooLargeError:
        assert size > 2600
        return
    dropped = [name for name in DROPPED_FIRST if name not in sent]

    assert list(DROPPED_FIRST[: len(dropped)]) == dropped
    assert ("order-17", "1") == (sent["lc-idem"], sent["lc-v"])


def test_the_order_in_which_things_give_way():
    """What helps to look at a call goes before what bounds it."""
    assert (
        "baggage",
        "tracestate",
        "lc-deadline-ms",
        "lc-attempt",
        "traceparent",
        "lc-id",
        "lc-budget-ms",
        "lc-offload",
        "lc-depth",
    ) == DROPPED_FIRST


def test_the_limit_is_lambdas():
    """2,685 bytes of JSON are 3,580 of base64 and go out; one more does not fit 3,583."""
    bare = len(json.dumps({"custom": {"k": ""}}, separators=(",", ":")))

    assert {"k": "v" * (2685 - bare)} == _encode_and_decode(Metadata("c", 1), {"k": "v" * (2685 - bare)})
    with pytest.raises(
        RequestTooLargeError, match="client_context is 3,584 bytes in base64; Lambda accepts at most 3,583"
    ):
        _encode_and_decode(Metadata("c", 1), {"k": "v" * (2686 - bare)})


def test_an_idempotency_key_is_never_dropped():
    """Without it a repetition would be a second run: the call is refused instead."""
    bare = len(json.dumps({"custom": {"k": ""}}, separators=(",", ":")))
    custom = {"k": "v" * (2685 - bare)}

    assert custom == _encode_and_decode(FULL._replace(idempotency_key=None), custom)
    with pytest.raises(RequestTooLargeError):
        _encode_and_decode(FULL, custom)


def test_a_key_that_is_sent_can_be_read():
    """With user texts of any size: metadata is sent with its version, or not at all."""
    sent, refused = 0, 0
    for size in range(2500, 2700):
        try:
            found = read_metadata(_encode_and_decode(FULL, {"own": "x" * size}))
        except RequestTooLargeError:
            refused += 1
            continue
        sent += 1
        assert found is not None
        assert "order-17" == found.idempotency_key

    assert sent > 50
    assert refused > 50


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, None),
        ({"lc-id": "c", "lc-depth": "3"}, None),
        ({"lc-v": 1}, None),
        ({"lc-v": None}, None),
        ({"lc-v": "1"}, Metadata("", 0)),
        ({"lc-v": "2", "lc-new": "x", "lc-id": "c"}, Metadata("c", 0)),
        ({"lc-v": "1", "lc-depth": "deep", "lc-attempt": "-1"}, Metadata("", 0)),
        ({"lc-v": "1", "lc-depth": 3, "lc-attempt": 2.0, "lc-id": ["c"]}, Metadata("", 0)),
        ({"lc-v": "1", "lc-budget-ms": "1e9", "lc-deadline-ms": " 1"}, Metadata("", 0)),
        ({"lc-v": "1", "lc-budget-ms": "٣", "lc-deadline-ms": "²"}, Metadata("", 0)),
        ({"lc-v": "1", "lc-budget-ms": "9" * 400, "lc-depth": "9" * 5000}, Metadata("", 0)),
        ({"lc-v": "1", "lc-attempt": "0", "lc-budget-ms": "0"}, Metadata("", 0, budget_ms=0)),
        ({"lc-v": "1", "lc-idem": {"a": 1}, "traceparent": 7, "baggage": "b"}, Metadata("", 0, trace={"baggage": "b"})),
    ],
)
def test_what_is_malformed_counts_as_absent(texts: dict[str, Any], expected: Metadata | None):
    """A caller in another language, or another version, cannot make a callee fail."""
    assert expected == read_metadata(texts)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["lc-v", *FULL.texts()]), json_values | st.text("0123456789-.", max_size=400)))
def test_nothing_a_foreign_caller_writes_is_an_error(written: dict[str, Any]):
    """Reading never raises, and returns numbers that are in range."""
    found = read_metadata(written)

    assert found is None or (found.depth >= 0 and found.attempt >= 1)
    assert found is None or found.budget_ms is None or 0 <= found.budget_ms < 10**15


def test_an_envelope_has_the_data_and_the_metadata():
    """The form on the wire."""
    assert {
        "__lambdachain__": {"lc-v": "1", "lc-id": "c", "lc-depth": "1", "lc-attempt": "1"},
        "data": {"x": [1, None]},
    } == json.loads(wrap_in_envelope(b'{"x":[1,null]}', Metadata("c", 1)))


@given(json_values, metadata)
def test_an_envelope_is_opened_as_it_was_closed(value: Any, original: Metadata):
    """Data of any form, and all metadata."""
    assert (value, original) == unwrap_envelope(json.loads(wrap_in_envelope(json.dumps(value).encode(), original)))


PLAIN_EVENTS: list[Any] = [
    None,
    7,
    "text",
    [],
    [{ENVELOPE: {}, "data": 1}],
    {},
    {"data": {"x": 1}},
    {ENVELOPE: {"lc-v": "1"}},
    {ENVELOPE: "x", "data": 1},
    {ENVELOPE: None, "data": 1},
    {ENVELOPE: {"lc-v": "1"}, "data": 1, "more": 2},
    {"version": "2.0", "routeKey": "$default", "headers": {"host": "x"}, "body": "{}", "isBase64Encoded": False},
    {"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": '{"__lambdachain__": {}, "data": 1}'}]},
    {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]},
    {"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
]


@pytest.mark.parametrize("event", PLAIN_EVENTS, ids=lambda event: str(event)[:30])
def test_events_of_others_are_left_alone(event: Any):
    """Anything but exactly an envelope is an event: API Gateway's, SQS's, S3's, EventBridge's."""
    assert (event, None) == unwrap_envelope(event)

    @remote("any-event")
    def handler(event: Any) -> Any:
        return event

    assert event == handler(event, None)


def test_an_envelope_of_another_format_is_ignored():
    """The data is read; malformed metadata is ignored."""
    assert (1, None) == unwrap_envelope({ENVELOPE: {}, "data": 1})
    assert (1, None) == unwrap_envelope({ENVELOPE: {"lc-v": 1, "lc-depth": "x"}, "data": 1})


class Order(BaseModel):
    id: str


class Seen(BaseModel):
    order: str
    key: str | None
    depth: int
    correlation_id: str


order_events = Contract("order-events", request=Order, response=Seen, envelope=True)


@remote(order_events)
def seen_handler(order: Order) -> Seen:
    """Return what the handler saw."""
    now = current_invocation()
    assert now is not None
    return Seen(order=order.id, key=now.idempotency_key, depth=now.depth, correlation_id=now.correlation_id)


class Queue:
    """A transport that keeps what is sent and responds as Lambda does."""

    def __init__(self) -> None:
        self.sent: list[Invocation] = []

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Keep it."""
        self.sent.append(invocation)
        if invocation.invocation_type is InvocationType.EVENT:
            return Outcome(202, request_id="r")
        return Outcome(200, b"null", executed_version="1")

    def close(self) -> None:
        """No-op."""


def test_an_event_travels_in_an_envelope_where_the_contract_asks():
    """Key, depth and correlation id reach the handler; a deadline does not, for an event may wait for hours."""
    queue = Queue()
    LambdaClient(queue, timeout=3).fire(order_events, Order(id="o-1"), idempotency_key="k-1")
    (sent,) = queue.sent
    event = json.loads(sent.payload)
    seen = TypeAdapter(Seen).validate_python(seen_handler(event, None))

    assert sent.client_context is None
    assert ("o-1", "k-1", 1, event[ENVELOPE]["lc-id"]) == (seen.order, seen.key, seen.depth, seen.correlation_id)
    assert {"lc-v", "lc-id", "lc-idem", "lc-depth", "lc-attempt"} == event[ENVELOPE].keys()


def test_an_enveloped_handler_takes_plain_events_too():
    """Those of callers without lambdachain, and of calls."""
    seen = TypeAdapter(Seen).validate_python(seen_handler({"id": "o-2"}, None))

    assert ("o-2", None, 0) == (seen.order, seen.key, seen.depth)


def test_a_trace_travels_in_an_envelope():
    """W3C trace context is passed on from event to event."""

    @remote("trace-events", envelope=True)
    def handler(_: Any) -> dict[str, str]:
        now = current_invocation()
        assert now is not None
        return dict(now.trace)

    assert TRACE == handler(json.loads(wrap_in_envelope(b"1", FULL)), None)


def test_an_envelope_is_opened_only_if_the_contract_has_one():
    """Elsewhere it is an event like any other: a sender of events cannot write metadata."""
    forged = {ENVELOPE: {"lc-v": "1", "lc-id": "forged", "lc-idem": "forged", "lc-depth": "12"}, "data": {"id": "o-1"}}

    @remote("plain-events")
    def handler(event: Any) -> Any:
        now = current_invocation()
        assert now is not None
        assert (now.depth, now.idempotency_key) == (0, None)
        assert now.correlation_id != "forged"
        return event

    @remote("orders")
    def order_handler(order: Order) -> str:
        return order.id

    assert forged == handler(forged, None)
    with pytest.raises(RequestRejectedError):
        order_handler(forged, None)


CONTROL = ["\n", "\r\nX-Evil: 1", "\x00", "\x1b[31m", "\x7f", "\x85", "\u2028", "\ud800"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[("lc-id", f"c{control}d") for control in CONTROL],
        *[("lc-idem", f"k{control}d") for control in CONTROL],
        ("lc-id", "c" * 256),
        ("lc-idem", "k" * 256),
        ("lc-idem", ""),
        ("lc-depth", "13"),
        ("lc-depth", "999999999999999"),
        ("lc-depth", "-1"),
        ("lc-depth", "NaN"),
        ("lc-depth", "\u0663"),
        ("lc-attempt", "1000001"),
        ("lc-attempt", "0"),
        ("lc-budget-ms", "1000000001"),
        ("lc-budget-ms", "-1"),
        ("lc-budget-ms", "1e400"),
        ("lc-deadline-ms", "1"),
        ("lc-deadline-ms", "999999999999999"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"),
        ("traceparent", f"00-{'0' * 32}-b7ad6b7169203331-01"),
        ("traceparent", f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01"),
        ("traceparent", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("traceparent", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"),
        ("traceparent", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-" + "x" * 1000),
        ("tracestate", "a=1\r\nX-Evil: 1"),
        ("tracestate", "a=" + "1" * 513),
        ("tracestate", ",".join(f"a{number}=1" for number in range(33))),
        ("tracestate", "no member"),
        ("baggage", "a=1\nb=2"),
        ("baggage", "a=ü"),
        ("baggage", "a=" + "1" * 8192),
    ],
)
@pytest.mark.parametrize("carrier", ["context", "envelope", "scope"])
def test_what_comes_from_outside_is_bounded(carrier: str, name: str, text: str):
    """A value that no client of ours sends is ignored, and only that value: the call continues."""
    custom = {**_encode_and_decode(FULL._replace(deadline_ms=None)), name: text}
    absent = {"lc-id": "r-1", "lc-depth": 0, "lc-attempt": 1}
    seen = _read_through(carrier, custom)
    expected = {
        "lc-id": FULL.correlation_id,
        "lc-depth": 3,
        "lc-attempt": 2,
        "lc-idem": "order-17",
        **TRACE,
    }
    expected[name] = absent.get(name)
    if name == "traceparent":
        expected["tracestate"] = None  # which means nothing without it
    left = seen.pop("left")

    assert {key: value for key, value in expected.items() if key in seen} == seen
    assert (left <= 2.5) if name != "lc-budget-ms" else (2.5 < left <= 60)


def _read_through(carrier: str, custom: dict[str, str]) -> dict[str, Any]:
    """Return the metadata that a handler sees, sent in one of three forms."""
    seen: dict[str, Any] = {}

    def note() -> None:
        now = current_invocation()
        assert now is not None
        seen.update({"lc-id": now.correlation_id, "lc-depth": now.depth, "lc-attempt": now.attempt})
        seen.update({"lc-idem": now.idempotency_key, "left": now.remaining_time()})
        seen.update({name: now.trace.get(name) for name in TRACE_NAMES})

    @remote("see", envelope=True)
    def handler(_: Any) -> None:
        note()

    context = SimpleNamespace(aws_request_id="r-1", get_remaining_time_in_millis=lambda: 60_000)
    if carrier == "context":
        context.client_context = SimpleNamespace(custom=custom)
        handler(None, context)
    elif carrier == "envelope":
        handler({ENVELOPE: custom, "data": None}, context)
    else:
        with invocation_scope(context, metadata=read_metadata(custom)):
            note()
    return seen


@pytest.mark.parametrize("value", [[], {}, 7, None, True, [["x"] * 3] * 3, float("nan")])
@pytest.mark.parametrize("name", sorted(FULL.texts()))
def test_a_part_that_is_not_text_counts_as_absent(name: str, value: Any):
    """Of an envelope, whose JSON may hold anything."""
    assert _read_through("envelope", {**_encode_and_decode(FULL), name: value})


def test_many_other_names_cost_nothing():
    """They are not looked at."""
    many: dict[str, Any] = {f"lc-{number}": "x" for number in range(100_000)}

    assert _read_through("envelope", {**many, **_encode_and_decode(FULL)})["lc-idem"] == "order-17"


def test_what_is_refused_is_logged_without_its_text(caplog: pytest.LogCaptureFixture):
    """At the level DEBUG."""
    with caplog.at_level("DEBUG", logger="lambdachain"):
        _read_through("context", {**_encode_and_decode(FULL), "lc-idem": "secret\n", "traceparent": "secret"})

    assert "idempotency_key" in caplog.text
    assert "traceparent" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("control", CONTROL)
def test_a_key_with_control_characters_is_refused_where_it_is_given(control: str):
    """The callee would not take it."""
    with pytest.raises(InvalidRequestError, match="without control characters") as refused:
        LambdaClient(Queue()).call("f", 1, idempotency_key=f"k{control}")

    assert control not in str(refused.value)


@given(metadata.filter(lambda original: not original.trace))
def test_what_we_send_a_handler_takes(original: Metadata):
    """The bounds are the same on both sides."""
    key = original.idempotency_key
    with suppress(InvalidRequestError):
        client = LambdaClient(Queue())
        client.call("f", 1, idempotency_key=key)
        sent = cast("Queue", client._invoker._transport).sent[0].client_context or ""
        assert _read_through("context", json.loads(base64.b64decode(sent))["custom"])["lc-idem"] == key


def test_a_call_is_never_enveloped():
    """A call has a ClientContext, so its callee does not need envelopes."""
    queue = Queue()
    contract: Contract[Order, None] = Contract("order-events", request=Order, response=None, envelope=True)
    LambdaClient(queue).call(contract, Order(id="o-1"))

    assert {"id": "o-1"} == json.loads(queue.sent[0].payload)
    assert queue.sent[0].client_context is not None


def test_a_fire_without_envelope_is_the_payload_alone():
    """The callee, and readers of its queue or dead letters, see what was fired."""
    queue = Queue()
    LambdaClient(queue).fire("any", {"id": "o-1"})

    assert (b'{"id":"o-1"}', None) == (queue.sent[0].payload, queue.sent[0].client_context)


INJECTED = {"traceparent": TRACE["traceparent"], "X-Amzn-Trace-Id": "Root=1-5e1b"}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str


class WithHeaders(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str
    headers: dict[str, str]


@pydantic_dataclass(config=ConfigDict(extra="forbid"))
class StrictDataclass:
    id: str


@dataclass
class PlainDataclass:
    id: str


class StrictDict(TypedDict):
    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    id: str


def _make_handler(form: Any) -> RemoteHandler[Any, Any]:
    def function(request: Any) -> Any:
        return request

    function.__annotations__ = {"request": form, "return": form}
    return remote(Contract("strict", request=form, response=form))(function)


@pytest.mark.parametrize("form", [Strict, StrictDataclass, PlainDataclass, StrictDict])
def test_headers_that_opentelemetry_injects_break_no_strict_model(form: Any):
    """Its botocore instrumentation adds them to the payload itself."""
    assert {"id": "o-1"} == _make_handler(form)({"id": "o-1", "headers": INJECTED}, None)


def test_a_model_that_declares_headers_keeps_them():
    """They are the caller's own there."""
    event = {"id": "o-1", "headers": INJECTED}

    assert event == _make_handler(WithHeaders)(event, None)


def test_a_strict_model_refuses_everything_else():
    """Other fields that nobody declared, with injected headers or without."""
    for event, refused in (
        ({"id": "o-1", "more": 1}, {("more",)}),
        ({"id": "o-1", "more": 1, "headers": INJECTED}, {("more",), ("headers",)}),
        ({"headers": INJECTED}, {("id",), ("headers",)}),
    ):
        with pytest.raises(RequestRejectedError) as rejected:
            _make_handler(Strict)(event, None)
        assert refused == {error["loc"] for error in rejected.value.errors}
