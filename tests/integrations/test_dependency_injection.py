"""FastAPI and dependency-injector see what a client and a handler take."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide, inject
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel

from lambdachain import AsyncLambdaClient, Contract, HttpTransport, LambdaClient, RemoteHandler, remote
from lambdachain.testing import StubTransport

charge = Contract("billing-charge", request=int, response=int)


class Order(BaseModel):
    cents: int


class Container(containers.DeclarativeContainer):
    """A container as applications write it."""

    transport = providers.Singleton(HttpTransport, region="eu-west-1")
    client = providers.Singleton(LambdaClient, transport, timeout=3)


class TaggedClient(LambdaClient):
    """A subclass with arguments of its own."""

    def __init__(self, tag: str = "none") -> None:
        super().__init__()
        self.tag = tag


class PlainClient(LambdaClient):
    """A subclass without."""


@pytest.mark.parametrize("kind", [LambdaClient, AsyncLambdaClient])
def test_the_signature_of_a_client_is_its_constructor_s(kind: Any):
    """With FastAPI loaded, too."""
    shown = inspect.signature(kind).parameters
    _, *declared = inspect.signature(kind.__init__).parameters.values()

    assert [(one.name, one.kind, one.default) for one in shown.values()] == [
        (one.name, one.kind, one.default) for one in declared
    ]
    assert "RetryPolicy" in str(shown["retry"].annotation)


@pytest.mark.parametrize("depends", ["class", "bare"])
@pytest.mark.parametrize("kind", [LambdaClient, AsyncLambdaClient, PlainClient])
def test_a_client_is_a_dependency_of_fastapi(kind: Any, depends: str):
    """Its arguments are not query parameters."""
    app = FastAPI()
    dependency: Any = Depends(kind) if depends == "class" else Depends()

    def get_name(client: Any) -> str:
        return type(client).__name__

    # Not written as annotations: FastAPI does not find the local names of a test.
    get_name.__annotations__["client"] = Annotated[kind, dependency]
    app.get("/")(get_name)
    with TestClient(app) as http:
        assert http.get("/?timeout=1&transport=x&retry=5").json() == kind.__name__
    assert "parameters" not in app.openapi()["paths"]["/"]["get"]


def test_a_subclass_has_the_signature_of_its_own_constructor():
    """What it takes is its own matter."""
    assert list(inspect.signature(TaggedClient).parameters) == ["tag"]
    assert list(inspect.signature(PlainClient).parameters) == list(inspect.signature(LambdaClient).parameters)


def test_one_client_serves_all_requests_of_an_app():
    """As the documentation recommends; a handler's function is a route."""
    client = LambdaClient()
    app = FastAPI()

    def get_client() -> LambdaClient:
        return client

    @remote("orders-price")
    def price(order: Order) -> Order:
        return Order(cents=order.cents * 2)

    @app.post("/orders")
    def place(order: Order, client: LambdaClient = Depends(get_client)) -> int:  # noqa: B008, FAST002 - as above
        return client.call(charge, order.cents)

    app.post("/price")(price.function)
    with StubTransport() as stub, TestClient(app) as http:
        stub.on(charge).returns(5)
        assert http.post("/orders", json={"cents": 1}).json() == 5
        assert http.post("/price", json={"cents": 1}).json() == {"cents": 2}


def test_dependency_injector_makes_and_injects_clients():
    """Into the constructor, and into a handler: inside of remote, or outside."""
    container = Container()

    @remote("orders-place")
    @inject
    def handler(order: Order, context: Any = None, client: LambdaClient = Provide[Container.client]) -> Order:
        return Order(cents=client.call(charge, order.cents))

    container.wire(modules=[__name__])
    with StubTransport() as stub:
        stub.on(charge).returns(5)
        assert handler({"cents": 1}, None) == {"cents": 5}
        assert handler.local(Order(cents=1)) == Order(cents=5)

    assert container.client() is container.client()
    assert repr(container.client()) == "LambdaClient(HttpTransport(region='eu-west-1', endpoint_url=None))"
    assert isinstance(handler, RemoteHandler)
    assert str(inspect.signature(handler)) == "(event, context=None)"
