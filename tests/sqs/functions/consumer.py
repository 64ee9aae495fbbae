"""A deployment whose handler takes batches from a queue."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from lambdachain import Contract, current_invocation
from lambdachain.sqs import queue


class Order(BaseModel):
    number: int


PLACE = Contract("orders-place", request=Order, response=None, envelope=True)


@queue(PLACE)
async def handler(order: Order) -> None:
    """Fail for negative numbers."""
    await asyncio.sleep(0)
    invocation = current_invocation()
    assert invocation is not None
    print("handled", order.number, invocation.idempotency_key)
    if order.number < 0:
        raise ValueError("a secret text")
