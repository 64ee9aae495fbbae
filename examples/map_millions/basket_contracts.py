"""The contract of BasketFunction."""

from __future__ import annotations

from pydantic import BaseModel

from lambdachain import Contract, RemoteError


class Basket(BaseModel):
    basket_id: str
    cents: list[int]


class Price(BaseModel):
    basket_id: str
    cents: int


class EmptyBasket(RemoteError):
    basket_id: str


price_basket = Contract("BasketFunction", request=Basket, response=Price, errors=[EmptyBasket])
