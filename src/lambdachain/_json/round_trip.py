"""Check whether a type round-trips: whether its JSON is read back as the value that was written.

``check_round_trip`` looks at pydantic's core schema. A flaw is certain only where no validator or serializer of a user
takes part. Where one does, ``read_back_check`` decodes what was encoded: see ``Codec``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, cast

from lambdachain._core.errors import ErrorDetail
from lambdachain._core.type_guards import is_mapping, is_sequence

from .core_schema import CompiledType, PostEncodeCheck, Schema, get_config, get_definitions, iter_fields
from .payload_validation import to_error_details
from .schema_extensions import get_function_name, get_lookup_locations

Path = tuple[str, ...]

_READ_BY_FUNCTION: Final = frozenset({"function-before", "function-wrap", "function-plain"})
_WRITTEN_BY_FUNCTION: Final = frozenset({"function-plain", "function-wrap"})
_TEMPORAL: Final = frozenset({"date", "datetime", "time", "timedelta"})
_NO_KEYS: Final = frozenset(
    {
        "call",
        "complex",
        "dataclass",
        "dict",
        "frozenset",
        "list",
        "model",
        "named-tuple",
        "none",
        "set",
        "tuple",
        "typed-dict",
    }
)
_TEXT_KEYS: Final = frozenset({"any", "str"})
_KEYS_INSIDE: Final = {"lax-or-strict": "lax_schema", "json-or-python": "json_schema", "function-after": "schema"}
_INSIDE: Final = ("schema", "items_schema", "values_schema", "arguments_schema", "json_schema")
_ALIASES: Final = "use the same alias in both directions, or set validate_by_name or populate_by_name"


class Flaw(NamedTuple):
    """A part of a type that is not read as it is written.

    Attributes:
        path: Where it is: names of fields, ``[]`` for elements, ``*`` for the values of a mapping.
        why: What differs, and how to fix it.
    """

    path: str
    why: str


class RoundTripReport(NamedTuple):
    """What the schema of a type shows about its round trip.

    Attributes:
        flaw: A part that certainly does not round-trip; ``None`` without one.
        needs_trial: Whether a user's function or the value decides, so that only decoding a value shows it.
        depends_on_value: Whether each value decides for itself: that one round-trips shows nothing about the next.
    """

    flaw: Flaw | None
    needs_trial: bool
    depends_on_value: bool


def check_round_trip(schema: object) -> RoundTripReport:
    """Check whether a type reads what it writes, as far as its schema shows."""
    walk = _RoundTripWalker(schema)
    flaw = next(walk.flaws(schema, (), _Context({}, certain=True)), None)
    return RoundTripReport(flaw, walk.needs_trial, walk.depends_on_value)


def read_back_check(compiled: CompiledType) -> Iterator[PostEncodeCheck]:
    """Yield the check that decodes what was encoded, if the schema alone does not show that the type round-trips."""
    report = check_round_trip(compiled.schema)
    if report.needs_trial:
        yield partial(_read_back, compiled, None if report.depends_on_value else set[type]())


def _read_back(compiled: CompiledType, tried: set[type] | None, value: object, data: bytes) -> list[ErrorDetail]:
    """Decode what was encoded, for the first value of each class or for every value.

    Args:
        compiled: The type.
        tried: The classes of which a value has been decoded; ``None`` if one value shows nothing about the next.
        value: The value that was encoded.
        data: Its JSON.
    """
    if tried is not None and type(value) in tried:
        return []
    from pydantic_core import ValidationError, from_json

    try:
        compiled.validator.validate_json(data)
    except ValidationError as exc:
        found = to_error_details(exc, from_json(data), compiled.schema)
        return [_to_error_detail(error["loc"], error["type"]) for error in found]
    except (AttributeError, LookupError, TypeError, ValueError) as exc:  # a user's validator met what it never expects
        return [_to_error_detail((), type(exc).__name__)]
    if tried is not None:
        tried.add(type(value))
    return []


def _to_error_detail(loc: tuple[str | int, ...], rule: str) -> ErrorDetail:
    msg = f"Its JSON cannot be read back ({rule}): its serializer and its type do not agree"
    return ErrorDetail(loc=loc, type="unreadable", msg=msg)


class _Context(NamedTuple):
    """The config that applies to a node, and whether a flaw found there is certain."""

    config: Schema
    certain: bool


class _RoundTripWalker:
    def __init__(self, schema: object) -> None:
        self.needs_trial = False
        self.depends_on_value = False
        self._definitions = get_definitions(schema)
        self._seen = set[tuple[str, bool]]()

    def flaws(self, node: Any, path: Path, context: _Context) -> Iterator[Flaw]:
        """Yield what is certainly not read back, and record what is uncertain."""
        if node["type"] == "definition-ref":
            node = self._definitions.get(node["schema_ref"], {"type": "any"})
        ref = node.get("ref")
        # A recursive model leads back here. It is visited once for certain flaws, once more for uncertain ones.
        if ref is not None:
            if (ref, context.certain) in self._seen:
                return
            self._seen.add((ref, context.certain))
        context = _Context(get_config(node) or context.config, self._is_certain(node, context))
        for why in _find_node_flaws(node, context.config):
            if context.certain:
                yield Flaw(_format_path(path), why)
            self.needs_trial = self.depends_on_value = True
        for steps, inner in _iter_inner(node):
            yield from self.flaws(inner, (*path, *steps), self._enter(node, context))

    def _is_certain(self, node: Schema, context: _Context) -> bool:
        function = node.get("function")
        by_user = node["type"] in _READ_BY_FUNCTION and is_mapping(function) and _is_user_function(function)
        by_user = by_user or ("serialization" in node and _is_written_by_user(node["serialization"]))
        self.needs_trial = self.needs_trial or by_user
        return context.certain and not by_user

    def _enter(self, node: Schema, context: _Context) -> _Context:
        """Return the context of a node's parts: another member of a union may read what one of them wrote."""
        is_open = node["type"] == "union"
        return context._replace(certain=False) if is_open and not _has_records_only(node) else context


