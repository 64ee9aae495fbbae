"""What follows from a client, a target and options is worked out once, kept with the client, and bounded."""

from __future__ import annotations

import gc
import pickle
import weakref
from datetime import date
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

import pytest

from lambdachain import (
    Contract,
    InvalidArnError,
    InvalidRequestError,
    Invocation,
    InvocationType,
    LambdaClient,
    Outcome,
    RetryPolicy,
    resolvers,
)
from lambdachain._calling.compiled_call import BoundTarget
from lambdachain._calling.target import locate
from lambdachain._core.invocation import construct

double = Contract("orders-double", request=int, response=int)


class Echo:
    """A transport that sends every payload back and records the invocations."""

    def __init__(self) -> None:
        self.sent: list[Invocation] = []

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        self.sent.append(invocation)
        return Outcome(200, invocation.payload, executed_version="1", request_id="r-1")

    def close(self) -> None: ...


@pytest.fixture
def echo() -> Echo:
    """Return a transport that answers with the payload."""
    return Echo()


@pytest.fixture
def client(echo: Echo) -> LambdaClient:
    """Return a client over it."""
    return LambdaClient(echo, timeout=30)


def _bind(client: LambdaClient, target: object, **options: Any) -> BoundTarget:
    return client._invoker.bind_target(target, options)


@pytest.mark.parametrize("target", [double, "orders-double", "arn:aws:lambda:eu-west-1:123456789012:function:f:live"])
@pytest.mark.parametrize("options", [{}, {"timeout": 3.0, "tenant_id": "acme"}, {"retry": RetryPolicy.never()}])
def test_the_same_target_and_options_are_bound_once(client: LambdaClient, target: Any, options: Any):
    """Its own options make another bound target, even where they say the same."""
    bound = _bind(client, target, **options)

    assert _bind(client, target, **options) is bound
    assert bound.compile(InvocationType.REQUEST_RESPONSE) is bound.compile(InvocationType.REQUEST_RESPONSE)
    assert _bind(client, target, qualifier=None) is not bound


def test_each_call_has_its_own_options(client: LambdaClient, echo: Echo):
    """Those of the call before are not kept for it, hashable or not."""
    client.call(double, 1)
    client.call(double, 2, tenant_id="acme")
    client.call(double, 3, tenant_id="other")
    client.call(double, 4, client_context={"a": "b"})
    client.call(double, 5)

    assert [one.tenant_id for one in echo.sent] == [None, "acme", "other", None, None]
    assert [one.payload for one in echo.sent] == [b"1", b"2", b"3", b"4", b"5"]


def test_equal_contracts_of_different_objects_do_not_share_types(client: LambdaClient):
    """``True`` and ``1`` are equal, and so are contracts that differ in nothing but their description."""
    other: Contract[str, str] = Contract("orders-double", request=str, response=str)

    assert client.call(double, 1) == 1
    assert client.call(other, "a") == "a"
    assert client.call("orders-double", "a", response=str) == "a"
    assert client.call("orders-double", 1, response=int) == 1


@pytest.mark.parametrize("order", [1, -1])
def test_types_that_are_equal_are_kept_apart(client: LambdaClient, order: int):
    """A union's members are tried in order."""
    types: list[tuple[Any, Any]] = [(date | str, date(2020, 1, 1)), (str | date, "2020-01-01")]
    types += [(list[one], [value]) for one, value in types]

    for annotation, value in types[::order]:
        sent = value if isinstance(value, list) else "2020-01-01"
        payload = ["2020-01-01"] if isinstance(sent, list) else sent
        assert client.call("dates", payload, response=annotation) == value


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("option", "valid", "invalid"),
    [("timeout", 1, True), ("timeout", 1, Decimal(1)), ("timeout", 1.0, Fraction(1))],
    ids=str,
)
def test_options_that_are_equal_are_kept_apart(
    client: LambdaClient, option: Any, valid: object, invalid: object, order: int
):
    """A call that is refused does not spoil the next one, nor does a valid one admit it."""
    for value in (valid, invalid, valid)[::order]:
        options: Any = {option: value}
        if value is valid:
            assert client.call(double, 1, **options) == 1
        else:
            with pytest.raises(InvalidRequestError, match=option):
                client.call(double, 1, **options)


class Stage(str, Enum):  # noqa: UP042 - of a StrEnum, str() is the value
    LIVE = "live"


class Name(str, Enum):  # noqa: UP042
    DOUBLE = "orders-double"


@pytest.mark.parametrize("order", [1, -1])
def test_texts_of_other_classes(client: LambdaClient, echo: Echo, order: int):
    """A member of an enumeration is what its value says, whichever of them was used first."""
    for qualifier in ("live", Stage.LIVE)[::order]:
        for target in ("orders-double", Name.DOUBLE)[::order]:
            client.call(target, 1, qualifier=qualifier)
            client.bind(double, target, qualifier=qualifier).call(1)

    assert {(str.__str__(one.function_name), str(one.qualifier)) for one in echo.sent} == {("orders-double", "live")}
    assert {one.function for one in echo.sent} == {"orders-double:live"}


