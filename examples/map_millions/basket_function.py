"""BasketFunction. Handler setting: basket_function.handler."""

from __future__ import annotations

from basket_contracts import Basket, EmptyBasket, Price, price_basket

from lambdachain import remote


@remote(price_basket)
def handler(basket: Basket) -> Price:
    if not basket.cents:
        raise EmptyBasket(basket_id=basket.basket_id)
    return Price(basket_id=basket.basket_id, cents=sum(basket.cents))
