"""The codec: JSON by alias as pydantic writes it, decoded to an equal value; what is invalid is refused and located."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    TypeAdapter,
    ValidationError,
    WrapSerializer,
    field_serializer,
)
from typing_extensions import TypedDict

from lambdachain import ContractError
from lambdachain._json.codec import Codec, check_json_type, codec_for
from lambdachain._json.payload_validation import PayloadValidationError

NAN = math.nan
SECRET = "canary-4111"

often = settings(max_examples=150, deadline=None)


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    tricks: list[str]


class Inner(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    the_value: int = Field(alias="theValue")
    other: str | None = Field(default=None, alias="anOther")


@dataclasses.dataclass
class Location:
    x: int
    when: dt.date


class Entry(TypedDict):
    at: dt.datetime
    tags: list[str]


class Everything(BaseModel):
    day: dt.date
    moment: dt.datetime
    clock: dt.time
    span: dt.timedelta
    amount: Decimal
    key: UUID
    blob: bytes
    color: Color
    size: Size
    ratio: float
    inner: Inner
    inners: list[Inner]
    day_or_text: dt.date | str
    text_or_day: str | dt.date
    number_or_text: int | str
    text_or_number: str | int
    either: int | float | bool | None
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    pair: tuple[int, dt.date]
    row: tuple[Decimal, ...]
    numbers: set[int]
    days: frozenset[dt.date]
    by_number: dict[int, str]
    by_day: dict[dt.date, Inner]
    spot: Location
    entry: Entry
    anything: JsonValue


class StrictEverything(Everything):
    model_config = ConfigDict(strict=True)


class Base64(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    blob: bytes
    more: list[bytes] = []


class Reading(BaseModel):
    name: str = "r"
    value: float = 0.0
    more: list[float] = []
    named: dict[str, float] = {}
    note: str | None = None
    extra: Any = None
    spare: float | None = None


class Constants(Reading):
    model_config = ConfigDict(ser_json_inf_nan="constants")


class Nulls(Reading):
    model_config = ConfigDict(ser_json_inf_nan="null")


class Strings(Reading):
    model_config = ConfigDict(ser_json_inf_nan="strings")


class Order(BaseModel):
    order_id: str
    cents: int
    items: list[Inner] = []


class ClosedOrder(Order):
    model_config = ConfigDict(extra="forbid")


class OpenOrder(Order):
    model_config = ConfigDict(extra="allow")


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_dates = st.dates()
_inners = st.builds(Inner, the_value=st.integers(), other=st.none() | _texts)
_zones = st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30)), dt.timezone(-dt.timedelta(hours=8))])
_moments = st.datetimes(dt.datetime(1800, 1, 2), dt.datetime(2400, 1, 1), timezones=st.none() | _zones)  # noqa: DTZ001
_decimals = st.decimals(allow_nan=False, allow_infinity=False)
_floats = st.floats(allow_nan=False, allow_infinity=False)


def _json_with(integers: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | integers | _floats | _texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
        max_leaves=6,
    )


_json = _json_with(st.integers())
# pydantic 2.10 takes no integer of 19 digits and more for a float, if it comes as JSON text.
_modest_json = _json_with(st.integers(-(10**15), 10**15))
_fields: dict[str, st.SearchStrategy[Any]] = {
    "day": _dates,
    "moment": _moments,
    "clock": st.times(),
    "span": st.timedeltas(dt.timedelta(days=-9999), dt.timedelta(days=9999)),
    "amount": _decimals,
    "key": st.uuids(),
    "blob": _texts.map(str.encode),
    "color": st.sampled_from(Color),
    "size": st.sampled_from(Size),
    "ratio": _floats,
    "inner": _inners,
    "inners": st.lists(_inners, max_size=2),
    "day_or_text": _dates,
    "text_or_day": _texts | _dates.map(str),
    "number_or_text": st.integers() | _texts,
    "text_or_number": st.integers() | _texts | st.integers().map(str),
    "either": st.none() | st.booleans() | st.integers() | _floats,
    "pet": st.builds(Cat, lives=st.integers()) | st.builds(Dog, tricks=st.lists(_texts, max_size=2)),
    "pair": st.tuples(st.integers(), _dates),
    "row": st.lists(_decimals, max_size=2).map(tuple),
    "numbers": st.sets(st.integers(), max_size=3),
    "days": st.frozensets(_dates, max_size=2),
    "by_number": st.dictionaries(st.integers(), _texts, max_size=2),
    "by_day": st.dictionaries(_dates, _inners, max_size=2),
    "spot": st.builds(Location, x=st.integers(), when=_dates),
    "entry": st.fixed_dictionaries({"at": _moments, "tags": st.lists(_texts, max_size=2)}),
    "anything": _json,
}


def _get_rejection(act: Any, *arguments: Any) -> PayloadValidationError:
    with pytest.raises(PayloadValidationError) as caught:
        act(*arguments)
    error = caught.value
    assert (None, None) == (error.__context__, error.__cause__)
    assert error.details
    return error


def _locs(error: PayloadValidationError) -> list[tuple[str | int, ...]]:
    return [detail["loc"] for detail in error.details]


def _verdict(read: Any, data: Any) -> Any:
    """Return what a reader makes of *data*, with its type; an error if it refuses."""
    try:
        return repr(read(data))
    except (PayloadValidationError, ValidationError):
        return "refused"


@pytest.mark.parametrize("form", [Everything, StrictEverything])
@often
@given(data=st.data())
def test_a_value_round_trips(form: type[BaseModel], data: st.DataObject) -> None:
    """Decoding or validating what was encoded returns an equal value; the JSON is pydantic's own by alias."""
    value = form(**data.draw(st.fixed_dictionaries(_fields)))
    codec = codec_for(form)
    wire = codec.encode(value)

    assert value == codec.decode(wire)
    assert value == codec.validate_event(json.loads(wire))
    assert TypeAdapter(form).dump_json(value, by_alias=True) == wire
    assert json.loads(wire) == codec.dump(value)


