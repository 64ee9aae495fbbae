"""Value classes behave as those of ``dataclasses.dataclass(frozen=True)``, which is what they are compared with."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import lambdachain._core.lean_dataclass as lean
from lambdachain import (
    Contract,
    FunctionArn,
    FunctionName,
    Invocation,
    InvocationType,
    Outcome,
    Permission,
    PermissionReason,
    Receipt,
    RetryBudget,
    RetryPolicy,
)
from lambdachain._handler.signature import HandlerSignature

ARN = FunctionArn.parse("arn:aws:lambda:eu-west-1:123456789012:function:orders:live")
VALUES = [
    ARN,
    FunctionName("orders", account_id="123456789012"),
    Invocation("orders", InvocationType.EVENT, b"1", tenant_id="acme"),
    Outcome(200, b"2", executed_version="3"),
    Permission(allowed=False, reason=PermissionReason.DENIED),
    Receipt("8f5e", ()),
    RetryBudget(5),
    RetryPolicy(max_attempts=2, jitter="none"),
    HandlerSignature("handler", int, int, takes_context=False, is_async=False, description=None),
]
FROZEN = dataclasses.FrozenInstanceError
each_value = pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)


def generate(cls: Any) -> Any:
    """Generate the class as the standard library does, with the methods that the class defines itself."""
    own = {
        name: made for name, made in vars(cls).items() if inspect.isfunction(made) and made.__module__ != lean.__name__
    }
    fields = [
        (one.name, one.type, dataclasses.field(default=one.default, repr=one.repr, compare=one.compare))
        for one in dataclasses.fields(cls)
    ]
    return dataclasses.make_dataclass(cls.__qualname__, fields, frozen=True, namespace=own)


def message(call: Callable[[], object], kind: type[Exception]) -> str:
    """Return the message of the error that a call raises."""
    with pytest.raises(kind) as raised:
        call()
    return str(raised.value)


@each_value
def test_a_value_is_what_the_standard_library_would_make(value: Any) -> None:
    """Its fields, repr, hash and signature; made with positions, with keywords, or without the defaults."""
    cls, generated = type(value), generate(type(value))
    twin = generated(**{one.name: getattr(value, one.name) for one in dataclasses.fields(value)})

    assert dataclasses.asdict(value) == dataclasses.asdict(twin)
    assert (repr(twin), hash(twin)) == (repr(value), hash(value))
    assert generated.__match_args__ == cls.__match_args__
    assert inspect.signature(generated) == inspect.signature(cls)
    assert value == cls(*vars(twin).values()) == cls(**vars(twin))


@each_value
def test_values_are_equal_by_their_fields(value: Any) -> None:
    """A copy, a pickle and a replacement are equal; a value of another class, and one with another field, is not."""
    changed = dataclasses.replace(value)
    first, *_ = dataclasses.fields(value)
    object.__setattr__(changed, first.name, 1)

    assert value == copy.copy(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value))
    assert {value} == {dataclasses.replace(value)}
    assert value != changed
    assert value != generate(type(value))(**vars(value))
    assert value != dataclasses.astuple(value)


@each_value
def test_a_value_is_frozen(value: Any) -> None:
    """No attribute can be set or deleted, whether it is a field or not, with the usual messages."""
    twin = generate(type(value))(**vars(value))
    for name in (dataclasses.fields(value)[0].name, "other"):
        for change in (lambda one, name: setattr(one, name, 1), delattr):
            expected, found = (message(partial(change, one, name), FROZEN) for one in (twin, value))
            assert expected == found


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (FunctionName, "missing a required argument: 'name'"),  # type: ignore[call-arg]
        (lambda: FunctionName(nam="orders"), "missing a required argument: 'name'"),  # type: ignore[call-arg]
        (lambda: FunctionName("orders", alias="live"), "got an unexpected keyword argument 'alias'"),  # type: ignore[call-arg]
        (lambda: FunctionName("orders", name="orders"), "multiple values for argument 'name'"),  # type: ignore[misc]
        (lambda: FunctionName("a", None, None, None, None), "too many positional arguments"),  # type: ignore[call-arg]
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], object], reason: str) -> None:
    """With the class that they were passed to."""
    assert f"FunctionName(): {reason}" == message(make, TypeError)


def test_a_value_is_matched_by_position() -> None:
    """As its fields are declared."""
    match Outcome(404, b"{}"):
        case Outcome(404, payload):
            assert b"{}" == payload
        case _:
            pytest.fail("not matched")


@pytest.mark.skipif(sys.version_info < (3, 13), reason="copy.replace() came with Python 3.13")
def test_copy_replace_replaces_a_field() -> None:
    """As for every dataclass."""
    assert RetryBudget(7) == copy.replace(RetryBudget(5), max_tokens=7)  # type: ignore[attr-defined,unused-ignore]


def test_subclasses_may_be_dataclasses_or_not() -> None:
    """A dataclass adds fields; any other class may have a constructor and attributes of its own."""

    @dataclasses.dataclass(frozen=True)
    class Traced(Outcome):
        trace: str = ""

    class Counted(Outcome):
        def __init__(self, status: int, count: int) -> None:
            super().__init__(status)
            self.count = count

    assert "trace='a'" in repr(Traced(200, trace="a"))
    assert Traced(200) != Traced(200, trace="a")
    assert (200, 3) == (Counted(200, 3).status, Counted(200, 3).count)
    assert "(status: int, count: int) -> None" == str(inspect.signature(Counted)).replace("'", "")
    with pytest.raises(dataclasses.FrozenInstanceError):
        Counted(200, 3).status = 404  # type: ignore[misc]


def test_a_field_may_be_left_out_of_equality() -> None:
    """And a class may have a constructor of its own, with its signature."""
    one, other = (Contract("orders", request=int, response=int, description=text) for text in ("a", "b"))

    assert (one, hash(one)) == (other, hash(other))
    assert "function" in inspect.signature(Contract).parameters
