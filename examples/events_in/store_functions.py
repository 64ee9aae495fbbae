"""StoreOrder and ReadDocument. Handler settings: store_functions.store and store_functions.read."""

from __future__ import annotations

from intake_contracts import Document, Order, OrderRefused, Stored, read_document, store_order

from lambdachain import remote


@remote(store_order)
def store(order: Order) -> Stored:
    if order.product == "Abacus":
        raise OrderRefused(order_id=order.order_id, why="no longer made")
    if order.product == "Monitor":
        raise RuntimeError("the database is away")
    print(f"stored {order.order_id}")
    return Stored(order_id=order.order_id)


@remote(read_document)
def read(document: Document) -> None:
    print(f"read {document.key} of {document.bucket}")
