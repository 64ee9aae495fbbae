"""Questions about a pydantic core schema, answered by walking it: pure functions, asked once a type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeGuard

Schema = Mapping[str, Any]

_HOLDS_NO_FLOAT: Final = frozenset(
    (
        "bool",
        "bytes",
        "dataclass",
        "dataclass-args",
        "dataclass-field",
        "date",
        "datetime",
        "decimal",
        "default",
        "definition-ref",
        "definitions",
        "dict",
        "enum",
        "frozenset",
        "int",
        "list",
        "literal",
        "model",
        "model-field",
        "model-fields",
        "multi-host-url",
        "none",
        "nullable",
        "set",
        "str",
        "tagged-union",
        "time",
        "timedelta",
        "tuple",
        "typed-dict",
        "typed-dict-field",
        "union",
        "url",
        "uuid",
    )
)
_ITEMS_OF: Final = {"list": "items_schema", "set": "items_schema", "frozenset": "items_schema", "tuple": "items_schema"}
_FIELDS: Final = frozenset({"model-field", "dataclass-field", "typed-dict-field"})
_NOT_JSON: Final = frozenset({"callable", "is-subclass"})
_READS_DIFFERENTLY_AS_JSON: Final = frozenset(
    {"union", "tagged-union", "bytes", "json", "custom-error", "json-or-python"}
)
_NO_TYPES: Final = frozenset({"metadata", "serialization"})
_NOT_FOR_JSON: Final = _NO_TYPES | {"python_schema", "strict_schema"}


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Tell whether *value* is a mapping, of whatever."""
    return isinstance(value, (dict, Mapping))  # a dict is one too, but the abstract class takes its time to say so


def is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    """Tell whether *value* is a list or a tuple, of whatever."""
    return isinstance(value, list | tuple)


def nodes(
    schema: object, left_out: frozenset[str] = _NO_TYPES, without: Callable[[Schema], bool] = lambda _node: False
) -> Iterator[Schema]:
    """Walk every schema inside *schema*, itself first, but for what is under the keys *left_out*, or in *without*."""
    if is_mapping(schema):
        if isinstance(schema.get("type"), str):
            if without(schema):
                return
            yield schema
        for key, inner in schema.items():
            if key not in left_out:
                yield from nodes(inner, left_out, without)
    elif is_sequence(schema):
        for inner in schema:
            yield from nodes(inner, left_out, without)


def declares_floats(schema: object) -> bool:
    """Tell whether floats stand only where the schema says so: there, pydantic keeps a NaN when it dumps objects."""
    return all(node["type"] == "float" and "serialization" not in node for node in nodes(schema) if _may_be_float(node))


def _may_be_float(node: Schema) -> bool:
    kind = node["type"]
    if kind not in _HOLDS_NO_FLOAT or "serialization" in node:
        return True
    if kind == "dict":
        return not ("values_schema" in node and "keys_schema" in node)
    if kind in _ITEMS_OF:
        return _ITEMS_OF[kind] not in node
    config = _config(node)
    is_open = node.get("extra_behavior") == "allow" or config.get("extra_fields_behavior") == "allow"
    return is_open or bool(config.get("polymorphic_serialization"))  # what a subclass adds is written, too


def float_keys(schema: object) -> frozenset[str] | None:
    """Give the keys that floats are written under; ``None`` if one may stand elsewhere than in a field of its own.

    A float may be a NaN, which pydantic writes as ``null``.
    """
    if any(_may_be_float(node) for node in nodes(schema, without=_is_float_field)):
        return None
    fields = (named for node in nodes(schema) for named in _fields(node))
    keys = frozenset(key for name, field in fields if _is_float_field(field) for key in (name, *_aliases(field)))
    return keys if all(key.isprintable() and not {'"', "\\"} & set(key) for key in keys) else None


def writes_nan_as_such(schema: object) -> bool:
    """Tell whether a NaN of a declared float is written as ``NaN``, and not as pydantic's usual ``null``."""
    return any(_config(node).get("ser_json_inf_nan") == "constants" for node in nodes(schema))


def _is_float_field(node: Schema) -> bool:
    inner: Any = node["schema"] if node["type"] in _FIELDS else {}
    while inner.get("type") in ("default", "nullable") and "serialization" not in inner:
        inner = inner["schema"]
    return inner.get("type") == "float" and "serialization" not in inner


def _fields(node: Schema) -> Iterator[tuple[str, Schema]]:
    """Give a node's fields by their names."""
    fields = node.get("fields")
    if is_mapping(fields):
        yield from fields.items()
    elif is_sequence(fields):
        # A dataclass's node lists bare names beside its fields' own nodes.
        yield from ((field["name"], field) for field in fields if is_mapping(field))


def reads_like_json(schema: object) -> bool:
    """Tell whether a decoded JSON value validates as its JSON text would.

    It does not where pydantic is strict (a date is text in JSON and only there), chooses among the members of a
    union, or decodes bytes by a configured rule.
    """
    return not any(
        node["type"] in _READS_DIFFERENTLY_AS_JSON or node.get("strict") or _config(node).get("strict")
        for node in nodes(schema)
    )


def not_json(schema: object) -> str | None:
    """Name the first part that no JSON stands for, such as ``"callable"``; ``None`` if there is none."""
    for node in nodes(schema, _NOT_FOR_JSON):
        if "serialization" not in node:
            if node["type"] in _NOT_JSON:
                return str(node["type"])
            if node["type"] == "is-instance":
                return f"an instance of {_name_of(node)}"
    secrets = (_name_of(node) for node in nodes(schema) if hasattr(node.get("cls"), "get_secret_value"))
    return next((f"{secret}, which is written as asterisks" for secret in secrets), None)


def declared_names(schema: object) -> frozenset[str]:
    """Collect the names that the schema itself has for fields: names and aliases, never a mapping's keys."""
    names: set[str] = set()
    for node in nodes(schema):
        for name, field in _fields(node):
            names.update({name, *_aliases(field)})
    return frozenset(names)


def _aliases(field: Schema) -> Iterator[str]:
    for key in ("validation_alias", "serialization_alias"):
        yield from _texts(field.get(key))


def _texts(alias: object) -> Iterator[str]:
    if isinstance(alias, str):
        yield alias
    elif is_sequence(alias):
        for part in alias:
            yield from _texts(part)


def _name_of(node: Schema) -> str:
    return str(getattr(node["cls"], "__qualname__", node["cls"]))


def _config(node: Schema) -> Mapping[str, Any]:
    config = node.get("config")
    return config if is_mapping(config) else {}
