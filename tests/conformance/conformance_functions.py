"""The functions of the conformance suite, called over every transport: one behavior each."""

from __future__ import annotations

import sys
import time
from typing import Any

from pydantic import BaseModel

from lambdachain import Contract, LambdaClient, RemoteError, current_invocation, remote

client = LambdaClient()


class Order(BaseModel):
    """The request of the typed functions."""

    item: str
    quantity: int


class Placed(BaseModel):
    """Their response."""

    text: str


class OutOfStock(RemoteError):
    """Their declared error."""

    available: int


class Undeclared(RemoteError):
    """An error that they raise and do not declare."""

    secret: str


place = Contract("place", request=Order, response=Placed, errors=[OutOfStock])
relay = Contract("relay", request=Order, response=Placed, errors=[OutOfStock])


@remote(place)
def place_order(order: Order) -> Placed:
    """Return a response, or raise a declared or an undeclared error."""
    if order.item == "undeclared":
        raise Undeclared(secret="s")
    if order.quantity > 2:
        raise OutOfStock(available=2)
    return Placed(text=f"{order.quantity} x {order.item}")


@remote(relay)
async def relay_order(order: Order) -> Placed:
    """Call another function, from a coroutine."""
    return client.call(place, order)


@remote("metadata")
def report_metadata(_: None) -> dict[str, str | int | None]:
    """Return the metadata of the call."""
    invocation = current_invocation()
    if invocation is None:
        return {}
    left = invocation.remaining_time()
    return {
        "correlation_id": invocation.correlation_id,
        "depth": invocation.depth,
        "attempt": invocation.attempt,
        "key": invocation.idempotency_key,
        "remaining": None if left is None else int(left),
    }


def echo(event: Any, context: Any) -> Any:
    """Return the event."""
    return event


def describe(event: Any, context: Any) -> dict[str, Any]:
    """Return the attributes of the context."""
    client_context = context.client_context
    return {
        "request_id": context.aws_request_id,
        "name": context.function_name,
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "tenant_id": context.tenant_id,
        "custom": client_context.custom if client_context else None,
        "has_time": context.get_remaining_time_in_millis() > 0,
    }


def fail(event: Any, context: Any) -> None:
    """Raise an exception with the event as its message."""
    raise LookupError(event)


def leave(event: Any, context: Any) -> None:
    """Exit the process with the event as its status."""
    sys.exit(event)


def answer_a_set(event: Any, context: Any) -> Any:
    """Return a value that JSON cannot represent."""
    return {1, 2}


def answer_nan(event: Any, context: Any) -> float:
    """Return NaN, which Python serializes although JSON does not have it."""
    return float("nan")


def answer_large(event: int, context: Any) -> str:
    """Return a string of *event* characters."""
    return "x" * event


def oversleep(event: Any, context: Any) -> None:
    """Sleep longer than the function's timeout."""
    time.sleep(3)
