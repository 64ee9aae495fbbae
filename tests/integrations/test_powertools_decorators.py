"""A handler of ``remote`` under Powertools' decorators stays one that callers can call by its contract."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.middleware_factory import lambda_handler_decorator
from aws_lambda_powertools.utilities.data_classes import SQSEvent, event_source
from aws_lambda_powertools.utilities.parser import event_parser
from pydantic import BaseModel

from lambdachain import AsyncLambdaClient, Contract, InProcessTransport, LambdaClient, remote
from lambdachain.testing import LambdaContext, StubTransport, assert_compatible

Decorator = Callable[[Any], Any]


class Order(BaseModel):
    order_id: str
    cents: int


class Placed(BaseModel):
    total: int


place = Contract("orders-place", request=Order, response=Placed)
ORDER = Order(order_id="o-1", cents=5)


@lambda_handler_decorator
def _pass_on(handler: Callable[[Any, Any], Any], event: Any, context: Any) -> Any:
    return handler(event, context)


def _decorators() -> dict[str, Decorator]:
    logger = Logger(service="orders", stream=io.StringIO())
    tracer = Tracer(service="orders", disabled=True, auto_patch=False)
    metrics = Metrics(namespace="orders", service="orders")
    return {
        "inject_lambda_context": logger.inject_lambda_context,
        "inject_lambda_context with options": logger.inject_lambda_context(clear_state=True),
        "capture_lambda_handler": tracer.capture_lambda_handler,
        "log_metrics": metrics.log_metrics,
        "a middleware": _pass_on,
        "three of them": lambda handler: logger.inject_lambda_context(
            tracer.capture_lambda_handler(metrics.log_metrics(handler))
        ),
    }


@pytest.fixture(name="decorate", params=sorted(_decorators()))
def _decorate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Decorator:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    return _decorators()[request.param]


def _make_handler() -> Any:
    @remote(place)
    def handler(order: Order, context: Any) -> Placed:
        assert context is not None
        return Placed(total=order.cents)

    return handler


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_a_decorated_handler_is_still_called_by_its_contract(decorate: Decorator) -> None:
    """By its own methods, and by what takes a handler: both clients, test doubles and the comparison of contracts."""
    handler = decorate(_make_handler())
    transport = InProcessTransport()
    transport.add(handler)

    assert handler.contract is place
    assert handler({"order_id": "o-1", "cents": 5}, LambdaContext()) == {"total": 5}
    assert handler.local(ORDER, LambdaContext()) == Placed(total=5)
    assert handler.bind().contract is place
    assert LambdaClient(transport=transport).call(handler, ORDER) == Placed(total=5)
    assert LambdaClient(transport=transport).can_invoke(handler)
    assert list(LambdaClient(transport=transport).map(handler, [ORDER, ORDER])) == [Placed(total=5)] * 2
    assert_compatible(handler, place)


def test_the_deployed_function_is_called_through_a_decorated_handler(
    decorate: Decorator, lambda_stub: StubTransport
) -> None:
    """With ``call``, ``invoke``, ``fire``, ``map`` and ``can_invoke``."""
    handler = decorate(_make_handler())
    lambda_stub.on(handler).returns(Placed(total=7)).accepts()

    assert handler.call(ORDER) == Placed(total=7)
    assert handler.invoke(ORDER).value == Placed(total=7)
    assert list(handler.map([ORDER])) == [Placed(total=7)]
    assert handler.fire(ORDER).request_id
    assert handler.can_invoke()


def test_an_async_client_takes_a_decorated_handler(decorate: Decorator) -> None:
    """As the blocking one does."""
    transport = StubTransport()
    handler = decorate(_make_handler())
    transport.on(handler).returns(Placed(total=7))

    async def call() -> Any:
        async with AsyncLambdaClient(transport=transport) as client:
            return await client.call(handler, ORDER)

    assert asyncio.run(call()) == Placed(total=7)


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_decorators_below_remote(decorate: Decorator) -> None:
    """They see the request, and type checkers the handler."""

    def handle(order: Order, context: Any) -> Placed:
        assert context is not None
        return Placed(total=order.cents)

    handler = remote(place)(decorate(handle))

    assert handler({"order_id": "o-1", "cents": 5}, LambdaContext()) == {"total": 5}
    assert handler.contract is place


def test_the_parser_above_remote_passes_its_model_on() -> None:
    """``remote`` takes it as the request."""
    handler: Any = event_parser(_make_handler(), model=Order)

    assert handler({"order_id": "o-1", "cents": 5}, LambdaContext()) == {"total": 5}
    assert handler.contract is place


def test_an_event_source_below_remote() -> None:
    """A data class is made of the event, which the contract takes as it is."""

    @remote("orders-consume")
    @event_source(data_class=SQSEvent)
    def handler(event: dict[str, Any], context: Any) -> str:
        assert isinstance(event, SQSEvent)
        assert context is not None
        return ",".join(record.body for record in event.records)

    assert handler({"Records": [{"body": "a"}, {"body": "b"}]}, LambdaContext()) == "a,b"
    assert handler.contract.function == "orders-consume"


def test_a_decorated_handler_is_no_type() -> None:
    """It is refused as the request of another contract, as a bare handler is."""
    handler: Any = _pass_on(_make_handler())

    with pytest.raises(TypeError, match="request must be a type"):
        Contract("other", request=handler, response=int)
