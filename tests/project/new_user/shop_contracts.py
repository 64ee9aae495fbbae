"""What the three functions agree on; each of them installs this module."""

from decimal import Decimal

from pydantic import BaseModel, Field

from lambdachain import Contract, RemoteError


class PriceRequest(BaseModel):
    product: str
    quantity: int = Field(gt=0)


class Price(BaseModel):
    total: Decimal


class UnknownProduct(RemoteError):
    product: str


class Order(BaseModel):
    customer: str
    product: str
    quantity: int


class Placed(BaseModel):
    accepted: bool
    total: Decimal | None = None


class AuditEntry(BaseModel):
    customer: str
    what: str


price = Contract("shop-price", request=PriceRequest, response=Price, errors=[UnknownProduct], idempotent=True)
audit = Contract("shop-audit", request=AuditEntry, response=None, idempotent=True)
order = Contract("shop-order", request=Order, response=Placed)