_said = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.sampled_from(list(Size)),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.dictionaries(st.text(st.characters()) | st.integers() | st.none(), inner)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("form", [Any, list[Any], list[float | str | None], list[str], dict[float, float | None], Size])
@often
@given(data=st.data())
def test_dump_equals_encoding_and_decoding(form: Any, data: st.DataObject) -> None:
    """Dumping takes a shortcut, with the same result, types and errors."""
    inner = {list[Any]: st.lists(_said), list[str]: st.lists(st.text(st.characters())), Size: st.sampled_from(Size)}
    floats = {list[float | str | None]: st.lists(_said), dict[float, float | None]: st.dictionaries(st.floats(), _said)}
    value = data.draw({Any: _said, **inner, **floats}[form])
    codec = codec_for(form)

    assert _verdict(lambda value: json.loads(codec.encode(value)), value) == _verdict(codec.dump, value)


@often
@given(blob=st.binary(), more=st.lists(st.binary(), max_size=3))
def test_base64_bytes_round_trip(blob: bytes, more: list[bytes]) -> None:
    """A model that writes bytes as base64 reads them by the same rule, from JSON text and from decoded JSON."""
    value = Base64(blob=blob, more=more)
    wire = codec_for(Base64).encode(value)

    assert value == codec_for(Base64).decode(wire)
    assert value == codec_for(Base64).validate_event(json.loads(wire))


_FORMS: list[Any] = [
    dt.date | str,
    str | dt.date,
    int | str,
    str | int,
    dt.datetime | dt.date,
    dt.date | dt.datetime,
    int | float | bool,
    bool | int,
    float | None,
    UUID | str,
    Decimal | float,
    Decimal | str,
    bytes | str,
    bytes | int,
    list[int] | list[str],
    tuple[int, ...] | set[int],
    dict[str, int] | Inner,
    Inner | Cat,
    Annotated[Cat | Dog, Field(discriminator="kind")],
    Annotated[int, Field(strict=True)],
    Annotated[dt.date, Field(strict=True)],
    Annotated[tuple[int, ...], Field(strict=True)],
    StrictEverything,
    Color | str,
    Size | Color | None,
    Base64,
    Base64 | str,
    JsonValue,
    Any,
]
_lookalikes = st.sampled_from(
    [
        "2020-01-01",
        "2020-01-01T00:00:00",
        "2020-01-01T00:00:00Z",
        "1",
        "1.0",
        "-0",
        "",
        "red",
        "true",
        "null",
        "12345678-1234-5678-1234-567812345678",
        "YQ==",
        1,
        0,
        2,
        1.0,
        1.5,
        True,
        None,
        [],
        [1],
        ["1"],
        [1, 1],
        {},
        {"theValue": 1},
        {"theValue": "1"},
        {"kind": "cat", "lives": 9},
        {"kind": "dog", "tricks": []},
        {"kind": "cow"},
        {"blob": "YQ=="},
        {"blob": "?"},
        {"lives": 9},
    ]
)


