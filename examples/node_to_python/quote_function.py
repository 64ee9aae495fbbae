"""QuotePrice, in Python: any caller in any language can call it. Handler setting: quote_function.handler."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, Field

from lambdachain import Contract, RemoteError, remote

PRICES = {"Keyboard": Decimal("24.90"), "Monitor": Decimal("199.00")}


class QuoteRequest(BaseModel):
    product: str
    quantity: int = Field(gt=0)


class Quote(BaseModel):
    total: Decimal


class UnknownProduct(RemoteError):
    product: str


quote_price = Contract("QuotePrice", request=QuoteRequest, response=Quote, errors=[UnknownProduct])


@remote(quote_price)
def handler(request: QuoteRequest) -> Quote:
    price = PRICES.get(request.product)
    if price is None:
        raise UnknownProduct(product=request.product)
    return Quote(total=price * request.quantity)
