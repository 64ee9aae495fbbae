"""Price, as it was published as version 1. Handler setting: price_v1.handler."""

from __future__ import annotations

from decimal import Decimal

from price_contracts import PriceRequest, Quote, price

from lambdachain import remote

UNIT_PRICE = Decimal("24.90")


@remote(price)
def handler(request: PriceRequest) -> Quote:
    return Quote(total=UNIT_PRICE * request.quantity)