@pytest.mark.parametrize("form", _FORMS, ids=str)
@settings(max_examples=60, deadline=None)
@given(event=_lookalikes | _modest_json)
def test_a_decoded_event_validates_as_its_json_text(form: Any, event: object) -> None:
    """The callee gets decoded JSON; the result is that of validating the text, for unions and strict types, too."""
    expected = _verdict(TypeAdapter(form).validate_json, json.dumps(event))

    assert expected == _verdict(codec_for(form).validate_event, event)
    assert expected == _verdict(codec_for(form).decode, json.dumps(event).encode())


def test_the_order_of_a_union_is_kept() -> None:
    """``str | date`` equals ``date | str`` in Python, but they read differently."""
    assert (str | dt.date) == (dt.date | str)
    assert "2020-01-01" == codec_for(str | dt.date).validate_event("2020-01-01")
    assert dt.date(2020, 1, 1) == codec_for(dt.date | str).validate_event("2020-01-01")
    assert ["2020-01-01"] == codec_for(list[str | dt.date]).validate_event(["2020-01-01"])
    assert [dt.date(2020, 1, 1)] == codec_for(list[dt.date | str]).validate_event(["2020-01-01"])


def test_there_is_one_codec_for_each_type() -> None:
    """The validator of a type is built once; an unhashable type works, too."""
    form = Annotated[int, {"unit": ["cent"]}]

    assert codec_for(list[Inner]) is codec_for(list[Inner])
    assert isinstance(codec_for(form), Codec)
    assert b"5" == codec_for(form).encode(5)


@pytest.mark.parametrize(
    ("form", "value", "loc"),
    [
        (int, "5", ()),
        (int, 5.0, ()),
        (int, True, ()),
        (str, 5, ()),
        (bool, 1, ()),
        (Order, {"order_id": "o", "cents": "1"}, ("cents",)),
        (Order, Inner(theValue=1), ()),
        (Order, None, ()),
        (list[int], [1, "2"], (1,)),
        (list[int], (1, 2), ()),
        (dict[str, int], {"a": "1"}, ("*",)),
        (Entry, {"at": "2020-01-01T00:00:00", "tags": []}, ("at",)),
        (Entry, {"at": dt.datetime(2020, 1, 1), "tags": [], "more": 1}, None),  # noqa: DTZ001
        (dt.date, "2020-01-01", ()),
        (UUID, "12345678-1234-5678-1234-567812345678", ()),
        (Location, {"x": 1}, ()),
        (None, 0, ()),
    ],
)
def test_requests_are_validated_strictly(form: Any, value: object, loc: tuple[str | int, ...] | None) -> None:
    """Nothing is coerced when a request is encoded: a value of another type is refused, with its location."""
    if loc is None:
        assert b"more" not in codec_for(form).encode(value)
    else:
        assert [loc] == _locs(_get_rejection(codec_for(form).encode, value))


@pytest.mark.parametrize("form", [Order, ClosedOrder, OpenOrder])
def test_unknown_fields_are_handled_as_the_model_configures(form: type[Order]) -> None:
    """Unknown fields of a response are ignored, unless the model forbids or keeps them."""
    data = {"order_id": "o", "cents": 1, "new": [1]}
    wire = json.dumps(data).encode()

    if form is ClosedOrder:
        for error in (
            _get_rejection(codec_for(form).decode, wire),
            _get_rejection(codec_for(form).validate_event, data),
        ):
            assert [("new",)] == _locs(error)
            assert "extra_forbidden" == error.details[0]["type"]
    else:
        assert codec_for(form).validate_event(data) == codec_for(form).decode(wire)
        assert {"new": [1]} == (codec_for(form).decode(wire).model_extra or {"new": [1]})


