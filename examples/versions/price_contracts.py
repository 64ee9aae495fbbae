"""The contract of Price, with its alias, so that a deployment shifts all callers."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, Field

from lambdachain import Contract


class PriceRequest(BaseModel):
    product: str
    quantity: int = Field(gt=0)


class Quote(BaseModel):
    total: Decimal


price = Contract("Price", request=PriceRequest, response=Quote, qualifier="live", idempotent=True)
