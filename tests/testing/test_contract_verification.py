"""A handler fulfils the contract that its callers use, or every violation is listed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from lambdachain import Contract, ContractError, RemoteError, remote
from lambdachain.testing import StubError, UnfulfilledContractError, assert_handler_fulfils


class Order(BaseModel):
    item: str
    quantity: int


class Placed(BaseModel):
    text: str


class OutOfStock(RemoteError):
    available: int


class Closed(RemoteError):
    reason: str


place = Contract("place", request=Order, response=Placed, errors=[OutOfStock])
ONE = Order(item="mug", quantity=1)


@remote(place)
def fulfils(order: Order) -> Placed:
    """Return a valid response, or raise a declared error."""
    if order.quantity > 2:
        raise OutOfStock(available=2)
    return Placed(text=order.item)


@remote(place)
async def fulfils_async(order: Order, context: Any) -> Placed:
    """The same as a coroutine."""
    return Placed(text=f"{context.function_name}: {order.item}")


def plain(event: Any, context: Any) -> Any:
    """A handler that does not use lambdachain."""
    return {"text": f"{context.function_name}: {event['item']}", "more": 1}


@pytest.mark.parametrize("handler", [fulfils, fulfils_async, plain])
def test_a_handler_that_fulfils_the_contract(handler: Callable[..., Any]):
    """Decorated or not; declared errors are part of the contract."""
    assert_handler_fulfils(place, handler, requests=[ONE])


def test_a_declared_error_fulfils_the_contract():
    """It is a valid result."""
    assert_handler_fulfils(place, fulfils, requests=[Order(item="mug", quantity=3)])


def test_declared_contracts_are_compared_without_requests():
    """With the contract of the callers, from another repository."""

    class Later(BaseModel):
        item: str
        quantity: int
        customer: str

    @remote("place", errors=[Closed])
    def handler(order: Later) -> Placed:
        raise AssertionError

    with pytest.raises(UnfulfilledContractError) as unkept:
        assert_handler_fulfils(place, handler)
    text = str(unkept.value)
    assert text.startswith("the handler does not fulfil Contract('place', Order -> Placed)\n")
    assert (
        "request.customer: added: string, required; old callers do not send it, but the new callee requires it" in text
    )
    assert "errors.Closed: added" in text
    assert "which old callers get as a plain FunctionError" in text


def test_accepting_more_than_callers_send_is_allowed():
    """It could only break other callers."""

    class Wider(BaseModel):
        item: str
        quantity: int = 1
        customer: str | None = None

    @remote("place", errors=[OutOfStock])
    def handler(order: Wider) -> Placed:
        return Placed(text=order.item)

    assert_handler_fulfils(place, handler, requests=[ONE])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"txt": "mug"}, "the response is not a valid Placed: text: Field required"),
        (None, "the response is not a valid Placed"),
        ({1, 2}, "Runtime.MarshalError: Unable to marshal response: Object of type set is not JSON serializable"),
        ("x" * 6_300_000, "Function.ResponseSizeTooLarge"),
    ],
    ids=["another field", "nothing", "no JSON", "too large"],
)
def test_an_invalid_response_is_listed_with_its_request(answer: object, said: str):
    """One line for each request."""
    with pytest.raises(UnfulfilledContractError) as unkept:
        assert_handler_fulfils(place, lambda _event, _context: answer, requests=[ONE, ONE])

    assert str(unkept.value).count("request Order(item='mug', quantity=1): ") == 2
    assert said in str(unkept.value)


def test_an_undeclared_error_is_listed_with_its_stack():
    """Also a domain error that the callers' contract lacks."""

    def handler(event: Any, context: Any) -> Any:
        raise Closed(reason="night") if event["quantity"] == 1 else LookupError("no shelf")

    with pytest.raises(UnfulfilledContractError) as unkept:
        assert_handler_fulfils(place, handler, requests=[ONE, Order(item="mug", quantity=2)])
    assert 'Closed: {"reason":"night"}' in str(unkept.value)
    assert "LookupError: no shelf" in str(unkept.value)
    assert "raise Closed(" in str(unkept.value)


def test_a_request_that_the_handler_rejects_is_listed():
    """If its own request type is stricter."""

    @remote("place")
    def handler(order: dict[str, int]) -> Placed:
        return Placed(text=json.dumps(order))

    with pytest.raises(
        UnfulfilledContractError, match="the function rejected the request: \\*: Input should be a valid integer"
    ):
        assert_handler_fulfils(place, handler, requests=[ONE])


@pytest.mark.parametrize("handler", [None, "place.handler", 3])
def test_something_else_than_a_handler_raises(handler: Any):
    """Immediately, as a ContractError."""
    with pytest.raises(ContractError, match="is not a handler"):
        assert_handler_fulfils(place, handler)


def test_a_request_that_is_invalid_by_the_contract_raises():
    """The message has the path."""
    wrong: Any = {"item": "mug"}
    with pytest.raises(ContractError, match="is not a valid Order: "):
        assert_handler_fulfils(place, fulfils, requests=[wrong])


def test_an_unfulfilled_contract_is_an_assertion_error():
    """Like every failure of a test itself."""
    assert issubclass(UnfulfilledContractError, StubError)
