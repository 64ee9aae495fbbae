"""Whether a type reads what it writes: pure functions over pydantic's core schemas.

A flaw is certain only where no function of a user's stands between what is written and what is read. Where one does,
a trial with the first value decides; see ``Codec``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, cast

from lambdachain._core.type_guards import is_mapping, is_sequence

from .core_schema import Schema, config_of, definitions_of, fields_of
from .schema_extensions import function_name, places_of

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
_ALIASES: Final = "give it one alias for both directions, or validate_by_name or populate_by_name"


class Flaw(NamedTuple):
    """A place that is not read as it is written.

    Attributes:
        path: Where: names of fields, ``[]`` for elements, ``*`` for the values of a mapping.
        why: What differs, and what to do about it.
    """

    path: str
    why: str


class Reading(NamedTuple):
    """What the schema of a type shows of reading back what it writes.

    Attributes:
        flaw: A place that surely is not read back; ``None`` where there is none.
        needs_trial: Whether it depends on a function of the user's, or on a value's parts, so that only a trial shows.
        differs: Whether it depends on the parts of each value: one that is read back shows nothing about the next.
    """

    flaw: Flaw | None
    needs_trial: bool
    differs: bool


def reading_of(schema: object) -> Reading:
    """Find out whether a type reads what it writes."""
    walk = _Walk(schema)
    flaw = next(walk.flaws(schema, (), _Surroundings({}, certain=True)), None)
    return Reading(flaw, walk.needs_trial, walk.differs)


class _Surroundings(NamedTuple):
    """The config around a node, and whether what is found there is certain."""

    config: Schema
    certain: bool


class _Walk:
    def __init__(self, schema: object) -> None:
        self.needs_trial = False
        self.differs = False
        self._definitions = definitions_of(schema)
        self._seen = set[tuple[str, bool]]()

    def flaws(self, node: Any, path: Path, around: _Surroundings) -> Iterator[Flaw]:
        """Find what is certainly not read back, and notice what is uncertain."""
        if node["type"] == "definition-ref":
            node = self._definitions.get(node["schema_ref"], {"type": "any"})
        ref = node.get("ref")
        if ref is not None:
            if (ref, around.certain) in self._seen:
                return
            self._seen.add((ref, around.certain))
        around = _Surroundings(config_of(node) or around.config, self._is_certain(node, around))
        for why in _flaws_of(node, around.config):
            if around.certain:
                yield Flaw(_shown(path), why)
            self.needs_trial = self.differs = True
        for steps, inner in _inner(node):
            yield from self.flaws(inner, (*path, *steps), self._within(node, around))

    def _is_certain(self, node: Schema, around: _Surroundings) -> bool:
        function = node.get("function")
        by_user = node["type"] in _READ_BY_FUNCTION and is_mapping(function) and _is_users(function)
        by_user = by_user or ("serialization" in node and _is_written_by_user(node["serialization"]))
        self.needs_trial = self.needs_trial or by_user
        return around.certain and not by_user

    def _within(self, node: Schema, around: _Surroundings) -> _Surroundings:
        """Leave open what a union's other members may read."""
        is_open = node["type"] == "union"
        return around._replace(certain=False) if is_open and not _has_records_only(node) else around


def _is_users(function: Schema) -> bool:
    return function_name(function["function"]) is not None


def _is_written_by_user(serialization: Schema) -> bool:
    return serialization.get("type") in _WRITTEN_BY_FUNCTION and _is_users(serialization)


def _has_records_only(node: Schema) -> bool:
    """Check whether no member of a union but one of its own kind reads what another has written."""
    return all(_bare(choice)["type"] in ("model", "dataclass", "typed-dict", "none") for choice in node["choices"])


def _bare(choice: Any) -> Schema:
    node = choice[0] if is_sequence(choice) else choice
    return cast("Schema", node)


def _inner(node: Schema) -> Iterator[tuple[Path, Any]]:
    """Yield the schemas inside of a node, and where each stands."""
    kind = node["type"]
    if kind in ("model-fields", "dataclass-args", "typed-dict", "named-tuple"):
        yield from (((name,), field["schema"]) for name, field in fields_of(node))
        return
    if kind in ("union", "tagged-union"):
        choices = node["choices"]
        yield from (((), _bare(choice)) for choice in (choices.values() if is_mapping(choices) else choices))
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


def _flaws_of(node: Schema, config: Schema) -> Iterator[str]:
    """Describe what a node, taken by itself, writes and does not read."""
    kind = node["type"]
    if kind in ("model-fields", "dataclass-args", "typed-dict"):
        yield from _flaws_of_fields(node, config)
    elif kind == "json" and "serialization" not in node and not config.get("ser_json_round_trip"):
        yield "Json[...] reads text and is written as what that text holds: declare the type inside of it alone"
    elif kind == "dict" and "keys_schema" in node:
        yield from _flaws_of_keys(node["keys_schema"], config)
    elif kind == "bytes":
        written, read = (config.get(name, "utf8") for name in ("ser_json_bytes", "val_json_bytes"))
        if written != read and "serialization" not in node:
            yield f"bytes are written as {written} and read as {read}: set ser_json_bytes and val_json_bytes alike"
    elif kind in _TEMPORAL and "serialization" not in node:
        yield from _flaws_of_time(node, config)
    elif kind in ("enum", "literal"):
        yield from _flaws_of_values(node)


