"""The contract of both sides."""

from __future__ import annotations

from pydantic import BaseModel, Field

from lambdachain import Contract


class Charge(BaseModel):
    order_id: str = Field(min_length=1)
    cents: int = Field(gt=0)


class Charged(BaseModel):
    charge_id: str
    cents: int


# idempotent: the function recognizes duplicates by the caller's key, or by the order, so a lost call may be retried
charge = Contract("ChargeFunction", request=Charge, response=Charged, idempotent=True)
