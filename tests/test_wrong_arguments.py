"""Wrong arguments are refused where they are given, with what to give instead."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import boto3
import botocore.session
import pytest
from pydantic import BaseModel

from lambdachain import (
    AsyncHttpTransport,
    AsyncLambdaClient,
    BotoTransport,
    Contract,
    ContractError,
    HttpTransport,
    InvalidRequestError,
    LambdaClient,
    RemoteError,
    RetryBudget,
    RetryPolicy,
    S3Offload,
    remote,
)
from lambdachain.testing import StubTransport


class Order(BaseModel):
    id: str


class Bad(RemoteError):
    reason: str


@dataclasses.dataclass
class Plain:
    id: str


async def awaiting(_invocation: Any, proceed: Any) -> Any:
    """Stand for a hook of an event loop."""
    return await proceed()


class Awaiting:
    async def __call__(self, _invocation: Any, proceed: Any) -> Any:
        return await proceed()


def passing(_invocation: Any, proceed: Any) -> Any:
    """Stand for a hook."""
    return proceed()


def _contract(**changed: Any) -> Contract[Any, Any]:
    return Contract("f", **{"request": Order, "response": Order, **changed})


def _boto_client(service: str = "lambda") -> Any:
    return boto3.client(service, region_name="eu-west-1")  # type: ignore[call-overload]


BOTH: list[tuple[Callable[[Any], Any], str]] = [
    (lambda make: make(_boto_client()), r"client of botocore: \w+\(BotoTransport\(client\)\)"),
    (lambda make: make(boto3.Session()), r"it is a session: \w+\(BotoTransport\(session=session\)\)"),
    (lambda make: make(botocore.session.get_session()), r"BotoTransport\(session=session\)"),
    (lambda make: make(HttpTransport), r"give an instance, HttpTransport\(\)"),
    (lambda make: make("http"), r"str is not a transport; it needs send\(\) and close\(\)"),
    (lambda make: make(retry=3), r"retry=RetryPolicy\(max_attempts=3\)"),
    (lambda make: make(retry=False), r"retry=RetryPolicy\.never\(\)"),
    (lambda make: make(retry=RetryPolicy), r"not the class RetryPolicy: retry=RetryPolicy\(\)"),
    (lambda make: make(retry={"max_attempts": 3}), "retry must be a RetryPolicy, not dict"),
    (lambda make: make(timeout="5"), "timeout must be seconds, a number, or a timedelta, not str"),
    (lambda make: make(timeout=True), "timeout must be seconds"),
    (lambda make: make(timeout=float("nan")), "timeout must be seconds"),
    (lambda make: make(timeout=(5, 60)), "timeout must be seconds"),
    (lambda make: make(timeout=timedelta), "timeout must be seconds"),
    (lambda make: make(resolve="prod-"), r"resolvers\.prefix\('prod-'\)"),
    (lambda make: make(resolve={"a": "b"}), r"resolvers\.mapping\(\{\.\.\.\}\)"),
    (lambda make: make(resolve=7), "resolve must be a function, not int"),
    (lambda make: make(resolve=awaiting), "resolve must be a function"),
    (lambda make: make(hooks=passing), r"hooks=\[hook\]"),
    (lambda make: make(hooks="hook"), r"hooks=\[hook\]"),
    (lambda make: make(hooks=None), r"hooks=\[hook\]"),
    (lambda make: make(hooks=[7]), r"int is not a function of \(invocation, proceed\)"),
    (lambda make: make(hooks=[Awaiting]), "the class Awaiting is not a function"),
    (lambda make: make(StubTransport()).bind(_contract(), retry=3), r"RetryPolicy\(max_attempts=3\)"),
    (lambda make: make(StubTransport()).bind(_contract(), timeout="5"), "timeout must be seconds"),
    (lambda make: make(StubTransport()).bind(_contract()).with_options(retry=2), r"RetryPolicy\(max_attempts=2\)"),
    (lambda make: make(StubTransport()).bind("f"), r"bind\(\) needs a Contract"),
]

ELSEWHERE: list[tuple[Callable[[], Any], str]] = [
    (lambda: LambdaClient(AsyncHttpTransport()), r"for event loops: AsyncLambdaClient\(AsyncHttpTransport"),  # type: ignore[arg-type]
    (lambda: LambdaClient(hooks=[awaiting]), "hooks: awaiting is async def, which is for AsyncLambdaClient"),  # type: ignore[list-item]
    (lambda: LambdaClient(hooks=[passing, Awaiting()]), "Awaiting is async def"),  # type: ignore[list-item]
    (lambda: LambdaClient(hooks=[partial(awaiting)]), "is async def"),  # type: ignore[list-item]
    (lambda: LambdaClient(StubTransport()).call("f", 1, retry=3), r"RetryPolicy\(max_attempts=3\)"),  # type: ignore[call-overload]
    (lambda: LambdaClient(StubTransport()).map("f", [1], retry=3), r"RetryPolicy\(max_attempts=3\)"),  # type: ignore[call-overload]
    (lambda: LambdaClient(StubTransport()).map("f", [1], max_concurrency=0), "max_concurrency must be 1 or more"),
    (lambda: LambdaClient(StubTransport()).map("f", [1], max_concurrency="9"), "max_concurrency must be"),  # type: ignore[call-overload]
    (lambda: LambdaClient(StubTransport()).map("f", [1], on_progress=7), "on_progress must be a function"),  # type: ignore[call-overload]
    (lambda: _contract(errors=Bad), r"errors=\[Bad\]"),
    (lambda: _contract(errors=[ValueError]), "ValueError.* is no subclass of RemoteError"),
    (lambda: _contract(errors=[Bad(reason="secret")]), "an instance of Bad is no subclass"),
    (lambda: _contract(errors="Bad"), "errors must be a list .*, not str"),
    (lambda: _contract(errors=None), "errors must be a list"),
    (lambda: _contract(errors=7), "errors must be a list"),
    (lambda: _contract(request=Order(id="secret")), "request must be a type, not an instance of Order: request=Order"),
    (lambda: _contract(response=Plain("secret")), "response=Plain"),
    (lambda: _contract(idempotent="yes"), "idempotent must be True or False, not str"),
    (lambda: _contract(envelope=1), "envelope must be True or False"),
    (lambda: _contract(offload="bucket"), r'such as S3Offload\("bucket"\), not str'),
    (lambda: remote("f", errors=Bad)(_handler), r"errors=\[Bad\]"),  # type: ignore[arg-type]
    (lambda: S3Offload(7), "needs the name of a bucket"),  # type: ignore[arg-type]
    (lambda: S3Offload("b", threshold="1"), "threshold must be a number of bytes, not str"),  # type: ignore[arg-type]
    (lambda: S3Offload("b", prefix=None), "prefix must be text"),  # type: ignore[arg-type]
    (lambda: BotoTransport(boto3.Session()), r"give BotoTransport\(session=session\)"),  # type: ignore[arg-type]
    (lambda: BotoTransport("lambda"), 'str is not a Lambda client, boto3.client\\("lambda"\\)'),  # type: ignore[arg-type]
    (lambda: BotoTransport(_boto_client("sqs")), "not one for 'sqs'"),
]


def _handler(order: Order) -> Order:
    return order


@pytest.mark.parametrize("kind", [LambdaClient, AsyncLambdaClient])
@pytest.mark.parametrize(("make", "words"), BOTH)
def test_what_a_client_cannot_be_made_of(kind: Any, make: Callable[[Any], Any], words: str):
    """Not at the first call."""
    with pytest.raises(ContractError, match=words):
        make(kind)


@pytest.mark.parametrize(("make", "words"), ELSEWHERE)
def test_what_is_wrong_elsewhere(make: Callable[[], Any], words: str):
    """With the remedy, and without what was in it."""
    with pytest.raises(ContractError, match=words) as refused:
        make()

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("make", [lambda: RetryPolicy(budget=5), lambda: RetryBudget("x"), lambda: RetryBudget(True)])  # type: ignore[arg-type,misc]
def test_a_policy_of_what_it_is_not(make: Callable[[], Any]):
    """As documented, a ValueError."""
    with pytest.raises(ValueError, match="must be"):
        make()


def test_what_is_right_is_taken():
    """A blocking transport for an event loop too, and hooks of either kind there."""
    LambdaClient(HttpTransport(), timeout=timedelta(seconds=3), retry=None, resolve=str.upper, hooks=(passing,))
    AsyncLambdaClient(HttpTransport(), timeout=3, hooks=[awaiting, Awaiting()])
    AsyncLambdaClient(AsyncHttpTransport(), retry=RetryPolicy.never())


class Other(BaseModel):
    id: str = "secret"


Namesake = type("Order", (BaseModel,), {"__module__": "elsewhere"})


@pytest.mark.parametrize(
    ("request_", "payload", "given"),
    [
        (Order, Other(), r"instance of Order, not .*\.Other"),
        (Order, Namesake(), r"instance of Order, not elsewhere\.Order"),
        (Order, Plain("secret"), r"not .*\.Plain"),
        (Plain, Other(), r"not .*\.Other"),
        (list[Order], [Other()], r"not .*\.Other"),
        (dict[str, Order], {"a": Other()}, r"not .*\.Other"),
        (str, Other(), r"not .*\.Other"),
    ],
)
def test_a_wrong_model_is_named(request_: Any, payload: Any, given: str):
    """By module, and nothing of what is in it."""
    contract = Contract("f", request=request_, response=Order)
    with pytest.raises(InvalidRequestError, match=given) as refused:
        LambdaClient(StubTransport()).call(contract, payload)

    assert "secret" not in str(refused.value)
