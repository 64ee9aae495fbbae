"""The API's function: the status that its clients see, alone and with the function behind it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import api_function
import orders_function
import pytest
from api_function import handler, orders_api
from gateway_events import HttpEvent, RestEvent
from orders_contracts import Order, OutOfStock, Placed, UnknownProduct, place_order
from sample_events import http_event, order, rest_event

from lambdachain import InProcessTransport, LambdaClient
from lambdachain.local import LocalFunction
from lambdachain.testing import LambdaContext, LambdaEndpoint, Stub, StubTransport

EXAMPLE = Path(__file__).parents[1]
PLACED = Placed(order_id="o-1", product="Keyboard", quantity=3)

Event = Callable[[str, str, str | None], dict[str, Any]]


@pytest.fixture(name="event", params=[rest_event, http_event], ids=["REST", "HTTP"])
def _event(request: pytest.FixtureRequest) -> Event:
    made: Event = request.param
    return made


@pytest.fixture(name="post")
def _post(event: Event, lambda_context: LambdaContext) -> Callable[[str], tuple[int, Any]]:
    """Pass a body to the handler, as Lambda does, and return the status and body of the response."""

    def post(body: str) -> tuple[int, Any]:
        answer: Any = handler(event("POST", "/orders", body), lambda_context)
        assert answer["headers"]["Content-Type"] == "application/json"
        return answer["statusCode"], json.loads(answer["body"])

    return post


Post = Callable[[str], tuple[int, Any]]


def test_an_order_is_placed(lambda_stub: StubTransport, post: Post) -> None:
    orders = lambda_stub.on(place_order).returns(PLACED)

    assert post(order("Keyboard", 3)) == (201, {"order_id": "o-1", "product": "Keyboard", "quantity": 3})
    assert [call.request for call in orders.calls] == [Order(product="Keyboard", quantity=3)]


GOES_WRONG: list[tuple[str, Callable[[Stub[Order, Placed]], object], int, object]] = [
    (
        "OutOfStock",
        lambda stub: stub.raises(OutOfStock(product="Keyboard", available=2)),
        409,
        {"error": "OutOfStock", "available": 2},
    ),
    (
        "UnknownProduct",
        lambda stub: stub.raises(UnknownProduct(product="Keyboard")),
        404,
        {"error": "UnknownProduct", "product": "Keyboard"},
    ),
    ("throttled", lambda stub: stub.throttles(), 503, {"error": "Unavailable"}),
    ("too late", lambda stub: stub.times_out(), 504, {"error": "Unavailable"}),
    ("a defect", lambda stub: stub.raises(ValueError("the password is hunter2")), 502, {"error": "Unavailable"}),
]


@pytest.mark.parametrize(("goes_wrong", "status", "body"), [pytest.param(*case, id=name) for name, *case in GOES_WRONG])
def test_an_error_has_its_status(
    goes_wrong: Callable[[Stub[Order, Placed]], object],
    status: int,
    body: object,
    lambda_stub: StubTransport,
    post: Post,
) -> None:
    goes_wrong(lambda_stub.on(place_order))

    assert post(order("Keyboard", 3)) == (status, body)


def test_a_throttled_client_gets_retry_after(lambda_stub: StubTransport) -> None:
    lambda_stub.on(place_order).throttles()
    event = RestEvent.model_validate(rest_event("POST", "/orders", order("Keyboard", 3)))

    assert handler.local(event).headers["Retry-After"] == "1"


def test_an_invalid_order_is_reported_by_field_and_not_sent(lambda_stub: StubTransport, post: Post) -> None:
    status, body = post('{"quantity": 0}')

    assert (status, [field["field"] for field in body["fields"]]) == (400, ["product", "quantity"])
    assert post("{")[0] == 400
    assert not lambda_stub.calls


@pytest.mark.usefixtures("lambda_stub")
def test_other_paths_and_methods_are_not_found(event: Event, lambda_context: LambdaContext) -> None:
    for method, path in (("GET", "/orders"), ("POST", "/"), ("DELETE", "/orders/1")):
        answer: Any = handler(event(method, path, None), lambda_context)
        assert answer["statusCode"] == 404


def test_a_body_may_come_in_base64(lambda_stub: StubTransport) -> None:
    lambda_stub.on(place_order).returns(PLACED)
    encoded = base64.b64encode(order("Keyboard", 3).encode()).decode()
    event = HttpEvent.model_validate(http_event("POST", "/orders", encoded) | {"isBase64Encoded": True})

    assert handler.local(event).status_code == 201


def test_both_functions_together(lambda_inprocess: InProcessTransport, event: Event) -> None:
    lambda_inprocess.add(handler)
    lambda_inprocess.add(orders_function.handler)
    client = LambdaClient()

    answer = client.call("OrdersApi", event("POST", "/orders", order("Monitor", 3)))

    assert isinstance(answer, dict)
    assert (answer["statusCode"], answer["body"]) == (409, '{"error": "OutOfStock", "available": 2}')
    assert ("OrdersApi", "PlaceOrder") in {(caller, callee) for caller, callee, _ in lambda_inprocess.graph}


def test_both_functions_in_the_real_runtime(lambda_endpoint: LambdaEndpoint) -> None:
    lambda_endpoint(
        LocalFunction("OrdersApi", "api_function.handler", directory=EXAMPLE),
        LocalFunction("PlaceOrder", "orders_function.handler", directory=EXAMPLE),
    )
    event = HttpEvent.model_validate(http_event("POST", "/orders", order("Monitor", 1)))

    assert LambdaClient().call(orders_api, event).status_code == 201


def test_every_declared_error_has_a_status_of_its_own() -> None:
    statuses = {error: api_function.STATUS[error] for error in place_order.errors}

    assert set(statuses) == set(place_order.errors)
    assert all(400 <= status < 500 for status in statuses.values())
