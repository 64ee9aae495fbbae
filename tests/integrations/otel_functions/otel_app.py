"""Functions whose traces are tested; each runs in a process that OpenTelemetry's layer would start."""

from __future__ import annotations

import time
from pathlib import Path

from opentelemetry import baggage, trace
from pydantic import BaseModel

from lambdachain import Contract, LambdaClient, RemoteError, current_invocation, remote


class Order(BaseModel):
    id: str
    hops: int = 0


class Busy(RemoteError):
    attempt: int


class Declined(RemoteError):
    reason: str


order = Contract("otel-order", request=Order, response=Order, errors=[Declined])
scalar = Contract("otel-scalar", request=int, response=int)
flaky = Contract("otel-flaky", request=str, response=int, errors=[Busy], idempotent=True)
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


@remote(flaky)
def handle_flaky(request: str) -> int:
    """Fail at the first attempt; with a path, hold it back instead until the second one has created that file."""
    invocation = current_invocation()
    attempt = invocation.attempt if invocation else 1
    if not request and attempt == 1:
        raise Busy(attempt=attempt)
    if request and attempt > 1:
        Path(request).touch()
    while request and not Path(request).exists():
        time.sleep(0.01)
    return attempt


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
