"""Errors survive Celery's JSON result backend: the class, the message and the fields come back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker

import lambdachain
from lambdachain import CallError, Contract, LambdaClient, RemoteError
from lambdachain._core import errors
from lambdachain.testing import StubTransport


class CardDeclined(RemoteError):
    """A declared error, with fields that JSON writes as texts."""

    reason: str
    amount: Decimal
    until: dt.date | None = None


charge = Contract("billing-charge", request=int, response=int, errors=[CardDeclined])
DECLINED = CardDeclined(reason="limit", amount=Decimal("9.90"), until=dt.date(2026, 12, 1))


@pytest.fixture(scope="module")
def app() -> Iterator[Celery]:
    """Run a worker in a thread: an in-memory broker, and results as JSON."""
    app = Celery("orders", broker="memory://", backend="cache+memory://")
    app.conf.update(
        task_serializer="json", result_serializer="json", accept_content=["json"], worker_hijack_root_logger=False
    )

    @app.task(name="fail")
    def fail(name: str) -> int:
        error: Any = DECLINED if name == "CardDeclined" else getattr(lambdachain, name)
        with StubTransport() as stub:
            stub.on(charge).raises(error)
            return LambdaClient().call(charge, 1)

    @app.task(name="raise")
    def raise_(name: str) -> None:
        raise getattr(lambdachain, name)("what happened")

    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30):
        yield app


def get_error(app: Celery, task: str, name: str) -> BaseException:
    """Return the error that waiting for a task raises."""
    with pytest.raises(BaseException) as caught:
        app.tasks[task].delay(name).get(timeout=60)
    return caught.value


def test_a_declared_error_comes_back_with_its_fields(app: Celery):
    """As its class."""
    error = get_error(app, "fail", "CardDeclined")

    assert type(error) is CardDeclined
    assert error == DECLINED
    assert str(error) == str(DECLINED)


@pytest.mark.parametrize("name", ["ThrottledError", "CallTimeoutError", "FunctionTimeoutError"])
def test_a_failed_call_comes_back_as_its_class(app: Celery, name: str):
    """With its message, and with what the class says about the function."""
    kind = getattr(lambdachain, name)
    error = get_error(app, "fail", name)

    assert type(error) is kind
    assert isinstance(error, CallError)
    assert error.args[0]
    assert error.execution == kind().execution


@pytest.mark.parametrize("name", sorted(errors.__all__))
def test_every_error_comes_back(app: Celery, name: str):
    """With its class and message."""
    error = get_error(app, "raise", name)

    assert type(error) is getattr(lambdachain, name)
    assert str(error) == str(type(error)("what happened"))
