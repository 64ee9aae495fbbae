"""Has its own idea of what billing takes, fires what must not come twice, waits for what has more time than itself."""

from __future__ import annotations

from pydantic import BaseModel

from lambdachain import Contract, LambdaClient, remote


class Order(BaseModel):
    order_id: str


class ChargeRequest(BaseModel):
    order_id: str
    cents: str  # types: billing takes an integer


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
    client.call(reserve, Reservation(order_id=order.order_id), timeout=5)  # it says itself how long it waits
    client.fire(mail, order)  # fired: nobody says that a mail may come twice
    client.fire(index, order)  # idempotent
