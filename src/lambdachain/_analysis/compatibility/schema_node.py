"""One place in a JSON Schema, with its definitions at hand: pure questions about what a value there may be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from lambdachain._core.errors import ContractError
from lambdachain._core.type_guards import is_mapping, is_sequence
from lambdachain._json.core_schema import Schema
from lambdachain._json.json_schema import MARKS

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
    """A schema, its references followed.

    Attributes:
        node: The schema itself.
        defs: What its references name.
        ref: What tells it from others, if a reference led to it: schemas that refer to themselves end there.
    """

    node: Schema
    defs: Schema
    ref: str | None = None

    @classmethod
    def root(cls, schema: Schema) -> SchemaNode:
        """Begin at the top of a whole schema."""
        return cls.at(schema, schema.get("$defs", {}))

    @classmethod
    def at(cls, node: object, defs: Schema) -> SchemaNode:
        """Follow references, until there is something that says what a value may be."""
        schema: Schema = node if is_mapping(node) else {"enum": []} if node is False else {}
        ref: str | None = None
        passed = set[str]()
        while "$ref" in schema:
            ref = str(schema["$ref"])
            target = defs.get(ref.rsplit("/", 1)[-1])
            if ref in passed or not is_mapping(target):
                raise ContractError(f"the JSON Schema refers to {ref}, which is not among its $defs")
            passed.add(ref)
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            schema = _with(target, beside)
            told = {key: value for key, value in beside.items() if key not in ANNOTATIONS}
            ref = f"{ref} {json.dumps(told, sort_keys=True)}" if told else ref
        return cls(schema, defs, ref)

    def child(self, node: object) -> SchemaNode:
        """Return a part that stands inside this one."""
        return SchemaNode.at(node, self.defs)

    @cached_property
    def extensions(self) -> Schema:
        """What JSON Schema has no words for."""
        marks = self.node.get(MARKS, {})
        return marks if is_mapping(marks) else {}

    @cached_property
    def checks(self) -> frozenset[str]:
        """The user's functions that may refuse a value."""
        return frozenset(self.extensions.get("checks", ()))

    @cached_property
    def opaque(self) -> str | None:
        """Name what makes or reads the value, if nothing more is known of it."""
        return self.extensions.get("opaque")

    @cached_property
    def unknown_keywords(self) -> Schema:
        """Keywords that nothing is known about here."""
        return {key: value for key, value in self.node.items() if key not in UNDERSTOOD and not key.startswith("x-")}

    @cached_property
    def type(self) -> str:
        """The JSON type, empty for any."""
        given = self.node.get("type", "")
        return given if isinstance(given, str) else ""

    @cached_property
    def is_anything(self) -> bool:
        """Check whether every value fits."""
        return not (self.node.keys() - ANNOTATIONS - {MARKS}) and not self.checks and self.opaque is None

    @cached_property
    def values(self) -> tuple[Any, ...] | None:
        """The values there may be, if they are listed."""
        if "const" in self.node:
            return (self.node["const"],)
        listed = self.node.get("enum")
        return tuple(listed) if is_sequence(listed) else None

    @cached_property
    def alternatives(self) -> tuple[SchemaNode, ...]:
        """The alternatives of a union, each with what holds for all of them; empty if it is none."""
        types = self.node.get("type")
        if is_sequence(types):
            return tuple(self.child({**self.node, "type": kind}) for kind in types)
        forms = self.node.get("anyOf") or self.node.get("oneOf") or ()
        common = {**self.unknown_keywords, **({MARKS: {"checks": sorted(self.checks)}} if self.checks else {})}
        return tuple(self.child(_with(form, common)) for form in forms)

    @cached_property
    def tag(self) -> str | None:
        """The property that decides which alternative is read."""
        discriminator = self.node.get("discriminator")
        return discriminator.get("propertyName") if is_mapping(discriminator) else None

    def get_tagged(self, value: object) -> SchemaNode | None:
        """Return the alternative that a tag stands for."""
        name = json.dumps(value) if value is None or isinstance(value, bool) else str(value)
        form = self.node["discriminator"].get("mapping", {}).get(name)
        return None if form is None else self.child({"$ref": form} if isinstance(form, str) else form)

    def without_unknowns(self) -> SchemaNode:
        """Return this part without what cannot be judged from here."""
        known = {key: value for key, value in self.node.items() if key not in self.unknown_keywords}
        marks = {name: mark for name, mark in self.extensions.items() if name != "checks"}
        return SchemaNode({**known, MARKS: marks}, self.defs)

    def with_constant(self, name: str, value: object) -> SchemaNode:
        """Return this object with one property settled."""
        properties = {**self.node.get("properties", {}), name: {"const": value}}
        return SchemaNode({**self.node, "properties": properties}, self.defs)

    @cached_property
    def properties(self) -> Mapping[str, SchemaNode]:
        """The declared fields of an object."""
        return {name: self.child(node) for name, node in self.node.get("properties", {}).items()}

    @cached_property
    def required(self) -> frozenset[str]:
        """The fields that must be there."""
        return frozenset(self.node.get("required", ()))

    @cached_property
    def additional_read(self) -> SchemaNode | None:
        """What other fields may hold, for who reads; ``None`` where they are refused."""
        rest = self.node.get("additionalProperties", True)
        return None if rest is False else self.child(rest)

    @cached_property
    def additional_written(self) -> SchemaNode | None:
        """What other fields may hold, for who writes; ``None`` where there are none: a model writes what it has."""
        rest = self.node.get("additionalProperties", "properties" not in self.node)
        return None if rest is False else self.child(rest)

    @cached_property
    def key(self) -> SchemaNode | None:
        """What the keys of a mapping may be; ``None`` for any text."""
        form = self.node.get("propertyNames", self.extensions.get("keys"))
        return None if form is None else self.child(form)

    def get_read_locations(self, name: str) -> list[str | list[str | int]]:
        """Return under which names, or where, a field is read."""
        return list(self.extensions.get("names", {}).get(name, (name,)))

    @cached_property
    def prefix_items(self) -> tuple[SchemaNode, ...]:
        """The leading elements of an array that have a schema each."""
        return tuple(self.child(node) for node in self.node.get("prefixItems", ()))

    def element(self, position: int) -> SchemaNode:
        """Return what an array has at *position*."""
        return (
            self.prefix_items[position]
            if position < len(self.prefix_items)
            else self.child(self.node.get("items", True))
        )

    def fingerprint(self) -> str:
        """Return a text that is the same for what means the same, with everything it refers to."""
        reached = dict(_reached(self.node, self.defs, set()))
        return json.dumps([_bare(self.node), {name: _bare(node) for name, node in reached.items()}], sort_keys=True)


