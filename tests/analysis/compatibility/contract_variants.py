"""Hypothesis strategies for pairs of types that differ slightly, each with values at the limits of what it allows."""

from __future__ import annotations

import datetime as dt
import ipaddress
import pathlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from hypothesis import assume
from hypothesis import strategies as st
from pydantic import (
    UUID4,
    AliasChoices,
    AliasPath,
    AnyUrl,
    AwareDatetime,
    ConfigDict,
    Field,
    HttpUrl,
    NaiveDatetime,
    PastDate,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    create_model,
)
from typing_extensions import TypedDict

Limits = Mapping[str, Any]


@dataclass(frozen=True)
class Shape:
    """A type with values of it."""

    form: Any
    values: tuple[Any, ...]


Pair = tuple[Shape, Shape]


def shape(form: Any, candidates: Sequence[Any]) -> Shape:
    """Return a type with the candidates that are values of it; there must be some."""
    adapter = TypeAdapter(form)
    values = tuple(value for value in candidates if _is_valid(adapter, value))
    assume(values)
    return Shape(form, values)


def _is_valid(adapter: TypeAdapter[Any], value: Any) -> bool:
    try:
        return adapter.validate_python(value, strict=True) == value
    except ValidationError:
        return False


@dataclass(frozen=True)
class Kind:
    """A type without type arguments, with its limits and values near them."""

    form: Any
    candidates: tuple[Any, ...]
    limits: tuple[Limits, ...] = ({},)
    limited: Callable[..., Any] = Field

    def shape(self, limits: Limits) -> Shape:
        """Return the type with limits."""
        return shape(Annotated[self.form, self.limited(**limits)] if limits else self.form, self.candidates)


_BOUNDS = ({}, {}, {"ge": -3}, {"gt": -3}, {"ge": 0}, {"le": 5}, {"lt": 5}, {"ge": 0, "le": 9}, {"strict": True})
_NUMBERS = (1, 0, -4, -3, -2, 2, 4, 5, 6, 9, 10, 10**20)
_DECIMALS = tuple(
    map(
        Decimal,
        (
            "1",
            "0",
            "-3",
            "-4",
            "0.1",
            "1.5",
            "5",
            "9",
            "12.3",
            "12.34",
            "123.4",
            "1234",
            "1E+3",
            "1.2345",
            "-1.2345",
            "-6",
            "12345",
            "0.12345",
            "0.123",
        ),
    )
)
_TEXTS = (
    "ab",
    "",
    "a",
    "abc",
    "abcabc",
    "xyzxyz",
    "z",
    "AB",
    " a ",
    "   ",
    "1",
    "1.5",
    "true",
    "é",
    "2020-01-01",
    "null",
)
_DAYS = (
    dt.date(2022, 1, 1),
    dt.date(1990, 1, 1),
    dt.date(2019, 12, 31),
    dt.date(2020, 1, 1),
    dt.date(2020, 1, 2),
    dt.date(9000, 1, 1),
)
_AWARE = tuple(dt.datetime(day.year, day.month, day.day, 12, tzinfo=dt.UTC) for day in _DAYS)
_NAIVE = tuple(moment.replace(tzinfo=None) for moment in _AWARE)
_SPANS = (dt.timedelta(1), dt.timedelta(0), dt.timedelta(-1), dt.timedelta(hours=30), dt.timedelta(milliseconds=1))
_FIRST = dt.date(2020, 1, 1)

