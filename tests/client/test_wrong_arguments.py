"""Wrong arguments are rejected where they are passed; the error states what to pass instead."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from pydantic import BaseModel

from lambdachain import (
    AsyncHttpTransport,
    AsyncLambdaClient,
    BotoTransport,
    Contract,
    ContractError,
    DeadlineExceededError,
    HttpTransport,
    InvalidArnError,
    InvalidRequestError,
    LambdaClient,
    RemoteError,
    RetryBudget,
    RetryPolicy,
    S3Offload,
    remote,
    resolvers,
)
from lambdachain.testing import InProcessTransport, StubTransport


class Order(BaseModel):
    id: str


class Bad(RemoteError):
    reason: str


@dataclasses.dataclass
class Plain:
    id: str


async def awaiting(_invocation: Any, proceed: Any) -> Any:
    """Act as a hook for an event loop."""
    return await proceed()


class Awaiting:
    async def __call__(self, _invocation: Any, proceed: Any) -> Any:
        return await proceed()


def yielding(_invocation: Any, proceed: Any) -> Any:
    """Act as a hook that was meant to be a context manager."""
    yield proceed()


async def yielding_later(_invocation: Any, proceed: Any) -> Any:
    """Act as the same in an event loop."""
    yield await proceed()


class Times(enum.IntEnum):
    THREE = 3


def passing(_invocation: Any, proceed: Any) -> Any:
    """Act as a hook."""
    return proceed()


def _contract(**changed: Any) -> Contract[Any, Any]:
    return Contract("f", **{"request": Order, "response": Order, **changed})


def _boto_client(service: str = "lambda") -> Any:
    return boto3.client(service, region_name="eu-west-1")  # type: ignore[call-overload]


BOTH: list[tuple[Callable[[Any], Any], str]] = [
    (lambda make: make(_boto_client()), r"it is a boto3 client: use \w+\(BotoTransport\(client\)\)"),
    (lambda make: make(boto3.Session()), r"it is a session: use \w+\(BotoTransport\(session=session\)\)"),
    (lambda make: make(botocore.session.get_session()), r"BotoTransport\(session=session\)"),
    (lambda make: make(HttpTransport), r"pass an instance, HttpTransport\(\)"),
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
    (lambda make: make(timeout=Decimal(5)), "not Decimal: timeout=30"),
    (lambda make: make(timeout=0), "timeout must be more than 0 seconds"),
    (lambda make: make(timeout=-0.5), "timeout must be more than 0 seconds"),
    (lambda make: make(timeout=-math.inf), "timeout must be more than 0 seconds"),
    (lambda make: make(timeout=timedelta(0)), "timeout must be more than 0 seconds"),
    (lambda make: make(timeout=timedelta(seconds=-5)), "timeout must be more than 0 seconds"),
    (lambda make: make(retry=0), r"retry=RetryPolicy\.never\(\)"),
    (lambda make: make(retry=Times.THREE), r"RetryPolicy\(max_attempts=3\)"),
    (lambda make: make(retry=RetryPolicy.never), r"not method: retry=RetryPolicy\.never\(\)"),
    (lambda make: make(retry=RetryBudget()), r"RetryPolicy\(budget=budget\)"),
    (lambda make: make(boto3.Session), r"the class Session is not a transport; it is a session"),
    (lambda make: make("http://user:secret@host"), r"BotoTransport\(endpoint_url=\.\.\.\) take a string"),
    (lambda make: make(resolve=resolvers.mapping), r"what resolvers\.mapping\(\) returns, not the function itself"),
    (lambda make: make(resolve=resolvers.prefix), r"what resolvers\.prefix\(\) returns"),
    (lambda make: make(resolve=resolvers.from_env), r"what resolvers\.from_env\(\) returns"),
    (lambda make: make(hooks=[yielding]), "yielding is a generator function"),
    (lambda make: make(hooks=[partial(yielding_later)]), "is a generator function"),
    (lambda make: make(StubTransport()).bind(_contract(), timeout=0), "timeout must be more than 0 seconds"),
    (lambda make: make(StubTransport()).bind(_contract(), idempotency_key=7), "idempotency_key must be text, not int"),
    (lambda make: make(StubTransport()).bind(_contract(), qualifier=7), "qualifier must be text, not int"),
    (lambda make: make(StubTransport()).bind(_contract(), tenant_id=b"t"), "tenant_id must be text, not bytes"),
    (lambda make: make(StubTransport()).bind(_contract(), client_context=["secret"]), "must map str to str"),
    (lambda make: make(region=7), r"region must be text, such as 'eu-west-1', not int"),
    (lambda make: make(region=b"eu-west-1"), "region must be text"),
    (lambda make: make(StubTransport(), region="eu-west-1"), r"such as BotoTransport\(region='eu-west-1'\)"),
    (lambda make: make(HttpTransport(region="eu-west-1"), region="eu-west-1"), "a transport was passed"),
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
    (lambda: LambdaClient(AsyncHttpTransport()), r"for event loops: use AsyncLambdaClient\(AsyncHttpTransport"),  # type: ignore[arg-type]
    (lambda: LambdaClient(hooks=[awaiting]), "hooks: awaiting is async def, which is for AsyncLambdaClient"),  # type: ignore[list-item]
    (lambda: LambdaClient(hooks=[passing, Awaiting()]), "Awaiting is async def"),  # type: ignore[list-item]
    (lambda: LambdaClient(hooks=[partial(awaiting)]), "is async def"),  # type: ignore[list-item]
    (lambda: LambdaClient(StubTransport()).call("f", 1, retry=3), r"RetryPolicy\(max_attempts=3\)"),  # type: ignore[call-overload]
    (lambda: LambdaClient(StubTransport()).map("f", [1], retry=3), r"RetryPolicy\(max_attempts=3\)"),  # type: ignore[call-overload]
    (
        lambda: LambdaClient(StubTransport()).map("f", [1], max_concurrency=0),
        "max_concurrency must be an integer of 1 or more",
    ),
    (lambda: LambdaClient(StubTransport()).map("f", [1], max_concurrency="9"), "max_concurrency must be"),  # type: ignore[call-overload]
    (lambda: LambdaClient(StubTransport()).map("f", [1], on_progress=7), "on_progress must be a function"),  # type: ignore[call-overload]
    (lambda: _contract(errors=Bad), r"errors=\[Bad\]"),
    (lambda: _contract(errors=[ValueError]), "ValueError.* is not a subclass of RemoteError"),
    (lambda: _contract(errors=[Bad(reason="secret")]), "an instance of Bad is not a subclass"),
    (lambda: _contract(errors="Bad"), "errors must be a list .*, not str"),
    (lambda: _contract(errors=None), "errors must be a list"),
    (lambda: _contract(errors=7), "errors must be a list"),
    (lambda: _contract(request=Order(id="secret")), "request must be a type, not an instance of Order: request=Order"),
    (lambda: _contract(response=Plain("secret")), "response=Plain"),
    (lambda: _contract(idempotent="yes"), "idempotent must be True or False, not str"),
    (lambda: _contract(envelope=1), "envelope must be True or False"),
    (lambda: _contract(offload=S3Offload), "not the class S3Offload"),
    (lambda: _contract(request=[Order]), "request must be a type, such as a pydantic model, not list"),
    (lambda: _contract(request={"a": "secret"}), "request must be a type, such as a pydantic model, not dict"),
    (lambda: _contract(request=("secret",)), "not tuple"),
    (lambda: _contract(response=_handler), "response must be a type, such as a pydantic model, not function"),
    (lambda: _contract(response=deployed), "not RemoteHandler"),
    (lambda: _contract(offload="bucket"), r'such as S3Offload\("bucket"\), not str'),
    (lambda: remote("f", errors=Bad)(_handler), r"errors=\[Bad\]"),  # type: ignore[arg-type]
    (lambda: remote("f", error=[Bad]), "unknown option 'error'; a contract's options are errors, idempotent, "),  # type: ignore[call-overload]
    (lambda: remote("f", timeout=3), "remote: unknown option 'timeout'"),  # type: ignore[call-overload]
    (lambda: remote("f")(7), "remote decorates a function, not int"),  # type: ignore[call-overload]
    (lambda: deployed.bind(retry=3), r"RetryPolicy\(max_attempts=3\)"),  # type: ignore[arg-type]
    (lambda: deployed.bind(timeout="5"), "timeout must be seconds"),  # type: ignore[arg-type]
    (lambda: deployed.bind(timout=5), "unknown option 'timout'"),  # type: ignore[call-arg]
    (lambda: deployed.call(Order(id="secret"), timout=5), "unknown option 'timout'"),  # type: ignore[call-arg]
    (lambda: S3Offload("b", region=7), "region must be text, not int"),  # type: ignore[arg-type]
    (lambda: S3Offload("b", endpoint_url=b"http://secret"), "endpoint_url must be text, not bytes"),  # type: ignore[arg-type]
    (lambda: StubTransport().on(_contract(), when=7), "when must be a function of the request, not int"),  # type: ignore[call-overload]
    (lambda: StubTransport().on(_contract()).runs(7), r"not int; use returns\(\) for a value"),  # type: ignore[call-overload]
    (lambda: InProcessTransport([deployed]), r"not list: InProcessTransport\(\{contract: handler\}\)"),  # type: ignore[arg-type]
    (lambda: InProcessTransport(deployed), "not RemoteHandler"),  # type: ignore[arg-type]
    (lambda: InProcessTransport(timeout="3"), "timeout must be a number, not str"),  # type: ignore[arg-type]
    (lambda: InProcessTransport().add(deployed, memory=True), "memory must be a number, not bool"),
    (lambda: S3Offload(7), "needs the name of a bucket"),  # type: ignore[arg-type]
    (lambda: S3Offload("b", threshold="1"), "threshold must be a number of bytes, not str"),  # type: ignore[arg-type]
    (lambda: S3Offload("b", prefix=None), "prefix must be text"),  # type: ignore[arg-type]
    (lambda: BotoTransport(boto3.Session()), r"use BotoTransport\(session=session\)"),  # type: ignore[arg-type]
    (lambda: BotoTransport("lambda"), 'str is not a Lambda client, boto3.client\\("lambda"\\)'),  # type: ignore[arg-type]
    (lambda: BotoTransport(_boto_client("sqs")), "not one for 'sqs'"),
]


TRANSPORT: list[tuple[dict[str, Any], str]] = [
    ({"session": "secret"}, r"not str: session=boto3\.Session\(profile_name=\.\.\.\)"),
    ({"session": boto3.Session}, "not the class Session"),
    ({"session": {"profile": "secret"}}, "not dict"),
    ({"session": False}, "not bool"),
    ({"region": 7}, "region must be text, such as 'eu-west-1', not int"),
    ({"region": b"secret"}, "region must be text"),
    ({"endpoint_url": b"http://secret"}, "endpoint_url must be text, such as 'http://localhost:9001', not bytes"),
    ({"endpoint_url": 9001}, "endpoint_url must be text"),
]


def _handler(order: Order) -> Order:
    return order


deployed = remote("deployed")(_handler)


@pytest.mark.parametrize("kind", [LambdaClient, AsyncLambdaClient])
@pytest.mark.parametrize(("make", "words"), BOTH)
def test_invalid_arguments_of_a_client(kind: Any, make: Callable[[Any], Any], words: str):
    """Not at the first call."""
    with pytest.raises(ContractError, match=words) as refused:
        make(kind)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(("make", "words"), ELSEWHERE)
def test_what_is_wrong_elsewhere(make: Callable[[], Any], words: str):
    """The error has the remedy, but not the value."""
    with pytest.raises(ContractError, match=words) as refused:
        make()

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("kind", [BotoTransport, HttpTransport, AsyncHttpTransport])
@pytest.mark.parametrize(("arguments", "words"), TRANSPORT)
def test_invalid_arguments_of_a_transport(kind: Any, arguments: dict[str, Any], words: str):
    """Not at the first call, and without the value: a URL may have a password in it."""
    with pytest.raises(ContractError, match=words) as refused:
        kind(**arguments)

    assert "secret" not in str(refused.value)


def test_a_client_in_the_place_of_a_session():
    """As it is easily taken for one."""
    with pytest.raises(ContractError, match=r"not Lambda: a client is passed as BotoTransport\(client\)"):
        HttpTransport(session=_boto_client())


@pytest.mark.parametrize("config", [{"retries": {"total_max_attempts": 1}}, 7, Config])
def test_a_configuration_that_is_not_one(config: Any):
    """Not at the first call."""
    with pytest.raises(ContractError, match=r"config must be a botocore\.config\.Config"):
        BotoTransport(config=config)


def test_a_resolver_that_finds_nothing():
    """A dict's ``get``, as a rule."""
    client = LambdaClient(StubTransport(), resolve={"other": "deployed"}.get)  # type: ignore[arg-type]
    with pytest.raises(InvalidArnError, match="resolve returned NoneType for 'f', not a name or an ARN"):
        client.call(_contract(), Order(id="1"))


@pytest.mark.parametrize("kind", [LambdaClient, AsyncLambdaClient])
def test_an_address_to_bind_that_is_not_one(kind: Any):
    """Where it is bound."""
    with pytest.raises(InvalidArnError):
        kind(StubTransport()).bind(_contract(), 7)


@pytest.mark.parametrize("timeout", [0, -1, timedelta(seconds=-5), -(10**400)])
def test_a_call_without_time(timeout: Any):
    """The time left before a deadline may be 0: that is not a wrong argument."""
    with pytest.raises(DeadlineExceededError):
        LambdaClient(StubTransport()).call("f", 1, timeout=timeout)
    with pytest.raises(DeadlineExceededError):
        deployed.call(Order(id="1"), timeout=timeout)


def test_all_the_time_there_is():
    """Without an OverflowError."""
    stub = StubTransport()
    stub.on("f").returns(1)
    assert LambdaClient(stub, timeout=10**400).call("f", 1) == 1
    assert LambdaClient(stub, timeout=math.inf).call("f", 1) == 1


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
