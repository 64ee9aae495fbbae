"""ChildFunction: registers a sale. Lambda's handler setting: child_function.handler."""

from __future__ import annotations

import uuid

from purchase_contracts import OutOfStock, Purchase, SalesReport, Transaction, child, report

from lambdachain import remote

STOCK = {"Keyboard": 40, "Monitor": 2}


@remote(child)
def handler(purchase: Purchase) -> Transaction:
    available = STOCK.get(purchase.product, 0)
    if purchase.quantity > available:
        raise OutOfStock(product=purchase.product, available=available)
    print(f"sold {purchase.quantity} x {purchase.product}")
    return Transaction(
        transaction_id=uuid.uuid4(),
        product=purchase.product,
        amount=purchase.quantity * purchase.unit_price,
    )


@remote(report)
def report_handler(_: None) -> SalesReport:
    """Take longer than the function's timeout, as reports do one day."""
    import time

    time.sleep(30)
    return SalesReport(rows=1)
