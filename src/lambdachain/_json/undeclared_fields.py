"""Fields that a value has and its declared type has not: pydantic writes a subclass as its base, without a word.

Made once a type, and only where a class in it has subclasses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, cast

from lambdachain._core.errors import ErrorDetail
from lambdachain._core.type_guards import is_mapping, is_sequence

from .core_schema import Schema, config_of, definitions_of, fields_of

Loc = tuple[str | int, ...]
Finder = Callable[[Any, Loc], Iterator[ErrorDetail]]

_SERIES: Final = (list, tuple, set, frozenset, deque)


class _Member(NamedTuple):
    """A member of a union: the class of its values, if it is a record, and what finds undeclared fields in them."""

    cls: type | None
    find: Finder


def finder_of(schema: object) -> Finder:
    """Make what finds the undeclared fields of a value that is of the type of *schema*."""
    return _Making(schema).made(schema) or _nothing


def _nothing(_value: Any, _loc: Loc) -> Iterator[ErrorDetail]:
    return iter(())


class _Making:
    def __init__(self, schema: object) -> None:
        self._definitions = definitions_of(schema)
        self._finders: dict[str, Finder] = {}

    def made(self, node: Any) -> Finder | None:
        """Make the finder of one node; ``None`` if its values hold no records."""
        if "serialization" in node:
            return None
        make = _MAKERS.get(node["type"])
        if make is not None:
            return make(self, node)
        inner = node.get("schema") or node.get("lax_schema") or node.get("json_schema")
        return self.made(inner) if is_mapping(inner) and "type" in inner else None

    def record(self, node: Any) -> Finder:
        fields = _inner_fields(node["schema"])
        if node.get("root_model"):
            fields = {"root": {"schema": node["schema"]}}
        inside = self._inside(fields)
        declared = None if config_of(node).get("polymorphic_serialization") else node["cls"]
        return partial(_in_record, declared, inside)

    def typed_dict(self, node: Any) -> Finder:
        return partial(_in_typed_dict, self._inside(dict(fields_of(node))))

    def series(self, node: Any) -> Finder | None:
        items = node.get("items_schema")
        if not is_sequence(items):
            find = self.made(items) if items else None
            return partial(_in_series, find) if find else None
        found = [self.made(item) or _nothing for item in items]
        variadic = node.get("variadic_item_index")
        return partial(_in_tuple, found, variadic) if any(find is not _nothing for find in found) else None

    def mapping(self, node: Any) -> Finder | None:
        find = self.made(node["values_schema"]) if "values_schema" in node else None
        return partial(_in_values, find) if find else None

    def union(self, node: Any) -> Finder | None:
        choices = node["choices"].values() if is_mapping(node["choices"]) else node["choices"]
        bare = [choice[0] if is_sequence(choice) else choice for choice in choices]
        members = [_Member(self._class_of(choice), find) for choice in bare if (find := self.made(choice))]
        return partial(_in_union, members) if members else None

    def reference(self, node: Any) -> Finder:
        return partial(self._referred, node["schema_ref"])

    def _referred(self, ref: str, value: Any, loc: Loc) -> Iterator[ErrorDetail]:
        if ref not in self._finders:
            self._finders[ref] = self.made(self._definitions[ref]) or _nothing
        return self._finders[ref](value, loc)

    def _class_of(self, node: Any) -> type | None:
        if node["type"] == "definition-ref":
            node = self._definitions[node["schema_ref"]]
        while (
            node["type"] not in ("model", "dataclass") and is_mapping(node.get("schema")) and "type" in node["schema"]
        ):
            node = node["schema"]
        return cast("type | None", node.get("cls")) if node["type"] in ("model", "dataclass") else None

    def _inside(self, fields: Mapping[str, Schema]) -> dict[str, Finder]:
        shown = {name: field for name, field in fields.items() if _is_written(field)}
        return {name: find for name, field in shown.items() if (find := self.made(field["schema"]))}


_MAKERS: Final[Mapping[str, Callable[[_Making, Any], Finder | None]]] = {
    "model": _Making.record,
    "dataclass": _Making.record,
    "typed-dict": _Making.typed_dict,
    **dict.fromkeys(("list", "set", "frozenset", "tuple"), _Making.series),
    "dict": _Making.mapping,
    "union": _Making.union,
    "tagged-union": _Making.union,
    "definition-ref": _Making.reference,
}


def _inner_fields(node: Any) -> dict[str, Schema]:
    """Find the fields of a record, behind the functions that may stand before them."""
    while node["type"] not in ("model-fields", "dataclass-args"):
        if not is_mapping(node.get("schema")):
            return {}
        node = node["schema"]
    return dict(fields_of(node))


def _is_written(field: Schema) -> bool:
    return "serialization" not in field and not field.get("serialization_exclude") and not field.get("init_only")


def _in_record(declared: type | None, inside: Mapping[str, Finder], value: Any, loc: Loc) -> Iterator[ErrorDetail]:
    cls: Any = cast("Any", type(value))
    if declared is not None and cls is not declared:
        names = _added(value, declared) if isinstance(value, declared) else []
        if names:
            yield _undeclared(loc, names, cls.__name__, declared.__name__)
    for name, find in inside.items():
        yield from find(getattr(value, name, None), (*loc, name))


def _in_typed_dict(inside: Mapping[str, Finder], value: Any, loc: Loc) -> Iterator[ErrorDetail]:
    if is_mapping(value):
        for name, find in inside.items():
            if name in value:
                yield from find(value[name], (*loc, name))


def _in_series(find: Finder, value: Any, loc: Loc) -> Iterator[ErrorDetail]:
    if isinstance(value, _SERIES):
        for position, item in enumerate(cast("Iterable[Any]", value)):
            yield from find(item, (*loc, position))


def _in_tuple(found: list[Finder], variadic: int | None, value: Any, loc: Loc) -> Iterator[ErrorDetail]:
    if not isinstance(value, _SERIES):
        return
    items = list(cast("Iterable[Any]", value))
    finders = found
    if variadic is not None:
        repeated = [found[variadic]] * (len(items) - len(found) + 1)
        finders = [*found[:variadic], *repeated, *found[variadic + 1 :]]
    for position, (find, item) in enumerate(zip(finders, items, strict=False)):
        yield from find(item, (*loc, position))


def _in_values(find: Finder, value: Any, loc: Loc) -> Iterator[ErrorDetail]:
    if is_mapping(value):
        for inner in value.values():
            yield from find(inner, (*loc, "*"))


def _in_union(members: list[_Member], value: Any, loc: Loc) -> Iterator[ErrorDetail]:
    """Look as the member that the value is written by: its own class, or the first that it is a subclass of."""
    fitting = [member for member in members if member.cls is not None and isinstance(value, member.cls)]
    exact = [member for member in fitting if member.cls is type(value)]
    if fitting:
        yield from (exact or fitting)[0].find(value, loc)
        return
    found = [list(member.find(value, loc)) for member in members if member.cls is None]
    if found:
        yield from min(found, key=len)


def _added(value: Any, declared: type) -> list[str]:
    """List what a value of a subclass is written with, and the class that is declared is not."""
    own, base = _written_names(type(value)), _written_names(declared)
    extra: Mapping[str, Any] = getattr(value, "__pydantic_extra__", None) or {}
    if getattr(declared, "model_config", {}).get("extra") == "allow":
        extra = {}
    return [name for name in dict.fromkeys([*own, *extra]) if name not in base]


def _written_names(cls: Any) -> list[str]:
    fields: Mapping[str, Any] = getattr(cls, "__pydantic_fields__", None) or getattr(cls, "__dataclass_fields__", {})
    decorators = getattr(cls, "__pydantic_decorators__", None)
    computed: Mapping[str, Any] = getattr(decorators, "computed_fields", {})
    shown = [name for name, field in fields.items() if not getattr(field, "exclude", False)]
    return [*shown, *computed]


def _undeclared(loc: Loc, names: list[str], own: str, declared: str) -> ErrorDetail:
    told = f"{own} has {_listed(names)}, which {declared} does not declare and which would not be sent"
    remedy = f"declare SerializeAsAny[{declared}] or a union with {own}, or pass a {declared}"
    return ErrorDetail(loc=loc, type="undeclared_fields", msg=f"{told}: {remedy}")


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
