"""The contract of both sides: a package of its own, which parent and child install."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, Field

from lambdachain import Contract, RemoteError


class Purchase(BaseModel):
    product: str = Field(min_length=1)
    quantity: int = Field(gt=0)
    unit_price: Decimal = Field(gt=0, max_digits=12, decimal_places=2)


class Transaction(BaseModel):
    transaction_id: UUID
    product: str
    amount: Decimal


class OutOfStock(RemoteError):
    product: str
    available: int


class Confirmation(BaseModel):
    text: str
    transaction_id: UUID | None = None


class SalesReport(BaseModel):
    rows: int


child = Contract("ChildFunction", request=Purchase, response=Transaction, errors=[OutOfStock])
parent = Contract("ParentFunction", request=Purchase, response=Confirmation)
report = Contract("ReportFunction", request=None, response=SalesReport)