@pytest.mark.parametrize("option", ["tenant_id", "durable_name"])
def test_an_option_of_an_enumeration_is_its_value(client: LambdaClient, echo: Echo, option: Any):
    """And not ``"Stage.LIVE"``, which would be another tenant."""
    options: Any = {option: Stage.LIVE}
    client.call(double, 1, **options)

    assert str(getattr(echo.sent[0], option)) == "live"


class Decorated:
    """A handler under a decorator that has its contract."""

    def __init__(self, contract: Any) -> None:
        self.contract = contract


def test_the_contract_of_a_handler_may_be_replaced(client: LambdaClient, echo: Echo, monkeypatch: pytest.MonkeyPatch):
    """As a test does."""
    handler: Any = Decorated(double)
    client.call(handler, 1)
    with monkeypatch.context() as patch:
        patch.setattr(handler, "contract", Contract("orders-half", request=int, response=int))
        client.call(handler, 1)
    client.call(handler, 1)

    assert [one.function_name for one in echo.sent] == ["orders-double", "orders-half", "orders-double"]
    assert client._invoker.bind_target(handler, {}) is client._invoker.bind_target(double, {})


def test_an_empty_address_is_not_the_contracts_own(client: LambdaClient):
    """Of a variable that is not set, for example, even if the contract has been called before."""
    client.call(double, 1)

    with pytest.raises(InvalidArnError):
        client._invoker.bind_target(double, {}, function="")


def test_a_client_context_is_validated_for_each_call(client: LambdaClient, echo: Echo):
    """A bound function keeps the caller's mapping, which may change."""
    texts: dict[str, Any] = {"user": "u-1"}
    bound = client.bind(double, client_context=texts)
    bound.call(1)
    texts["user"] = 2
    with pytest.raises(InvalidRequestError, match="client_context"):
        bound.call(2)
    texts["user"] = "u-3"
    bound.call(3)

    assert [one.payload for one in echo.sent] == [b"1", b"3"]


def test_a_resolver_is_asked_for_each_call(echo: Echo, monkeypatch: pytest.MonkeyPatch):
    """A test, or a reload, may change the environment under a client of a module."""
    client = LambdaClient(echo, resolve=resolvers.from_env({double: "DOUBLE"}))
    bound = client.bind(double)
    for name in ("one", "two"):
        monkeypatch.setenv("DOUBLE", name)
        client.call(double, 1)
        bound.call(1)

    assert [one.function_name for one in echo.sent] == ["one", "one", "two", "two"]


def test_an_option_that_lambda_does_not_accept_is_refused_each_time(client: LambdaClient, echo: Echo):
    """Nothing of a call that failed is kept."""
    bound = client.bind(double, tenant_id="#")
    for _ in range(2):
        with pytest.raises(InvalidRequestError, match="tenant_id"):
            client.call(double, 1, tenant_id="#")
        with pytest.raises(InvalidRequestError, match="tenant_id"):
            bound.call(1)

    assert not echo.sent


def test_what_is_kept_is_bounded(client: LambdaClient):
    """A program may call functions without end."""
    for number in range(2000):
        client.call(f"function-{number}", {}, timeout=number + 1.0)

    assert len(client._invoker._bound) <= 256


def test_what_is_kept_is_dropped_with_the_client(echo: Echo):
    """No module keeps a contract alive."""
    contract = Contract("orders-double", request=int, response=int)
    client = LambdaClient(echo)
    client.call(contract, 1)
    dropped = weakref.ref(contract)
    del client, contract
    gc.collect()

    assert dropped() is None


def test_a_bound_function_is_pickled_without_what_was_worked_out():
    """The copy works it out again."""
    client = LambdaClient(timeout=30)
    bound = client.bind(double, tenant_id="acme")
    bound._bind_target().compile(InvocationType.EVENT)
    copied = pickle.loads(pickle.dumps(bound))._bind_target()

    assert (copied.target, copied.options) == (locate(double), {"timeout": 30, "retry": None, "tenant_id": "acme"})


def test_an_object_that_is_constructed_equals_one_that_is_created():
    """Defaults, equality, hash and repr are those of the class; it is frozen."""
    fields: dict[str, Any] = {"status": 200, "payload": b"1", "request_id": "r-1"}
    made, created = construct(Outcome, **fields), Outcome(**fields)

    assert (made, hash(made), repr(made)) == (created, hash(created), repr(created))
    assert pickle.loads(pickle.dumps(made)) == created
    with pytest.raises(AttributeError, match="cannot assign"):
        made.status = 500  # type: ignore[misc]
