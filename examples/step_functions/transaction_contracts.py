"""The requests and responses between the state machine and its functions."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, Field

from lambdachain import Contract, RemoteError


class Purchase(BaseModel):
    kind: Literal["PURCHASE"] = "PURCHASE"
    transaction_id: str
    amount: Decimal = Field(gt=0)


class Refund(BaseModel):
    kind: Literal["REFUND"] = "REFUND"
    transaction_id: str
    amount: Decimal = Field(gt=0)
    days_since_purchase: int = Field(ge=0)


class Outcome(BaseModel):
    outcome: Literal["PURCHASED", "REFUNDED", "SUPPORT"]
    transaction_id: str


class RefundTooLate(RemoteError):
    days: int
    allowed: int


process_purchase = Contract("ProcessPurchase", request=Purchase, response=Outcome)
process_refund = Contract("ProcessRefund", request=Refund, response=Outcome, errors=[RefundTooLate])
