"""The JSON Schema of a type describes what is written and read, and x-lambdachain has what it cannot express."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Predicate
from hypothesis import given
from jsonschema import Draft202012Validator
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    AnyUrl,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    FutureDate,
    HttpUrl,
    IPvAnyAddress,
    PlainSerializer,
    RootModel,
    SerializeAsAny,
    StringConstraints,
    Tag,
    computed_field,
    field_validator,
    model_serializer,
)

from lambdachain._analysis.compatibility.compare_schemas import find_incompatibilities
from lambdachain._analysis.compatibility.schema_node import SchemaNode
from lambdachain._json.codec import Codec
from lambdachain._json.json_schema import EXTENSION_KEYWORD, generate_json_schema
from tests.analysis.compatibility.contract_variants import MODELS, PAIRS, Pair
from tests.analysis.compatibility.test_compatibility_oracle import get_settings, write_values


def read(form: Any) -> dict[str, Any]:
    """Return the schema of what is read."""
    return generate_json_schema(Codec(form).schema, "validation")


def generate_written_schema(form: Any) -> dict[str, Any]:
    """Return the schema of what is written."""
    return generate_json_schema(Codec(form).schema, "serialization")


def unread(writer: Any, reader: Any) -> list[tuple[str, str]]:
    """Find what may not be read, as locations and kinds."""
    return [
        (gap.path, gap.reason.name)
        for gap in find_incompatibilities(
            SchemaNode.root(generate_written_schema(writer)), SchemaNode.root(read(reader)), "it"
        )
    ]


@get_settings(40)
@given(PAIRS | MODELS)
def test_what_is_written_is_valid_against_the_schema(pair: Pair):
    """By an independent validator; the schemas themselves are valid: draft 2020-12."""
    for shape in pair:
        schema = generate_written_schema(shape.form)
        refused = [text for text in write_values(shape) if not Draft202012Validator(schema).is_valid(json.loads(text))]

        Draft202012Validator.check_schema(schema)
        Draft202012Validator.check_schema(read(shape.form))
        assert refused == []


class Base(BaseModel):
    a: int


class Sub(Base):
    b: int


class Fields(BaseModel):
    plain: int
    alias: int = Field(alias="called")
    either: int = Field(validation_alias=AliasChoices("either", "other"))
    inside: int = Field(validation_alias=AliasPath("deep", 0))


def checked(value: Any) -> Any:
    """Stand in for a user's function."""
    return value


def made_somehow(value):
    """Write a value without a declared return type."""
    return str(value)


