"""ParentFunction: receives an order, and calls the child to register it. Handler setting: parent_function.handler."""

from __future__ import annotations

from purchase_contracts import Confirmation, OutOfStock, Purchase, child, parent

from lambdachain import LambdaClient, remote

client = LambdaClient()  # at module scope: kept from one invocation to the next, nothing is opened until the first call


@remote(parent)
def handler(purchase: Purchase) -> Confirmation:
    try:
        sold = client.call(child, purchase)
    except OutOfStock as short:
        return Confirmation(text=f"sorry, only {short.available} x {short.product} left")
    return Confirmation(text=f"{sold.product}: {sold.amount} to pay", transaction_id=sold.transaction_id)
