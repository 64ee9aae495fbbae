"""Inspect a pydantic core schema: what the values of a type may hold, and how they are validated and serialized.

Pure functions that walk the schema, called once for each type: floats (which may be NaN), secrets (``SecretStr``, which
JSON masks; see ``secret_masking``), records, fields and their aliases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lambdachain._core.errors import ContractError, ErrorDetail
from lambdachain._core.type_guards import is_mapping, is_sequence

if TYPE_CHECKING:
    from pydantic_core import SchemaSerializer, SchemaValidator

Schema = Mapping[str, Any]

# A list of the types that hold none: one that a later release of pydantic adds may hold floats.
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
_VALIDATED_DIFFERENTLY_AS_JSON: Final = frozenset(
    {"union", "tagged-union", "bytes", "json", "custom-error", "json-or-python"}
)
_SERIALIZED_BY_USER: Final = frozenset({"any", "function-plain", "function-wrap"})
_MAY_NOT_ROUND_TRIP: Final = frozenset({"json", "function-before", "function-plain", "function-wrap"})
_ROUND_TRIP_FIELD_KEYS: Final = frozenset(
    {"validation_alias", "serialization_alias", "serialization_exclude", "init_only", "init"}
)
_ROUND_TRIP_CONFIG_KEYS: Final = frozenset(
    {"ser_json_bytes", "val_json_bytes", "ser_json_timedelta", "ser_json_temporal"}
)
# The functions with which pydantic masks a secret: local to the classes up to pydantic 2.10, in the module later.
_SECRET_SERIALIZERS: Final = ("_serialize_secret", "Secret.", "_SecretField.")
_TEXT: Final = {"type": "str"}
# What is under these keys may have a "type", but is not the schema of a value.
_NO_TYPES: Final = frozenset({"metadata", "serialization"})
_NOT_FOR_JSON: Final = _NO_TYPES | {"python_schema", "strict_schema"}

PostEncodeCheck = Callable[[object, bytes], list[ErrorDetail]]
"""A check of a value and its JSON: returns what would be lost or changed."""


class CompiledType(NamedTuple):
    """What pydantic builds for a type."""

    schema: object
    validator: SchemaValidator
    serializer: SchemaSerializer


class NotYetDefinedError(ContractError):
    """A type refers to another that is not defined yet."""


def is_deferred(annotation: object) -> bool:
    """Check whether pydantic has put off building a model or dataclass."""
    return isinstance(annotation, type) and vars(annotation).get("__pydantic_complete__") is False


def find_compiled(annotation: object) -> CompiledType | None:
    """Return what pydantic has built for a model or dataclass; ``None`` for other types, or if that is deferred."""
    # vars(), not getattr(): a plain subclass of a pydantic dataclass would find the parts of its base.
    members: Mapping[str, Any] = vars(annotation) if isinstance(annotation, type) else {}
    if members.get("__pydantic_complete__") is not True or "__pydantic_core_schema__" not in members:
        return None
    return CompiledType(
        members["__pydantic_core_schema__"], members["__pydantic_validator__"], members["__pydantic_serializer__"]
    )


def iter_nodes(
    schema: object, skip_keys: frozenset[str] = _NO_TYPES, skip: Callable[[Schema], bool] = lambda _node: False
) -> Iterator[Schema]:
    """Yield *schema* and every schema inside it, except under *skip_keys* and in the nodes that *skip* is true for."""
    if is_mapping(schema):
        if isinstance(schema.get("type"), str):
            if skip(schema):
                return
            yield schema
        for key, inner in schema.items():
            if key not in skip_keys:
                yield from iter_nodes(inner, skip_keys, skip)
    elif is_sequence(schema):
        for inner in schema:
            yield from iter_nodes(inner, skip_keys, skip)


def has_only_declared_floats(schema: object) -> bool:
    """Check whether every float is declared as one: only there does pydantic keep a NaN when it dumps objects."""
    return all(
        node["type"] == "float" and "serialization" not in node for node in iter_nodes(schema) if _may_be_float(node)
    )


def _may_be_float(node: Schema) -> bool:
    return node["type"] not in _HOLDS_NO_FLOAT or "serialization" in node or _is_open_ended(node)


def _is_open_ended(node: Schema) -> bool:
    """Check whether a node accepts values whose type it does not declare."""
    kind = node["type"]
    if kind == "any":
        return True
    if kind == "dict":
        return not ("values_schema" in node and "keys_schema" in node)
    if kind in _ITEMS_OF:
        return _ITEMS_OF[kind] not in node
    config = get_config(node)
    is_open = node.get("extra_behavior") == "allow" or config.get("extra_fields_behavior") == "allow"
    return is_open or bool(config.get("polymorphic_serialization"))  # a subclass's own fields are written, too


def get_float_keys(schema: object) -> frozenset[str] | None:
    """Return the keys that floats are written under; ``None`` if there may be one that is not a field's whole value.

    A float may be a NaN, which pydantic writes as ``null``: these keys show where to look for it.
    """
    if any(_may_be_float(node) for node in iter_nodes(schema, skip=_is_float_field)):
        return None
    fields = (name_and_field for node in iter_nodes(schema) for name_and_field in iter_fields(node))
    keys = frozenset(key for name, field in fields if _is_float_field(field) for key in (name, *_iter_aliases(field)))
    # The keys are searched for in JSON as they are, so they must not need an escape there.
    return keys if all(key.isprintable() and not {'"', "\\"} & set(key) for key in keys) else None


def writes_nan_literals(schema: object) -> bool:
    """Check whether a NaN of a declared float is written as ``NaN`` instead of ``null``, pydantic's default."""
    return any(get_config(node).get("ser_json_inf_nan") == "constants" for node in iter_nodes(schema))


