"""The payload: an order with its items, in any size, as models and as plain JSON."""

from __future__ import annotations

from typing import Any

FUNCTION = "orders-place"


def make_order(items: int) -> dict[str, Any]:
    """Build an order of *items* items, as decoded JSON."""
    return {"order_id": "o-2026-000001", "currency": "EUR", "items": [_item(number) for number in range(items)]}


def _item(number: int) -> dict[str, Any]:
    return {
        "sku": f"SKU-{number:06}",
        "title": "A thing of some kind",
        "quantity": number % 9 + 1,
        "price": 1.25 * number + 0.5,
        "note": None if number % 2 else "gift",
    }
