"""What callers of Price agree on: its alias too, so that a deployment shifts them all."""

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
