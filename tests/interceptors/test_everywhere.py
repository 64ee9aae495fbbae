"""Interceptors of both sides, for each operation, over each transport."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from lambdachain import (
    Contract,
    DeadlineExceededError,
    FunctionError,
    InvalidRequestError,
    LambdaClient,
    Receipt,
    RequestRejectedError,
    RequestTooLargeError,
    ResponseError,
    StreamResult,
    Transport,
)
from tests.interceptors.conftest import Recorder
from tests.interceptors.intercepted_functions import Order, OutOfStock, Report, order, order_async, plain, wrong
from tests.support.async_as_sync import client_over

MUG = Order(item="mug", quantity=1)
ORDERS = pytest.mark.parametrize("contract", [order, order_async], ids=["sync handler", "async handler"])
STEPS = ["recorder enters", "recorder leaves"]
INVALID: Any = {"item": "mug"}


def only(results: Iterable[Any]) -> Any:
    """Return the result of a map with one payload."""
    (result,) = results
    return result


OPERATIONS: dict[str, tuple[str, Callable[[LambdaClient, Any, Any], Any], type]] = {
    "call": ("call", lambda client, contract, request: client.call(contract, request), Report),
    "invoke": ("call", lambda client, contract, request: client.invoke(contract, request).value, Report),
    "fire": ("fire", lambda client, contract, request: client.fire(contract, request), Receipt),
    "map": ("call", lambda client, contract, request: only(client.map(contract, [request])), Report),
    "fire_map": ("fire", lambda client, contract, request: only(client.fire_map(contract, [request])), Receipt),
    "stream": ("stream", lambda client, contract, request: b"".join(client.stream(contract, request)), StreamResult),
    "text": (
        "stream",
        lambda client, contract, request: "".join(client.stream(contract, request, text=True)),
        StreamResult,
    ),
}
EVERY = pytest.mark.parametrize("name", OPERATIONS)


@EVERY
def test_the_call_is_seen_before_and_after(client: LambdaClient, recorder: Recorder, name: str):
    """Once, with its result and its attempt."""
    operation, run, kind = OPERATIONS[name]
    returned = run(client, order, MUG)
    (call,) = recorder.calls

    assert recorder.steps == STEPS
    assert (call.contract, call.function, call.operation, call.request) == (order, "order", operation, MUG)
    assert type(call.result) is kind
    assert call.result == (StreamResult(len(returned), complete=True) if kind is StreamResult else returned)
    assert [(each.number, each.error, each.hedge, each.wait) for each in call.attempts] == [(1, None, False, 0.0)]
    assert call.attempts[0].succeeded
    assert call.attempts[0].request_id


def test_a_permission_check_is_a_call(client: LambdaClient, recorder: Recorder):
    """Nothing runs, so there is no request."""
    allowed = client.can_invoke(order)
    (call,) = recorder.calls

    assert (call.operation, call.request, call.result) == ("can_invoke", None, allowed)
    assert recorder.steps == STEPS


@ORDERS
@pytest.mark.parametrize("name", ["call", "invoke", "map"])
def test_the_callee_receives_the_metadata(client: LambdaClient, contract: Contract[Order, Report], name: str):
    """And its own interceptors stand around its function, the first one outermost."""
    report = OPERATIONS[name][1](client, contract, MUG)

    assert report.received["tenant"] == "acme"
    assert report.steps == [f"outer enters {contract.function}", f"inner enters {contract.function}"]


@ORDERS
def test_metadata_comes_with_a_stream(client: LambdaClient, contract: Contract[Order, Report]):
    """As with a call."""
    report = Report.model_validate_json(b"".join(client.stream(contract, MUG)))

    assert report.received["tenant"] == "acme"


@ORDERS
def test_handlers_interceptors_see_the_end(client: LambdaClient, contract: Contract[Order, Report]):
    """Which the next invocation of the same process reports."""
    client.call(contract, MUG)
    before = client.call(contract, Order(item="cup", quantity=2)).before
    name = contract.function

    assert before == [
        *(f"inner enters {name}", "inner leaves mug Report"),
        *(f"outer enters {name}", "outer leaves mug Report"),
    ]


@ORDERS
def test_a_declared_error_passes_both_sides(
    client: LambdaClient, recorder: Recorder, contract: Contract[Order, Report]
):
    """As its class, with its fields."""
    with pytest.raises(OutOfStock) as failed:
        client.call(contract, Order(item="nothing", quantity=1))
    before = client.call(contract, MUG).before

    assert recorder.errors == [failed.value]
    assert recorder.calls[0].attempts[0].error is failed.value
    assert [step for step in before if "sees" in step] == ["inner sees OutOfStock", "outer sees OutOfStock"]
    with pytest.raises(AttributeError, match="no result"):
        _ = recorder.calls[0].result


def test_a_rejected_request_is_seen_on_both_sides(client: LambdaClient, recorder: Recorder):
    """A caller by name has no contract to check it with, the callee has."""
    with pytest.raises(RequestRejectedError) as failed:
        client.call("order", {"item": "mug"})

    assert recorder.errors == [failed.value]


@EVERY
def test_what_is_refused_before_sending_is_seen(client: LambdaClient, recorder: Recorder, name: str):
    """Nothing is sent, so there are no attempts."""
    with pytest.raises(InvalidRequestError) as refused:
        OPERATIONS[name][1](client, order, INVALID)

    assert recorder.errors == [refused.value]
    assert recorder.calls[0].attempts == ()
    assert recorder.steps == ["recorder enters", "recorder sees InvalidRequestError"]


@EVERY
def test_a_payload_that_is_too_large_is_seen(client: LambdaClient, recorder: Recorder, name: str):
    """Before it is sent."""
    with pytest.raises(RequestTooLargeError) as refused:
        OPERATIONS[name][1](client, order, Order(item="x" * 7_000_000, quantity=1))

    assert recorder.errors == [refused.value]


@pytest.mark.parametrize("name", ["call", "fire", "can_invoke", "stream", "map"])
def test_a_deadline_that_is_over_is_seen(client: LambdaClient, recorder: Recorder, name: str):
    """Where the timeout leaves no time, or almost none."""
    bound = {
        "call": lambda: client.call(order, MUG, timeout=1e-9),
        "fire": lambda: client.fire(order, MUG, timeout=1e-9),
        "can_invoke": lambda: client.can_invoke(order, timeout=1e-9),
        "stream": lambda: [*client.stream(order, MUG, timeout=1e-9)],
        "map": lambda: [*client.map(order, [MUG], timeout=1e-9)],
    }
    with pytest.raises(DeadlineExceededError) as late:
        bound[name]()

    assert recorder.errors == [late.value]


@pytest.mark.parametrize("name", ["call", "map"])
def test_a_response_that_does_not_fit_is_seen(client: LambdaClient, recorder: Recorder, name: str):
    """The attempt has a response, and is not a success."""
    with pytest.raises(ResponseError) as unusable:
        OPERATIONS[name][1](client, wrong, MUG)

    assert recorder.errors == [unusable.value]
    assert [each.error for each in recorder.calls[0].attempts] == [unusable.value]
    assert recorder.calls[0].attempts[0].status == 200


def test_each_payload_of_a_map_is_a_call(client: LambdaClient, recorder: Recorder):
    """Also those of a map that collects errors."""
    requests = [MUG, Order(item="nothing", quantity=1), Order(item="cup", quantity=2)]
    results = [*client.map(order, requests, return_exceptions=True)]

    assert [type(result) for result in results] == [Report, OutOfStock, Report]
    assert sorted(call.request.item for call in recorder.calls) == ["cup", "mug", "nothing"]
    assert recorder.errors == [results[1]]


def test_interceptors_nest_the_first_outermost(transport: Transport):
    """And what an inner one raises, an outer one sees."""
    steps: list[str] = []
    outer, inner = Recorder("outer", tenant="acme"), Recorder("inner", shop="berlin", tenant="overwritten")
    outer.steps = inner.steps = steps
    client = client_over(transport, interceptors=[outer, inner])
    report = client.call(order, MUG)

    assert steps == ["outer enters", "inner enters", "inner leaves", "outer leaves"]
    assert report.received.items() >= {"tenant": "overwritten", "shop": "berlin"}.items()


def test_an_event_without_an_envelope_carries_no_metadata(client: LambdaClient, recorder: Recorder):
    """It has nowhere to go; the call is seen all the same."""
    assert client.fire(plain, MUG).request_id
    assert recorder.steps == STEPS
    assert client.call(plain, MUG) == {"tenant": "acme"}


def test_without_interceptors_nothing_is_added(transport: Transport):
    """No empty text either."""
    assert client_over(transport).call(plain, MUG) == {}


def test_a_function_that_fails_is_seen(client: LambdaClient, recorder: Recorder):
    """With its error type."""
    with pytest.raises(FunctionError):
        client.call("order", {})

    assert isinstance(recorder.errors[0], FunctionError)
    assert recorder.errors[0].error_type == "RequestRejectedError"
