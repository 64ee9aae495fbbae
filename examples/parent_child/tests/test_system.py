"""Parent and child together: their real handlers, in this process, and in processes of the real runtime client."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import child_function
import parent_function
import pytest
from purchase_contracts import OutOfStock, Purchase, child, parent

from lambdachain import InProcessTransport, InvocationType, LambdaClient
from lambdachain.local import LocalFunction
from lambdachain.testing import LambdaEndpoint

EXAMPLE = Path(__file__).parents[1]
KEYBOARDS = Purchase(product="Keyboard", quantity=3, unit_price=Decimal("24.90"))
MONITORS = Purchase(product="Monitor", quantity=3, unit_price=Decimal(199))

client = LambdaClient()


@pytest.fixture(name="system")
def _system(lambda_inprocess: InProcessTransport) -> InProcessTransport:
    lambda_inprocess.add(parent_function.handler)
    lambda_inprocess.add(child_function.handler)
    return lambda_inprocess


def test_the_parent_confirms_what_the_child_registered(system: InProcessTransport) -> None:
    confirmed = client.call(parent, KEYBOARDS)
    assert confirmed.text == "Keyboard: 74.70 to pay"
    assert confirmed.transaction_id is not None
    assert system.graph == {
        (None, "ParentFunction", InvocationType.REQUEST_RESPONSE),
        ("ParentFunction", "ChildFunction", InvocationType.REQUEST_RESPONSE),
    }


@pytest.mark.usefixtures("system")
def test_the_parent_catches_the_childs_error() -> None:
    assert client.call(parent, MONITORS).text == "sorry, only 2 x Monitor left"


@pytest.mark.usefixtures("system")
def test_the_childs_error_reaches_any_caller_as_its_class() -> None:
    with pytest.raises(OutOfStock) as refused:
        client.call(child, MONITORS)
    assert refused.value == OutOfStock(product="Monitor", available=2)


@pytest.mark.usefixtures("system")
def test_the_child_can_be_called_in_any_language() -> None:
    answer = client.call("ChildFunction", {"product": "Keyboard", "quantity": 3, "unit_price": "24.90"})
    assert isinstance(answer, dict)
    assert (answer["product"], answer["amount"]) == ("Keyboard", "74.70")


def test_both_in_the_real_runtime(lambda_endpoint: LambdaEndpoint) -> None:
    installed = {"PYTHONPATH": str(EXAMPLE / "contracts")}
    lambda_endpoint(
        LocalFunction("ParentFunction", "parent_function.handler", directory=EXAMPLE / "parent", environment=installed),
        LocalFunction("ChildFunction", "child_function.handler", directory=EXAMPLE / "child", environment=installed),
    )
    assert client.call(parent, KEYBOARDS).text == "Keyboard: 74.70 to pay"
    assert client.call(parent, MONITORS).text == "sorry, only 2 x Monitor left"
