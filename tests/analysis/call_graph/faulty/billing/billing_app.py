"""Makes two more nested calls: the chain is one call too long."""

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
    """The second function of the chain."""
    client.call(book, Entry(text=request.order_id))
    return Charged(charge_id="c-1")


@remote(book)
def book_entry(entry: Entry) -> Entry:
    """The third function."""
    return client.call(archive, entry)


@remote(archive)
def archive_entry(entry: Entry) -> Entry:
    """The last function."""
    return entry
