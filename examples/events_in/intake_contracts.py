"""The contracts of the functions that are called for an event."""

from __future__ import annotations

from pydantic import BaseModel, Field

from lambdachain import Contract, RemoteError


class Order(BaseModel):
    order_id: str = Field(min_length=1)
    product: str
    quantity: int = Field(gt=0)


class Stored(BaseModel):
    order_id: str


class OrderRefused(RemoteError):
    order_id: str
    why: str


class Document(BaseModel):
    bucket: str
    key: str
    version: str | None = None


# SQS delivers a message at least once, so storing an order twice must do no harm: it is stored under its id.
store_order = Contract("StoreOrder", request=Order, response=Stored, errors=[OrderRefused], idempotent=True)
read_document = Contract("ReadDocument", request=Document, response=None)
