"""What has changed between two schemas, whomever it breaks, in words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from .rendering import describe_schema, format_values
from .schema_node import SchemaNode


@dataclass(slots=True)
class SchemaDiff:
    """What has changed.

    Attributes:
        words: In words, by place.
        renamed: What a field seems to have been called before, by place: it is new, and an equal one is gone.
    """

    words: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    renamed: dict[str, str] = field(default_factory=dict[str, str])

    def say(self, path: str, *words: str) -> None:
        """Note what has changed at *path*."""
        if words:
            told = self.words.setdefault(path, [])
            told += [word for word in words if word not in told]

    def include(self, inside: SchemaDiff, path: str) -> None:
        """Note what has changed inside what stands at *path*."""
        for place, words in inside.words.items():
            self.say(path + place, *words)
        self.renamed |= {path + place: name for place, name in inside.renamed.items()}


def diff_schemas(old: SchemaNode, new: SchemaNode, path: str, *, reading: bool) -> SchemaDiff:
    """Find what has changed.

    Args:
        old: What was.
        new: What is.
        path: What the whole is called.
        reading: Whether the schemas say what is accepted, and not what is written.
    """
    walk = _SchemaDiffer({}, reading=reading)
    walk.compare(old, new, path)
    return walk.found


class _SchemaDiffer:
    def __init__(self, met: dict[tuple[str, str], SchemaDiff], *, reading: bool) -> None:
        self.found = SchemaDiff()
        self._say = self.found.say
        self._reading = reading
        self._met = met

    def compare(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        before, after = _alternatives(old), _alternatives(new)
        self._nullability(old, new, path)
        if len(before) == len(after) == 1:
            self._alone(before[0], after[0], path)
        else:
            self._union(before, after, path)
        self._checks(old, new, path)

    def _alone(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        if old.ref is None or new.ref is None:
            self._plain(old, new, path)
            return
        pair = (old.ref, new.ref)
        if pair not in self._met:
            self._met[pair] = SchemaDiff()  # what differs is said once, and not again of what is inside itself
            inside = _SchemaDiffer(self._met, reading=self._reading)
            inside._plain(old, new, "")
            self._met[pair] = inside.found
        self.found.include(self._met[pair], path)

    def _nullability(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        before, after = _may_be_null(old), _may_be_null(new)
        if before != after:
            self._say(path, "may be null now" if after else "may no longer be null")

    def _union(self, before: list[SchemaNode], after: list[SchemaNode], path: str) -> None:
        was, is_now = {_name(part): part for part in before}, {_name(part): part for part in after}
        for name in was.keys() & is_now.keys():
            self.compare(was[name], is_now[name], path)
        self._say(path, *(f"may no longer be {name}" for name in was if name not in is_now))
        self._say(path, *(f"may be {name} now" for name in is_now if name not in was))

    def _plain(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        if old.values is not None and new.values is not None:
            self._values(old.values, new.values, path)
        elif old.type == new.type == "object" and not old.is_anything and not new.is_anything:
            self._object(old, new, path)
        elif old.type == new.type == "array":
            self._array(old, new, path)
        elif describe_schema(old) != describe_schema(new):
            self._say(path, f"was {describe_schema(old)}, is {describe_schema(new)} now")

    def _values(self, old: tuple[object, ...], new: tuple[object, ...], path: str) -> None:
        gone = tuple(value for value in old if value not in new)
        added = tuple(value for value in new if value not in old)
        self._say(path, *([f"may no longer be {format_values(gone)}"] if gone else []))
        self._say(path, *([f"may be {format_values(added)} now"] if added else []))

    def _checks(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        self._say(path, *(f"is checked by {name} now" for name in sorted(new.checks - old.checks)))
        self._say(path, *(f"is no longer checked by {name}" for name in sorted(old.checks - new.checks)))

    def _object(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        for name in [*old.properties, *(name for name in new.properties if name not in old.properties)]:
            self._field(old, new, name, f"{path}.{name}")
        self._renamed(old, new, path)
        self._sizes(old, new, path, ("minProperties", "maxProperties"))
        before, after = _rest(old, reading=self._reading), _rest(new, reading=self._reading)
        if before is not None and after is not None:
            self.compare(before, after, f"{path}.*")
        elif before is not after:
            self._say(path, "refuses unknown fields now" if after is None else "takes unknown fields now")
        key_before, key_after = (describe_schema(part.key) if part.key else "any text" for part in (old, new))
        if key_before != key_after:
            self._say(f"{path}.*", f"keys were {key_before}, are {key_after} now")

    def _field(self, old: SchemaNode, new: SchemaNode, name: str, path: str) -> None:
        before, after = old.properties.get(name), new.properties.get(name)
        if before is None and after is not None:
            self._say(path, f"added: {describe_schema(after)}, {self._need(new, name)}")
        elif after is None:
            self._say(path, "removed")
        elif before is not None:
            self._need_changed(old, new, name, path)
            self._defaults(before, after, path)
            self._say(path, *_other_names(old, new, name))
            self.compare(before, after, path)

    def _renamed(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        gone = {name: part.fingerprint() for name, part in old.properties.items() if name not in new.properties}
        added = {name: part.fingerprint() for name, part in new.properties.items() if name not in old.properties}
        for name, shape in added.items():
            before = [other for other, other_shape in gone.items() if shape == other_shape]
            if len(before) == 1 and list(added.values()).count(shape) == 1:
                self.found.renamed[f"{path}.{name}"] = before[0]

    def _need(self, part: SchemaNode, name: str) -> str:
        if self._reading:
            return "required" if name in part.required else "optional"
        return "always written" if name in part.required else "may be left out"

    def _need_changed(self, old: SchemaNode, new: SchemaNode, name: str, path: str) -> None:
        before, after = self._need(old, name), self._need(new, name)
        if before != after:
            self._say(path, f"was {before}, is {after} now" if self._reading else f"now {after}")

    def _defaults(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        if self._reading and "default" in old.node and "default" in new.node:
            before, after = json.dumps(old.node["default"]), json.dumps(new.node["default"])
            self._say(path, *([f"default was {before}, is {after} now"] if before != after else []))

    def _array(self, old: SchemaNode, new: SchemaNode, path: str) -> None:
        self._sizes(old, new, path, ("minItems", "maxItems", "uniqueItems"))
        leading = max(len(old.prefix_items), len(new.prefix_items))
        for position in range(leading):
            self.compare(old.element(position), new.element(position), f"{path}[{position}]")
        if not leading:
            self.compare(old.element(0), new.element(0), f"{path}[]")

    def _sizes(self, old: SchemaNode, new: SchemaNode, path: str, names: Iterable[str]) -> None:
        for name in names:
            before, after = (json.dumps(part.node.get(name)).replace("null", "none") for part in (old, new))
            if before != after:
                self._say(path, f"{name} was {before}, is {after} now")


def _alternatives(part: SchemaNode) -> list[SchemaNode]:
    members = part.alternatives or (part,)
    return [member for member in members if member.type != "null"] or list(members)


def _may_be_null(part: SchemaNode) -> bool:
    return any(member.type == "null" for member in part.alternatives or (part,))


def _name(part: SchemaNode) -> str:
    title = part.node.get("title")
    return str(title) if title else describe_schema(part)


def _rest(part: SchemaNode, *, reading: bool) -> SchemaNode | None:
    return part.additional_read if reading else part.additional_written


def _other_names(old: SchemaNode, new: SchemaNode, name: str) -> list[str]:
    before, after = old.get_read_locations(name), new.get_read_locations(name)
    if before == after:
        return []
    return [f"was read from {_either(before)}, is read from {_either(after)} now"]


def _either(places: list[str | list[str | int]]) -> str:
    return " or ".join(place if isinstance(place, str) else ".".join(map(str, place)) for place in places)