def _is_float_field(node: Schema) -> bool:
    inner: Any = node["schema"] if node["type"] in _FIELDS else {}
    while inner.get("type") in ("default", "nullable") and "serialization" not in inner:
        inner = inner["schema"]
    return inner.get("type") == "float" and "serialization" not in inner


def iter_fields(node: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield the fields of a node, with their names."""
    fields = node.get("fields")
    if is_mapping(fields):
        yield from fields.items()
    elif is_sequence(fields):
        # The node of a dataclass lists names under this key; that of its arguments lists nodes.
        yield from ((field["name"], field) for field in fields if is_mapping(field))


def validates_like_json(schema: object) -> bool:
    """Check whether a decoded JSON value validates as its JSON text would.

    It may not where pydantic is strict (a date may be a string in JSON, but not in Python), chooses among the members
    of a union, or decodes bytes by a configured rule.
    """
    return not any(
        node["type"] in _VALIDATED_DIFFERENTLY_AS_JSON or node.get("strict") or get_config(node).get("strict")
        for node in iter_nodes(schema)
    )


class SchemaTraits(NamedTuple):
    """What one walk over a schema finds.

    Attributes:
        not_json: The first part that JSON cannot represent, such as ``"callable"``; ``None`` if JSON can represent all.
        may_not_round_trip: Whether a part may be written in another way than it is read.
        may_hold_secrets: Whether a value may hold a secret that the type does not declare.
        record_classes: The models and dataclasses of which only the declared fields are written, not a subclass's.
        has_decimals: Whether a number may be read as a ``Decimal``.
    """

    not_json: str | None
    may_not_round_trip: bool
    may_hold_secrets: bool
    record_classes: tuple[type, ...]
    has_decimals: bool


def inspect_schema(schema: Any) -> SchemaTraits:
    """Walk a schema once, for everything that is needed of every type."""
    kinds, record_classes = set[str](), dict[type, None]()
    not_json: list[str] = []
    may_not_round_trip = may_hold_secrets = False
    definitions = get_definitions(schema)
    seen = set[tuple[str, bool]]()
    # The flag says that the node is inside one that a user's function writes, where pydantic's own serializers do not
    # apply: a secret there is the user's to write. So a definition is visited once for each value of the flag.
    rest: list[tuple[Any, bool]] = [(schema["schema"] if definitions else schema, False)]
    while rest:
        node, by_user = rest.pop()
        if not is_mapping(node):
            rest.extend((inner, by_user) for inner in node if _is_schema(inner))
            continue
        kind = node.get("type")
        if isinstance(kind, str):
            serialization = node.get("serialization")
            not_json += _find_not_json(node, kind, serialization, by_user=by_user)
            by_user = by_user or _is_serialized_by_user(serialization)
            kinds.add(kind)
            may_hold_secrets = may_hold_secrets or by_user or _is_open_ended(node)
            may_not_round_trip = may_not_round_trip or _may_not_round_trip(node, kind, serialization)
            if kind in ("model", "dataclass") and not (by_user or get_config(node).get("polymorphic_serialization")):
                record_classes[node["cls"]] = None
            if kind == "definition-ref" and (node["schema_ref"], by_user) not in seen:
                seen.add((node["schema_ref"], by_user))
                rest.append((definitions.get(node["schema_ref"], ()), by_user))
        rest.extend((node[key], by_user) for key in node if key not in _NOT_FOR_JSON and _is_schema(node[key]))
    return SchemaTraits(
        not_json[0] if not_json else None,
        may_not_round_trip,
        may_hold_secrets,
        tuple(record_classes),
        "decimal" in kinds,
    )


def get_definitions(schema: Any) -> dict[str, Any]:
    """Return the schemas that ``definition-ref`` nodes refer to, by their references."""
    return {found["ref"]: found for found in schema["definitions"]} if schema["type"] == "definitions" else {}


def _is_schema(value: object) -> bool:
    return isinstance(value, (dict, list, tuple))


def _find_not_json(node: Schema, kind: str, serialization: Any, *, by_user: bool) -> Iterator[str]:
    if serialization is None and kind in _NOT_JSON:
        yield kind
    elif serialization is None and kind == "is-instance":
        yield f"an instance of {_get_class_name(node)}"
    elif not by_user and serialization and _masks_secret(serialization):
        secret = _get_secret_type_name(node)
        yield f"{secret}, which is written as asterisks: add a serializer that writes its value"


def _masks_secret(serialization: Schema) -> bool:
    """Check whether a value is written as asterisks, which the serializer of pydantic's secrets does."""
    function: Any = serialization.get("function")
    is_pydantic = getattr(function, "__module__", "") == "pydantic.types"
    return is_pydantic and str(function.__qualname__).startswith(_SECRET_SERIALIZERS)


def _is_serialized_by_user(serialization: Schema | None) -> bool:
    """Check whether a node is written by a user's function, or by the type of its value."""
    return (
        serialization is not None
        and serialization.get("type") in _SERIALIZED_BY_USER
        and not _masks_secret(serialization)
    )


def _get_secret_type_name(node: Schema) -> str:
    made_by: Any = node["json_schema"].get("function", {}).get("function")
    return made_by.__name__ if isinstance(made_by, type) else "Secret"


def _may_not_round_trip(node: Schema, kind: str, serialization: Any) -> bool:
    """Check whether a node may be written in another way than it is read; ``round_trip`` finds out whether it is."""
    if serialization is not None:
        return not _masks_secret(serialization)
    if kind in _MAY_NOT_ROUND_TRIP:
        return True
    if kind in _FIELDS:
        return not _ROUND_TRIP_FIELD_KEYS.isdisjoint(node)
    if kind == "dict":
        return bool(node.get("keys_schema", _TEXT).get("type") != "str")
    if kind in ("enum", "literal"):
        values = node["expected"] if kind == "literal" else [member.value for member in node["members"]]
        return not all(isinstance(value, str) for value in values)
    return bool(node.get("computed_fields")) or not _ROUND_TRIP_CONFIG_KEYS.isdisjoint(get_config(node))


def get_declared_names(schema: object) -> frozenset[str]:
    """Return the names and aliases of all fields in the schema; keys of a mapping are data, and not among them."""
    names: set[str] = set()
    for node in iter_nodes(schema):
        for name, field in iter_fields(node):
            names.update({name, *_iter_aliases(field)})
    return frozenset(names)


def _iter_aliases(field: Schema) -> Iterator[str]:
    for key in ("validation_alias", "serialization_alias"):
        yield from _iter_strings(field.get(key))


def _iter_strings(alias: object) -> Iterator[str]:
    if isinstance(alias, str):
        yield alias
    elif is_sequence(alias):
        for part in alias:
            yield from _iter_strings(part)


def _get_class_name(node: Schema) -> str:
    return str(getattr(node["cls"], "__qualname__", node["cls"]))


def get_config(node: Schema) -> Mapping[str, Any]:
    """Return the config of a node itself; empty if it has none."""
    config = node.get("config")
    return config if is_mapping(config) else {}
