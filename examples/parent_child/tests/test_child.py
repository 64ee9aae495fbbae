"""The child alone: its function with types, and its handler as Lambda calls it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from child_function import handler
from purchase_contracts import OutOfStock, Purchase, child

from lambdachain import RequestRejectedError
from lambdachain.testing import LambdaContext, assert_handler_fulfils

THREE_MONITORS = Purchase(product="Monitor", quantity=3, unit_price=Decimal(199))


def test_amount_is_quantity_times_unit_price() -> None:
    sold = handler.local(Purchase(product="Keyboard", quantity=3, unit_price=Decimal("24.90")))

    assert sold.amount == Decimal("74.70")


def test_an_order_beyond_the_stock_is_refused() -> None:
    with pytest.raises(OutOfStock) as refused:
        handler.local(THREE_MONITORS)

    assert refused.value == OutOfStock(product="Monitor", available=2)


def test_event_and_response_are_json(lambda_context: LambdaContext) -> None:
    answer = handler({"product": "Keyboard", "quantity": 1, "unit_price": "24.90"}, lambda_context)

    assert isinstance(answer, dict)
    assert answer["amount"] == "24.90"


def test_an_invalid_event_is_rejected_with_each_field(lambda_context: LambdaContext) -> None:
    with pytest.raises(RequestRejectedError) as rejected:
        handler({"product": "Keyboard", "quantity": 0}, lambda_context)

    assert [(error["loc"], error["type"]) for error in rejected.value.errors] == [
        (("quantity",), "greater_than"),
        (("unit_price",), "missing"),
    ]


def test_every_field_of_a_purchase_is_required(lambda_context: LambdaContext) -> None:
    with pytest.raises(RequestRejectedError) as rejected:
        handler({}, lambda_context)

    assert [error["loc"] for error in rejected.value.errors] == [("product",), ("quantity",), ("unit_price",)]


def test_the_handler_fulfils_its_contract() -> None:
    assert_handler_fulfils(child, handler, requests=[THREE_MONITORS, THREE_MONITORS.model_copy(update={"quantity": 1})])
