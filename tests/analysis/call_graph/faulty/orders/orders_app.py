"""Declares another type than billing, fires a function that is not idempotent, and has too short a timeout."""

from __future__ import annotations

from pydantic import BaseModel

from lambdachain import Contract, LambdaClient, remote


class Order(BaseModel):
    order_id: str


class ChargeRequest(BaseModel):
    order_id: str
    cents: str  # types: billing accepts an integer


class Charged(BaseModel):
    charge_id: str


class Reservation(BaseModel):
    order_id: str


charge = Contract("billing-charge", request=ChargeRequest, response=Charged)
mail = Contract("mail-send", request=Order, response=None)
reserve = Contract("stock-reserve", request=Reservation, response=None)
index = Contract("search-index", request=Order, response=None, idempotent=True)

client = LambdaClient()


@remote("orders-place")
def handler(order: Order) -> None:
    """Call, call, fire, fire."""
    client.call(charge, ChargeRequest(order_id=order.order_id, cents="500"))  # timeout: billing has 30 s, orders 10 s
    client.call(reserve, Reservation(order_id=order.order_id), timeout=5)  # no warning: a timeout of its own
    client.fire(mail, order)  # fired: the contract is not declared idempotent
    client.fire(index, order)  # no warning: idempotent
