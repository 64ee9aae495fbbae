"""The contracts of the three functions; on the wire the fields are CustomerId and Amount, as in other teams' events."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from lambdachain import Contract, RemoteError


class Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True)


class Payment(Wire):
    customer_id: str = Field(min_length=1)
    amount: Decimal = Field(gt=0, decimal_places=2)


class Processed(Wire):
    payment_id: UUID
    customer_id: str
    amount: Decimal


class CreditExceeded(RemoteError):
    customer_id: str
    left: Decimal


class Confirmation(Wire):
    text: str
    payment_id: UUID | None = None


class Accepted(Wire):
    request_id: str | None


process_payment = Contract("ProcessPayment", request=Payment, response=Processed, errors=[CreditExceeded])
pay_and_wait = Contract("PayAndWait", request=Payment, response=Confirmation)
pay_and_go_on = Contract("PayAndGoOn", request=Payment, response=Accepted)
