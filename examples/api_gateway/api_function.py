"""OrdersApi: POST /orders, behind API Gateway. Handler setting: api_function.handler."""

from __future__ import annotations

import json
from typing import Final

from gateway_events import HttpEvent, ProxyAnswer, RestEvent
from orders_contracts import Order, OutOfStock, UnknownProduct, place_order
from pydantic import ValidationError

from lambdachain import (
    CallError,
    CallTimeoutError,
    Contract,
    DeadlineExceededError,
    FunctionNotReadyError,
    LambdaClient,
    ThrottledError,
    remote,
)

orders_api = Contract("OrdersApi", request=RestEvent | HttpEvent, response=ProxyAnswer)

client = LambdaClient()

# The first class that matches decides: what clients can fix; what did not run, so that they may retry; the rest.
STATUS: Final[dict[type[CallError], int]] = {
    UnknownProduct: 404,
    OutOfStock: 409,
    ThrottledError: 503,
    FunctionNotReadyError: 503,
    DeadlineExceededError: 503,
    CallTimeoutError: 504,
    CallError: 502,
}
RETRY_AFTER: Final = "1"


@remote(orders_api)
def handler(event: RestEvent | HttpEvent) -> ProxyAnswer:
    if (event.http_method, event.path) != ("POST", "/orders"):
        return answer(404, {"error": "NotFound"})
    try:
        order = Order.model_validate_json(event.content)
    except ValidationError as invalid:
        wrong = [{"field": ".".join(map(str, error["loc"])), "problem": error["msg"]} for error in invalid.errors()]
        return answer(400, {"error": "InvalidOrder", "fields": wrong})
    try:
        placed = client.call(place_order, order, timeout=2)
    except CallError as error:
        return refusal(error)
    return answer(201, placed.model_dump(mode="json"))


def refusal(error: CallError) -> ProxyAnswer:
    """Return what the client may know: the fields of a declared error, and only the status of any other."""
    status = next(status for kind, status in STATUS.items() if isinstance(error, kind))
    match error:
        case OutOfStock(available=available):
            return answer(status, {"error": "OutOfStock", "available": available})
        case UnknownProduct(product=product):
            return answer(status, {"error": "UnknownProduct", "product": product})
        case _ if status == 503:
            return answer(status, {"error": "Unavailable"}, {"Retry-After": RETRY_AFTER})
        case _:
            print(f"PlaceOrder failed: {error!r}")
            return answer(status, {"error": "Unavailable"})


def answer(status: int, body: object, headers: dict[str, str] | None = None) -> ProxyAnswer:
    content_type = {"Content-Type": "application/json"}
    return ProxyAnswer(status_code=status, headers=content_type | (headers or {}), body=json.dumps(body))
