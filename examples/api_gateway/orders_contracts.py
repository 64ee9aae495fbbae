"""What the API's function and the function behind it agree on."""

from __future__ import annotations

from pydantic import BaseModel, Field

from lambdachain import Contract, RemoteError


class Order(BaseModel):
    product: str = Field(min_length=1)
    quantity: int = Field(gt=0)


class Placed(BaseModel):
    order_id: str
    product: str
    quantity: int


class OutOfStock(RemoteError):
    product: str
    available: int


class UnknownProduct(RemoteError):
    product: str


place_order = Contract("PlaceOrder", request=Order, response=Placed, errors=[OutOfStock, UnknownProduct])
