"""Domain errors: declared as classes with fields, raised in the callee, and caught in the caller as themselves."""

from __future__ import annotations

import copy
import datetime as dt
import json
import pickle
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

import lambdachain
from lambdachain import CallError, ContractError, Execution, FunctionError, LambdaChainError, RemoteError
from lambdachain._core import errors


class Money(BaseModel):
    amount: Decimal
    currency: str = Field(default="EUR", alias="cur")


class Declined(RemoteError):
    reason: str
    retry_after_days: int | None = None


class HardDeclined(Declined):
    bank: str = "unknown"


class Bare(RemoteError):
    pass


class Listing(RemoteError):
    items: list[str] = []  # noqa: RUF012 - as users write it
    limits: dict[str, int] = {"a": 1}  # noqa: RUF012


class Rich(RemoteError):
    """A docstring of its own."""

    version: ClassVar[int] = 2

    since: dt.datetime
    day: dt.date
    amount: Decimal
    key: UUID
    price: Money | None = None
    nested: Nested | None = None

    def worth(self) -> Decimal:
        """Compute something from a field."""
        return self.amount * self.version


class Nested(BaseModel):
    z: int


_RICH: dict[str, Any] = {
    "since": dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
    "day": dt.date(2020, 1, 2),
    "amount": Decimal("1.10"),
    "key": UUID(int=5),
    "price": Money(amount=Decimal(2), cur="USD"),
    "nested": Nested(z=1),
}


def _back(error: RemoteError, **facts: Any) -> Any:
    return type(error).received(str(error), **facts)


def test_fields_are_passed_by_keyword() -> None:
    """Fields are attributes with defaults, and the error is a FunctionError like any other."""
    error = Declined(reason="limit")

    assert ("limit", None) == (error.reason, error.retry_after_days)
    assert 3 == Declined(reason="limit", retry_after_days=3).retry_after_days
    assert isinstance(error, FunctionError | CallError | LambdaChainError)
    assert (Execution.EXECUTED, "", None, (), False) == (
        error.execution,
        error.function,
        error.request_id,
        error.attempts,
        error.retryable,
    )


def test_an_error_without_fields_works() -> None:
    """The class alone may be enough."""
    assert ("{}", "Bare()") == (str(Bare()), repr(Bare()))
    assert Bare() == _back(Bare())


def test_mutable_defaults_are_not_shared() -> None:
    """Each error has its own list."""
    one, other = Listing(), Listing()

    one.items.append("x")
    one.limits["b"] = 2
    assert ([], {"a": 1}) == (other.items, other.limits) == (Listing().items, Listing().limits)
    assert [] == Listing.items


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Declined, "reason: Field required"),  # type: ignore[call-arg]
        (lambda: Declined(reason="x", color="blue"), "has no field 'color': it has reason, retry_after_days"),  # type: ignore[call-arg]
        (lambda: Declined(reason=5), "reason: Input should be a valid string"),  # type: ignore[arg-type]
        (lambda: Declined(reason="x", retry_after_days="soon"), "retry_after_days: "),  # type: ignore[arg-type]
        (lambda: Bare(reason="x"), "has no field 'reason': it has no fields"),  # type: ignore[call-arg]
        (lambda: Declined("limit"), "positional"),  # type: ignore[misc]
    ],
)
def test_invalid_fields_are_a_type_error(make: Any, words: str) -> None:
    """A field that is missing, unknown or of a wrong type is refused with its name."""
    with pytest.raises(TypeError, match=words):
        make()


def test_an_invalid_value_is_not_repeated() -> None:
    """The error about an invalid field does not contain its value."""
    with pytest.raises(ContractError) as caught:
        Declined(reason={"card": "canary"})  # type: ignore[arg-type]

    assert "canary" not in repr(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "name",
    [
        "function",
        "request_id",
        "args",
        "attempts",
        "error_type",
        "error_message",
        "stack_trace",
        "log_tail",
        "execution",
        "retryable",
        "elapsed",
        "received",
        "with_traceback",
        "add_note",
        "__notes__",
        "_fields",
    ],
)
def test_a_field_that_hides_an_attribute_is_refused(name: str) -> None:
    """It would break what every call error has, so the class cannot be defined."""
    with pytest.raises(ContractError, match=rf"Bad\.{name} hides an attribute"):
        type("Bad", (RemoteError,), {"__annotations__": {name: "str"}})


