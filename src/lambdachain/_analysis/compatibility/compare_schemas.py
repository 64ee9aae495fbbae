"""Whether all that one side writes is read by the other, as pydantic reads it: over their JSON Schemas.

Sound: where no gap is found, nothing that is written is refused. A gap that is not certain may turn out to be none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from .incompatibility import Incompatibility, Reason, make_incompatibility
from .rendering import format_values
from .scalars import accepts, find_scalar_incompatibilities
from .schema_node import SchemaNode

_Pair = tuple[str, str]

_MANY_PLACES: Final = 8
_TEXT: Final = {"type": "string"}
_SINGLE: Final[dict[str, tuple[Any, ...]]] = {"boolean": (True, False), "null": (None,)}


def find_incompatibilities(sent: SchemaNode, read: SchemaNode, path: str, *, lax: bool = True) -> list[Incompatibility]:
    """Find where what is written may not be read.

    Args:
        sent: What one side writes.
        read: What the other accepts.
        path: What the whole is called.
        lax: Whether pydantic reads it, which takes ``true`` for 1 and a decimal's text for a float.
    """
    refused = set[_Pair]()
    while True:
        comparison = _Comparison(refused, lax=lax)
        found = dict.fromkeys(comparison.find(sent, read, path))
        mistaken = comparison.mistaken()
        if not mistaken:
            return [one for one in found if one.reason is not Reason.RECURSIVE] or list(found)
        refused |= mistaken


class _Comparison:
    """One comparison of two schemas that may refer to themselves.

    While two definitions are compared they are taken to fit wherever they are met again inside. Where that was a
    mistake, all of it is compared once more, knowing better.
    """

    def __init__(self, refused: Collection[_Pair], *, lax: bool) -> None:
        self._lax = lax
        self._refused = refused
        self._assumed = set[_Pair]()
        self._met: dict[_Pair, list[Incompatibility] | None] = {}

    def mistaken(self) -> set[_Pair]:
        """Return the definitions that were taken to fit, and do not."""
        return {pair for pair in self._assumed if self._met[pair]}

    def find(self, sent: SchemaNode, read: SchemaNode, path: str) -> list[Incompatibility]:
        if sent.ref is None or read.ref is None:
            return list(self._found(sent, read, path))
        pair = (sent.ref, read.ref)
        if pair not in self._met:
            self._met[pair] = None
            self._met[pair] = _at_few_places(self._found(sent, read, ""))
        known = self._met[pair]
        if known is None:
            return self._again(pair, sent, read, path)
        return [replace(found, path=path + found.path) for found in known]

    def _again(self, pair: _Pair, sent: SchemaNode, read: SchemaNode, path: str) -> list[Incompatibility]:
        if pair in self._refused:
            return [make_incompatibility(path, Reason.RECURSIVE, sent, read, certain=False)]
        self._assumed.add(pair)
        return []

    def _found(self, sent: SchemaNode, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
        if read.is_anything:
            return
        if sent.opaque is not None:
            yield make_incompatibility(path, Reason.OPAQUE_WRITER, sent, read, certain=False)
        elif read.opaque is not None:
            yield make_incompatibility(path, Reason.OPAQUE_READER, sent, read, certain=False)
        else:
            yield from self._compared(sent, read, path)

    def _compared(self, sent: SchemaNode, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
        if sent.alternatives:
            yield from self._each_of(sent, read, path)
            return
        yield from _doubts(sent, read, path)
        if read.without_unknowns().is_anything:
            return
        values = _SINGLE.get(sent.type) if sent.values is None else sent.values
        if values is not None:
            yield from self._values(sent, values, read, path)
        elif read.alternatives:
            yield from self._any_of(sent, read, path)
        elif not sent.type:
            yield make_incompatibility(path, Reason.UNTYPED, sent, read, certain=False)
        elif read.values is not None:
            yield make_incompatibility(path, Reason.VALUES, sent, read)
        elif not read.type:
            yield make_incompatibility(path, Reason.UNKNOWN_KEYWORD, sent, read, certain=False)
        elif sent.type == read.type == "object":
            yield from self._object(sent, read, path)
        elif sent.type == read.type == "array":
            yield from self._array(sent, read, path)
        else:
            yield from find_scalar_incompatibilities(sent, read, path, lax=self._lax)

    def _each_of(self, sent: SchemaNode, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
        """Compare every alternative; one that is none of the reader's is said to be another, and not how it differs."""
        names = {_title(other) for other in read.alternatives or (read,)}
        is_choice = sum(member.type != "null" for member in sent.alternatives) > 1
        for member in sent.alternatives:
            found = self.find(member, read, path)
            if is_choice and _title(member) not in names and any(one.path != path for one in found):
                found = [make_incompatibility(path, Reason.TYPE, member, read, certain=_is_sure(found))]
            yield from found

    def _values(
        self, sent: SchemaNode, values: tuple[Any, ...], read: SchemaNode, path: str
    ) -> Iterator[Incompatibility]:
        settled = read.without_unknowns()
        answers = [(value, accepts(value, settled, lax=self._lax)) for value in values]
        for certain, answer in ((True, False), (False, None)):
            refused = tuple(value for value, taken in answers if taken is answer)
            if refused:
                yield replace(
                    make_incompatibility(path, Reason.VALUES, sent, read, certain=certain), sent=format_values(refused)
                )

    def _any_of(self, sent: SchemaNode, read: SchemaNode, path: str) -> Iterable[Incompatibility]:
        if read.tag is not None and sent.type == "object":
            return self._tagged(sent, read, read.tag, path)
        tries = list[tuple[SchemaNode, list[Incompatibility]]]()
        for member in sorted(read.alternatives, key=lambda member: _title(member) != _title(sent)):
            found = _absent(sent, member, path) or self.find(sent, member, path)
            if not found:
                return ()
            tries.append((member, found))
        member, found = min(tries, key=lambda one: _unlikeness(sent, *one))
        if member.type != sent.type and _is_sure(found):
            return (make_incompatibility(path, Reason.TYPE, sent, read),)
        rivals = [other for other, why in tries if other is not member and not _refuses_all(why, sent, path)]
        # Where several of them read something, it may be that each value is read by one or the other.
        return [replace(one, certain=False) for one in found] if rivals else found

    def _tagged(self, sent: SchemaNode, read: SchemaNode, tag: str, path: str) -> Iterator[Incompatibility]:
        inside = f"{path}.{tag}"
        given = sent.properties.get(tag)
        if given is None or tag not in sent.required:
            yield make_incompatibility(
                inside, Reason.OPTIONAL if given or sent.additional_written else Reason.MISSING, sent, read
            )
        elif given.values is None:
            yield make_incompatibility(inside, Reason.TYPE, given, read)
        else:
            unknown = tuple(value for value in given.values if read.get_tagged(value) is None)
            if unknown:
                known = format_values(tuple(read.node["discriminator"].get("mapping", {})))
                yield replace(
                    make_incompatibility(inside, Reason.VALUES, given, read), sent=format_values(unknown), read=known
                )
            for value in given.values:
                member = read.get_tagged(value)
                if member is not None:
                    settled = sent if len(given.values) == 1 else sent.with_constant(tag, value)
                    yield from self.find(settled, member, path)

    def _object(self, sent: SchemaNode, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
        for name, wanted in read.properties.items():
            yield from self._field(sent, read, name, wanted, path)
        for name in _left_over(sent, read):
            yield from self._unknown(sent.properties[name], name, read, f"{path}.{name}")
        if sent.additional_written is not None:
            yield from self._rest(sent, sent.additional_written, read, f"{path}.*")
        yield from _sizes(sent, read, path, "minProperties", "maxProperties")

    def _field(
        self, sent: SchemaNode, read: SchemaNode, name: str, wanted: SchemaNode, path: str
    ) -> Iterator[Incompatibility]:
        inside = f"{path}.{name}"
        found = list[SchemaNode]()
        for place in read.get_read_locations(name):
            if not isinstance(place, str):
                if place[0] in sent.properties or sent.additional_written is not None:
                    yield make_incompatibility(inside, Reason.OTHER_PATH, sent, wanted, certain=False)
                    return
                continue
            given = sent.properties.get(place, sent.additional_written)
            if given is not None:
                found.append(given)
                yield from self.find(given, wanted, inside)
            if place in sent.required:
                return
        if name in read.required:
            yield make_incompatibility(
                inside, Reason.OPTIONAL if found else Reason.MISSING, found[0] if found else sent, wanted
            )

    def _unknown(self, given: SchemaNode, name: str, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
        if read.additional_read is None:
            yield make_incompatibility(path, Reason.UNKNOWN_FIELD, given, read)
            return
        yield from self.find(given, read.additional_read, path)
        if read.key is not None and accepts(name, read.key, lax=True) is not True:
            yield make_incompatibility(
                path, Reason.KEYS, given, read.key, certain=accepts(name, read.key, lax=True) is False
            )

    def _rest(self, sent: SchemaNode, rest: SchemaNode, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
        if read.additional_read is None:
            yield make_incompatibility(path, Reason.UNKNOWN_FIELD, rest, read)
            return
        yield from self.find(rest, read.additional_read, path)
        if read.key is not None:
            key = sent.key or sent.child(_TEXT)
            for found in self.find(key, read.key, path):
                yield replace(found, reason=Reason.KEYS)

    def _array(self, sent: SchemaNode, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
        yield from _sizes(sent, read, path, "minItems", "maxItems")
        longest = sent.node.get("maxItems", float("inf"))
        leading = max(len(sent.prefix_items), len(read.prefix_items))
        for position in range(leading):
            if position < longest:
                yield from self.find(sent.element(position), read.element(position), f"{path}[{position}]")
        if longest > leading:
            yield from self.find(sent.element(leading), read.element(leading), f"{path}[]")


def _at_few_places(found: Iterable[Incompatibility]) -> list[Incompatibility]:
    """Leave out the same gap at ever more places: in types that hold each other there is no end of them."""
    places = Counter[int]()
    kept = list[Incompatibility]()
    for one in found:
        places[id(one.parts)] += 1
        if places[id(one.parts)] <= _MANY_PLACES:
            kept.append(one)
    return kept


def _absent(sent: SchemaNode, read: SchemaNode, path: str) -> list[Incompatibility]:
    """Find, without looking further, what an alternative of another name requires and is never sent."""
    if (
        sent.type != "object"
        or read.type != "object"
        or _title(sent) == _title(read)
        or sent.additional_written is not None
    ):
        return []
    return [
        make_incompatibility(f"{path}.{name}", Reason.MISSING, sent, read.properties[name])
        for name in sorted(read.required & read.properties.keys())
        if not any(not isinstance(place, str) or place in sent.properties for place in read.get_read_locations(name))
    ]


def _left_over(sent: SchemaNode, read: SchemaNode) -> list[str]:
    """Name the fields that are written, and that may be none of those which are read."""
    looked_for = [
        [place for place in read.get_read_locations(name) if isinstance(place, str) and place in sent.properties]
        for name in read.properties
    ]
    # A field that may have several names is read under the first that is there; the other ones are unknown then.
    first = {places[0] for places in looked_for if places}
    return [name for name in sent.properties if name not in first]


def _sizes(sent: SchemaNode, read: SchemaNode, path: str, least: str, most: str) -> Iterator[Incompatibility]:
    wanted, limit = read.node.get(least, 0), read.node.get(most, float("inf"))
    shortest, longest = sent.node.get(least, 0), sent.node.get(most, float("inf"))
    if sent.type == "object":
        shortest, longest = max(shortest, len(sent.required)), min(longest, _most_keys(sent))
    # What is the same twice is read as one by a set.
    shrinks = read.node.get("uniqueItems") and not sent.node.get("uniqueItems")
    if shortest < wanted or longest > limit or (shrinks and wanted > 1):
        yield make_incompatibility(path, Reason.LIMIT, sent, read, certain=not _may_run_out(sent, read))


def _most_keys(sent: SchemaNode) -> float:
    if sent.additional_written is None:
        return len(sent.properties)
    return float("inf") if sent.key is None or sent.key.values is None else len(sent.key.values)


def _may_run_out(sent: SchemaNode, read: SchemaNode) -> bool:
    """Check whether a set may have no room for more: there are just so many different elements."""
    element = sent.element(0)
    is_set = sent.node.get("uniqueItems") or read.node.get("uniqueItems")
    return bool(is_set) and (element.values is not None or element.type not in ("integer", "number", "string"))


def _doubts(sent: SchemaNode, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
    """Name what only the reader knows how to judge."""
    for check in sorted(read.checks - sent.checks):
        yield replace(make_incompatibility(path, Reason.VALIDATOR, sent, read, certain=False), read=check)
    unknown_keywords = sorted(name for name, value in read.unknown_keywords.items() if sent.node.get(name) != value)
    if unknown_keywords:
        yield replace(
            make_incompatibility(path, Reason.UNKNOWN_KEYWORD, sent, read, certain=False),
            read=", ".join(unknown_keywords),
        )


def _refuses_all(found: Iterable[Incompatibility], sent: SchemaNode, path: str) -> bool:
    """Check whether something is sure to be refused in every value: in the whole, or in a field that it always has."""
    always = {path, *(f"{path}.{name}" for name in sent.required)}
    return any(
        one.is_total and (one.path in always or (one.reason is Reason.MISSING and one.path.rpartition(".")[0] == path))
        for one in found
    )


def _is_sure(found: Iterable[Incompatibility]) -> bool:
    return any(one.certain for one in found)


def _unlikeness(sent: SchemaNode, read: SchemaNode, found: list[Incompatibility]) -> tuple[bool, bool, bool, int]:
    """Return which alternative is meant least: one that surely fails, is of another type or name, or differs more."""
    return _is_sure(found), sent.type != read.type, _title(sent) != _title(read), len(found)


def _title(part: SchemaNode) -> object:
    return part.node.get("title")
