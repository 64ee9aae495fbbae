"""Answers after two more calls: the last of a chain that is one too long."""

from __future__ import annotations

from pydantic import BaseModel

from lambdachain import Contract, LambdaClient, remote


class ChargeRequest(BaseModel):
    order_id: str
    cents: int


class Charged(BaseModel):
    charge_id: str


class Entry(BaseModel):
    text: str


book = Contract("ledger-book", request=Entry, response=Entry)
archive = Contract("archive-keep", request=Entry, response=Entry, idempotent=True)

client = LambdaClient()


@remote("billing-charge")
def handler(request: ChargeRequest) -> Charged:
    """The second of the chain."""
    client.call(book, Entry(text=request.order_id))
    return Charged(charge_id="c-1")


@remote(book)
def booked(entry: Entry) -> Entry:
    """The third."""
    return client.call(archive, entry)


@remote(archive)
def kept(entry: Entry) -> Entry:
    """The last."""
    return entry
