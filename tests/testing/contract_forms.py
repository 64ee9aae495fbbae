"""Types to compare, their values, and small changes of them: what hypothesis draws from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

from hypothesis import strategies as st
from pydantic import AwareDatetime, ConfigDict, Field, create_model
from typing_extensions import TypedDict

NAMES = ("alpha", "beta", "gamma", "delta")
WORDS = ("red", "green", "blue", "1")
NUMBERS = (-3, 0, 1, 10)
EXTRAS = (None, "forbid", "allow")


@dataclass(frozen=True)
class Form:
    """A type: what it is, its limits, and what is inside."""

    kind: str
    limits: tuple[tuple[str, Any], ...] = ()
    inner: tuple[Form, ...] = ()
    fields: tuple[Slot, ...] = ()
    extra: str | None = None


@dataclass(frozen=True)
class Slot:
    """A field of a model."""

    name: str
    form: Form
    optional: bool = False
    also: str | None = None


@dataclass(frozen=True)
class Kind:
    """How a leaf is built, what it may hold, and what may limit it."""

    type: Any
    values: Callable[[dict[str, Any]], st.SearchStrategy[Any]]
    limits: st.SearchStrategy[dict[str, Any]] = field(default_factory=lambda: st.just({}))


def _numbers(values: Callable[[Any, Any], st.SearchStrategy[Any]]) -> Callable[[dict[str, Any]], Any]:
    def within(limits: dict[str, Any]) -> st.SearchStrategy[Any]:
        low = limits.get("ge", limits.get("gt", -50))
        high = limits.get("le", limits.get("lt", 50))
        return values(low, high).filter(
            lambda value: value > limits.get("gt", value - 1) and value < limits.get("lt", value + 1)
        )

    return within


_BOUNDS = st.fixed_dictionaries(
    {}, optional={"ge": st.sampled_from([-3, 0]), "gt": st.sampled_from([-3, 0]), "le": st.sampled_from([5, 9])}
)
_LENGTHS = st.fixed_dictionaries({}, optional={"min_length": st.sampled_from([1, 2]), "max_length": st.just(4)})


def _texts(limits: dict[str, Any]) -> st.SearchStrategy[str]:
    letters = "abc1 é"
    if "pattern" in limits:
        return st.text("abc", min_size=max(1, limits.get("min_length", 0)), max_size=limits.get("max_length", 6))
    return st.text(letters, min_size=limits.get("min_length", 0), max_size=limits.get("max_length", 6))


_DIGITS = st.fixed_dictionaries(
    {}, optional={"ge": st.sampled_from([0, 1]), "max_digits": st.sampled_from([3, 4]), "decimal_places": st.just(1)}
)


def _decimals(limits: dict[str, Any]) -> st.SearchStrategy[Decimal]:
    places = limits.get("decimal_places", 2)
    return st.decimals(
        min_value=limits.get("ge", -9), max_value=9 if "max_digits" in limits else 5000, places=min(places, 1)
    )


KINDS: dict[str, Kind] = {
    "int": Kind(int, _numbers(st.integers), _BOUNDS),
    "strict int": Kind(Annotated[int, Field(strict=True)], _numbers(st.integers), _BOUNDS),
    "float": Kind(float, _numbers(lambda low, high: st.floats(low, high, allow_nan=False)), _BOUNDS),
    "strict float": Kind(
        Annotated[float, Field(strict=True)], _numbers(lambda low, high: st.floats(low, high)), _BOUNDS
    ),
    "bool": Kind(bool, lambda _: st.booleans()),
    "str": Kind(
        str,
        _texts,
        st.one_of(_LENGTHS, st.fixed_dictionaries({"pattern": st.sampled_from(["^[a-c]+$", "^[a-z]+$"])})),
    ),
    "stripped": Kind(Annotated[str, Field(strict=True)], lambda _: st.text("ab ", max_size=4)),
    "bytes": Kind(bytes, lambda limits: _texts(limits).map(str.encode)),
    "decimal": Kind(Decimal, _decimals, _DIGITS),
    "date": Kind(
        dt.date,
        lambda limits: st.dates(min_value=limits.get("ge", dt.date(1990, 1, 1))),
        st.sampled_from([{}, {"ge": dt.date(2020, 1, 1)}, {"ge": dt.date(2021, 1, 1)}]),
    ),
    "datetime": Kind(dt.datetime, lambda _: st.datetimes(timezones=st.none() | st.just(dt.UTC))),
    "aware": Kind(AwareDatetime, lambda _: st.datetimes(timezones=st.just(dt.UTC))),
    "time": Kind(dt.time, lambda _: st.times()),
    "span": Kind(dt.timedelta, lambda _: st.timedeltas(dt.timedelta(days=-9), dt.timedelta(days=9))),
    "uuid": Kind(UUID, lambda _: st.uuids()),
    "none": Kind(type(None), lambda _: st.none()),
    "any": Kind(Any, lambda _: st.sampled_from([None, 1, "a", [], {}])),
}


def type_of(form: Form) -> Any:
    """Build the type."""
    if form.kind in KINDS:
        limits = dict(form.limits)
        return Annotated[KINDS[form.kind].type, Field(**limits)] if limits else KINDS[form.kind].type
    if form.kind == "literal":
        return Literal[form.limits[0][1]]
    if form.kind == "enum":
        return Enum("Choice", {f"C{value}": value for value in form.limits[0][1]})
    if form.kind == "model":
        return _model(form)
    if form.kind == "typed dict":
        return TypedDict("Entry", {slot.name: type_of(slot.form) for slot in form.fields}, total=not form.extra)
    inner = [type_of(part) for part in form.inner]
    limits = dict(form.limits)
    built = {
        "list": lambda: list[inner[0]],
        "set": lambda: set[inner[0]],
        "tuple": lambda: tuple[tuple(inner)],
        "row": lambda: tuple[inner[0], ...],
        "dict": lambda: dict[str, inner[0]],
        "int dict": lambda: dict[int, inner[0]],
        "choice dict": lambda: dict[Literal["red", "green"], inner[0]],
        "optional": lambda: inner[0] | None,
        "union": lambda: inner[0] | inner[1],
    }[form.kind]()
    return Annotated[built, Field(**limits)] if limits else built


def _model(form: Form) -> Any:
    fields: dict[str, Any] = {}
    for slot in form.fields:
        options: dict[str, Any] = {"default": simplest(slot.form)} if slot.optional else {}
        if slot.also is not None:
            from pydantic import AliasChoices

            options["validation_alias"] = AliasChoices(slot.name, slot.also)
        fields[slot.name] = (type_of(slot.form), Field(**options) if options else ...)
    return create_model("Shape", __config__=ConfigDict(extra=form.extra) if form.extra else None, **fields)


def values_of(form: Form, built: Any) -> st.SearchStrategy[Any]:
    """Draw values of the type that was built of *form*."""
    if form.kind in KINDS:
        return KINDS[form.kind].values(dict(form.limits))
    if form.kind == "literal":
        return st.sampled_from(form.limits[0][1])
    if form.kind == "enum":
        return st.sampled_from(list(built))
    if form.kind == "model":
        return _instances(form, built)
    if form.kind == "typed dict":
        parts = {slot.name: values_of(slot.form, built.__annotations__[slot.name]) for slot in form.fields}
        return st.fixed_dictionaries({}, optional=parts) if form.extra else st.fixed_dictionaries(parts)
    return _containers(form, built)


def _instances(form: Form, built: Any) -> st.SearchStrategy[Any]:
    required = {s.name: values_of(s.form, built.model_fields[s.name].annotation) for s in form.fields if not s.optional}
    optional = {s.name: values_of(s.form, built.model_fields[s.name].annotation) for s in form.fields if s.optional}
    if form.extra == "allow":
        optional |= {name: st.sampled_from([1, "a", None]) for name in NAMES if name not in {*required, *optional}}
    return st.fixed_dictionaries(required, optional=optional).map(
        lambda values: built.model_construct(_fields_set=None, **{**_defaults(form, built), **values})
    )


def _defaults(form: Form, built: Any) -> dict[str, Any]:
    return {slot.name: built.model_fields[slot.name].default for slot in form.fields if slot.optional}


def _containers(form: Form, built: Any) -> st.SearchStrategy[Any]:
    import typing

    if typing.get_origin(built) is Annotated:
        built = typing.get_args(built)[0]
    args = typing.get_args(built)
    limits = dict(form.limits)
    size = {"min_size": limits.get("min_length", 0), "max_size": limits.get("max_length", 3)}
    parts = [values_of(part, arg) for part, arg in zip(form.inner, args[-1:] if "dict" in form.kind else args, strict=False)]
    return {
        "list": lambda: st.lists(parts[0], **size),
        "set": lambda: st.lists(parts[0], max_size=size["max_size"]).map(_hashed).filter(lambda s: len(s) >= size["min_size"]),
        "tuple": lambda: st.tuples(*parts),
        "row": lambda: st.lists(parts[0], **size).map(tuple),
        "dict": lambda: st.dictionaries(st.sampled_from([*NAMES, "x"]), parts[0], **size),
        "int dict": lambda: st.dictionaries(st.integers(0, 9), parts[0], **size),
        "choice dict": lambda: st.dictionaries(st.sampled_from(["red", "green"]), parts[0], max_size=2),
        "optional": lambda: st.none() | parts[0],
        "union": lambda: st.one_of(*parts),
    }[form.kind]()


def _hashed(values: list[Any]) -> set[Any]:
    return set(values)


_SIMPLEST: dict[str, Any] = {
    "int": 1,
    "strict int": 1,
    "float": 1.0,
    "strict float": 1.0,
    "bool": True,
    "str": "ab",
    "stripped": "ab",
    "bytes": b"ab",
    "decimal": Decimal("1.5"),
    "date": dt.date(2022, 1, 1),
    "datetime": dt.datetime(2022, 1, 1, tzinfo=dt.UTC),
    "aware": dt.datetime(2022, 1, 1, tzinfo=dt.UTC),
    "time": dt.time(1),
    "span": dt.timedelta(1),
    "uuid": UUID(int=1),
    "none": None,
    "any": None,
    "optional": None,
}


def simplest(form: Form) -> Any:
    """Give a default for a field."""
    if form.kind in _SIMPLEST:
        return _SIMPLEST[form.kind]
    if form.kind == "literal":
        return form.limits[0][1][0]
    return None


def has_simplest(form: Form) -> bool:
    """Tell whether there is a default that is of the type."""
    return form.kind in _SIMPLEST or form.kind == "literal"


_LEAVES = st.sampled_from(sorted(KINDS)).flatmap(
    lambda kind: st.builds(
        Form, st.just(kind), KINDS[kind].limits.map(lambda limits: tuple(sorted(limits.items(), key=lambda i: i[0])))
    )
)
_CHOICES = st.builds(
    Form,
    st.sampled_from(["literal", "enum"]),
    st.lists(st.sampled_from([*WORDS, *NUMBERS]), min_size=1, max_size=3, unique=True).map(lambda v: (("values", tuple(v)),)),
)
_HASHABLE = ("int", "str", "uuid", "date")


def _containers_of(forms: st.SearchStrategy[Form]) -> st.SearchStrategy[Form]:
    lengths = st.one_of(st.just(()), _LENGTHS.map(lambda limits: tuple(sorted(limits.items()))))
    one = st.tuples(forms)
    return st.one_of(
        st.builds(Form, st.sampled_from(["list", "row"]), lengths, one),
        st.builds(Form, st.just("set"), lengths, _LEAVES.filter(lambda form: form.kind in _HASHABLE).map(lambda f: (f,))),
        st.builds(Form, st.sampled_from(["dict", "int dict", "choice dict", "optional"]), st.just(()), one),
        st.builds(Form, st.sampled_from(["tuple", "union"]), st.just(()), st.tuples(forms, forms)),
        models(forms),
    )


def models(forms: st.SearchStrategy[Form]) -> st.SearchStrategy[Form]:
    """Draw models, and typed dictionaries."""
    return st.one_of(
        st.builds(_as_model, st.just("model"), st.lists(forms, min_size=1, max_size=3), st.sampled_from(EXTRAS), st.randoms(use_true_random=False)),
        st.builds(_as_model, st.just("typed dict"), st.lists(forms, min_size=1, max_size=2), st.sampled_from((None, "open")), st.just(None)),
    )


def _as_model(kind: str, forms: list[Form], extra: str | None, random: Any) -> Form:
    slots = tuple(
        Slot(name, form, optional=random is not None and has_simplest(form) and random.random() < 0.4)
        for name, form in zip(NAMES, forms, strict=False)
    )
    return Form(kind, fields=slots, extra=extra)


FORMS = st.recursive(_LEAVES | _CHOICES, _containers_of, max_leaves=4)
MODELS = models(FORMS)


@st.composite
def changed(draw: st.DrawFn, form: Form) -> Form:
    """Draw a form that differs a little, or not at all."""
    if form.kind in ("model", "typed dict") and draw(st.integers(0, 4)):
        return draw(_changed_model(form))
    if form.inner and draw(st.integers(0, 3)):
        position = draw(st.integers(0, len(form.inner) - 1))
        if form.kind == "set":
            return form
        inner = list(form.inner)
        inner[position] = draw(changed(inner[position]))
        return replace(form, inner=tuple(inner))
    return draw(
        st.one_of(
            st.just(form),
            FORMS,
            st.just(Form("optional", inner=(form,))),
            FORMS.map(lambda other: Form("union", inner=(form, other))),
            st.just(form.inner[0] if form.inner else form),
            _relimited(form),
        )
    )


@st.composite
def _relimited(draw: st.DrawFn, form: Form) -> Form:
    if form.kind in KINDS:
        limits = draw(KINDS[form.kind].limits)
        return replace(form, limits=tuple(sorted(limits.items(), key=lambda item: item[0])))
    if form.kind in ("literal", "enum"):
        return replace(draw(_CHOICES), kind=form.kind)
    if form.kind in ("list", "row", "set"):
        return replace(form, limits=tuple(sorted(draw(_LENGTHS).items())))
    return form


@st.composite
def _changed_model(draw: st.DrawFn, form: Form) -> Form:
    slots = list(form.fields)
    position = draw(st.integers(0, len(slots) - 1))
    slot = slots[position]
    free = [name for name in NAMES if name not in {one.name for one in slots}]
    change = draw(st.sampled_from(["form", "rename", "alias", "optional", "remove", "add", "extra"]))
    if change == "form":
        slots[position] = replace(slot, form=draw(changed(slot.form)))
        slots[position] = replace(slots[position], optional=slot.optional and has_simplest(slots[position].form))
    elif change in ("rename", "alias") and free:
        also = slot.name if change == "alias" and form.kind == "model" else None
        slots[position] = replace(slot, name=free[0], also=also)
    elif change == "optional":
        slots[position] = replace(slot, optional=not slot.optional and has_simplest(slot.form) and form.kind == "model")
    elif change == "remove" and len(slots) > 1:
        slots.pop(position)
    elif change == "add" and free:
        added = draw(FORMS)
        slots.append(Slot(free[0], added, optional=form.kind == "model" and has_simplest(added) and draw(st.booleans())))
    elif change == "extra" and form.kind == "model":
        return replace(form, extra=draw(st.sampled_from(EXTRAS)))
    return replace(form, fields=tuple(slots))