def _is_user_function(function: Schema) -> bool:
    return get_function_name(function["function"]) is not None


def _is_written_by_user(serialization: Schema) -> bool:
    return serialization.get("type") in _WRITTEN_BY_FUNCTION and _is_user_function(serialization)


def _has_records_only(node: Schema) -> bool:
    """Check whether all members of a union are records, or None: those do not read each other's JSON by accident."""
    return all(
        _get_choice_schema(choice)["type"] in ("model", "dataclass", "typed-dict", "none") for choice in node["choices"]
    )


def _get_choice_schema(choice: Any) -> Schema:
    node = choice[0] if is_sequence(choice) else choice
    return cast("Schema", node)


def _iter_inner(node: Schema) -> Iterator[tuple[Path, Any]]:
    """Yield the schemas inside a node, with the path to each."""
    kind = node["type"]
    if kind in ("model-fields", "dataclass-args", "typed-dict", "named-tuple"):
        yield from (((name,), field["schema"]) for name, field in iter_fields(node))
        return
    if kind in ("union", "tagged-union"):
        choices = node["choices"]
        yield from (
            ((), _get_choice_schema(choice)) for choice in (choices.values() if is_mapping(choices) else choices)
        )
        return
    if kind == "lax-or-strict":
        yield (), node["strict_schema" if node.get("strict") else "lax_schema"]
        return
    for key in _INSIDE:
        inner = node.get(key)
        step: Path = ("*",) if key == "values_schema" else ("[]",) if key == "items_schema" else ()
        if is_sequence(inner):
            yield from ((step, part) for part in inner)
        elif is_mapping(inner) and "type" in inner:
            yield step, inner
    if kind == "arguments":
        yield from (((argument["name"],), argument["schema"]) for argument in node["arguments_schema"])


