"""Questions about a pydantic core schema, answered by walking it: pure functions, asked once a type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lambdachain._core.errors import ErrorDetail
from lambdachain._core.type_guards import is_mapping, is_sequence

if TYPE_CHECKING:
    from pydantic_core import SchemaSerializer, SchemaValidator

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
_BY_VALUE: Final = frozenset({"any", "function-plain", "function-wrap"})
_DIFFERING: Final = frozenset({"json", "function-before", "function-plain", "function-wrap"})
_DIFFERENT_FIELDS: Final = frozenset(
    {"validation_alias", "serialization_alias", "serialization_exclude", "init_only", "init"}
)
_DIFFERENT_CONFIG: Final = frozenset({"ser_json_bytes", "val_json_bytes", "ser_json_timedelta", "ser_json_temporal"})
# The functions are local to the classes up to pydantic 2.10, and stand in the module later.
_MASKING: Final = ("_serialize_secret", "Secret.", "_SecretField.")
_TEXT: Final = {"type": "str"}
_NO_TYPES: Final = frozenset({"metadata", "serialization"})
_NOT_FOR_JSON: Final = _NO_TYPES | {"python_schema", "strict_schema"}

Doubt = Callable[[object, bytes], list[ErrorDetail]]
"""What is asked of a value once it is written: what would be lost or changed."""


class Built(NamedTuple):
    """What pydantic makes of a type."""

    schema: object
    validator: SchemaValidator
    serializer: SchemaSerializer


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
    """Check whether floats stand only where the schema says so: there, pydantic keeps a NaN when it dumps objects."""
    return all(node["type"] == "float" and "serialization" not in node for node in nodes(schema) if _may_be_float(node))


def _may_be_float(node: Schema) -> bool:
    return node["type"] not in _HOLDS_NO_FLOAT or "serialization" in node or _is_open_ended(node)


def _is_open_ended(node: Schema) -> bool:
    """Check whether a node takes values of which it declares no type."""
    kind = node["type"]
    if kind == "any":
        return True
    if kind == "dict":
        return not ("values_schema" in node and "keys_schema" in node)
    if kind in _ITEMS_OF:
        return _ITEMS_OF[kind] not in node
    config = config_of(node)
    is_open = node.get("extra_behavior") == "allow" or config.get("extra_fields_behavior") == "allow"
    return is_open or bool(config.get("polymorphic_serialization"))  # what a subclass adds is written, too


def float_keys(schema: object) -> frozenset[str] | None:
    """Return the keys that floats are written under; ``None`` if one may stand elsewhere than in a field of its own.

    A float may be a NaN, which pydantic writes as ``null``.
    """
    if any(_may_be_float(node) for node in nodes(schema, without=_is_float_field)):
        return None
    fields = (named for node in nodes(schema) for named in fields_of(node))
    keys = frozenset(key for name, field in fields if _is_float_field(field) for key in (name, *_aliases(field)))
    return keys if all(key.isprintable() and not {'"', "\\"} & set(key) for key in keys) else None


def writes_nan_as_such(schema: object) -> bool:
    """Check whether a NaN of a declared float is written as ``NaN``, and not as pydantic's usual ``null``."""
    return any(config_of(node).get("ser_json_inf_nan") == "constants" for node in nodes(schema))


def _is_float_field(node: Schema) -> bool:
    inner: Any = node["schema"] if node["type"] in _FIELDS else {}
    while inner.get("type") in ("default", "nullable") and "serialization" not in inner:
        inner = inner["schema"]
    return inner.get("type") == "float" and "serialization" not in inner