def test_responses_are_validated_leniently() -> None:
    """The lax rules of pydantic apply: a callee in another language may write "5" for 5."""
    assert Order(order_id="o", cents=5) == codec_for(Order).decode(b'{"order_id": "o", "cents": "5"}')


@pytest.mark.parametrize("number", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("form", "wrap", "loc"),
    [
        (float, lambda x: x, ()),
        (float | None, lambda x: x, ()),
        (Any, lambda x: x, ()),
        (Any, lambda x: {"deep": [None, {"er": x}]}, ("*", 1, "*")),
        (list[float], lambda x: [0.5, x], (1,)),
        (tuple[float, int], lambda x: (x, 1), (0,)),
        (set[float], lambda x: {x}, (0,)),
        (dict[str, float], lambda x: {"key": x}, ("*",)),
        (dict[dt.date, float], lambda x: {dt.date(2020, 1, 1): x}, ("*",)),
        (Reading, lambda x: Reading(value=x), ("value",)),
        (Reading, lambda x: Reading(more=[1.0, x]), ("more", 1)),
        (Reading, lambda x: Reading(named={"key": x}), ("named", "*")),
        (Reading, lambda x: Reading(extra={"k": x}), ("extra", "*")),
        (Reading, lambda x: Reading(extra=Reading(value=x)), ("extra", "value")),
        (Reading, lambda x: Reading(spare=x, note=None), ("spare",)),
        (Constants, lambda x: Constants(value=x), ("value",)),
        (Constants, lambda x: Constants(extra=[x]), ("extra", 0)),
        (Nulls, lambda x: Nulls(value=x), ("value",)),
        (list[Reading], lambda x: [Reading(), Reading(value=x)], (1, "value")),
        (JsonValue, lambda x: {"a": [x]}, ("*", 0)),
        (OpenOrder, lambda x: OpenOrder(order_id="o", cents=1, new=x), ("*",)),
    ],
)
def test_nan_and_infinity_are_not_encoded(form: Any, wrap: Any, loc: Any, number: float) -> None:
    """They become neither null nor text that no parser reads: they are rejected, with their location."""
    for way in (codec_for(form).encode, codec_for(form).dump):
        error = _get_rejection(way, wrap(number))
        assert [loc] == _locs(error)
        assert "finite_number" == error.details[0]["type"]


def test_nan_in_a_dataclass_is_refused() -> None:
    """As in a model."""

    @dataclasses.dataclass
    class Measure:
        value: float
        note: str | None = None

    assert b'{"value":1.5,"note":null}' == codec_for(Measure).encode(Measure(1.5))
    assert [("value",)] == _locs(_get_rejection(codec_for(Measure).encode, Measure(NAN)))


@pytest.mark.parametrize("number", [NAN, math.inf, -math.inf])
def test_nan_may_be_written_as_a_string(number: float) -> None:
    """``ser_json_inf_nan="strings"`` makes valid JSON, so it is sent as configured, by callers and handlers."""
    value = Strings(value=number, more=[number, 1.0], named={"k": number})
    text = {math.inf: "Infinity", -math.inf: "-Infinity"}.get(number, "NaN")
    wire = codec_for(Strings).encode(value)

    assert (text, [text, 1.0], {"k": text}) == tuple(json.loads(wire)[name] for name in ("value", "more", "named"))
    assert json.loads(wire) == codec_for(Strings).dump(value)
    assert repr(value) == repr(codec_for(Strings).decode(wire))


def test_a_field_serializer_may_replace_nan() -> None:
    """What counts is what would be written: if a serializer leaves no NaN, the value is valid."""

    class Cleaned(BaseModel):
        value: float
        other: Annotated[float, WrapSerializer(lambda x, write: write(x) if math.isfinite(x) else "none")] = 0.0
        note: None = None

        @field_serializer("value", when_used="json")
        def write(self, value: float) -> float:
            return value if math.isfinite(value) else -1.0

    assert b'{"value":-1.0,"other":"none","note":null}' == codec_for(Cleaned).encode(Cleaned(value=NAN, other=NAN))


