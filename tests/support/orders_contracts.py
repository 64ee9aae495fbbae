"""Contracts of a shop, for tests of state machines."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lambdachain import Contract, RemoteError


class ChargeRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    order_id: str
    cents: int = Field(gt=0)
    note: str | None = None


class ChargeResponse(BaseModel):
    charge_id: str
    order_id: str
    cents: int


class CardDeclined(RemoteError):
    reason: str


class OutOfStock(RemoteError):
    sku: str


class Purchase(BaseModel):
    kind: Literal["PURCHASE", "REPEAT"]
    order_id: str


class Refund(BaseModel):
    kind: Literal["REFUND"]
    order_id: str


charge = Contract("charge", request=ChargeRequest, response=ChargeResponse, errors=[CardDeclined])
charge_again = Contract(
    "charge", request=ChargeRequest, response=ChargeResponse, errors=[CardDeclined], idempotent=True, qualifier="live"
)
ship = Contract("ship", request=ChargeResponse, response=bool, errors=[OutOfStock], idempotent=True)
purchase = Contract("purchase", request=Purchase, response=bool)
refund = Contract("refund", request=Refund, response=bool)
