"""Pricing, the callee: the price of a basket. Lambda's handler setting: pricing_function.handler."""

from __future__ import annotations

from decimal import Decimal

from pricing_contracts import Basket, Price, UnknownProduct, pricing

from lambdachain import remote

PRICES = {"Keyboard": Decimal("24.90"), "Monitor": Decimal("199.00")}


@remote(pricing)
def handler(basket: Basket) -> Price:
    for product in basket.products:
        if product not in PRICES:
            raise UnknownProduct(product=product)
    return Price(total=sum((PRICES[product] * count for product, count in basket.products.items()), Decimal(0)))