def test_none_is_not_mistaken_for_nan() -> None:
    """A null in the JSON may be a None: it passes, next to any number of floats."""
    value = Reading(value=1.5, more=[0.1], note=None, spare=None, extra=[None, 1.0, {"k": None}])

    assert value == codec_for(Reading).decode(codec_for(Reading).encode(value))
    assert codec_for(Reading).dump(value) == json.loads(codec_for(Reading).encode(value))


def test_strings_that_contain_nan_are_valid() -> None:
    """Only numbers are checked, regardless of what strings contain."""
    value = Reading(name="NaN null Infinity", value=1.5)

    assert value == codec_for(Reading).decode(codec_for(Reading).encode(value))


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity"])
@pytest.mark.parametrize("form", [Reading, Any, JsonValue])
def test_nan_in_a_response_is_refused(form: Any, literal: bytes) -> None:
    """NaN is not JSON, so a response that has it is not decoded."""
    error = _get_rejection(codec_for(form).decode, b'{"value":' + literal + b"}")

    assert "json_invalid" == error.details[0]["type"]


@pytest.mark.parametrize("data", [b"", b"{", b'{"order_id": "o"', b"\xff\xfe", b"null null", b"'a'", b"<html>"])
def test_invalid_json_is_refused(data: bytes) -> None:
    """A truncated or foreign body is an error of the whole value, for every type."""
    for form in (Order, Any, JsonValue, None):
        assert "json_invalid" == _get_rejection(codec_for(form).decode, data).details[0]["type"]


def _mutated(**changes: object) -> Order:
    order = Order(order_id="o", cents=1, items=[Inner(theValue=1)])
    order.__dict__.update(changes)
    return order


@pytest.mark.parametrize(
    ("value", "loc"),
    [
        (_mutated(cents=SECRET), ("cents",)),
        (_mutated(cents="41111"), ("cents",)),
        (_mutated(cents=1.5), ("cents",)),
        (_mutated(order_id=5), ("order_id",)),
        (_mutated(items=[Inner.model_construct(the_value=SECRET)]), ("items", 0, "theValue")),
        (_mutated(items=SECRET), ("items",)),
        (Order.model_construct(order_id="o", cents=SECRET), ("cents",)),
        (Order.model_construct(order_id="o", cents=[SECRET]), ("cents",)),
    ],
)
def test_invalid_values_in_unvalidated_models_are_refused(value: Order, loc: tuple[str | int, ...]) -> None:
    """Assignment and ``model_construct`` skip validation; what they let in is not sent, and the location is named."""
    error = _get_rejection(codec_for(Order).encode, value)

    assert [loc] == _locs(error)
    assert SECRET not in f"{error} {error!r} {error.details}"


@pytest.mark.parametrize(
    ("value", "loc"),
    [
        (_mutated(cents=None), ("cents",)),
        (Order.model_construct(order_id="o"), ("cents",)),
        (_mutated(items=[Inner.model_construct()]), ("items", 0, "theValue")),
    ],
)
def test_missing_fields_in_unvalidated_models_are_refused(value: Order, loc: tuple[str | int, ...]) -> None:
    """The serializer of pydantic does not notice that a field is None or missing; the reader would."""
    written = codec_for(Order).encode(value)

    assert [loc] == _locs(_get_rejection(codec_for(Order).decode, written))


def _cycle() -> list[object]:
    items: list[object] = [SECRET]
    items.append(items)
    return items


def _deep(levels: int) -> list[object]:
    items: list[object] = []
    for _ in range(levels):
        items = [items]
    return items


class _Opaque:
    def __repr__(self) -> str:
        return SECRET