def _flaws_of_time(node: Schema, config: Schema) -> Iterator[str]:
    unit, kind = config.get("ser_json_temporal", "iso8601"), node["type"]
    if unit == "iso8601" and kind == "timedelta" and config.get("ser_json_timedelta") == "float":
        unit = "seconds"
    if unit == "iso8601":
        return
    read = config.get("val_temporal_unit", "infer")
    if node.get("strict", config.get("strict")):
        yield f"a {kind} is written as a number, which a strict field does not read: write it as iso8601"
    elif node.get("tz_constraint") == "naive":
        yield f"a {kind} without a time zone is written as a number, which is read with one: write it as iso8601"
    elif kind in ("time", "timedelta") and unit == "milliseconds":
        yield f"a {kind} is written in milliseconds and read in seconds: write it as iso8601"
    elif kind in ("date", "datetime") and read not in ("infer", unit):
        yield f"a {kind} is written in {unit} and read in {read}: set ser_json_temporal and val_temporal_unit alike"


def _flaws_of_values(node: Schema) -> Iterator[str]:
    if node["type"] == "literal":
        odd = [value for value in node["expected"] if not _reads_as_literal(value)]
    elif node.get("sub_type") or node.get("missing"):
        odd = []
    else:
        odd = [member for member in node["members"] if not _is_scalar(member.value)]
    if odd:
        yield f"JSON has another value for {odd[0]!r}, which is not read as it: use text or numbers"


def _reads_as_literal(value: object) -> bool:
    """Check whether a literal is read from its JSON; a member of a plain ``Enum`` is not, though its value is."""
    return _is_scalar(value)


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _flaws_of_keys(keys: Schema, config: Schema) -> Iterator[str]:
    """Describe why a key, which JSON has as text, is not read as what it was."""
    inner = _key_kinds(keys)
    if inner is None:
        return
    kinds = [node["type"] for node in inner]
    bad = next((node for node in inner if not _reads_as_key(node, config)), None)
    if bad is not None:
        yield f"JSON has text for a key, and {_key_named(bad)} is not read from it: use text, or a list of pairs"
    elif "str" in kinds and len(set(kinds)) > 1:
        others = ", ".join(dict.fromkeys(kind for kind in kinds if kind not in _TEXT_KEYS))
        if others:
            yield f"JSON has text for every key, so one that is {others} is read as text: declare one type of key"


def _key_kinds(keys: Any) -> list[Schema] | None:
    """List what a key may be; ``None`` where a function of the user's has a say."""
    kind = keys["type"]
    by_user = "serialization" in keys and _is_written_by_user(keys["serialization"])
    if by_user or kind in _READ_BY_FUNCTION or kind == "definition-ref":
        return None
    if kind in ("nullable", "union"):
        choices = [{"type": "none"}, keys["schema"]] if kind == "nullable" else map(_bare, keys["choices"])
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


def _key_named(node: Schema) -> str:
    named: Any = node.get("cls")
    return str(getattr(named, "__name__", node["type"]))


def _flaws_of_fields(node: Schema, config: Schema) -> Iterator[str]:
    written = [(name, _written_key(name, field)) for name, field in fields_of(node) if _is_written(field)]
    keys = [key for _, key in written]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        yield f"two fields are written as {twice!r}: give each its own alias"
    for name, field in fields_of(node):
        yield from _flaws_of_field(name, field, keys, config)
    if _forbids(node, config):
        read = [name for name, field in fields_of(node) if field.get("init") is not False]
        computed = [field.get("alias", field["property_name"]) for field in node.get("computed_fields", ())]
        unread = [*computed, *(name for name, _ in written if name not in read)]
        if unread:
            yield f'{unread[0]!r} is written, and extra="forbid" refuses it: leave it out, or take extra="ignore"'


def _flaws_of_field(name: str, field: Schema, keys: Sequence[str], config: Schema) -> Iterator[str]:
    if field.get("init") is False:
        return
    is_required = _is_required(field)
    if not _is_written(field):
        if is_required:
            yield f"{name!r} is required and not written: give it a default, or do not exclude it"
        return
    key = _written_key(name, field)
    places = places_of(name, field, config)
    first = next((place for place in places if _head(place) in keys), None)
    if first == key:
        return
    if first is None or isinstance(first, str) or key not in places:
        reads = ", ".join(map(_place_shown, places)) or "nothing"
        yield f"{name!r} is written as {key!r} and read as {reads}: {_ALIASES}"


def _head(place: str | list[str | int]) -> str | int:
    return place if isinstance(place, str) else place[0]


def _place_shown(place: str | list[str | int]) -> str:
    return repr(place) if isinstance(place, str) else ".".join(map(str, place))


def _written_key(name: str, field: Schema) -> str:
    alias = field.get("serialization_alias")
    return alias if isinstance(alias, str) else name


def _is_written(field: Schema) -> bool:
    return not (field.get("serialization_exclude") or field.get("init_only"))


def _is_required(field: Schema) -> bool:
    if field["type"] == "typed-dict-field" and not field.get("required", True):
        return False
    inner = field["schema"]
    while inner["type"] not in ("default", "nullable") and "schema" in inner and "function" in inner:
        inner = inner["schema"]
    return bool(inner["type"] != "default")


def _forbids(node: Schema, config: Schema) -> bool:
    return bool(node.get("extra_behavior", config.get("extra_fields_behavior")) == "forbid")


def _shown(path: Path) -> str:
    text = ""
    for step in path:
        text += step if step == "[]" or not text else f".{step}"
    return text
