"""Contracts: immutable values that are checked where they are declared."""

from __future__ import annotations

import dataclasses
import json
import pickle
import sys
import threading
import typing
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, SecretStr
from typing_extensions import TypedDict

from lambdachain import Contract, ContractError, FunctionArn, InvalidArnError, RemoteError, parse_target
from lambdachain._json.codec import codec_for

T = TypeVar("T")


class Charge(BaseModel):
    order_id: str
    cents: int


class Charged(BaseModel):
    charge_id: str


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Line(TypedDict):
    start: int
    end: int


class Page(BaseModel, Generic[T]):
    items: list[T]


class Names(RootModel[list[str]]):
    pass


class Pair(NamedTuple):
    left: int
    right: str


class Declined(RemoteError):
    reason: str


class Plain:
    pass


class WithCallback(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    on_done: Callable[[int], int]


class WithLock(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    gate: threading.Event


@dataclasses.dataclass
class WithCallbackToo:
    on_done: Callable[[int], int]


class Node(BaseModel):
    value: int
    children: list[Node] = []


def _contract(function: Any = "billing-charge", **options: Any) -> Contract[Any, Any]:
    return Contract(function, **{"request": Charge, "response": Charged, **options})


def test_a_contract_is_a_value() -> None:
    """Equal declarations are equal, hash alike and can be keys; a different field makes a different contract."""
    contract = _contract(errors=[Declined])
    others = [
        _contract("billing-refund", errors=[Declined]),
        _contract(request=Charged, errors=[Declined]),
        _contract(response=Charge, errors=[Declined]),
        _contract(),
        _contract(errors=[Declined], idempotent=True),
        _contract(errors=[Declined], qualifier="live"),
    ]

    assert contract == _contract(errors=(Declined,))
    assert {contract: 1} == {_contract(errors=[Declined]): 1}
    assert all(contract != other for other in others)
    assert 7 == len({contract, *others})
    assert contract == pickle.loads(pickle.dumps(contract))
    assert contract is contract.contract


def test_a_contract_is_frozen() -> None:
    """No attribute can be set or added."""
    contract = _contract()

    with pytest.raises(dataclasses.FrozenInstanceError):
        contract.function = "other"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        contract.color = "blue"  # type: ignore[attr-defined]


def test_the_repr_of_a_contract() -> None:
    """It has the name, with its qualifier, and both types."""
    assert "Contract('billing-charge', Charge -> Charged)" == repr(_contract())
    assert "Contract('billing-charge:live', list[int] -> None)" == repr(
        _contract("billing-charge:live", request=list[int], response=None)
    )


@pytest.mark.parametrize(
    ("function", "name", "qualifier"),
    [
        ("orders", "orders", None),
        ("orders:live", "orders", "live"),
        ("orders:3", "orders", "3"),
        ("orders:$LATEST", "orders", "$LATEST"),
        ("123456789012:function:orders", "123456789012:function:orders", None),
        ("123456789012:orders:live", "123456789012:function:orders", "live"),
        ("function:orders", "orders", None),
        (
            "arn:aws:lambda:eu-west-1:123456789012:function:orders:live",
            "arn:aws:lambda:eu-west-1:123456789012:function:orders",
            "live",
        ),
        (
            FunctionArn("aws", "eu-west-1", "123456789012", "orders", "live"),
            "arn:aws:lambda:eu-west-1:123456789012:function:orders",
            "live",
        ),
    ],
)
def test_a_function_may_be_named_in_any_form(function: str | FunctionArn, name: str, qualifier: str | None) -> None:
    """A contract accepts every form that Invoke accepts; the qualifier is kept separately."""
    contract = _contract(function)

    assert (name, qualifier) == (contract.function, contract.qualifier)
    assert parse_target(contract.function) == parse_target(str(function)).without_qualifier()


@pytest.mark.parametrize(
    "form",
    [
        Charge,
        Point,
        Line,
        Page[int],
        Page[Charge],
        Names,
        Pair,
        Node,
        list[Charge],
        dict[str, list[int]],
        tuple[int, str],
        Sequence[int],
        Charge | None,
        Charge | Point | str,
        typing.Optional[int],  # noqa: UP045
        typing.Union[int, str],  # noqa: UP007
        None,
        type(None),
        str,
        bytes,
        Any,
        object,
        IPv4Address,
        Path,
        Annotated[int, Field(gt=0)],
        Annotated[int, {"unit": ["cent"]}],
        Annotated[list[Annotated[int, {"unit": "cent"}]], {"a": 1}],
    ],
    ids=str,
)
def test_any_json_type_is_accepted(form: Any) -> None:
    """Anything that pydantic can read from JSON and write as JSON can be a request or a response."""
    contract = _contract(request=form, response=form)

    assert form is contract.request
    assert form is contract.response


@pytest.mark.parametrize(
    ("form", "value", "written"),
    [
        (Page[int], Page[int](items=[1]), {"items": [1]}),
        (Point, Point(1), {"x": 1, "y": 0}),
        (Line, {"start": 1, "end": 2}, {"start": 1, "end": 2}),
        (Pair, Pair(1, "b"), [1, "b"]),
        (Sequence[int], [1, 2], [1, 2]),
        (IPv4Address, IPv4Address("10.0.0.1"), "10.0.0.1"),
        (Path, Path("a/b"), "a/b"),
        (Annotated[int, {"unit": ["cent"]}], 5, 5),
        (Node, Node(value=1, children=[Node(value=2)]), {"value": 1, "children": [{"value": 2, "children": []}]}),
        (None, None, None),
    ],
    ids=str,
)
def test_an_accepted_type_round_trips(form: Any, value: object, written: object) -> None:
    """It is sent as pydantic writes it, and comes back equal."""
    codec = codec_for(_contract(request=form).request)

    assert written == json.loads(codec.encode(value))
    assert value == codec.decode(codec.encode(value)) == codec.validate_event(written)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic takes typing.TypedDict from Python 3.12 on")
def test_typing_typed_dict_is_refused_with_the_remedy() -> None:
    """Before Python 3.12, pydantic needs the TypedDict of typing_extensions; the error says so."""
    form = typing.TypedDict("form", {"a": int})  # noqa: UP013

    with pytest.raises(ContractError, match=r"typing_extensions\.TypedDict"):
        _contract(request=form)


@pytest.mark.parametrize("role", ["request", "response"])
@pytest.mark.parametrize(
    ("form", "part"),
    [
        (Callable[[int], int], "callable"),
        (WithCallback, "callable"),
        (WithCallbackToo, "callable"),
        (list[WithCallback], "callable"),
        (WithLock, "an instance of Event"),
        (type[int], "is-subclass"),
        (threading.Lock, "pydantic cannot handle"),
        (list[threading.Lock], "pydantic cannot handle"),  # type: ignore[type-arg]
        (Plain, "pydantic cannot handle Plain"),
        (list[Plain], "pydantic cannot handle"),
        (5, "pydantic cannot handle 5"),
        (SecretStr, "SecretStr, which is written as asterisks"),
        (list[SecretStr], "SecretStr, which is written as asterisks"),
    ],
    ids=str,
)
def test_a_type_that_is_not_json_is_refused_where_it_is_declared(form: Any, part: str, role: str) -> None:
    """The declaration raises a TypeError that names the part."""
    with pytest.raises(ContractError, match=part) as caught:
        _contract(**{role: form})

    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("error", [ValueError, "Declined", None, int, Plain()])
def test_only_remote_errors_can_be_declared(error: Any) -> None:
    """An error that would not come back as its class cannot be an error of a contract."""
    with pytest.raises(ContractError, match="is not a subclass of RemoteError"):
        _contract(errors=[error])


def test_two_errors_of_one_name_are_refused() -> None:
    """Only the class name is sent, so one contract cannot have it twice."""
    twin = type("Declined", (RemoteError,), {})

    with pytest.raises(ContractError, match="two classes are named Declined"):
        _contract(errors=[Declined, twin])


def test_a_qualifier_is_given_once() -> None:
    """In the name or as keyword, not both, even if they are equal."""
    assert "live" == _contract(qualifier="live").qualifier
    with pytest.raises(ContractError, match="already has a qualifier"):
        _contract("billing-charge:live", qualifier="live")


@pytest.mark.parametrize(
    ("function", "qualifier", "part"),
    [
        ("bill ing", None, "function name"),
        ("", None, "function name"),
        (None, None, "not NoneType"),
        (5, None, "not int"),
        ("billing", "li ve", "qualifier 'li ve'"),
        ("billing", 3, "qualifier must be text"),
        ("billing", "", "qualifier ''"),
    ],
)
def test_invalid_addresses_are_refused(function: Any, qualifier: Any, part: str) -> None:
    """Anything that Lambda does not accept as a function or qualifier is an InvalidArnError."""
    with pytest.raises(InvalidArnError, match=part):
        _contract(function, qualifier=qualifier)


@pytest.mark.parametrize("is_list", [False, True])
def test_a_model_may_have_a_forward_reference(is_list: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is valid in a contract; if the contract is used too early, the error says what is missing."""
    outer: Any = type("Outer", (BaseModel,), {"__annotations__": {"inner": "Later"}, "__module__": __name__})
    contract = _contract(request=list[outer] if is_list else outer)
    later: Any = type("Later", (BaseModel,), {"__annotations__": {"z": int}, "__module__": __name__})

    with pytest.raises(ContractError, match="not fully defined"):
        codec_for(contract.request).validate_event([])
    monkeypatch.setitem(globals(), "Later", later)
    outer.model_rebuild()
    event = {"inner": {"z": 1}}

    read = codec_for(contract.request).validate_event([event] if is_list else event)
    assert outer(inner=later(z=1)) == (read[0] if is_list else read)


def test_a_description_is_kept_and_is_not_part_of_equality() -> None:
    """Better wording does not make another contract."""
    described = _contract(description="Charge a card.")

    assert described.description == "Charge a card."
    assert _contract().description is None
    assert described == _contract()
    assert hash(described) == hash(_contract())
    assert repr(described) == repr(_contract())
    assert pickle.loads(pickle.dumps(described)).description == "Charge a card."


@pytest.mark.parametrize("description", ["", " \n", 5, b"text", ["text"]])
def test_a_description_that_describes_nothing_is_refused(description: Any) -> None:
    """Whoever shows it needs a text."""
    with pytest.raises(ContractError, match="description must"):
        _contract(description=description)