@pytest.mark.parametrize("form", [Any, list[Any], JsonValue, Reading])
@pytest.mark.parametrize(
    ("value", "word"),
    [
        (_Opaque(), "JSON"),
        ({"key": _Opaque()}, "JSON"),
        (_cycle(), "contains itself"),
        (_deep(300), "nested too deeply"),
        (_deep(5000), "nested too deeply"),
        (f"{SECRET}\ud800", "surrogate"),
        ({f"{SECRET}\ud800": 1}, "surrogate"),
        (lambda: SECRET, "JSON"),
        (b"\xff" + SECRET.encode(), "serialize"),
    ],
    ids=["object", "object inside", "cycle", "deep", "deeper", "surrogate", "surrogate key", "function", "bytes"],
)
def test_values_that_cannot_be_serialized_are_refused(form: Any, value: object, word: str) -> None:
    """An object, a cycle, a lone surrogate or too deep a value: the error says what it is, not its contents."""
    payload: Any = Reading(extra=value) if form is Reading else [value] if form == list[Any] else value

    for way in (codec_for(form).encode, codec_for(form).dump):
        error = _get_rejection(way, payload)

        assert SECRET not in f"{error} {error!r} {error.details}"
        assert form is JsonValue or word in str(error)


@pytest.mark.parametrize("levels", [150, 190, 230, 300, 5000, 100_000])
def test_deeply_nested_json_raises_no_recursion_error(levels: int) -> None:
    """However deep the JSON is, decoding returns a value or a validation error."""
    data = b"[" * levels + b"]" * levels
    for form in (Any, JsonValue, list[Any], Order, dict[str, Any] | list[Any]):
        try:
            read = codec_for(form).decode(data)
        except PayloadValidationError:
            read = None
        event = read if read is not None else _deep(min(levels, 5000))
        try:
            codec_for(form).validate_event(event)
        except PayloadValidationError as exc:
            assert exc.details  # noqa: PT017 - a value is right too


def _reject(words: str) -> None:
    raise ValueError(words)


def _insist(text: str) -> None:
    assert not text, f"{text} is too long"


class Watched(BaseModel):
    card: Annotated[str, BeforeValidator(lambda text: _reject(f"bad card {text}"))]
    plain: Annotated[str, BeforeValidator(lambda _: _reject("a card has 16 digits"))]
    asserted: Annotated[str, BeforeValidator(_insist)]
    nested: Annotated[dict[str, Any], BeforeValidator(lambda value: _reject(f"no {value['deep'][0]}"))]


def test_validator_messages_that_repeat_the_input_are_redacted() -> None:
    """A message that quotes the input is withheld; one that does not, and pydantic's own, are passed on."""
    event = {"card": SECRET, "plain": SECRET, "asserted": SECRET, "nested": {"deep": [SECRET]}, "x": 1}

    for way, data in (
        (codec_for(Watched).validate_event, event),
        (codec_for(Watched).decode, json.dumps(event).encode()),
    ):
        error = _get_rejection(way, data)
        messages = {detail["loc"]: detail["msg"] for detail in error.details}
        assert SECRET not in str(messages)
        assert "a card has 16 digits" in messages["plain",]
        assert all("withheld" in messages[name,] for name in ("card", "asserted", "nested"))


def test_redaction_of_a_cyclic_input_ends() -> None:
    """The search for the input in a message ends, even if the input contains itself."""
    form = Annotated[list[Any], BeforeValidator(lambda _: _reject(f"no {SECRET}"))]

    assert "withheld" in str(_get_rejection(codec_for(form).encode, _cycle()))
    assert "no canary" in str(_get_rejection(codec_for(form).encode, _deep(5000)))


def test_a_type_error_in_a_user_s_validator_passes_unchanged() -> None:
    """Pydantic lets it through, and so does the codec: it is a bug to be seen, not a validation error."""
    form = Annotated[int | str, BeforeValidator(lambda value: value + 1)]

    with pytest.raises(TypeError, match="concatenate"):
        codec_for(form).validate_event("text")


class Keyed(BaseModel):
    by_name: dict[str, Order] = {}
    by_day: dict[dt.date, int] = {}
    closed: dict[str, ClosedOrder] = {}
    values: dict[str, list[dict[str, int]]] = {}


