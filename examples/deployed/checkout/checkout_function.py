"""Checkout, the caller: a receipt for a basket. Lambda's handler setting: checkout_function.handler.

It is called, or gets baskets as events; an event that fails three times goes to a queue. PRICING_FUNCTION has the ARN
of the callee's alias.
"""

from __future__ import annotations

from pricing_contracts import Basket, Receipt, checkout, pricing

from lambdachain import LambdaClient, remote
from lambdachain.resolvers import from_env

client = LambdaClient(resolve=from_env({pricing: "PRICING_FUNCTION"}))


@remote(checkout)
def handler(basket: Basket) -> Receipt:
    price = client.call(pricing, basket)
    return Receipt(order_id=basket.order_id, text=f"{price.total} to pay")
