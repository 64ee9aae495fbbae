"""How two requests differ, in words: never nothing where they are not equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from lambdachain.testing._comparison import compare, differences


class Line(BaseModel):
    model_config = ConfigDict(extra="allow")
    price: int


class Order(BaseModel):
    id: str
    lines: list[Line] = []
    tags: dict[str, str] = {}


class Purchase(Order): ...


@dataclass
class Point:
    x: int
    y: object = None


@pytest.mark.parametrize(
    ("expected", "came", "said"),
    [
        (Order(id="a"), Order(id="b"), ["id: 'b' came, 'a' was expected"]),
        (
            Order(id="a", lines=[Line(price=1), Line(price=2)]),
            Order(id="a", lines=[Line(price=1), Line(price=3)]),
            ["lines[1].price: 3 came, 2 was expected"],
        ),
        (
            Order(id="a", lines=[Line(price=1)]),
            Order(id="a"),
            ["lines[0]: nothing came, Line(price=1) was expected"],
        ),
        (Order(id="a"), Order(id="a", tags={"k": "v"}), ["tags['k']: 'v' came, nothing was expected"]),
        (
            Line(price=1),
            Line.model_validate({"price": 1, "more": 2}),
            ["the request: Line(price=1, more=2) came, Line(price=1) was expected"],
        ),
        (Point(1, 2), Point(1, [3]), ["y: [3] came, 2 was expected"]),
        (
            Order(id="a"),
            Purchase(id="a"),
            ["the request: Purchase(id='a', lines=[], tags={}) came, Order(id='a', lines=[], tags={}) was expected"],
        ),
        ("1", 1, ["the request: 1 came, '1' was expected"]),
        ({"a": 1}, [1], ["the request: [1] came, {'a': 1} was expected"]),
    ],
)
def test_a_difference_is_named_by_its_place(expected: object, came: object, said: list[str]):
    """Fields, positions and keys."""
    assert differences(expected, came) == said


def test_types_are_told_apart_where_values_look_alike():
    """Two classes of one repr."""
    first, second = (type("Same", (), {"__repr__": lambda _: "same"})() for _ in range(2))

    assert differences(first, second) == ["the request: same (Same) came, same (Same) was expected"]


def test_a_long_value_is_cut():
    """And its length told."""
    assert differences("x" * 500, "y")[0].endswith("... (502 characters) was expected")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_there_are_words_exactly_where_values_differ(expected: Any, came: Any):
    """A check that says nothing would pass."""
    assert bool(differences(expected, came)) == (expected != came)


@given(st.lists(VALUES, max_size=3), st.lists(VALUES, max_size=3))
def test_calls_are_compared_in_order(expected: list[Any], came: list[Any]):
    """One more, or one less, is a difference too."""
    assert bool(compare(expected, came)) == (expected != came)
