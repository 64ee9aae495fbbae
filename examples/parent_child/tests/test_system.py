"""Parent and child together, each in a process of the real Lambda runtime client."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from demo import local_client, system
from purchase_contracts import OutOfStock, Purchase, child, parent

from lambdachain import LambdaClient


@pytest.fixture(scope="module", name="client")
def _client() -> Iterator[LambdaClient]:
    with system() as endpoint, local_client(endpoint) as client:
        yield client


def test_the_parent_confirms_what_the_child_registered(client: LambdaClient) -> None:
    confirmed = client.call(parent, Purchase(product="Keyboard", quantity=3, unit_price=Decimal("24.90")))

    assert confirmed.text == "Keyboard: 74.70 to pay"
    assert confirmed.transaction_id is not None


def test_the_parent_catches_the_childs_error(client: LambdaClient) -> None:
    confirmed = client.call(parent, Purchase(product="Monitor", quantity=3, unit_price=Decimal(199)))

    assert confirmed.text == "sorry, only 2 x Monitor left"


def test_the_childs_error_reaches_any_caller_as_its_class(client: LambdaClient) -> None:
    with pytest.raises(OutOfStock) as refused:
        client.call(child, Purchase(product="Monitor", quantity=3, unit_price=Decimal(199)))

    assert refused.value == OutOfStock(product="Monitor", available=2)
