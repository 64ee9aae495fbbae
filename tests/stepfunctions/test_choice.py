"""Choices by the values that contracts allow."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from lambdachain import Contract, ContractError
from lambdachain.stepfunctions import choice
from tests.support.orders_contracts import charge, purchase, refund


class Color(StrEnum):
    """An enum of texts."""

    RED = "red"
    BLUE = "blue"


class Paint(BaseModel):
    color: Color


class Frame(BaseModel):
    paint: Paint
    size: Literal[1, 2] | None


def get_values(state) -> list[object]:
    """Return the values that a choice compares with."""
    return [
        value
        for rule in state["Choices"]
        for name, value in rule.items()
        if name.endswith("Equals") or name == "IsNull"
    ]


def test_the_values_are_those_of_the_contracts():
    """Of a Literal, an enum and a union."""
    frame = Contract("frame", request=Frame, response=None)
    kinds = Contract(
        "kinds",
        request=Annotated[purchase.request | refund.request, Field(discriminator="kind")],
        response=None,
    )

    assert get_values(choice("kind", {purchase: "P", refund: "R"})) == ["PURCHASE", "REPEAT", "REFUND"]
    assert get_values(choice("paint.color", {frame: "F"})) == ["red", "blue"]
    assert get_values(choice("size", {frame: "F"})) == [1, 2, True]  # IsNull for null
    assert get_values(choice("kind", {kinds: "K"})) == ["PURCHASE", "REPEAT", "REFUND"]


def test_values_of_each_type():
    """True is a number in Python, and not in JSON."""
    rules = choice("x", {"a": "A", True: "B", None: "C", 1.5: "D"})["Choices"]

    assert [[name for name in rule if name not in ("Variable", "Next")] for rule in rules] == [
        ["StringEquals"],
        ["BooleanEquals"],
        ["IsNull"],
        ["NumericEquals"],
    ]


def test_without_the_field_the_default_is_next():
    """Where a path selects nothing, Step Functions would fail the execution."""
    assert choice("kind", {refund: "R"}, default="D")["Choices"][0] == {
        "Not": {"Variable": "$.kind", "IsPresent": True},
        "Next": "D",
    }


@pytest.mark.parametrize(
    ("branches", "message"),
    [
        ({charge: "C"}, "charge does not restrict kind"),
        ({refund: "R", "REFUND": "Other"}, 'R and Other are for kind = "REFUND"'),
    ],
)
def test_a_wrong_choice_is_refused(branches, message):
    """Two branches for a value, or a field that may have any."""
    with pytest.raises(ContractError, match=message):
        choice("kind", branches)