def _find_node_flaws(node: Schema, config: Schema) -> Iterator[str]:
    """Describe what a node, apart from its parts, writes but does not read."""
    kind = node["type"]
    if kind in ("model-fields", "dataclass-args", "typed-dict"):
        yield from _find_field_flaws(node, config)
    elif kind == "json" and "serialization" not in node and not config.get("ser_json_round_trip"):
        yield "Json[...] reads a string but is written as the value inside it: declare the inner type instead"
    elif kind == "dict" and "keys_schema" in node:
        yield from _find_key_flaws(node["keys_schema"], config)
    elif kind == "bytes":
        written, read = (config.get(name, "utf8") for name in ("ser_json_bytes", "val_json_bytes"))
        if written != read and "serialization" not in node:
            yield f"bytes are written as {written} but read as {read}: set ser_json_bytes and val_json_bytes alike"
    elif kind in _TEMPORAL and "serialization" not in node:
        yield from _find_temporal_flaws(node, config)
    elif kind in ("enum", "literal"):
        yield from _find_literal_flaws(node)


def _find_temporal_flaws(node: Schema, config: Schema) -> Iterator[str]:
    unit, kind = config.get("ser_json_temporal", "iso8601"), node["type"]
    if unit == "iso8601" and kind == "timedelta" and config.get("ser_json_timedelta") == "float":
        unit = "seconds"
    if unit == "iso8601":
        return
    read = config.get("val_temporal_unit", "infer")
    if node.get("strict", config.get("strict")):
        yield f"a {kind} is written as a number, which a strict field does not read: serialize it as iso8601"
    elif node.get("tz_constraint") == "naive":
        yield f"a naive {kind} is written as a number, which is read with a time zone: serialize it as iso8601"
    elif kind in ("time", "timedelta") and unit == "milliseconds":
        yield f"a {kind} is written in milliseconds but read in seconds: serialize it as iso8601"
    elif kind in ("date", "datetime") and read not in ("infer", unit):
        yield f"a {kind} is written in {unit} but read in {read}: set ser_json_temporal and val_temporal_unit alike"


def _find_literal_flaws(node: Schema) -> Iterator[str]:
    if node["type"] == "literal":
        odd = [value for value in node["expected"] if not _reads_as_literal(value)]
    elif node.get("sub_type") or node.get("missing"):
        odd = []
    else:
        odd = [member for member in node["members"] if not _is_scalar(member.value)]
    if odd:
        yield f"{odd[0]!r} is not read back from its JSON: use strings or numbers as values"


def _reads_as_literal(value: object) -> bool:
    """Check whether a literal is read from its JSON. A member of a plain ``Enum`` is not, though its value is."""
    return _is_scalar(value)


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _find_key_flaws(keys: Schema, config: Schema) -> Iterator[str]:
    """Describe why a key, which is a string in JSON, is not read back as its type."""
    inner = _key_kinds(keys)
    if inner is None:
        return
    kinds = [node["type"] for node in inner]
    bad = next((node for node in inner if not _reads_as_key(node, config)), None)
    if bad is not None:
        yield f"JSON keys are strings, and {_get_key_type_name(bad)} is not read from one: use str, or a list of pairs"
    elif "str" in kinds and len(set(kinds)) > 1:
        others = ", ".join(dict.fromkeys(kind for kind in kinds if kind not in _TEXT_KEYS))
        if others:
            yield f"JSON keys are strings, so a key that is {others} is read as str: declare one type of key"


def _key_kinds(keys: Any) -> list[Schema] | None:
    """List the types that a key may have; ``None`` if a user's function takes part."""
    kind = keys["type"]
    by_user = "serialization" in keys and _is_written_by_user(keys["serialization"])
    if by_user or kind in _READ_BY_FUNCTION or kind == "definition-ref":
        return None
    if kind in ("nullable", "union"):
        choices = [{"type": "none"}, keys["schema"]] if kind == "nullable" else map(_get_choice_schema, keys["choices"])
        parts = [_key_kinds(choice) for choice in choices]
        return None if None in parts else [node for part in parts if part for node in part]
    inner = _KEYS_INSIDE.get(kind)
    return _key_kinds(keys[inner]) if inner else [keys]


