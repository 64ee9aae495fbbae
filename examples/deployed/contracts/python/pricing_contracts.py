"""The contracts of both functions: a layer of its own, or part of each package."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, Field

from lambdachain import Contract, RemoteError


class Basket(BaseModel):
    order_id: str = Field(min_length=1)
    products: dict[str, int] = Field(min_length=1)


class Price(BaseModel):
    total: Decimal


class UnknownProduct(RemoteError):
    product: str


class Receipt(BaseModel):
    order_id: str
    text: str


# Idempotent: the price of a basket depends on nothing else, so a lost response may be asked for again.
pricing = Contract("pricing", request=Basket, response=Price, errors=[UnknownProduct], idempotent=True)
checkout = Contract("checkout", request=Basket, response=Receipt, idempotent=True)