def fields_of(node: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield a node's fields by their names."""
    fields = node.get("fields")
    if is_mapping(fields):
        yield from fields.items()
    elif is_sequence(fields):
        # A dataclass's node lists bare names beside its fields' own nodes.
        yield from ((field["name"], field) for field in fields if is_mapping(field))


def reads_like_json(schema: object) -> bool:
    """Check whether a decoded JSON value validates as its JSON text would.

    It does not where pydantic is strict (a date is text in JSON and only there), chooses among the members of a
    union, or decodes bytes by a configured rule.
    """
    return not any(
        node["type"] in _READS_DIFFERENTLY_AS_JSON or node.get("strict") or config_of(node).get("strict")
        for node in nodes(schema)
    )


class Traits(NamedTuple):
    """What one walk finds of a schema.

    Attributes:
        not_json: The first part that no JSON stands for, such as ``"callable"``; ``None`` if there is none.
        may_differ: Whether something in it may be written in another way than it is read.
        may_mask: Whether a secret may stand in it without being declared as one.
        records: The classes that are written by their own fields only, whatever a subclass of them adds.
        has_decimals: Whether a number may be read as a ``Decimal``.
    """

    not_json: str | None
    may_differ: bool
    may_mask: bool
    records: tuple[type, ...]
    has_decimals: bool


def traits_of(schema: Any) -> Traits:
    """Walk a schema once, for all that is asked of every type."""
    kinds, records = set[str](), dict[type, None]()
    not_json: list[str] = []
    may_differ = may_mask = False
    definitions = definitions_of(schema)
    seen = set[tuple[str, bool]]()
    rest: list[tuple[Any, bool]] = [(schema["schema"] if definitions else schema, False)]
    while rest:
        node, by_user = rest.pop()
        if not is_mapping(node):
            rest.extend((inner, by_user) for inner in node if _is_schema(inner))
            continue
        kind = node.get("type")
        if isinstance(kind, str):
            how = node.get("serialization")
            not_json += _not_json(node, kind, how, by_user=by_user)
            by_user = by_user or _is_written_otherwise(how)
            kinds.add(kind)
            may_mask = may_mask or by_user or _is_open_ended(node)
            may_differ = may_differ or _may_differ(node, kind, how)
            if kind in ("model", "dataclass") and not (by_user or config_of(node).get("polymorphic_serialization")):
                records[node["cls"]] = None
            if kind == "definition-ref" and (node["schema_ref"], by_user) not in seen:
                seen.add((node["schema_ref"], by_user))
                rest.append((definitions.get(node["schema_ref"], ()), by_user))
        rest.extend((node[key], by_user) for key in node if key not in _NOT_FOR_JSON and _is_schema(node[key]))
    return Traits(
        not_json[0] if not_json else None,
        may_differ,
        may_mask,
        tuple(records),
        "decimal" in kinds,
    )


def definitions_of(schema: Any) -> dict[str, Any]:
    """Return the schemas that others refer to, by their references."""
    return {found["ref"]: found for found in schema["definitions"]} if schema["type"] == "definitions" else {}


def _is_schema(value: object) -> bool:
    return isinstance(value, (dict, list, tuple))


def _not_json(node: Schema, kind: str, how: Any, *, by_user: bool) -> Iterator[str]:
    if how is None and kind in _NOT_JSON:
        yield kind
    elif how is None and kind == "is-instance":
        yield f"an instance of {_name_of(node)}"
    elif not by_user and how and _is_masking(how):
        yield f"{_secret_named(node)}, which is written as asterisks: give it a serializer that writes its value"


def _is_masking(how: Schema) -> bool:
    """Check whether a value is written as asterisks: by the function that pydantic's secrets have."""
    function: Any = how.get("function")
    is_pydantic = getattr(function, "__module__", "") == "pydantic.types"
    return is_pydantic and str(function.__qualname__).startswith(_MASKING)


def _is_written_otherwise(how: Schema | None) -> bool:
    """Check whether a node is written by a user's function, or by what its value is."""
    return how is not None and how.get("type") in _BY_VALUE and not _is_masking(how)


def _secret_named(node: Schema) -> str:
    made_by: Any = node["json_schema"].get("function", {}).get("function")
    return made_by.__name__ if isinstance(made_by, type) else "Secret"


def _may_differ(node: Schema, kind: str, how: Any) -> bool:
    """Check whether a node may be written in another way than it is read: what it does is for ``round_trip`` to say."""
    if how is not None:
        return not _is_masking(how)
    if kind in _DIFFERING:
        return True
    if kind in _FIELDS:
        return not _DIFFERENT_FIELDS.isdisjoint(node)
    if kind == "dict":
        return bool(node.get("keys_schema", _TEXT).get("type") != "str")
    if kind in ("enum", "literal"):
        values = node["expected"] if kind == "literal" else [member.value for member in node["members"]]
        return not all(isinstance(value, str) for value in values)
    return bool(node.get("computed_fields")) or not _DIFFERENT_CONFIG.isdisjoint(config_of(node))


def declared_names(schema: object) -> frozenset[str]:
    """Collect the names that the schema itself has for fields: names and aliases, never a mapping's keys."""
    names: set[str] = set()
    for node in nodes(schema):
        for name, field in fields_of(node):
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


def config_of(node: Schema) -> Mapping[str, Any]:
    """Return the config that a node has of its own."""
    config = node.get("config")
    return config if is_mapping(config) else {}
