"""Price, as it was published as version 2: ten or more are cheaper. Handler setting: price_v2.handler."""

from __future__ import annotations

from decimal import Decimal

from price_contracts import PriceRequest, Quote, price

from lambdachain import remote

UNIT_PRICE = Decimal("24.90")
DISCOUNT = Decimal("0.9")


@remote(price)
def handler(request: PriceRequest) -> Quote:
    total = UNIT_PRICE * request.quantity
    return Quote(total=total * DISCOUNT if request.quantity >= 10 else total)