def json_type(value: object) -> str:
    """Name the JSON type of a value."""
    return _TYPE_NAMES.get(type(value), "")


def _with(schema: Schema, beside: Schema) -> Schema:
    """Lay what stands beside a reference over what it refers to."""
    if not beside:
        return schema
    inner, outer = schema.get(MARKS, {}), beside.get(MARKS, {})
    checks = [*outer.get("checks", ()), *inner.get("checks", ())]
    marks = {**inner, **outer, **({"checks": checks} if checks else {})}
    return {**schema, **beside, **({MARKS: marks} if marks else {})}


def _reached(node: object, defs: Schema, seen: set[str]) -> Iterator[tuple[str, object]]:
    if is_mapping(node):
        ref = node.get("$ref")
        name = ref.rsplit("/", 1)[-1] if isinstance(ref, str) else None
        if name is not None and name not in seen and name in defs:
            seen.add(name)
            yield name, defs[name]
            yield from _reached(defs[name], defs, seen)
        for inner in node.values():
            yield from _reached(inner, defs, seen)
    elif is_sequence(node):
        for inner in node:
            yield from _reached(inner, defs, seen)


def _bare(node: object, *, names_fields: bool = False) -> object:
    """Drop what says nothing about values; a field may be called ``title`` all the same."""
    if is_mapping(node):
        return {
            key: _bare(inner, names_fields=not names_fields and key in ("properties", "$defs"))
            for key, inner in node.items()
            if names_fields or key not in ANNOTATIONS
        }
    return [_bare(inner) for inner in node] if is_sequence(node) else node
