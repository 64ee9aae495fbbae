"""The child by itself: its function with types, and as Lambda calls it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from child_function import handler
from purchase_contracts import OutOfStock, Purchase

from lambdachain import RequestRejectedError


def test_amount_is_quantity_times_unit_price() -> None:
    sold = handler.local(Purchase(product="Keyboard", quantity=3, unit_price=Decimal("24.90")))

    assert sold.amount == Decimal("74.70")


def test_more_than_there_is_is_refused() -> None:
    with pytest.raises(OutOfStock) as refused:
        handler.local(Purchase(product="Monitor", quantity=3, unit_price=Decimal(199)))

    assert refused.value == OutOfStock(product="Monitor", available=2)


def test_an_event_comes_and_goes_as_json() -> None:
    answer = handler({"product": "Keyboard", "quantity": 1, "unit_price": "24.90"}, None)

    assert isinstance(answer, dict)
    assert answer["amount"] == "24.90"


def test_a_wrong_event_is_rejected_field_by_field() -> None:
    with pytest.raises(RequestRejectedError) as rejected:
        handler({"product": "Keyboard", "quantity": 0}, None)

    assert [(error["loc"], error["type"]) for error in rejected.value.errors] == [
        (("quantity",), "greater_than"),
        (("unit_price",), "missing"),
    ]
