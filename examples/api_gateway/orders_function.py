"""PlaceOrder: the function behind the API's. Handler setting: orders_function.handler."""

from __future__ import annotations

from uuid import uuid4

from orders_contracts import Order, OutOfStock, Placed, UnknownProduct, place_order

from lambdachain import remote

STOCK = {"Keyboard": 40, "Monitor": 2}


@remote(place_order)
def handler(order: Order) -> Placed:
    available = STOCK.get(order.product)
    if available is None:
        raise UnknownProduct(product=order.product)
    if order.quantity > available:
        raise OutOfStock(product=order.product, available=available)
    return Placed(order_id=uuid4().hex, product=order.product, quantity=order.quantity)
