"""Find fields that a value has but its declared type does not: pydantic silently writes a subclass as its base.

A finder is built once for each type, and only if a class in it has subclasses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, cast

from lambdachain._core.errors import ErrorDetail
from lambdachain._core.type_guards import is_mapping, is_sequence

from .core_schema import Schema, get_config, get_definitions, iter_fields

Loc = tuple[str | int, ...]
Finder = Callable[[Any, Loc], Iterator[ErrorDetail]]

_SEQUENCES: Final = (list, tuple, set, frozenset, deque)


class _UnionMember(NamedTuple):
    """A member of a union: the class of its values, if they are records, and the finder for them."""

    cls: type | None
    find: Finder


def build_finder(schema: object) -> Finder:
    """Build the function that finds undeclared fields in values of the type of *schema*."""
    return _FinderBuilder(schema).build(schema) or _find_nothing


def _find_nothing(_value: Any, _loc: Loc) -> Iterator[ErrorDetail]:
    return iter(())


class _FinderBuilder:
    def __init__(self, schema: object) -> None:
        self._definitions = get_definitions(schema)
        self._finders: dict[str, Finder] = {}

    def build(self, node: Any) -> Finder | None:
        """Build the finder of one node; ``None`` if its values hold no records."""
        if "serialization" in node:  # a user's serializer decides what is written
            return None
        make = _BUILDERS.get(node["type"])
        if make is not None:
            return make(self, node)
        inner = node.get("schema") or node.get("lax_schema") or node.get("json_schema")
        return self.build(inner) if is_mapping(inner) and "type" in inner else None

    def record(self, node: Any) -> Finder:
        fields = _get_record_fields(node["schema"])
        if node.get("root_model"):
            fields = {"root": {"schema": node["schema"]}}
        inside = self._build_for_fields(fields)
        declared = None if get_config(node).get("polymorphic_serialization") else node["cls"]
        return partial(_find_in_record, declared, inside)

    def typed_dict(self, node: Any) -> Finder:
        return partial(_find_in_typed_dict, self._build_for_fields(dict(iter_fields(node))))

    def sequence(self, node: Any) -> Finder | None:
        items = node.get("items_schema")
        if not is_sequence(items):
            find = self.build(items) if items else None
            return partial(_find_in_sequence, find) if find else None
        finders = [self.build(item) or _find_nothing for item in items]
        variadic = node.get("variadic_item_index")
        return (
            partial(_find_in_tuple, finders, variadic) if any(find is not _find_nothing for find in finders) else None
        )

    def mapping(self, node: Any) -> Finder | None:
        find = self.build(node["values_schema"]) if "values_schema" in node else None
        return partial(_find_in_mapping_values, find) if find else None

    def union(self, node: Any) -> Finder | None:
        choices = node["choices"].values() if is_mapping(node["choices"]) else node["choices"]
        bare = [choice[0] if is_sequence(choice) else choice for choice in choices]
        members = [
            _UnionMember(self._get_record_class(choice), find) for choice in bare if (find := self.build(choice))
        ]
        return partial(_find_in_union, members) if members else None

    def reference(self, node: Any) -> Finder:
        return partial(self._find_in_reference, node["schema_ref"])

    def _find_in_reference(self, ref: str, value: Any, loc: Loc) -> Iterator[ErrorDetail]:
        if ref not in self._finders:  # built only now: the definition may refer to itself
            self._finders[ref] = self.build(self._definitions[ref]) or _find_nothing
        return self._finders[ref](value, loc)

    def _get_record_class(self, node: Any) -> type | None:
        if node["type"] == "definition-ref":
            node = self._definitions[node["schema_ref"]]
        while (
            node["type"] not in ("model", "dataclass") and is_mapping(node.get("schema")) and "type" in node["schema"]
        ):
            node = node["schema"]
        return cast("type | None", node.get("cls")) if node["type"] in ("model", "dataclass") else None

    def _build_for_fields(self, fields: Mapping[str, Schema]) -> dict[str, Finder]:
        shown = {name: field for name, field in fields.items() if _is_written(field)}
        return {name: find for name, field in shown.items() if (find := self.build(field["schema"]))}


_BUILDERS: Final[Mapping[str, Callable[[_FinderBuilder, Any], Finder | None]]] = {
    "model": _FinderBuilder.record,
    "dataclass": _FinderBuilder.record,
    "typed-dict": _FinderBuilder.typed_dict,
    **dict.fromkeys(("list", "set", "frozenset", "tuple"), _FinderBuilder.sequence),
    "dict": _FinderBuilder.mapping,
    "union": _FinderBuilder.union,
    "tagged-union": _FinderBuilder.union,
    "definition-ref": _FinderBuilder.reference,
}


def _get_record_fields(node: Any) -> dict[str, Schema]:
    """Return the fields of a record, which may be wrapped in the nodes of validators."""
    while node["type"] not in ("model-fields", "dataclass-args"):
        if not is_mapping(node.get("schema")):
            return {}
        node = node["schema"]
    return dict(iter_fields(node))


def _is_written(field: Schema) -> bool:
    return "serialization" not in field and not field.get("serialization_exclude") and not field.get("init_only")


def _find_in_record(declared: type | None, inside: Mapping[str, Finder], value: Any, loc: Loc) -> Iterator[ErrorDetail]:
    cls: Any = cast("Any", type(value))
    if declared is not None and cls is not declared:
        names = _get_added_names(value, declared) if isinstance(value, declared) else []
        if names:
            yield _to_error_detail(loc, names, cls.__name__, declared.__name__)
    for name, find in inside.items():
        yield from find(getattr(value, name, None), (*loc, name))


def _find_in_typed_dict(inside: Mapping[str, Finder], value: Any, loc: Loc) -> Iterator[ErrorDetail]:
    if is_mapping(value):
        for name, find in inside.items():
            if name in value:
                yield from find(value[name], (*loc, name))


def _find_in_sequence(find: Finder, value: Any, loc: Loc) -> Iterator[ErrorDetail]:
    if isinstance(value, _SEQUENCES):
        for position, item in enumerate(cast("Iterable[Any]", value)):
            yield from find(item, (*loc, position))


def _find_in_tuple(finders: list[Finder], variadic: int | None, value: Any, loc: Loc) -> Iterator[ErrorDetail]:
    if not isinstance(value, _SEQUENCES):
        return
    items = list(cast("Iterable[Any]", value))
    if variadic is not None:
        repeated = [finders[variadic]] * (len(items) - len(finders) + 1)
        finders = [*finders[:variadic], *repeated, *finders[variadic + 1 :]]
    for position, (find, item) in enumerate(zip(finders, items, strict=False)):
        yield from find(item, (*loc, position))


def _find_in_mapping_values(find: Finder, value: Any, loc: Loc) -> Iterator[ErrorDetail]:
    if is_mapping(value):
        for inner in value.values():
            yield from find(inner, (*loc, "*"))


def _find_in_union(members: list[_UnionMember], value: Any, loc: Loc) -> Iterator[ErrorDetail]:
    """Find with the member that the value is written as: its own class, or else the first that it is a subclass of.

    A value that is not a record (a list of records) is written as the member that fits best.
    """
    fitting = [member for member in members if member.cls is not None and isinstance(value, member.cls)]
    exact = [member for member in fitting if member.cls is type(value)]
    if fitting:
        yield from (exact or fitting)[0].find(value, loc)
        return
    found = [list(member.find(value, loc)) for member in members if member.cls is None]
    if found:
        yield from min(found, key=len)


def _get_added_names(value: Any, declared: type) -> list[str]:
    """Return the names of the fields that a value of a subclass has and the declared class does not."""
    own, base = _get_written_names(type(value)), _get_written_names(declared)
    extra: Mapping[str, Any] = getattr(value, "__pydantic_extra__", None) or {}
    if getattr(declared, "model_config", {}).get("extra") == "allow":  # then the declared class writes them, too
        extra = {}
    return [name for name in dict.fromkeys([*own, *extra]) if name not in base]


def _get_written_names(cls: Any) -> list[str]:
    fields: Mapping[str, Any] = getattr(cls, "__pydantic_fields__", None) or getattr(cls, "__dataclass_fields__", {})
    decorators = getattr(cls, "__pydantic_decorators__", None)
    computed: Mapping[str, Any] = getattr(decorators, "computed_fields", {})
    shown = [name for name, field in fields.items() if not getattr(field, "exclude", False)]
    return [*shown, *computed]


def _to_error_detail(loc: Loc, names: list[str], own: str, declared: str) -> ErrorDetail:
    problem = f"{own} has {_format_names(names)}, which {declared} does not declare and which would not be sent"
    remedy = f"declare SerializeAsAny[{declared}] or a union with {own}, or pass a {declared}"
    return ErrorDetail(loc=loc, type="undeclared_fields", msg=f"{problem}: {remedy}")


def _format_names(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
