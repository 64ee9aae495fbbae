"""The functions that the suite calls, on the endpoint in processes of the real runtime client, and in this process."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel

from lambdachain import Contract, HandledInvocation, Interceptor, RemoteError, current_invocation, remote


class Order(BaseModel):
    """What is ordered."""

    item: str
    quantity: int


class OutOfStock(RemoteError):
    """A declared error."""

    left: int


class Report(BaseModel):
    """What the interceptors of a handler have seen, so far in this invocation and in the one before."""

    received: dict[str, str]
    steps: list[str]
    before: list[str]


order = Contract("order", request=Order, response=Report, errors=[OutOfStock], envelope=True)
order_async = Contract("order-async", request=Order, response=Report, errors=[OutOfStock], envelope=True)
plain = Contract("plain", request=Order, response=Any)
wrong = Contract("wrong", request=Order, response=int)
SECRET = "s3cr3t"


class Witness(Interceptor):
    """Writes down what it sees of each invocation."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.steps: list[str] = []
        self.before: list[str] = []

    @contextmanager
    def handling(self, invocation: HandledInvocation) -> Generator[None]:
        self.before, self.steps = self.steps, [f"{self.name} enters {invocation.contract.function}"]
        try:
            yield
        except BaseException as error:
            self.steps.append(f"{self.name} sees {type(error).__name__}")
            raise
        self.steps.append(f"{self.name} leaves {invocation.request.item} {type(invocation.result).__name__}")


OUTER, INNER = Witness("outer"), Witness("inner")


def _report(request: Order) -> Report:
    if request.item == "nothing":
        raise OutOfStock(left=0)
    invocation = current_invocation()
    received = dict(invocation.metadata) if invocation else {}
    before = [step for witness in (INNER, OUTER) for step in witness.before]
    return Report(received=received, steps=[*OUTER.steps, *INNER.steps], before=before)


@remote(order, interceptors=[OUTER, INNER])
def handle_order(request: Order) -> Report:
    """Report in a plain function."""
    return _report(request)


@remote(order_async, interceptors=[OUTER, INNER])
async def handle_order_async(request: Order) -> Report:
    """Report in a coroutine function."""
    return _report(request)


@remote(plain)
def handle_plain(request: Order) -> Any:
    """Return what came with the call; the metadata of an event without an envelope does not."""
    return dict(invocation.metadata) if (invocation := current_invocation()) else {}


def answer_text(_event: Any, _context: Any) -> str:
    """Return what does not fit the caller's contract."""
    return "not a number"