def test_keys_of_mappings_are_masked() -> None:
    """A location has fields and positions; keys are data and show as an asterisk, a forbidden field by its name."""
    order = {"order_id": "o", "cents": 1}
    event = {
        "by_name": {SECRET: {"order_id": 5}},
        "by_day": {SECRET: 1, "2020-01-01": SECRET},
        "closed": {SECRET: {**order, "surplus": 1}},
        "values": {SECRET: [{}, {SECRET: SECRET}]},
    }
    expected = {
        ("by_name", "*", "order_id"),
        ("by_name", "*", "cents"),
        ("by_day", "*", "[key]"),
        ("by_day", "*"),
        ("closed", "*", "surplus"),
        ("values", "*", 1, "*"),
    }

    for way, data in ((codec_for(Keyed).validate_event, event), (codec_for(Keyed).decode, json.dumps(event).encode())):
        error = _get_rejection(way, data)
        assert expected == set(_locs(error))
        assert SECRET not in f"{error} {error.details}"


@pytest.mark.parametrize("key", [dt.date(2020, 1, 1), UUID(int=4111), (SECRET, 1), SECRET.encode(), 4111, True, None])
def test_keys_that_are_not_strings_are_masked(key: object) -> None:
    """In a Python value, a key may be any object; pydantic would show its repr."""
    error = _get_rejection(codec_for(dict[Any, int]).encode, {key: "x"})

    assert [("*",)] == _locs(error)


def test_a_field_name_that_is_also_a_key_is_not_masked() -> None:
    """Aliases count as names of fields."""
    error = _get_rejection(codec_for(Order).validate_event, {"order_id": "o", "cents": 1, "items": [{"theValue": "x"}]})

    assert [("items", 0, "theValue")] == _locs(error)


def test_the_number_of_details_is_limited() -> None:
    """A list with thousands of errors reports the first few."""
    error = _get_rejection(codec_for(list[int]).validate_event, ["x"] * 5000)

    assert 50 == len(error.details)
    assert "and 45 more" in str(error)


@pytest.mark.parametrize("event", [object(), {1, 2}, {"a": object()}])
def test_an_event_that_is_not_json_is_refused(event: object) -> None:
    """A handler that is called by hand with Python objects raises a validation error, and does not crash."""
    _get_rejection(codec_for(int | str).validate_event, event)


def test_an_event_may_be_a_model_already() -> None:
    """A decorator around a handler may have created the model: unions and strict types accept it, too."""
    spot = Location(1, dt.date(2020, 1, 1))

    assert spot == codec_for(Location | int).validate_event(spot)
    assert Cat(lives=9) == codec_for(Annotated[Cat | Dog, Field(discriminator="kind")]).validate_event(Cat(lives=9))


@often
@given(_json)
@example({"a": [None, 1.5, "x"]})
def test_any_json_passes_unchanged(value: object) -> None:
    """A call by plain name carries any JSON in both directions."""
    for form in (Any, JsonValue):
        assert value == codec_for(form).decode(codec_for(form).encode(value))
        assert value == codec_for(form).dump(value)


class Priced(BaseModel):
    """Floats in fields of their own only, with every kind of name: the key shows whether one is NaN."""

    price: float
    rebate: Annotated[float, Field(ge=-1e9)] | None = None
    weight: float = Field(default=1.0, serialization_alias="Gewicht, kg")
    note: str | None = None


class PricedConstants(Priced):
    model_config = ConfigDict(ser_json_inf_nan="constants")


class Extent(TypedDict):
    height: float
    label: str | None


@dataclasses.dataclass
class Parcel:
    volume: float
    extent: Extent
    contents: list[Priced | None]
    by_shelf: dict[str, Priced | None]


_numbers = st.none() | st.floats()
_priced = [
    st.builds(
        form.model_construct,
        price=st.floats(),
        rebate=_numbers,
        weight=st.floats(),
        note=st.sampled_from([None, '"price":null', "NaN", "null"]),
    )
    for form in (Priced, PricedConstants)
]
_parcels = st.builds(
    Parcel,
    st.floats(),
    st.fixed_dictionaries({"height": st.floats(), "label": st.none() | st.just("height")}),
    st.lists(st.none() | _priced[0], max_size=3),
    st.dictionaries(st.sampled_from(["price", "volume"]), st.none() | _priced[0], max_size=2),
)


