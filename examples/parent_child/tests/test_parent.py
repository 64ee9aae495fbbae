"""The parent alone: the test scripts the child's responses, and checks the parent's requests."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
from parent_function import handler
from purchase_contracts import Confirmation, OutOfStock, Purchase, Transaction, child

from lambdachain import CallTimeoutError
from lambdachain.testing import StubTransport

KEYBOARDS = Purchase(product="Keyboard", quantity=3, unit_price=Decimal("24.90"))
SOLD = Transaction(transaction_id=UUID(int=7), product="Keyboard", amount=Decimal("74.70"))


def test_the_parent_confirms_what_the_child_registered(lambda_stub: StubTransport) -> None:
    sales = lambda_stub.on(child).returns(SOLD)
    assert handler.local(KEYBOARDS) == Confirmation(text="Keyboard: 74.70 to pay", transaction_id=UUID(int=7))
    assert [sale.request for sale in sales.calls] == [KEYBOARDS]


def test_the_parent_catches_the_childs_error(lambda_stub: StubTransport) -> None:
    lambda_stub.on(child).raises(OutOfStock(product="Keyboard", available=2))
    assert handler.local(KEYBOARDS) == Confirmation(text="sorry, only 2 x Keyboard left")


def test_a_throttled_child_is_called_again(lambda_stub: StubTransport) -> None:
    sales = lambda_stub.on(child).throttles(2).returns(SOLD)
    assert handler.local(KEYBOARDS).transaction_id == UUID(int=7)
    assert len(sales.calls) == 3


def test_a_sale_whose_response_is_lost_is_not_retried(lambda_stub: StubTransport) -> None:
    sales = lambda_stub.on(child).times_out()
    with pytest.raises(CallTimeoutError):
        handler.local(KEYBOARDS)
    assert len(sales.calls) == 1
