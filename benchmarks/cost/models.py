"""The two models of the payload, and further ones as in a shared module of contracts."""

from __future__ import annotations

from pydantic import BaseModel, create_model


class Item(BaseModel):
    """A line of an order."""

    sku: str
    title: str
    quantity: int
    price: float
    note: str | None = None


class Order(BaseModel):
    """An order."""

    order_id: str
    currency: str
    items: list[Item]


def further_models(number: int) -> list[type[BaseModel]]:
    """Create models of the size of ``Item``."""
    fields = {"sku": (str, ...), "title": (str, ...), "quantity": (int, ...), "price": (float, ...), "note": (str, "")}
    return [create_model(f"Part{position}", **fields) for position in range(number)]  # type: ignore[call-overload]
