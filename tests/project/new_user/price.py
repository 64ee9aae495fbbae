"""Lambda's handler setting: price.handler."""

from decimal import Decimal

from lambdachain import remote
from shop_contracts import Price, PriceRequest, UnknownProduct, price

PRICES = {"mug": Decimal("4.50"), "keyboard": Decimal("24.90")}


@remote(price)
def handler(request: PriceRequest) -> Price:
    if request.product not in PRICES:
        raise UnknownProduct(product=request.product)
    return Price(total=PRICES[request.product] * request.quantity)