class Both(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    alias: int = Field(alias="called")


class WithValidator(BaseModel):
    a: int

    @field_validator("a")
    @classmethod
    def is_even(cls, value: int) -> int:
        return value


@dataclass
class AfterInit:
    a: int

    def __post_init__(self) -> None:
        self.a += 0


class Tidy(BaseModel):
    model_config = ConfigDict(
        str_strip_whitespace=True, coerce_numbers_to_str=True, strict=True, ser_json_timedelta="float"
    )

    name: str
    count: int
    span: dt.timedelta


# What is said of a type, and where: at the top, or in a field.
MARKED: list[tuple[Any, str, dict[str, Any]]] = [
    (Fields, "", {"names": {"either": ["either", "other"], "inside": [["deep", 0]]}}),
    (Both, "", {"names": {"called": ["called", "alias"]}}),
    (Annotated[dt.date, Field(ge=dt.date(2020, 1, 2))], "", {"ge": "2020-01-02"}),
    (Annotated[dt.timedelta, Field(lt=dt.timedelta(hours=1))], "", {"lt": "3600.0"}),
    (FutureDate, "", {"now": "future"}),
    (HttpUrl, "", {"allowed_schemes": ["http", "https"]}),
    (Annotated[str, StringConstraints(to_lower=True)], "", {"lower": True}),
    (Tidy, "name", {"strip": True, "numbers": True}),
    (Tidy, "count", {"strict": True}),
    (Annotated[int, AfterValidator(checked)], "", {"checks": ["checked"]}),
    (Annotated[int, Predicate(checked)], "", {"checks": ["checked"]}),
    (WithValidator, "a", {"checks": ["is_even"]}),
    (AfterInit, "", {"checks": ["__post_init__"]}),
    (dict[int, str], "", {"keys": {"type": "integer"}}),
]


@pytest.mark.parametrize(("form", "field", "marks"), MARKED, ids=[f"{form!r} {field}" for form, field, _ in MARKED])
def test_what_json_schema_cannot_say_is_an_extension(form: Any, field: str, marks: dict[str, Any]):
    """Under a keyword of our own, which validators ignore."""
    schema = read(form)
    found = schema["properties"][field] if field else schema

    assert marks.items() <= found[EXTENSION_KEYWORD].items()


def test_limits_of_a_decimal_apply_to_strings_and_numbers():
    """JSON Schema can limit numbers only, and pydantic reads both."""
    text, number = sorted(
        read(Annotated[Decimal, Field(ge=1, max_digits=3)])["anyOf"], key=lambda form: form["type"] != "string"
    )

    assert text["format"] == "decimal"
    assert text[EXTENSION_KEYWORD] == {"ge": "1", "digits": "3"}
    assert number[EXTENSION_KEYWORD] == {"ge": "1", "digits": "3", "decimal": True}


def test_a_duration_written_in_another_unit_is_not_what_is_read():
    """Seconds as a number, while the reader accepts ISO 8601 unless it is configured."""
    assert generate_written_schema(Tidy)["properties"]["span"] == {
        "type": "number",
        EXTENSION_KEYWORD: {"unit": "seconds"},
    }


def test_a_field_with_a_default_is_always_written():
    """But need not be there to be read."""

    class Item(BaseModel):
        a: int = 1

    assert generate_written_schema(Item)["required"] == ["a"]
    assert "required" not in read(Item)


def test_computed_fields_are_written_and_excluded_ones_are_not():
    """For a reader, it is the other way round."""

    class Item(BaseModel):
        a: int = Field(exclude=True)

        @computed_field
        @property
        def twice(self) -> int:
            return 2 * self.a

    assert list(generate_written_schema(Item)["properties"]) == ["twice"]
    assert list(read(Item)["properties"]) == ["a"]


def test_fields_have_no_titles():
    """Models do: a title distinguishes them."""
    assert read(Base) == {
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "title": "Base",
        "type": "object",
    }


def test_the_output_of_a_user_s_serializer_is_opaque():
    """Unless its return type is declared."""

    class Told(BaseModel):
        a: int

        @model_serializer
        def written(self) -> dict[str, int]:
            return {"a": self.a}

    lost = Annotated[int, PlainSerializer(made_somehow)]
    assert generate_written_schema(lost) == {EXTENSION_KEYWORD: {"opaque": "made_somehow"}}
    assert unread(lost, int) == [("it", "OPAQUE_WRITER")]
    assert generate_written_schema(Told) == {"additionalProperties": {"type": "integer"}, "type": "object"}


def test_a_type_that_only_a_user_s_function_reads_is_opaque():
    """A class of which pydantic only checks whether a value is an instance."""
    assert unread(int, Annotated[Any, AfterValidator(checked)]) == [("it", "VALIDATOR")]


def test_a_subclass_that_is_written_as_itself_may_have_more_fields():
    """A reader that forbids them rejects it."""

    class Whole(BaseModel):
        plain: Base
        part: SerializeAsAny[Base]

    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid")
        a: int

    class Reader(BaseModel):
        plain: Strict
        part: Strict

    text = Codec(Whole).encode(Whole(plain=Base(a=0), part=Sub(a=1, b=2)))
    assert json.loads(text) == {"plain": {"a": 0}, "part": {"a": 1, "b": 2}}
    assert unread(Whole, Reader) == [("it.part.*", "UNKNOWN_FIELD")]
    assert unread(Whole, Whole) == []


def test_a_union_with_a_callable_discriminator_names_it():
    """Nothing else is known about it."""
    union = Annotated[
        Annotated[Base, Tag("a")] | Annotated[Sub, Tag("b")], Discriminator(lambda value: "a" if value else "b")
    ]

    assert read(union)[EXTENSION_KEYWORD] == {"checks": ["<lambda>"]}


ALIKE: list[Any] = [
    *(AnyUrl, HttpUrl, IPvAnyAddress, ipaddress.IPv4Network, ipaddress.IPv6Interface, pathlib.Path),
    *(RootModel[list[int]], WithValidator, AfterInit, Both, dict[Literal["x"], int], complex, Any),
]


@pytest.mark.parametrize("form", ALIKE, ids=repr)
def test_a_type_reads_what_it_writes(form: Any):
    """Regardless of its name in a release of pydantic, and for any combination of functions."""
    assert unread(form, form) == []


class TwoNames(BaseModel):
    a: int
    b: int


class EitherName(BaseModel):
    model_config = ConfigDict(extra="forbid")

    a: int = Field(validation_alias=AliasChoices("a", "b"))


class TextBeside(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str]

    a: int


TWO_OR_MORE = Field(min_length=2)
DIFFERENT: list[tuple[Any, Any, bool]] = [
    (TwoNames, EitherName, False),
    (TwoNames, TextBeside, False),
    (Annotated[list[int], TWO_OR_MORE], Annotated[set[int], TWO_OR_MORE], False),
    (Annotated[set[int], TWO_OR_MORE], Annotated[list[int], TWO_OR_MORE], True),
    (ipaddress.IPv4Address, IPvAnyAddress, True),
    (IPvAnyAddress, ipaddress.IPv4Address, False),
    (ipaddress.IPv4Address, ipaddress.IPv4Network, False),
    (pathlib.Path, str, True),
    (str, pathlib.Path, True),
    (RootModel[list[int]], list[int], True),
    (HttpUrl, AnyUrl, True),
    (AnyUrl, HttpUrl, False),
    (dt.timedelta, Tidy, False),
    (bool, int, True),
    (int, bool, False),
    (dict[str, int], dict[int, int], False),
    (dict[int, int], dict[str, int], True),
]


@pytest.mark.parametrize(("writer", "reader", "fits"), DIFFERENT, ids=repr)
def test_types_with_a_format_of_their_own(writer: Any, reader: Any, fits: bool):
    """Those that pydantic names by a format of its own."""
    assert (unread(writer, reader) == []) is fits


UNSURE: list[tuple[Any, Any]] = [
    (Annotated[int, Field(ge=0, le=9)], Annotated[int, Field(le=4)] | Annotated[int, Field(ge=5)]),
    (Literal[0], Literal[False]),
    (Annotated[str, Field(pattern="^ab$")], Annotated[str, Field(max_length=2)]),
]


@pytest.mark.parametrize(("writer", "reader"), UNSURE, ids=repr)
def test_an_uncertain_incompatibility_is_marked_as_such(writer: Any, reader: Any):
    """It is found, but cannot be determined."""
    found = find_incompatibilities(
        SchemaNode.root(generate_written_schema(writer)), SchemaNode.root(read(reader)), "it"
    )

    assert [gap.certain for gap in found] == [False]


def test_sets_are_sorted():
    """Defaults, too, inside models and dataclasses."""

    class Item(BaseModel):
        words: frozenset[str] = frozenset({"x", "z", "y"})
        inner: list[set[str]] = [{"b", "a"}]

    class Whole(BaseModel):
        item: Item = Item()

    defaults = {"words": ["x", "y", "z"], "inner": [["a", "b"]]}
    found = read(Whole)
    assert {name: form["default"] for name, form in found["$defs"]["Item"]["properties"].items()} == defaults
    assert found["properties"]["item"]["default"] == defaults


def test_pydantic_s_own_generator_is_unchanged(recwarn: pytest.WarningsRecorder):
    """The schema that a model returns itself has titles and no extensions; no warning is issued."""
    generate: Callable[[], dict[str, Any]] = WithValidator.model_json_schema
    before = generate()
    read(WithValidator)

    assert generate() == before
    assert EXTENSION_KEYWORD not in json.dumps(before)
    assert not recwarn.list
