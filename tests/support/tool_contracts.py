"""Contracts that the tests make tools of, for models of several frameworks."""

from __future__ import annotations

from pydantic import BaseModel, Field

from lambdachain import Contract, RemoteError

SECRET = "secret-canary"


class Charge(BaseModel):
    """What to charge."""

    order_id: str = Field(alias="orderId")
    cents: int


class Charged(BaseModel):
    """What was charged."""

    charge_id: str = Field(alias="chargeId")


class Declined(RemoteError):
    """The card was declined."""

    reason: str


charge = Contract("billing-charge", request=Charge, response=Charged, errors=[Declined], description="Charge a card.")
refund = Contract("billing-refund", request=Charge, response=Charged, idempotent=True)
EVENT = {"orderId": "o-1", "cents": 500}
CHARGED = Charged.model_validate({"chargeId": "c-1"})
