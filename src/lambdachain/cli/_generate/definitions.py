"""Merge the types of several JSON Schemas into one set of definitions with distinct names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from lambdachain._core.type_guards import is_mapping, is_sequence
from lambdachain.cli._exit_status import InputError

JsonSchema = dict[str, Any]

REQUEST: Final = "Request"
RESPONSE: Final = "Response"
ERROR: Final = "Error"
# The class around all types of a module, which the tools are given and whose text is removed.
TYPES_HOLDER: Final = "LambdachainContractTypes"

_PREFIX: Final = "#/$defs/"
_WORDS: Final = re.compile(r"[A-Za-z0-9]+")
# Keywords whose value maps names, which may look like keywords, to schemas.
_NAMED: Final = frozenset({"properties", "$defs", "patternProperties", "dependentSchemas"})
# Keywords whose value is data, which may look like a schema.
_DATA: Final = frozenset({"default", "const", "enum", "examples", "example", "required"})
_EXTENSION: Final = "x-lambdachain"


class Role(NamedTuple):
    """A type of a contract.

    Attributes:
        name: Its name where its schema has no title; an error's own name.
        schema: Its schema.
        suffix: What is appended to a name that stands for another type already.
        is_error: Whether it is a declared error, whose name is sent, and so is kept as it is.
    """

    name: str
    schema: JsonSchema
    suffix: str
    is_error: bool = False


class Merged(NamedTuple):
    """Definitions of all types, and the schema of each role: a reference for a named type, else the type itself."""

    definitions: dict[str, JsonSchema]
    roles: list[JsonSchema]


def merge_definitions(roles: Iterable[Role], reserved: Iterable[str] = ()) -> Merged:
    """Merge the definitions of several self-contained schemas.

    Equal types become one. Different types of the same name get distinct names: what a callee accepts and what it
    returns differ where a field has a default, for example. The later one gets the suffix of its role, as in
    ``ItemResponse``.

    Args:
        roles: The schemas; their ``$defs`` are merged.
        reserved: Names that no definition may have.

    Raises:
        InputError: A reference has no definition, or two errors of one name differ.
    """
    roles = list(roles)
    merger = _DefinitionMerger({*reserved, *(role.name for role in roles if role.is_error)})
    return Merged(merger.definitions, [merger.add(role) for role in roles])


def map_schemas(schema: Any, change: Any) -> Any:
    """Return a schema in which *change* was applied to each schema inside it, the innermost first."""
    if not is_mapping(schema):
        return schema
    changed: JsonSchema = {}
    for key, value in schema.items():
        if key in _DATA:
            changed[key] = value
        elif key == _EXTENSION and is_mapping(value):
            # Of what it has, only the keys of a mapping are a schema.
            changed[key] = {name: map_schemas(one, change) if name == "keys" else one for name, one in value.items()}
        elif key in _NAMED and is_mapping(value):
            changed[key] = {name: map_schemas(inner, change) for name, inner in value.items()}
        elif is_sequence(value):
            changed[key] = [map_schemas(inner, change) for inner in value]
        else:
            changed[key] = map_schemas(value, change)
    return change(changed)


def to_class_name(text: str) -> str:
    """Return the name of a class for a title or a key.

    >>> to_class_name("Page[Address]"), to_class_name("order placed"), to_class_name("ChargeRequest")
    ('PageAddress', 'OrderPlaced', 'ChargeRequest')
    """
    name = "".join(word[0].upper() + word[1:] for word in _WORDS.findall(text))
    # json-schema-to-typescript writes names in this way.
    name = re.sub(r"[0-9][a-z]", lambda found: found[0].upper(), name)
    return name if name and not name[0].isdigit() else f"Model{name}"


class _DefinitionMerger:
    def __init__(self, reserved: Iterable[str]) -> None:
        self.definitions: dict[str, JsonSchema] = {}
        self._names: dict[str, str] = {}  # from the whole text of a definition to its name
        self._errors: dict[str, str] = {}
        self._taken = set(reserved)

    def add(self, role: Role) -> JsonSchema:
        root = {key: value for key, value in role.schema.items() if key not in ("$defs", "$schema")}
        known: Mapping[str, JsonSchema] = role.schema.get("$defs", {})
        used = find_references(root, known)
        inner = {key: schema for key, schema in known.items() if key in used}
        names = {key: self._name_for(key, inner, role) for key in inner}
        for key, schema in inner.items():
            self.definitions.setdefault(names[key], _rename_references(schema, names) | {"title": names[key]})
        root = _rename_references(root, names)
        if "$ref" in root or not _is_class(root):
            return root
        title = role.name if role.is_error else str(root.get("title") or role.name)
        name = self._name_for(title, {**inner, title: root} if title not in inner else {title: root}, role)
        self.definitions.setdefault(name, {**root, "title": name})
        return {"$ref": _PREFIX + name}

    def _name_for(self, key: str, schemas: Mapping[str, JsonSchema], role: Role) -> str:
        # Equal names may stand for different types, so what a definition refers to counts, too.
        closure = json.dumps([_to_title(key, schemas[key]), schemas[key], find_references(schemas[key], schemas)])
        if role.is_error and key == role.name:
            return self._name_error(closure, key)
        if closure not in self._names:
            title = to_class_name(_to_title(key, schemas[key]))
            candidates = [title, title + role.suffix, *(f"{title}{number}" for number in range(2, 1000))]
            name = next(name for name in candidates if name not in self._taken)
            self._taken.add(name)
            self._names[closure] = name
        return self._names[closure]

    def _name_error(self, closure: str, name: str) -> str:
        if self._errors.setdefault(name, closure) != closure:
            raise InputError(f"two errors are named {name} and differ: generate a module for each of their contracts")
        return name


def _to_title(key: str, schema: JsonSchema) -> str:
    title = schema.get("title")
    return title if isinstance(title, str) and title else key


def _is_class(schema: JsonSchema) -> bool:
    """Check whether a type has a name of its own: an object with fields, or an enumeration that has a title."""
    has_fields = "properties" in schema or (schema.get("type") == "object" and "title" in schema)
    return has_fields or "allOf" in schema or ("enum" in schema and "title" in schema)


def find_references(schema: JsonSchema, definitions: Mapping[str, JsonSchema]) -> dict[str, JsonSchema]:
    """Return the definitions that a schema refers to, directly or through others."""
    found: dict[str, JsonSchema] = {}
    waiting = _list_references(schema)
    while waiting:
        name = waiting.pop()
        if name not in found and name in definitions:
            found[name] = definitions[name]
            waiting += _list_references(definitions[name])
    return found


def _list_references(schema: JsonSchema) -> list[str]:
    names: list[str] = []

    def note(inner: JsonSchema) -> JsonSchema:
        reference = inner.get("$ref")
        if isinstance(reference, str):
            names.append(reference.removeprefix(_PREFIX))
        return inner

    map_schemas(schema, note)
    return names


def _rename_references(schema: JsonSchema, names: Mapping[str, str]) -> JsonSchema:
    def rename(reference: Any) -> Any:
        name = str(reference).removeprefix(_PREFIX)
        if name not in names:
            raise InputError(f"the schema has no definition of {reference}")
        return _PREFIX + names[name]

    def change(inner: JsonSchema) -> JsonSchema:
        if isinstance(inner.get("$ref"), str):
            inner = {**inner, "$ref": rename(inner["$ref"])}
        mapping = inner.get("discriminator", {})
        if is_mapping(mapping) and is_mapping(mapping.get("mapping")):
            renamed = {value: rename(reference) for value, reference in mapping["mapping"].items()}
            inner = {**inner, "discriminator": {**mapping, "mapping": renamed}}
        return inner

    renamed: JsonSchema = map_schemas(schema, change)
    return renamed
