"""Goes round in a circle."""

from __future__ import annotations

from pydantic import BaseModel

from lambdachain import LambdaClient, remote


class Reservation(BaseModel):
    order_id: str


client = LambdaClient()


@remote("stock-reserve", idempotent=True)
def handler(reservation: Reservation) -> None:
    """Have it refilled."""
    client.fire(refill, reservation)


@remote("stock-refill", idempotent=True)
def refill(reservation: Reservation) -> None:
    """Refill it, and try once more."""
    again(reservation)


def again(reservation: Reservation) -> None:
    """Close the circle."""
    client.fire(handler, reservation)  # cycle