KINDS: Mapping[str, Kind] = {
    "int": Kind(int, _NUMBERS, (*_BOUNDS, {"multiple_of": 2}, {"multiple_of": 4})),
    "float": Kind(
        float, (1.0, 0.0, -3.0, -2.5, -4.0, 0.1, 4.9, 5.0, 5.1, 9.5, 1e300), (*_BOUNDS, {"multiple_of": 0.5})
    ),
    "decimal": Kind(
        Decimal,
        _DECIMALS,
        (
            *_BOUNDS,
            {"max_digits": 3},
            {"decimal_places": 1},
            {"max_digits": 4, "decimal_places": 2},
            {"multiple_of": 3},
        ),
    ),
    "bool": Kind(bool, (True, False), ({}, {"strict": True})),
    "str": Kind(
        str,
        _TEXTS,
        (
            *({}, {}, {"min_length": 1}, {"min_length": 2}, {"max_length": 2}, {"max_length": 4}),
            *({"pattern": "^[a-c]+$"}, {"pattern": "^[a-z]+$"}, {"strip_whitespace": True, "min_length": 1}),
            *({"to_lower": True, "pattern": "^[a-z]+$"}, {"strict": True}),
        ),
        StringConstraints,
    ),
    "bytes": Kind(bytes, tuple(text.encode() for text in _TEXTS), ({}, {"min_length": 2}, {"max_length": 2})),
    "date": Kind(dt.date, _DAYS, ({}, {"ge": _FIRST}, {"gt": _FIRST}, {"lt": _FIRST}, {"strict": True})),
    "past": Kind(PastDate, _DAYS),
    "datetime": Kind(dt.datetime, (*_AWARE, *_NAIVE), ({}, {"strict": True})),
    "aware": Kind(AwareDatetime, _AWARE, ({}, {"ge": _AWARE[3]}, {"gt": _AWARE[3]})),
    "naive": Kind(NaiveDatetime, _NAIVE, ({}, {"ge": _NAIVE[3]}, {"le": _NAIVE[3]})),
    "time": Kind(dt.time, (dt.time(1), dt.time(0), dt.time(12), dt.time(12, 1)), ({}, {"le": dt.time(12)})),
    "span": Kind(dt.timedelta, _SPANS, ({}, {"ge": _SPANS[1]}, {"le": _SPANS[0]})),
    "uuid": Kind(UUID, (UUID(int=1), UUID(int=2), UUID("12345678-1234-4234-8234-123456789abc"))),
    "uuid4": Kind(UUID4, tuple(UUID(f"12345678-1234-4234-8234-{number:012}") for number in range(3))),
    "url": Kind(AnyUrl, (AnyUrl("ftp://host/x"), AnyUrl("https://host/"))),
    "web": Kind(HttpUrl, (HttpUrl("https://host/"), HttpUrl("http://host/"))),
    "ipv4": Kind(ipaddress.IPv4Address, (ipaddress.IPv4Address("10.0.0.1"), ipaddress.IPv4Address("10.0.0.2"))),
    "ipv6": Kind(ipaddress.IPv6Address, (ipaddress.IPv6Address("::1"), ipaddress.IPv6Address("::2"))),
    "path": Kind(pathlib.PurePosixPath, (pathlib.PurePosixPath("a/b"), pathlib.PurePosixPath("c"))),
    "none": Kind(type(None), (None,)),
    "any": Kind(Any, ("a", None, 1, True, 1.5, [], [1], {}, {"alpha": "a"})),
}
_MEMBERS = ("red", "green", "blue", "1", 1, 0, -3, True, False)


def _of_kind(name: str) -> st.SearchStrategy[Shape]:
    return st.sampled_from(KINDS[name].limits).map(KINDS[name].shape)


def _choice(kind: str, members: Sequence[Any]) -> Shape:
    if kind == "literal":
        return Shape(Literal[tuple(members)], tuple(members))
    built = Enum("Choice", {f"C{position}": member for position, member in enumerate(members)})
    return Shape(built, tuple(built))


_CHOICES = st.builds(
    _choice,
    st.sampled_from(["literal", "enum"]),
    st.lists(st.sampled_from(_MEMBERS), min_size=1, max_size=4, unique=True),
)
_ANY_LEAF = st.sampled_from(sorted(KINDS)).flatmap(_of_kind) | _CHOICES
LEAVES: st.SearchStrategy[Pair] = st.one_of(
    st.sampled_from(sorted(KINDS)).flatmap(lambda name: st.tuples(_of_kind(name), _of_kind(name))),
    st.tuples(_CHOICES, _CHOICES),
    st.tuples(_ANY_LEAF, _ANY_LEAF),
)


def _both(pair: Pair, one: Any, other: Any, build: Callable[[Shape, Any], Shape]) -> Pair:
    return build(pair[0], one), build(pair[1], other)