@pytest.mark.parametrize("name", ["_private", "model_config", "model_fields", "copy", "json", "schema", "dict"])
def test_a_field_named_like_an_attribute_of_pydantic_works_or_is_refused(name: str) -> None:
    """No name is accepted when the class is defined, only to fail when the error is raised."""
    try:
        form: Any = type("Odd", (RemoteError,), {"__annotations__": {name: "str"}})
    except ContractError:
        return
    error = form(**{name: "x"})

    assert "x" == getattr(error, name)
    assert error == _back(error)


def test_a_field_of_a_union_type_keeps_the_python_value() -> None:
    """The constructor takes Python values, regardless of what they become in JSON."""

    class Odd(RemoteError):
        code: int | str
        at: dt.datetime | None = None
        count: int = Field(default=1, gt=0)

    error = Odd(code="5", at=_RICH["since"])

    assert ("5", 1) == (error.code, error.count)
    assert error == _back(error)
    with pytest.raises(ContractError, match="count: "):
        Odd(code=1, count=0)


def test_subclasses_have_the_fields_of_their_bases() -> None:
    """Inheritance adds fields, in order, and may narrow their types."""
    error = HardDeclined(reason="limit", bank="b")

    assert "HardDeclined(reason='limit', retry_after_days=None, bank='b')" == repr(error)
    assert isinstance(error, Declined)
    assert error == _back(error)
    assert error != Declined(reason="limit")


def test_class_variables_and_methods_are_not_fields() -> None:
    """A ClassVar belongs to the class."""
    error = Rich(**_RICH)

    assert Decimal("2.20") == error.worth()
    assert "version" not in json.loads(str(error))
    with pytest.raises(ContractError, match="has no field 'version'"):
        Rich(**_RICH, version=3)


def test_fields_of_special_types_round_trip() -> None:
    """Dates, decimals, UUIDs and models are sent as pydantic writes them, and come back equal."""
    error = Rich(**_RICH)

    assert {
        "since": "2020-01-02T03:04:05Z",
        "day": "2020-01-02",
        "amount": "1.10",
        "key": "00000000-0000-0000-0000-000000000005",
        "price": {"amount": "2", "cur": "USD"},
        "nested": {"z": 1},
    } == json.loads(str(error))
    assert error == _back(error)
    assert isinstance(_back(error).price, Money)


def test_errors_compare_by_value() -> None:
    """Errors of the same class with equal fields are equal and hash alike; a plain message is something else."""
    assert Declined(reason="a") == Declined(reason="a")
    assert Declined(reason="a") != Declined(reason="b")
    assert Declined(reason="a") != Exception("a")
    assert Declined(reason="a") != HardDeclined(reason="a")
    assert 1 == len({Declined(reason="a"), Declined(reason="a")})
    assert 1 == len({Listing(items=["a"]), Listing(items=["a"])})


@pytest.mark.parametrize("error", [Declined(reason="limit"), Bare(), Listing(items=["a"]), Rich(**_RICH)], ids=repr)
def test_errors_pickle_and_copy(error: RemoteError) -> None:
    """An error survives a process pool, with what is known about the call."""
    error = _back(error, function="billing", request_id="r-1", error_type=type(error).__name__, retryable=True)

    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert error == twin
        assert type(error) is type(twin)
        assert repr(error) == repr(twin)
        assert str(error) == str(twin)
        assert ("billing", "r-1", True) == (twin.function, twin.request_id, twin.retryable)


def test_a_deep_copy_shares_nothing() -> None:
    """The list inside is copied, too."""
    error = Listing(items=["a"])

    copy.deepcopy(error).items.append("b")
    assert ["a"] == error.items


def test_types_of_a_local_scope_work() -> None:
    """A class defined in a function may use types of that function, whether its annotations are strings or not."""

    class Detail(BaseModel):
        z: int

    class Local(RemoteError):
        detail: Detail
        more: list[Detail] | None = None

    error = Local(detail=Detail(z=1))

    assert '{"detail":{"z":1},"more":null}' == str(error)
    assert error == _back(error)


