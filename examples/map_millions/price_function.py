"""PriceFunction. Handler setting: price_function.handler."""

from __future__ import annotations

from price_contracts import Basket, EmptyBasket, Price, price

from lambdachain import remote


@remote(price)
def handler(basket: Basket) -> Price:
    if not basket.cents:
        raise EmptyBasket(basket_id=basket.basket_id)
    return Price(basket_id=basket.basket_id, cents=sum(basket.cents))
