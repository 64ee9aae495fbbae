"""The order with stubs, the three functions in one process, and the three in processes of the real runtime client."""

from decimal import Decimal
from pathlib import Path

import audit
import order
import price
import pytest
from lambdachain import InProcessTransport, LambdaClient
from lambdachain.local import LocalFunction
from lambdachain.testing import LambdaEndpoint, StubTransport
from shop_contracts import AuditEntry, Order, Placed, Price, UnknownProduct
from shop_contracts import audit as audit_contract
from shop_contracts import order as order_contract
from shop_contracts import price as price_contract

HERE = Path(__file__).parent
MUGS = Order(customer="ann", product="mug", quantity=2)


def test_an_order_pays_the_price(lambda_stub: StubTransport) -> None:
    lambda_stub.on(price_contract).throttles(1).returns(Price(total=Decimal(9)))
    audits = lambda_stub.on(audit_contract).accepts()

    assert order.handler.local(MUGS) == Placed(accepted=True, total=Decimal(9))
    assert [call.request for call in audits.calls] == [AuditEntry(customer="ann", what="pays 9")]


def test_an_unknown_product_is_refused(lambda_stub: StubTransport) -> None:
    lambda_stub.on(price_contract).raises(UnknownProduct(product="mug"))
    lambda_stub.on(audit_contract).accepts()

    assert order.handler.local(MUGS) == Placed(accepted=False)


def test_the_three_in_one_process(lambda_inprocess: InProcessTransport, capsys: pytest.CaptureFixture[str]) -> None:
    for function in (order, price, audit):
        lambda_inprocess.add(function.handler)

    assert LambdaClient().call(order_contract, MUGS) == Placed(accepted=True, total=Decimal("9.00"))
    assert "audit: ann pays 9.00" in capsys.readouterr().out


def test_the_three_as_deployed(lambda_endpoint: LambdaEndpoint) -> None:
    names = ("order", "price", "audit")
    functions = [LocalFunction(f"shop-{name}", f"{name}.handler", directory=HERE, timeout=10) for name in names]
    lambda_endpoint(*functions)

    assert LambdaClient().call(order_contract, MUGS) == Placed(accepted=True, total=Decimal("9.00"))
