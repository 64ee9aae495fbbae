"""Both functions in one process; the templates are tested in the project's own tests."""

from __future__ import annotations

import os
from decimal import Decimal

import pytest
from checkout_function import handler as checkout_handler
from pricing_contracts import Basket, UnknownProduct, checkout, pricing
from pricing_function import handler as pricing_handler

from lambdachain import InProcessTransport, LambdaClient

BASKET = Basket(order_id="A-1", products={"Keyboard": 2, "Monitor": 1})


@pytest.fixture(autouse=True)
def _address(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setitem(os.environ, "PRICING_FUNCTION", "pricing")


def test_pricing_alone() -> None:
    assert pricing_handler.local(BASKET).total == Decimal("248.80")


def test_an_unknown_product_is_a_declared_error(lambda_inprocess: InProcessTransport) -> None:
    lambda_inprocess.add(pricing_handler)
    with pytest.raises(UnknownProduct) as caught:
        LambdaClient().call(pricing, Basket(order_id="A-2", products={"Mouse": 1}))

    assert caught.value.product == "Mouse"


def test_checkout_calls_pricing(lambda_inprocess: InProcessTransport) -> None:
    lambda_inprocess.add(pricing_handler)
    lambda_inprocess.add(checkout_handler)

    assert LambdaClient().call(checkout, BASKET).text == "248.80 to pay"