@often
@given(st.tuples(st.just(Parcel), _parcels) | st.tuples(st.just(PricedConstants), _priced[1]))
def test_nan_is_found_by_the_key_of_its_field(given: tuple[Any, Any]) -> None:
    """In any place, and next to strings, keys and Nones that look like it; valid values are sent."""
    form, value = given
    meant = TypeAdapter(form).dump_python(value, by_alias=True)
    if _is_finite(meant):
        assert meant == json.loads(codec_for(form).encode(value))
    else:
        assert "finite_number" == _get_rejection(codec_for(form).encode, value).details[0]["type"]


def _is_finite(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def test_nan_in_a_polymorphic_subclass_is_refused() -> None:
    """With ``polymorphic_serialization`` (pydantic 2.13), fields are written that the declared class does not have."""

    class Base(BaseModel):
        model_config = ConfigDict(polymorphic_serialization=True)  # type: ignore[typeddict-unknown-key, unused-ignore]
        number: int = 1

    class Sub(Base):
        ratio: float

    written = json.loads(TypeAdapter(Base).dump_json(Sub(ratio=0.5)))
    if "ratio" not in written:
        assert "SerializeAsAny[Base]" in str(_get_rejection(codec_for(Base).encode, Sub(ratio=0.5)))
        return

    assert written == json.loads(codec_for(Base).encode(Sub(ratio=0.5)))
    assert "finite_number" == _get_rejection(codec_for(Base).encode, Sub(ratio=NAN)).details[0]["type"]
    assert "finite_number" == _get_rejection(codec_for(Base).dump, Sub(ratio=NAN)).details[0]["type"]


@pytest.mark.parametrize("number", [None, 1.5, NAN])
@pytest.mark.parametrize(
    ("form", "wrap"),
    [
        (list[float | None], lambda x: [None, x]),
        (dict[str, float | None], lambda x: {"a": None, "b": x}),
        (Reading, lambda x: Reading(note=None, spare=x)),
        (Any, lambda x: {"deep": [None, {"text": "NaN", "bytes": b"\xc3\xa9", "number": x}]}),
        (dict[dt.date, Any], lambda x: {dt.date(2020, 1, 1): [None, Reading(spare=x), UUID(int=1)]}),
    ],
)
def test_nan_among_nones_is_refused(form: Any, wrap: Any, number: float | None) -> None:
    """Both are ``null`` in JSON: a NaN is rejected, however many Nones there are, and a None is not."""
    if number is NAN:
        assert "finite_number" == _get_rejection(codec_for(form).encode, wrap(number)).details[0]["type"]
    else:
        assert json.loads(codec_for(form).encode(wrap(number))) == codec_for(form).dump(wrap(number))


class PutOff(BaseModel):
    model_config = ConfigDict(defer_build=True)

    number: int


class PutOffSecret(BaseModel):
    model_config = ConfigDict(defer_build=True)

    secret: SecretStr


def test_a_model_with_deferred_build_is_built_at_the_first_call() -> None:
    """A contract that declares it costs nothing; that it cannot be serialized shows when it is built."""
    check_json_type(PutOff, "request")
    check_json_type(PutOffSecret, "request")
    assert not PutOff.__pydantic_complete__

    assert b'{"number":1}' == codec_for(PutOff).encode(PutOff.model_construct(number=1))
    assert PutOff.__pydantic_complete__
    for _ in range(2):
        with pytest.raises(ContractError, match=r"PutOffSecret cannot be serialized as JSON: .*SecretStr"):
            codec_for(PutOffSecret).decode(b'{"secret": "x"}')


def test_a_deferred_model_that_was_built_meanwhile_is_checked() -> None:
    """Creating an instance builds the model; the contract's check happens at the first call."""

    class Secretive(PutOffSecret):
        more: int = 0

    check_json_type(Secretive, "request")
    value = Secretive(secret=SecretStr("x"))

    with pytest.raises(ContractError, match=r"Secretive cannot be serialized as JSON: .*SecretStr"):
        codec_for(Secretive).encode(value)


def test_the_validator_of_a_model_is_reused() -> None:
    """Nothing is built a second time."""
    assert codec_for(Order)._compiled.validator is Order.__pydantic_validator__
    assert codec_for(Order)._compiled.serializer is Order.__pydantic_serializer__
