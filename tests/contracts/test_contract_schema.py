"""A contract as JSON: the same in every process, complete, and without redundant parts."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from lambdachain import Contract, ContractError, RemoteError, remote
from lambdachain._contracts.contract_schema import parse_contract_schema


class Charge(BaseModel):
    order_id: str = Field(alias="orderId")
    cents: int = Field(gt=0)
    currency: str = "EUR"


class Charged(BaseModel):
    charge_id: str
    again: Charged | None = None


class CardDeclined(RemoteError):
    """The bank has refused."""

    reason: str
    days: int = 3


class Locked(RemoteError):
    pass


CHARGE = Contract("billing-charge", request=Charge, response=Charged, errors=[Locked, CardDeclined], qualifier="live")


def test_a_schema_has_what_callers_in_any_language_need():
    """What the callee accepts, what it returns and how it fails, each on its own."""
    schema = CHARGE.schema()
    order = {"type": "string"}
    cents = {"exclusiveMinimum": 0, "type": "integer"}
    currency = {"default": "EUR", "type": "string"}
    dialect = "https://json-schema.org/draft/2020-12/schema"

    assert {key: schema[key] for key in ("lambdachain", "function", "qualifier", "idempotent", "envelope")} == {
        "lambdachain": 1,
        "function": "billing-charge",
        "qualifier": "live",
        "idempotent": False,
        "envelope": False,
    }
    assert schema["request"] == {
        "$schema": dialect,
        "properties": {"orderId": order, "cents": cents, "currency": currency},
        "required": ["orderId", "cents"],
        "title": "Charge",
        "type": "object",
    }
    assert schema["errors"]["CardDeclined"] == {
        "$schema": dialect,
        "description": "The bank has refused.",
        "properties": {"reason": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["reason", "days"],
        "title": "CardDeclined",
        "type": "object",
    }
    assert list(schema["errors"]) == ["CardDeclined", "Locked"]


def test_what_lambdachain_callers_do_differently_is_added():
    """They write fields with a default, and need not read them."""
    schema = CHARGE.schema()

    assert schema["request_as_sent"]["required"] == ["orderId", "cents", "currency"]
    assert schema["errors_as_read"].keys() == {"CardDeclined"}
    assert schema["errors_as_read"]["CardDeclined"]["required"] == ["reason"]
    assert (
        Contract("f", request=int, response=list[str])
        .schema()
        .keys()
        .isdisjoint({"request_as_sent", "response_as_read", "errors_as_read"})
    )


def _get_descriptions(schema: Any) -> list[dict[str, Any]]:
    several = [*schema["errors"].values(), *schema.get("errors_as_read", {}).values()]
    return [
        schema[key] for key in ("request", "response", "request_as_sent", "response_as_read") if key in schema
    ] + several


def test_every_schema_is_valid_and_self_contained():
    """Draft 2020-12, and every reference is resolved inside it."""
    described = _get_descriptions(CHARGE.schema())

    assert len(described) == 7
    for schema in described:
        Draft202012Validator.check_schema(schema)
    answers = Draft202012Validator(CHARGE.schema()["response"])
    assert answers.is_valid({"charge_id": "c-1", "again": {"charge_id": "c-0", "again": None}})
    assert not answers.is_valid({"charge_id": "c-1", "again": {"charge_id": 0, "again": None}})


def test_it_survives_json():
    """Written and read again, it is equal."""
    schema = CHARGE.schema()

    assert json.loads(json.dumps(schema)) == schema


SCRIPT = """
import json
from enum import StrEnum
from typing import Literal
from pydantic import BaseModel
from lambdachain import Contract, RemoteError

class Color(StrEnum):
    red = "red"
    blue = "blue"

class Inner(BaseModel):
    words: frozenset[str] = frozenset("abcdefgh")

class Item(BaseModel):
    tags: set[str] = {"x", "y", "z", "w"}
    colors: frozenset[Color] = frozenset(Color)
    inner: Inner = Inner()
    kind: Literal["a", "b", "c"] | dict[Literal["k", "l"], int] | None = None

class First(RemoteError):
    names: set[str] = {"p", "q", "r"}

class Second(RemoteError):
    pass

errors = set((First, Second))
print(json.dumps(Contract("f", request=Item, response=list[Item], errors=list(errors)).schema()))
"""


def test_it_is_the_same_in_every_process():
    """To the byte, for any order of sets."""
    printed = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT], env={"PYTHONHASHSEED": str(seed)}, capture_output=True, check=True
        ).stdout
        for seed in range(4)
    }

    assert len(printed) == 1


def test_a_handler_s_contract_has_a_schema():
    """Created from its annotations."""

    @remote("double")
    def double(number: int) -> int:
        return 2 * number

    assert double.contract.schema() == Contract("double", request=int, response=int).schema()


def test_a_type_that_is_not_defined_yet_has_no_schema():
    """The error names it."""
    late = Contract[Any, Any]("f", request=list["NotYet"], response=int)  # noqa: F821 (that is the point)

    with pytest.raises(ContractError, match="NotYet"):
        late.schema()


@pytest.mark.parametrize("depth", [101, 400, 100_000])
def test_a_schema_that_is_nested_too_deeply_is_refused(depth: int):
    """It comes from a file, and is compared recursively."""
    form: dict[str, Any] = {}
    for _ in range(depth):
        form = {"items": form}
    schema = {**Contract("f", request=int, response=int).schema(), "request": form}
    with pytest.raises(ContractError, match="request in the schema is nested too deeply: at most 100 levels"):
        parse_contract_schema(schema)


def test_a_description_is_in_the_schema_if_there_is_one():
    """A schema that was kept before descriptions existed stays the same."""
    plain, described = (Contract("f", request=int, response=int, description=text) for text in (None, "Double it."))

    assert "description" not in plain.schema()
    assert described.schema()["description"] == "Double it."
    assert {**plain.schema(), "description": "Double it."} == described.schema()
    assert parse_contract_schema(json.loads(json.dumps(described.schema()))) == described.schema()


def test_a_description_that_is_not_text_is_refused():
    """It comes from a file."""
    with pytest.raises(ContractError, match="description in the schema must be text, not int"):
        parse_contract_schema({**Contract("f", request=int, response=int).schema(), "description": 5})
