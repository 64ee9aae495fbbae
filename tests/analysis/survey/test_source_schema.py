"""Schemas read from source: the same as pydantic builds from the classes, or unresolved with a reason."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lambdachain import Contract
from lambdachain._analysis.compatibility.compare_schemas import find_incompatibilities
from lambdachain._analysis.compatibility.schema_node import SchemaNode
from lambdachain._analysis.survey.sources import read_sources
from lambdachain._analysis.survey.survey import survey
from tests.support.modules import import_file

MODELS = """
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, ClassVar, Literal, Optional, Union
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from lambdachain import Contract

class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"

class Size(IntEnum):
    S = 1

class Base(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
    base_id: int

class Inner(Base):
    kind: Literal["a", "b"] = "a"
    children: "list[Inner]" = []

@dataclass
class Point:
    x: int
    y: float = 0.0
    tags: list[str] = field(default_factory=list)

class Everything(Base):
    LIMIT: ClassVar[int] = 3
    _hidden: int = 0
    text: str = Field(min_length=1, max_length=9, pattern="^a")
    number: int = Field(gt=0, le=10)
    real: float | None = Field(default=None, ge=0.5)
    flag: bool
    raw: bytes
    money: Decimal = Field(gt=0, max_digits=12, decimal_places=2)
    maybe_money: Optional[Decimal] = None
    id_: UUID = Field(alias="id")
    day: date
    at: datetime
    clock: time
    took: timedelta
    colour: Colour
    size: Size
    inner: Inner
    several: list[Inner] = Field(min_length=1)
    both: Union[int, str]
    signs: Literal[-1, 1, "none"]
    pair: tuple[int, str]
    row: tuple[int, ...]
    unique: set[int]
    by_name: dict[str, Inner]
    mapped: Mapping[str, int]
    sequence: Sequence[str]
    anything: Any
    annotated: Annotated[int, Field(ge=1)]
    point: Point
    sent: int = Field(serialization_alias="sent", validation_alias="IN")

class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    only: int

everything = Contract("everything", request=Everything, response=Strict)
plain = Contract("plain", request=list[int | None], response=None)
"""


def _check_equivalent(one: Any, other: Any) -> None:
    """Check that each schema accepts what the other describes."""
    assert find_incompatibilities(SchemaNode.root(one), SchemaNode.root(other), "it") == []
    assert find_incompatibilities(SchemaNode.root(other), SchemaNode.root(one), "it") == []


def _check_contracts(path: Path, module: ModuleType) -> int:
    """Compare each contract of a file with what is read from its source; return their number."""
    found = [one for one in survey(read_sources([path])).contracts if one.location.file.endswith(path.name)]
    real = {one.function: one for one in vars(module).values() if isinstance(one, Contract)}
    for contract in found:
        schema: dict[str, Any] = dict(real[contract.function].schema())
        request, response = contract.schemas["request"](), contract.schemas["response"]()
        assert (request.why, response.why) == ("", "")
        _check_equivalent(request.read, schema["request"])
        _check_equivalent(request.sent, schema.get("request_as_sent", schema["request"]))
        _check_equivalent(response.sent, schema["response"])
        _check_equivalent(response.read, schema.get("response_as_read", schema["response"]))
    return len(found)


def test_every_kind_of_field_is_read_as_by_pydantic(tmp_path: Path):
    """Aliases, limits, defaults, decimals, enums, dataclasses, models that contain themselves."""
    path = tmp_path / "models_of_every_kind.py"
    path.write_text(MODELS)

    assert _check_contracts(path, import_file(path)) == 2


EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize(
    "file",
    [
        "parent_child/contracts/purchase_contracts.py",
        "invoker/invoker_contracts.py",
        "events_in/intake_contracts.py",
        "idempotency/charge_contracts.py",
        "api_gateway/orders_contracts.py",
        "versions/price_contracts.py",
        "step_functions/transaction_contracts.py",
    ],
)
def test_the_contracts_of_the_examples_are_read(file: str):
    """With the same schemas that the contracts themselves return."""
    assert _check_contracts(EXAMPLES / file, import_file(EXAMPLES / file)) >= 1


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("class M(Elsewhere):\n  x: int", "the base class Elsewhere of M is not supported"),
        ("class M:\n  x: int", "M is not a pydantic model or a dataclass"),
        ("class M(BaseModel):\n  x: compute()", "the type compute() is not supported"),
        ("class M(BaseModel):\n  x: dict[str, Elsewhere]", "the type Elsewhere is not supported"),
        ("class M(BaseModel):\n  x: Weird[int]", "the type Weird[...] is not supported"),
        (
            "class M(BaseModel):\n  x: int\n  @field_validator('x')\n  def check(cls, v): return v",
            "M.check may accept or reject any value",
        ),
        ("class M(BaseModel):\n  model_config = ConfigDict(alias_generator=own)\n  x: int", "the alias_generator own"),
        ("class M(BaseModel):\n  model_config = ConfigDict(strict=True)\n  x: int", "sets strict"),
        ("class M(BaseModel):\n  x: int = Field(alias=compute())", "an alias of M.x is computed at run time"),
        ("class M(Enum):\n  X = compute()", "a value of M is computed at run time"),
        ("class M(BaseModel, extra='forbid'):\n  x: int", "the class argument extra='forbid' of M is not supported"),
        (
            "from typing import TypedDict\nclass M(TypedDict, total=False):\n  x: int",
            "the class argument total=False of M is not supported",
        ),
        ("class E(Enum):\n  X = 1\nclass M(BaseModel):\n  x: Literal[E.X]", "the type Literal[E.X] is not supported"),
        ("class M(BaseModel):\n  x: int = Field(exclude=True)", "the argument exclude=True of M.x is not supported"),
        ("@dataclass\nclass M:\n  x: int = field(init=False)", "the argument init=False of M.x is not supported"),
        ("class M(BaseModel):\n  x: Annotated[int, Field(alias='y')]", "alias='y' in Annotated"),
        ("class M(BaseModel):\n  x: Annotated[int, Field(default=3)]", "default=3 in Annotated"),
    ],
)
def test_an_unsupported_type_makes_the_schema_unresolved(survey_code, code: str, why: str):
    """With a reason, and without a schema that may be wrong."""
    head = (
        "from dataclasses import dataclass, field\nfrom enum import Enum\nfrom typing import Annotated, Literal\n"
        "from pydantic import BaseModel, ConfigDict, Field, field_validator\nfrom lambdachain import Contract\n"
    )
    found = survey_code(f"{head}{code}\nc = Contract('c', request=M, response=None)\n")
    schema = next(one for one in found.contracts if one.function == "c").schemas["request"]()

    assert why in schema.why
    assert (schema.sent, schema.read) == (None, None)