def _reads_as_key(node: Schema, config: Schema) -> bool:
    kind = node["type"]
    if kind == "enum" and not node.get("missing"):
        return bool(node.get("sub_type")) or all(isinstance(member.value, str | bool) for member in node["members"])
    if kind == "literal":
        return all(isinstance(value, str | bool) for value in node["expected"])
    if kind == "bytes":
        return bool(config.get("ser_json_bytes", "utf8") == config.get("val_json_bytes", "utf8"))
    if kind == "timedelta":
        return config.get("ser_json_timedelta") != "float" and config.get("ser_json_temporal", "iso8601") == "iso8601"
    return kind not in _NO_KEYS


def _get_key_type_name(node: Schema) -> str:
    named: Any = node.get("cls")
    return str(getattr(named, "__name__", node["type"]))


def _find_field_flaws(node: Schema, config: Schema) -> Iterator[str]:
    written = [(name, _get_written_key(name, field)) for name, field in iter_fields(node) if _is_written(field)]
    keys = [key for _, key in written]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        yield f"two fields are written as {twice!r}: give each its own alias"
    for name, field in iter_fields(node):
        yield from _find_alias_flaws(name, field, keys, config)
    if _forbids_extra(node, config):
        read = [name for name, field in iter_fields(node) if field.get("init") is not False]
        computed = [field.get("alias", field["property_name"]) for field in node.get("computed_fields", ())]
        unread = [*computed, *(name for name, _ in written if name not in read)]
        if unread:
            yield f'{unread[0]!r} is written, but extra="forbid" rejects it: exclude it, or use extra="ignore"'


def _find_alias_flaws(name: str, field: Schema, keys: Sequence[str], config: Schema) -> Iterator[str]:
    if field.get("init") is False:
        return
    is_required = _is_required(field)
    if not _is_written(field):
        if is_required:
            yield f"{name!r} is required but not written: give it a default, or do not exclude it"
        return
    key = _get_written_key(name, field)
    locations = get_lookup_locations(name, field, config)
    # pydantic takes the first of the locations that is there, so a key that another field writes may come first.
    first = next((location for location in locations if _get_first_step(location) in keys), None)
    if first == key:
        return
    if first is None or isinstance(first, str) or key not in locations:
        reads = ", ".join(map(_format_location, locations)) or "nothing"
        yield f"{name!r} is written as {key!r} but read as {reads}: {_ALIASES}"


def _get_first_step(location: str | list[str | int]) -> str | int:
    return location if isinstance(location, str) else location[0]


def _format_location(location: str | list[str | int]) -> str:
    return repr(location) if isinstance(location, str) else ".".join(map(str, location))


def _get_written_key(name: str, field: Schema) -> str:
    alias = field.get("serialization_alias")
    return alias if isinstance(alias, str) else name


def _is_written(field: Schema) -> bool:
    return not (field.get("serialization_exclude") or field.get("init_only"))


def _is_required(field: Schema) -> bool:
    if field["type"] == "typed-dict-field" and not field.get("required", True):
        return False
    inner = field["schema"]
    # A validator of the field is wrapped around its default.
    while inner["type"] not in ("default", "nullable") and "schema" in inner and "function" in inner:
        inner = inner["schema"]
    return bool(inner["type"] != "default")


def _forbids_extra(node: Schema, config: Schema) -> bool:
    return bool(node.get("extra_behavior", config.get("extra_fields_behavior")) == "forbid")


def _format_path(path: Path) -> str:
    text = ""
    for step in path:
        text += step if step == "[]" or not text else f".{step}"
    return text