def _alike(options: Sequence[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    """Draw two options that are mostly equal."""
    option = st.sampled_from(options)
    return st.one_of(option.map(lambda one: (one, one)), st.tuples(option, option))


_SIZES: tuple[Limits, ...] = ({}, {}, {"min_length": 1}, {"min_length": 2}, {"max_length": 1}, {"max_length": 2})
_CONTAINERS: Mapping[str, Callable[[Any], Any]] = {
    "list": lambda inner: list[inner],
    "row": lambda inner: tuple[inner, ...],
    "set": lambda inner: set[inner],
    "frozenset": lambda inner: frozenset[inner],
    "dict": lambda inner: dict[str, inner],
    "int dict": lambda inner: dict[int, inner],
    "short dict": lambda inner: dict[Annotated[str, Field(max_length=2)], inner],
    "choice dict": lambda inner: dict[Literal["alpha", "beta"], inner],
}
_KEYS: Mapping[str, tuple[Any, ...]] = {
    "dict": ("alpha", "x", "7"),
    "int dict": (7, 8, 100),
    "short dict": ("x", "y", "z"),
}


def _container(inner: Shape, how: tuple[str, Limits]) -> Shape:
    name, limits = how
    form = _CONTAINERS[name](inner.form)
    return shape(Annotated[form, Field(**limits)] if limits else form, _contents(name, inner.values))


def _contents(name: str, values: tuple[Any, ...]) -> list[Any]:
    one, two = ([[*[values[0]] * more, value] for value in values] for more in (0, 1))
    rows = [[], *one, *two, [values[0]] * 3, list(values)]
    if name.endswith("dict"):
        keys = _KEYS.get(name, ("alpha", "beta"))
        return [dict(zip(keys, row, strict=False)) for row in rows] + [{key: values[0]} for key in keys]
    build = {"list": list, "row": tuple, "set": set, "frozenset": frozenset}[name]
    try:
        return [build(row) for row in rows]
    except TypeError:  # elements without a hash
        return []


def _tuple(shapes: Sequence[Shape]) -> Shape:
    return Shape(tuple[tuple(part.form for part in shapes)], tuple(_vary([part.values for part in shapes])))


def _vary(values: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Return the combination of all first values, and variations of it with one other value."""
    first = tuple(options[0] for options in values)
    return [first, *((*first[:at], value, *first[at + 1 :]) for at in range(len(first)) for value in values[at][1:])]


def _optional(inner: Shape, is_optional: bool) -> Shape:
    return Shape(inner.form | None, (*inner.values, None)) if is_optional else inner


def _union(shapes: Sequence[Shape]) -> Shape:
    # Where one of these stands before others, some releases of pydantic write all of them by str().
    assume(not any(one.form in (AnyUrl, HttpUrl, pathlib.PurePosixPath) for one in shapes))
    form = shapes[0].form
    for other in shapes[1:]:
        form = form | other.form
    return Shape(form, tuple(value for one in shapes for value in one.values))


@st.composite
def _some(draw: st.DrawFn, pairs: st.SearchStrategy[Pair], build: Callable[[Sequence[Shape]], Shape]) -> Pair:
    drawn = draw(st.lists(pairs, min_size=1, max_size=3))
    sides = [[pair[side] for pair in drawn] for side in (0, 1)]
    dropped = draw(st.sampled_from([None, None, 0, 1]))
    if dropped is not None and len(drawn) > 1:
        sides[dropped].pop()
    return build(sides[0]), build(sides[1])


# Models: what a field may be called, and which may be left out.
NAMES = ("alpha", "beta", "other")
STYLES = ("model", "model", "forbid", "allow", "dataclass", "typed dict")
_ALIASES: tuple[Mapping[str, Any], ...] = (
    *({}, {}, {}, {"alias": "other"}, {"validation_alias": AliasChoices("other", "alpha")}),
    *({"validation_alias": "other"}, {"serialization_alias": "other"}, {"validation_alias": AliasPath("other", 0)}),
)


@dataclass(frozen=True)
class Slot:
    """A field of a model."""

    shape: Shape
    optional: bool = False
    alias: Mapping[str, Any] = field(default_factory=dict)


@st.composite
def models(
    draw: st.DrawFn, pairs: st.SearchStrategy[Pair], styles: Sequence[str] = STYLES, kind: Sequence[str] = ()
) -> Pair:
    """Draw models, dataclasses and typed dictionaries whose fields differ slightly; optionally of one *kind*."""
    kinds = {"kind": Slot(Shape(Literal[tuple(kind)], tuple(kind)))} if kind else {}
    slots: tuple[dict[str, Slot], dict[str, Slot]] = ({**kinds}, {**kinds})
    for name in NAMES:
        where = draw(st.sampled_from(["both", "both", "both", "old", "new", "none"]))
        if where == "none":
            continue
        pair, optional = draw(pairs), draw(_alike([False, False, True]))
        alias = draw(_alike(_ALIASES)) if name == "alpha" else ({}, {})
        for side in (0, 1):
            # A model cannot have two fields of one name: pydantic writes the name twice.
            if where in ("both", ("old", "new")[side]) and not (name == "other" and _is_called_other(slots[side])):
                slots[side][name] = Slot(pair[side], optional[side], alias[side])
    by_name = draw(_alike([False, False, True]))
    one, other = draw(_alike(styles))
    again = draw(_alike([False, False, False, True]))
    return model(one, slots[0], by_name[0], again[0]), model(other, slots[1], by_name[1], again[1])


def _is_called_other(slots: Mapping[str, Slot]) -> bool:
    return "alpha" in slots and "other" in str(slots["alpha"].alias)


def model(style: str, slots: Mapping[str, Slot], by_name: bool = False, again: bool = False) -> Shape:
    """Return one of them; *again* adds a field that may contain another of the same type."""
    if style == "typed dict":
        return _typed_dict(slots)
    if style == "dataclass":
        return _dataclass(slots)
    config = ConfigDict(extra=style if style in ("forbid", "allow") else None, populate_by_name=by_name)
    fields: dict[str, Any] = {name: (slot.shape.form, Field(**_options(slot))) for name, slot in slots.items()}
    if again:
        fields["again"] = ("Shape | None", None)
    built = create_model("Shape", __config__=config, **fields)
    values = [built.model_construct(**dict(zip(slots, row, strict=True))) for row in _rows(slots)]
    if style == "allow":
        free = [name for name in ("alpha", "beta", "delta") if name not in slots]
        values += [built.model_construct(**values[0].__dict__, **{name: 1}) for name in free]
    if again:
        values += [built.model_construct(**{**values[0].__dict__, "again": value}) for value in values]
    return Shape(built, tuple(values))


def _rows(slots: Mapping[str, Slot]) -> list[tuple[Any, ...]]:
    return _vary([slot.shape.values for slot in slots.values()])


def _options(slot: Slot) -> dict[str, Any]:
    return {**slot.alias, **({"default": slot.shape.values[0]} if slot.optional else {})}


def _dataclass(slots: Mapping[str, Slot]) -> Shape:
    made = [(name, slot.shape.form, Field(**_options(slot))) for name, slot in slots.items()]
    required = [(name, Annotated[form, options]) for name, form, options in made if options.is_required()]
    rest = [(name, form, field(default=options)) for name, form, options in made if not options.is_required()]
    built = make_dataclass("Shape", [*required, *rest], kw_only=True)
    return Shape(built, tuple(built(**dict(zip(slots, row, strict=True))) for row in _rows(slots)))


def _typed_dict(slots: Mapping[str, Slot]) -> Shape:
    forms = {name: NotRequired[slot.shape.form] if slot.optional else slot.shape.form for name, slot in slots.items()}
    values = [dict(zip(slots, row, strict=True)) for row in _rows(slots)]
    left_out = [{name: value for name, value in values[0].items() if not slots[name].optional}]
    return Shape(TypedDict("Shape", forms), (*values, *left_out))


_KINDS_OF_MODELS = (("a",), ("b", "c"), ("d",))


@st.composite
def tagged(draw: st.DrawFn, pairs: st.SearchStrategy[Pair]) -> Pair:
    """Draw discriminated unions of models; one side may have fewer alternatives."""
    drawn = [draw(models(pairs, ("model", "forbid", "dataclass"), kind)) for kind in _KINDS_OF_MODELS]
    kept = draw(_alike([3, 3, 2]))
    return tuple(_discriminate([pair[side] for pair in drawn[: kept[side]]]) for side in (0, 1))


def _discriminate(members: Sequence[Shape]) -> Shape:
    union = _union(members)
    return Shape(Annotated[union.form, Field(discriminator="kind")], union.values)


def _containers(pairs: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    ways = _alike([(name, limits) for name in _CONTAINERS for limits in _SIZES])
    return st.one_of(
        st.builds(lambda pair, how: _both(pair, *how, _container), pairs, ways),
        st.builds(lambda pair, how: _both(pair, *how, _optional), pairs, _alike([False, True])),
        _some(pairs, _tuple),
        _some(pairs, _union),
        models(pairs),
        tagged(pairs),
    )


PAIRS: st.SearchStrategy[Pair] = st.recursive(LEAVES, _containers, max_leaves=4)
MODELS: st.SearchStrategy[Pair] = models(PAIRS) | tagged(LEAVES)
