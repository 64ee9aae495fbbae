"""What follows from a client, a target and options is worked out once, kept with the client, and bounded."""

from __future__ import annotations

import gc
import pickle
import weakref
from typing import Any

import pytest

from lambdachain import (
    Contract,
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
