"""A node of a JSON Schema, with its references resolved: questions about the values that it allows.

``EXTENSION_KEYWORD`` is ``x-lambdachain``, with what JSON Schema cannot express: user validators, decimal digits, the
alternative names of a field.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from lambdachain._core.errors import ContractError
from lambdachain._core.type_guards import is_mapping, is_sequence
from lambdachain._json.core_schema import Schema
from lambdachain._json.json_schema import EXTENSION_KEYWORD

ANNOTATIONS: Final = frozenset(
    (
        *("$comment", "$defs", "$schema", "default", "deprecated"),
        *("description", "examples", "readOnly", "title", "writeOnly"),
    )
)
UNDERSTOOD: Final = frozenset(
    (
        *ANNOTATIONS,
        *("additionalProperties", "anyOf", "const", "discriminator", "enum", "exclusiveMaximum", "exclusiveMinimum"),
        *("format", "items", "maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minLength"),
        *("minProperties", "minimum", "multipleOf", "oneOf", "pattern", "prefixItems", "properties", "propertyNames"),
        *("required", "type", "uniqueItems"),
    )
)
_TYPE_NAMES: Final[dict[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}


@dataclass(frozen=True, eq=False)
class SchemaNode:
    """A schema with its references resolved.

    Attributes:
        node: The schema itself.
        defs: The definitions that its references name.
        ref: The reference that led here, if any. It identifies a definition, so that recursive schemas terminate.
    """

    node: Schema
    defs: Schema
    ref: str | None = None

    @classmethod
    def root(cls, schema: Schema) -> SchemaNode:
        """Return the node of a whole schema."""
        return cls.at(schema, schema.get("$defs", {}))

    @classmethod
    def at(cls, node: object, defs: Schema) -> SchemaNode:
        """Return a node for a schema inside of another; follow its references."""
        schema: Schema = node if is_mapping(node) else {"enum": []} if node is False else {}
        ref: str | None = None
        passed = set[str]()
        while "$ref" in schema:
            ref = str(schema["$ref"])
            target = defs.get(ref.rsplit("/", 1)[-1])
            if ref in passed or not is_mapping(target):
                raise ContractError(f"the JSON Schema refers to {ref}, which is not in its $defs")
            passed.add(ref)
            # Since draft 2019-09, keywords next to a $ref count, too.
            siblings = {key: value for key, value in schema.items() if key != "$ref"}
            schema = _merge(target, siblings)
            changes = {key: value for key, value in siblings.items() if key not in ANNOTATIONS}
            ref = f"{ref} {json.dumps(changes, sort_keys=True)}" if changes else ref
        return cls(schema, defs, ref)

    def child(self, node: object) -> SchemaNode:
        """Return the node of a schema inside of this one."""
        return SchemaNode.at(node, self.defs)

    @cached_property
    def extensions(self) -> Schema:
        """What JSON Schema cannot express."""
        extensions = self.node.get(EXTENSION_KEYWORD, {})
        return extensions if is_mapping(extensions) else {}

    @cached_property
    def checks(self) -> frozenset[str]:
        """The names of user functions that may reject a value."""
        return frozenset(self.extensions.get("checks", ()))

    @cached_property
    def opaque(self) -> str | None:
        """The name of the user function that makes or reads the value, if it has no schema."""
        return self.extensions.get("opaque")

    @cached_property
    def unknown_keywords(self) -> Schema:
        """The keywords that are not supported here."""
        return {key: value for key, value in self.node.items() if key not in UNDERSTOOD and not key.startswith("x-")}

    @cached_property
    def type(self) -> str:
        """The JSON type; empty for any type."""
        declared = self.node.get("type", "")
        return declared if isinstance(declared, str) else ""

    @cached_property
    def is_anything(self) -> bool:
        """Whether every value is allowed."""
        return not (self.node.keys() - ANNOTATIONS - {EXTENSION_KEYWORD}) and not self.checks and self.opaque is None

    @cached_property
    def values(self) -> tuple[Any, ...] | None:
        """The allowed values, if they are enumerated."""
        if "const" in self.node:
            return (self.node["const"],)
        listed = self.node.get("enum")
        return tuple(listed) if is_sequence(listed) else None

    @cached_property
    def alternatives(self) -> tuple[SchemaNode, ...]:
        """The alternatives of a union, each with what applies to all of them; empty if it is not a union."""
        types = self.node.get("type")
        # ``{"type": ["string", "null"]}`` is a union, too, in schemas that were written by hand.
        if is_sequence(types):
            return tuple(self.child({**self.node, "type": kind}) for kind in types)
        options = self.node.get("anyOf") or self.node.get("oneOf") or ()
        common = {
            **self.unknown_keywords,
            **({EXTENSION_KEYWORD: {"checks": sorted(self.checks)}} if self.checks else {}),
        }
        return tuple(self.child(_merge(option, common)) for option in options)

    @cached_property
    def tag(self) -> str | None:
        """The property whose value selects the alternative."""
        discriminator = self.node.get("discriminator")
        return discriminator.get("propertyName") if is_mapping(discriminator) else None

    def get_tagged(self, value: object) -> SchemaNode | None:
        """Return the alternative that a value of the tag selects."""
        name = json.dumps(value) if value is None or isinstance(value, bool) else str(value)
        schema = self.node["discriminator"].get("mapping", {}).get(name)
        return None if schema is None else self.child({"$ref": schema} if isinstance(schema, str) else schema)

    def without_unknowns(self) -> SchemaNode:
        """Return this node without validators and unsupported keywords."""
        known = {key: value for key, value in self.node.items() if key not in self.unknown_keywords}
        extensions = {name: value for name, value in self.extensions.items() if name != "checks"}
        return SchemaNode({**known, EXTENSION_KEYWORD: extensions}, self.defs)

    def with_constant(self, name: str, value: object) -> SchemaNode:
        """Return this object with a constant value for one property."""
        properties = {**self.node.get("properties", {}), name: {"const": value}}
        return SchemaNode({**self.node, "properties": properties}, self.defs)

    @cached_property
    def properties(self) -> Mapping[str, SchemaNode]:
        """The declared fields of an object."""
        return {name: self.child(node) for name, node in self.node.get("properties", {}).items()}

    @cached_property
    def required(self) -> frozenset[str]:
        """The required fields."""
        return frozenset(self.node.get("required", ()))

    @cached_property
    def additional_read(self) -> SchemaNode | None:
        """The schema of undeclared fields when reading; ``None`` if they are rejected."""
        rest = self.node.get("additionalProperties", True)
        return None if rest is False else self.child(rest)

    @cached_property
    def additional_written(self) -> SchemaNode | None:
        """The schema of undeclared fields when writing; ``None`` for a model, which writes only its fields."""
        rest = self.node.get("additionalProperties", "properties" not in self.node)
        return None if rest is False else self.child(rest)

    @cached_property
    def key(self) -> SchemaNode | None:
        """The schema of the keys of a mapping; ``None`` for any string."""
        schema = self.node.get("propertyNames", self.extensions.get("keys"))
        return None if schema is None else self.child(schema)

    def get_read_locations(self, name: str) -> list[str | list[str | int]]:
        """Return the names or paths that a field is read from, in order."""
        return list(self.extensions.get("names", {}).get(name, (name,)))

    @cached_property
    def prefix_items(self) -> tuple[SchemaNode, ...]:
        """The leading elements of an array, each with a schema of its own."""
        return tuple(self.child(node) for node in self.node.get("prefixItems", ()))

    def element(self, position: int) -> SchemaNode:
        """Return the schema of the element at *position* of an array."""
        return (
            self.prefix_items[position]
            if position < len(self.prefix_items)
            else self.child(self.node.get("items", True))
        )

    # Two nodes of different documents cannot be compared by their references, so compare everything they refer to.
    def fingerprint(self) -> str:
        """Return a string that is equal for equivalent schemas, with the definitions that they refer to."""
        reached = dict(_find_definitions(self.node, self.defs, set()))
        return json.dumps(
            [_strip_annotations(self.node), {name: _strip_annotations(node) for name, node in reached.items()}],
            sort_keys=True,
        )


def json_type(value: object) -> str:
    """Return the JSON type of a value."""
    return _TYPE_NAMES.get(type(value), "")


def _merge(schema: Schema, siblings: Schema) -> Schema:
    """Merge the keywords next to a reference into the schema that it refers to."""
    if not siblings:
        return schema
    inner, outer = schema.get(EXTENSION_KEYWORD, {}), siblings.get(EXTENSION_KEYWORD, {})
    # Both validators run, so neither list replaces the other.
    checks = [*outer.get("checks", ()), *inner.get("checks", ())]
    extensions = {**inner, **outer, **({"checks": checks} if checks else {})}
    return {**schema, **siblings, **({EXTENSION_KEYWORD: extensions} if extensions else {})}


def _find_definitions(node: object, defs: Schema, seen: set[str]) -> Iterator[tuple[str, object]]:
    if is_mapping(node):
        ref = node.get("$ref")
        name = ref.rsplit("/", 1)[-1] if isinstance(ref, str) else None
        if name is not None and name not in seen and name in defs:
            seen.add(name)
            yield name, defs[name]
            yield from _find_definitions(defs[name], defs, seen)
        for inner in node.values():
            yield from _find_definitions(inner, defs, seen)
    elif is_sequence(node):
        for inner in node:
            yield from _find_definitions(inner, defs, seen)


def _strip_annotations(node: object, *, names_fields: bool = False) -> object:
    """Remove the annotations, which do not restrict values; but not a field that is named ``title``, for example."""
    if is_mapping(node):
        return {
            key: _strip_annotations(inner, names_fields=not names_fields and key in ("properties", "$defs"))
            for key, inner in node.items()
            if names_fields or key not in ANNOTATIONS
        }
    return [_strip_annotations(inner) for inner in node] if is_sequence(node) else node