def test_an_undefined_type_of_a_field_is_named() -> None:
    """It is an error in the declaration."""
    lost: Any = type("Lost", (RemoteError,), {"__annotations__": {"thing": "Nowhere"}})

    with pytest.raises(ContractError, match=r"Lost: the annotation of a field cannot be evaluated: .*Nowhere"):
        lost(thing=1)


def test_a_caught_error_can_be_raised_again_with_its_attributes() -> None:
    """What the caller knows stays on the error, as on every FunctionError."""
    error = _back(
        Declined(reason="limit"),
        function="billing",
        request_id="r-1",
        error_type="Declined",
        error_message='{"reason":"limit"}',
        stack_trace=["line 1"],
        log_tail="END",
    )

    assert ("billing", "r-1", "Declined", ("line 1",), "END") == (
        error.function,
        error.request_id,
        error.error_type,
        error.stack_trace,
        error.log_tail,
    )
    assert error == Declined(reason="limit")
    with pytest.raises(Declined) as caught:
        raise error
    assert caught.value is error


@pytest.mark.parametrize("wire", ["", "limit", "{}", "null", "[]", '{"reason": 5}', '{"reason": "x"', "\ud800", "NaN"])
def test_another_error_of_the_same_name_is_not_mistaken_for_it(wire: str) -> None:
    """Its message does not fit, so no error of the class is created."""
    assert Declined.received(wire) is None


def test_a_newer_callee_may_send_more_fields() -> None:
    """Unknown fields are ignored: errors are read as leniently as responses."""
    assert Declined(reason="x") == Declined.received('{"reason": "x", "code": 7}')


def test_changed_fields_are_sent() -> None:
    """An error may be completed before it is raised; an invalid value in it does not hide the error."""
    error = Declined(reason="limit")

    error.retry_after_days = 3
    assert 3 == json.loads(str(error))["retry_after_days"]

    error.retry_after_days = "canary"  # type: ignore[assignment]
    assert "Declined has a field that does not fit its type: retry_after_days: " in str(error)
    assert "canary" not in str(error)
    assert _back(error) is None


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.none() | st.integers())
def test_any_field_value_round_trips(reason: str, days: int | None) -> None:
    """For any text, the error comes back equal."""
    error = Declined(reason=reason, retry_after_days=days)

    assert error == _back(error)
    assert hash(error) == hash(_back(error))


RICH = Rich(
    since=dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC),
    day=dt.date(2026, 12, 1),
    amount=Decimal("9.90"),
    key=UUID(int=1),
    price=Money(amount=Decimal("1.10"), cur="USD"),
)


@pytest.mark.parametrize("error", [RICH, Bare(), HardDeclined(reason="limit"), Listing(items=["a"])], ids=repr)
def test_args_are_json_and_make_an_equal_error(error: RemoteError):
    """A task queue's JSON result backend stores args, and calls the class with them."""
    stored = json.loads(json.dumps(error.args))
    restored = type(error)(*stored)

    assert restored == error
    assert str(restored) == str(error)
    assert pickle.loads(pickle.dumps(restored)) == error
    assert copy.copy(restored) == error


def test_a_received_error_has_args_too():
    """Until a field is set to what does not fit: then, only the text is left."""
    received = Declined.received('{"reason":"limit"}', function="f", request_id="r")

    assert received is not None
    assert received.args == ({"reason": "limit", "retry_after_days": None},)
    received.reason = 5  # type: ignore[assignment]
    assert received.args == (str(received),)


@pytest.mark.parametrize("args", [("limit",), ({"reason": 5},), ({"reason": object()},), ({},), ([],), (5, 6)], ids=str)
def test_other_positional_arguments_are_refused(args: tuple[Any, ...]):
    """As a TypeError, as for any call with wrong arguments."""
    kind: Any = Declined
    with pytest.raises(TypeError):
        kind(*args)
    with pytest.raises(ContractError, match="keyword"):
        kind({"reason": "limit"}, retry_after_days=3)


@pytest.mark.parametrize("name", sorted(errors.__all__))
def test_every_error_is_made_again_from_its_args(name: str):
    """With its class and message."""
    error = getattr(lambdachain, name)("what happened")
    restored = type(error)(*json.loads(json.dumps(error.args)))

    assert str(restored) == str(error)
