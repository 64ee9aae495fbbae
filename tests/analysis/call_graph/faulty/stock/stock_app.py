"""Has a cycle of calls."""

from __future__ import annotations

from pydantic import BaseModel

from lambdachain import LambdaClient, remote


class Reservation(BaseModel):
    order_id: str


client = LambdaClient()


@remote("stock-reserve", idempotent=True)
def handler(reservation: Reservation) -> None:
    """Refill the stock first."""
    client.fire(refill, reservation)


@remote("stock-refill", idempotent=True)
def refill(reservation: Reservation) -> None:
    """Refill the stock, and reserve again."""
    again(reservation)


def again(reservation: Reservation) -> None:
    """Close the cycle."""
    client.fire(handler, reservation)  # cycle
