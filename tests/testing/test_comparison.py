"""Descriptions of how two requests differ; never empty for unequal ones."""

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
        (Order(id="a"), Order(id="b"), ["id: expected 'a', got 'b'"]),
        (
            Order(id="a", lines=[Line(price=1), Line(price=2)]),
            Order(id="a", lines=[Line(price=1), Line(price=3)]),
            ["lines[1].price: expected 2, got 3"],
        ),
        (
            Order(id="a", lines=[Line(price=1)]),
            Order(id="a"),
            ["lines[0]: expected Line(price=1), but it is missing"],
        ),
        (Order(id="a"), Order(id="a", tags={"k": "v"}), ["tags['k']: unexpected 'v'"]),
        (
            Line(price=1),
            Line.model_validate({"price": 1, "more": 2}),
            ["the request: expected Line(price=1), got Line(price=1, more=2)"],
        ),
        (Point(1, 2), Point(1, [3]), ["y: expected 2, got [3]"]),
        (
            Order(id="a"),
            Purchase(id="a"),
            ["the request: expected Order(id='a', lines=[], tags={}), got Purchase(id='a', lines=[], tags={})"],
        ),
        ("1", 1, ["the request: expected '1', got 1"]),
        ({"a": 1}, [1], ["the request: expected {'a': 1}, got [1]"]),
    ],
)
def test_a_difference_is_reported_with_its_path(expected: object, came: object, said: list[str]):
    """Of fields, positions and keys."""
    assert differences(expected, came) == said


def test_types_are_shown_if_values_have_the_same_repr():
    """For example instances of two classes."""
    first, second = (type("Same", (), {"__repr__": lambda _: "same"})() for _ in range(2))

    assert differences(first, second) == ["the request: expected same (Same), got same (Same)"]


def test_a_long_value_is_truncated():
    """Its length is shown."""
    assert differences("x" * 500, "y")[0].endswith("... (502 characters), got 'y'")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_a_description_is_empty_only_for_equal_values(expected: Any, came: Any):
    """An empty description would let a failed check pass."""
    assert bool(differences(expected, came)) == (expected != came)


@given(st.lists(VALUES, max_size=3), st.lists(VALUES, max_size=3))
def test_calls_are_compared_in_order(expected: list[Any], came: list[Any]):
    """A missing or additional call is a difference, too."""
    assert bool(compare(expected, came)) == (expected != came)
