"""Describe the changes between two schemas, whether they break callers or not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from .rendering import describe_schema, format_values
from .schema_node import SchemaNode


@dataclass(slots=True)
class SchemaDiff:
    """The changes between two schemas.

    Attributes:
        words: Descriptions, by path.
        renamed: The former names of fields that seem renamed, by path: an equal field was removed.
    """

    words: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    renamed: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, path: str, *words: str) -> None:
        """Add descriptions of changes at *path*."""
        if words:
            known = self.words.setdefault(path, [])
            known += [word for word in words if word not in known]

    def merge(self, inside: SchemaDiff, path: str) -> None:
        """Add the changes of a part whose paths are relative to *path*."""
        for place, words in inside.words.items():
            self.add(path + place, *words)
        self.renamed |= {path + place: name for place, name in inside.renamed.items()}


def diff_schemas(old: SchemaNode, new: SchemaNode, path: str, *, reading: bool) -> SchemaDiff:
    """Return the changes between two schemas.

    Args:
        old: The schema before.
        new: The schema after.
        path: The path of the whole.
        reading: Whether the schemas describe what is accepted, as opposed to what is written.
    """
    differ = _SchemaDiffer({}, reading=reading)
    differ.compare(old, new, path)
    return differ.found


class _SchemaDiffer:
    """Walks two schemas in parallel. *met* has the result for each pair of definitions that was compared."""

    def __init__(self, met: dict[tuple[str, str], SchemaDiff], *, reading: bool) -> None:
        self.found = SchemaDiff()
        self._add = self.found.add
        self._reading = reading
        self._met = met

    def compare(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        before, after = _get_alternatives(old), _get_alternatives(new)
        # Nullability is described by itself, so that ``int | None`` and ``int`` are compared as integers.
        self._compare_nullability(old, new, path)
        if len(before) == len(after) == 1:
            self._compare_single(before[0], after[0], path)
        else:
            self._compare_alternatives(before, after, path)
        self._compare_validators(old, new, path)

    def _compare_single(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        if old.ref is None or new.ref is None:
            self._compare_plain(old, new, path)
            return
        pair = (old.ref, new.ref)
        if pair not in self._met:
            self._met[pair] = SchemaDiff()  # a definition inside of itself is not described again
            inside = _SchemaDiffer(self._met, reading=self._reading)
            inside._compare_plain(old, new, "")
            self._met[pair] = inside.found
        self.found.merge(self._met[pair], path)

    def _compare_nullability(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        before, after = _may_be_null(old), _may_be_null(new)
        if before != after:
            self._add(path, "may be null now" if after else "may no longer be null")

    def _compare_alternatives(self, before: list[SchemaNode], after: list[SchemaNode], path: str) -> None:
        was, is_now = {_get_title(part): part for part in before}, {_get_title(part): part for part in after}
        for name in was.keys() & is_now.keys():
            self.compare(was[name], is_now[name], path)
        self._add(path, *(f"may no longer be {name}" for name in was if name not in is_now))
        self._add(path, *(f"may be {name} now" for name in is_now if name not in was))

    def _compare_plain(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        if old.values is not None and new.values is not None:
            self._compare_values(old.values, new.values, path)
        elif old.type == new.type == "object" and not old.is_anything and not new.is_anything:
            self._compare_objects(old, new, path)
        elif old.type == new.type == "array":
            self._compare_arrays(old, new, path)
        elif describe_schema(old) != describe_schema(new):
            self._add(path, f"was {describe_schema(old)}, is {describe_schema(new)} now")

    def _compare_values(self, old: tuple[object, ...], new: tuple[object, ...], path: str) -> None:
        removed = tuple(value for value in old if value not in new)
        added = tuple(value for value in new if value not in old)
        self._add(path, *([f"may no longer be {format_values(removed)}"] if removed else []))
        self._add(path, *([f"may be {format_values(added)} now"] if added else []))

    def _compare_validators(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        self._add(path, *(f"is validated by {name} now" for name in sorted(new.checks - old.checks)))
        self._add(path, *(f"is no longer validated by {name}" for name in sorted(old.checks - new.checks)))

    def _compare_objects(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        for name in [*old.properties, *(name for name in new.properties if name not in old.properties)]:
            self._compare_fields(old, new, name, f"{path}.{name}")
        self._find_renamed(old, new, path)
        self._compare_sizes(old, new, path, ("minProperties", "maxProperties"))
        before, after = _get_additional(old, reading=self._reading), _get_additional(new, reading=self._reading)
        if before is not None and after is not None:
            self.compare(before, after, f"{path}.*")
        elif before is not after:
            self._add(path, "rejects unknown fields now" if after is None else "accepts unknown fields now")
        key_before, key_after = (describe_schema(part.key) if part.key else "any text" for part in (old, new))
        if key_before != key_after:
            self._add(f"{path}.*", f"keys were {key_before}, are {key_after} now")

    def _compare_fields(self, old: SchemaNode, new: SchemaNode, name: str, path: str) -> None:
        before, after = old.properties.get(name), new.properties.get(name)
        if before is None and after is not None:
            self._add(path, f"added: {describe_schema(after)}, {self._describe_presence(new, name)}")
        elif after is None:
            self._add(path, "removed")
        elif before is not None:
            self._compare_presence(old, new, name, path)
            self._compare_defaults(before, after, path)
            self._add(path, *_compare_names(old, new, name))
            self.compare(before, after, path)

    def _find_renamed(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        removed = {name: part.fingerprint() for name, part in old.properties.items() if name not in new.properties}
        added = {name: part.fingerprint() for name, part in new.properties.items() if name not in old.properties}
        # Equal schemas are evidence of a rename only if no other field has the same schema.
        for name, shape in added.items():
            before = [other for other, other_shape in removed.items() if shape == other_shape]
            if len(before) == 1 and list(added.values()).count(shape) == 1:
                self.found.renamed[f"{path}.{name}"] = before[0]

    def _describe_presence(self, part: SchemaNode, name: str) -> str:
        if self._reading:
            return "required" if name in part.required else "optional"
        return "always written" if name in part.required else "may be omitted"

    def _compare_presence(self, old: SchemaNode, new: SchemaNode, name: str, path: str) -> None:
        before, after = self._describe_presence(old, name), self._describe_presence(new, name)
        if before != after:
            self._add(path, f"was {before}, is {after} now" if self._reading else f"now {after}")

    def _compare_defaults(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        if self._reading and "default" in old.node and "default" in new.node:
            before, after = json.dumps(old.node["default"]), json.dumps(new.node["default"])
            self._add(path, *([f"default was {before}, is {after} now"] if before != after else []))

    def _compare_arrays(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        self._compare_sizes(old, new, path, ("minItems", "maxItems", "uniqueItems"))
        leading = max(len(old.prefix_items), len(new.prefix_items))
        for position in range(leading):
            self.compare(old.element(position), new.element(position), f"{path}[{position}]")
        if not leading:
            self.compare(old.element(0), new.element(0), f"{path}[]")

    def _compare_sizes(self, old: SchemaNode, new: SchemaNode, path: str, names: Iterable[str]) -> None:
        for name in names:
            before, after = (json.dumps(part.node.get(name)).replace("null", "unset") for part in (old, new))
            if before != after:
                self._add(path, f"{name} was {before}, is {after} now")


def _get_alternatives(part: SchemaNode) -> list[SchemaNode]:
    members = part.alternatives or (part,)
    return [member for member in members if member.type != "null"] or list(members)


def _may_be_null(part: SchemaNode) -> bool:
    return any(member.type == "null" for member in part.alternatives or (part,))


def _get_title(part: SchemaNode) -> str:
    title = part.node.get("title")
    return str(title) if title else describe_schema(part)


def _get_additional(part: SchemaNode, *, reading: bool) -> SchemaNode | None:
    return part.additional_read if reading else part.additional_written


def _compare_names(old: SchemaNode, new: SchemaNode, name: str) -> list[str]:
    before, after = old.get_read_locations(name), new.get_read_locations(name)
    if before == after:
        return []
    return [f"was read from {_join_names(before)}, is read from {_join_names(after)} now"]


def _join_names(places: list[str | list[str | int]]) -> str:
    return " or ".join(place if isinstance(place, str) else ".".join(map(str, place)) for place in places)
