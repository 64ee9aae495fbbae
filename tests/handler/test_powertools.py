"""Powertools' decorators stand on either side of ``remote``: validated request, context passed, right response."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.middleware_factory import lambda_handler_decorator
from aws_lambda_powertools.utilities.parser import event_parser
from pydantic import BaseModel

from lambdachain import Contract, RemoteError, RequestRejectedError, remote

EVENT = {"order_id": "o", "cents": 5}
CONTEXT = SimpleNamespace(
    aws_request_id="r-1",
    function_name="orders-place",
    function_version="$LATEST",
    memory_limit_in_mb="128",
    invoked_function_arn="arn:aws:lambda:eu-west-1:123456789012:function:orders-place",
    get_remaining_time_in_millis=lambda: 3000,
    tenant_id=None,
)
Handler = Callable[..., Any]


class Order(BaseModel):
    order_id: str
    cents: int


class Placed(BaseModel):
    total: int
    request_id: str


class Declined(RemoteError):
    reason: str


place = Contract("orders-place", request=Order, response=Placed, errors=[Declined])


@lambda_handler_decorator
def _record_and_call(handler: Handler, event: Any, context: Any, seen: list[Any]) -> Any:
    seen.append(event)
    answer = handler(event, context)
    seen.append(answer)
    return answer


def _place(order: Order, context: Any) -> Placed:
    if order.cents == 0:
        raise Declined(reason="free")
    return Placed(total=order.cents, request_id=context.aws_request_id)


class Traces:
    """A tracing provider of our own, as Powertools allows: the X-Ray SDK would look for its daemon."""

    def __init__(self) -> None:
        self.noted: dict[str, Any] = {}

    @contextmanager
    def in_subsegment(self, name: str) -> Iterator[Traces]:
        self.noted["name"] = name
        yield self

    def put_annotation(self, key: str, value: Any) -> None:
        self.noted[key] = value

    def put_metadata(self, key: str, value: Any, namespace: str) -> None:
        self.noted[key] = (namespace, value)


@pytest.fixture
def traces() -> Iterator[Traces]:
    """Collect what the tracer notes; Powertools remembers a provider by itself."""
    yield Traces()
    Tracer._reset_config()


@pytest.fixture
def decorators(traces: Traces) -> dict[str, Callable[[Handler], Handler]]:
    """Return each decorator as a user configures it, quiet and without a tracing daemon."""
    logger = Logger(service="orders", stream=io.StringIO(), logger_handler=None)
    tracer = Tracer(service="orders", disabled=False, auto_patch=False, provider=traces)  # type: ignore[arg-type]
    metrics = Metrics(namespace="orders", service="orders")

    def counted(handler: Handler) -> Handler:
        def count(event: Any, context: Any) -> Any:
            try:
                return handler(event, context)
            finally:
                metrics.add_metric(name="calls", unit=MetricUnit.Count, value=1)

        logged: Handler = metrics.log_metrics(count)  # type: ignore[arg-type]
        return logged

    return {
        "logger": lambda handler: logger.inject_lambda_context(handler, clear_state=True),
        "tracer": tracer.capture_lambda_handler,
        "metrics": counted,
        "middleware": lambda handler: _record_and_call(handler, seen=[]),
        "parser": lambda handler: event_parser(handler, model=Order),
    }


@pytest.mark.parametrize(
    ("name", "side"),
    [
        *product(["logger", "tracer", "metrics"], ["above", "below", "both"]),
        ("middleware", "below"),
        ("parser", "below"),
        *(pytest.param(name, side) for name, side in product(["middleware", "parser"], ["above", "both"])),
    ],
)
def test_a_decorator_on_either_side(name: str, side: str, decorators: dict[str, Callable[[Handler], Handler]]) -> None:
    """The request arrives as the model, the context as Lambda's, and the response leaves as JSON values."""
    around = decorators[name]
    inner: Handler = around(_place) if side in ("below", "both") else _place
    handler: Handler = remote(place)(inner)
    outer = around(handler) if side in ("above", "both") else handler

    assert {"total": 5, "request_id": "r-1"} == _as_json(outer(EVENT, CONTEXT))


@pytest.mark.parametrize(
    ("name", "side"),
    [
        *product(["logger", "tracer", "metrics"], ["above", "below"]),
        ("middleware", "below"),
        pytest.param("middleware", "above"),
    ],
)
def test_failures_pass_a_decorator(name: str, side: str, decorators: dict[str, Callable[[Handler], Handler]]) -> None:
    """A declared error and a rejection go out as themselves, on whichever side the decorator is."""
    around = decorators[name]
    outer = around(remote(place)(_place)) if side == "above" else remote(place)(around(_place))

    with pytest.raises(Declined, match="free"):
        outer({"order_id": "o", "cents": 0}, CONTEXT)
    with pytest.raises(RequestRejectedError):
        outer({"order_id": "o"}, CONTEXT)


def test_the_logger_above_sees_the_event_and_the_context() -> None:
    """Powertools logs what Lambda passed: the raw event, and the keys of the context."""
    stream = io.StringIO()
    logger = Logger(service="above", stream=stream)

    @logger.inject_lambda_context(log_event=True, correlation_id_path="order_id")
    @remote(place)
    def handler(order: Order, context: Any) -> Placed:
        logger.info("placing")
        return _place(order, context)

    handler(EVENT, CONTEXT)  # type: ignore[arg-type]
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]

    assert EVENT == lines[0]["message"]
    assert ("o", "r-1", "orders-place") == (
        lines[1]["correlation_id"],
        lines[1]["function_request_id"],
        lines[1]["function_name"],
    )


@pytest.mark.parametrize("side", ["above", "below"])
def test_the_tracer_names_the_function(
    side: str, traces: Traces, decorators: dict[str, Callable[[Handler], Handler]]
) -> None:
    """A subsegment is called after the handler's own function, and has its response, on either side."""
    trace = decorators["tracer"]
    handler = trace(remote(place)(_place)) if side == "above" else remote(place)(trace(_place))

    handler(EVENT, CONTEXT)

    assert ("## _place", "orders") == (traces.noted["name"], traces.noted["Service"])
    namespace, answer = traces.noted["_place response"]
    assert ("orders", {"total": 5, "request_id": "r-1"}) == (namespace, _as_json(answer))


def test_the_middleware_below_sees_the_model() -> None:
    """Under ``remote`` a middleware gets the validated request and returns the typed response."""
    seen: list[Any] = []

    @remote(place)
    @_record_and_call(seen=seen)
    def handler(order: Order, context: Any) -> Placed:
        return _place(order, context)

    handler(EVENT, CONTEXT)

    assert [Order(order_id="o", cents=5), Placed(total=5, request_id="r-1")] == seen


def test_types_are_read_through_a_decorator() -> None:
    """A decorator that wraps properly does not hide the annotations from ``remote("name")``."""
    logger = Logger(service="through", stream=io.StringIO())

    @remote("orders-place", errors=[Declined])
    @logger.inject_lambda_context
    def handler(order: Order, context: Any) -> Placed:
        return _place(order, context)

    assert place == handler.contract
    assert "handler" in repr(handler)
    assert Placed(total=5, request_id="r-1") == handler.local(Order(order_id="o", cents=5), CONTEXT)


def _as_json(answer: Any) -> Any:
    return answer.model_dump() if isinstance(answer, BaseModel) else answer
