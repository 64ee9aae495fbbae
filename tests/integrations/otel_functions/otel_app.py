"""Functions whose traces are tested; each runs in a process that OpenTelemetry's layer would start."""

from __future__ import annotations

from opentelemetry import baggage, trace
from pydantic import BaseModel

from lambdachain import Contract, LambdaClient, RemoteError, remote


class Order(BaseModel):
    id: str
    hops: int = 0


class Declined(RemoteError):
    reason: str


order = Contract("otel-order", request=Order, response=Order, errors=[Declined])
scalar = Contract("otel-scalar", request=int, response=int)
chained = Contract("otel-chain", request=Order, response=str)
event = Contract("otel-event", request=Order, response=None)
enveloped = Contract("otel-enveloped", request=Order, response=None, envelope=True)
client = LambdaClient()


@remote(order)
def handle_order(request: Order) -> Order:
    """Return the order, or fail as its id says."""
    if request.id == "declined":
        raise Declined(reason="limit")
    if request.id == "broken":
        raise KeyError(request.id)
    return request


@remote(scalar)
async def handle_scalar(request: int) -> int:
    """Return twice the number."""
    return request * 2


@remote(chained)
def handle_chain(request: Order) -> str:
    """Call itself until no hops are left; return the trace id and the baggage there."""
    if request.hops:
        return client.call(chained, Order(id=request.id, hops=request.hops - 1))
    span = trace.get_current_span().get_span_context()
    return f"{trace.format_trace_id(span.trace_id)} {baggage.get_baggage('customer')}"


@remote(event)
def handle_event(request: Order) -> None:
    """Take an event."""
    assert request.id


@remote(enveloped)
def handle_enveloped(request: Order) -> None:
    """Take an event with an envelope."""
    assert request.id
