"""Decide whether one side, reading with pydantic, accepts everything that the other writes: from their JSON Schemas.

This is sound: if no incompatibility is found, nothing that is written is rejected. It is not complete: an
incompatibility that is not certain may be a false alarm, because a validator or an unknown keyword decides.
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

# How often the same incompatibility is reported at different paths.
_MAX_PLACES: Final = 8
_TEXT: Final = {"type": "string"}
# Types with so few values that each can be tried.
_SINGLE: Final[dict[str, tuple[Any, ...]]] = {"boolean": (True, False), "null": (None,)}


def find_incompatibilities(sent: SchemaNode, read: SchemaNode, path: str, *, lax: bool = True) -> list[Incompatibility]:
    """Return where the reader may reject what the writer sends.

    Args:
        sent: The schema of the writer.
        read: The schema of the reader.
        path: The path of the whole.
        lax: Whether pydantic's lax mode reads it, which accepts ``true`` for 1 and a decimal's string for a float.
    """
    refused = set[_Pair]()
    # Each round refutes at least one assumption, and there are finitely many pairs of definitions.
    while True:
        comparison = _Comparison(refused, lax=lax)
        found = dict.fromkeys(comparison.find(sent, read, path))
        mistaken = comparison.mistaken()
        if not mistaken:
            return [one for one in found if one.reason is not Reason.RECURSIVE] or list(found)
        refused |= mistaken


class _Comparison:
    """One comparison of two schemas that may refer to themselves.

    While two definitions are compared, they are assumed to be compatible where they occur again inside. If that turns
    out to be wrong, everything is compared again without this assumption (``refused``).
    """

    def __init__(self, refused: Collection[_Pair], *, lax: bool) -> None:
        self._lax = lax
        self._refused = refused
        self._assumed = set[_Pair]()
        self._met: dict[_Pair, list[Incompatibility] | None] = {}

    def mistaken(self) -> set[_Pair]:
        """Return the pairs of definitions that were wrongly assumed to be compatible."""
        return {pair for pair in self._assumed if self._met[pair]}

    def find(self, sent: SchemaNode, read: SchemaNode, path: str) -> list[Incompatibility]:
        """Return the incompatibilities of two nodes; compare each pair of definitions only once."""
        if sent.ref is None or read.ref is None:
            return list(self._compare(sent, read, path))
        pair = (sent.ref, read.ref)
        if pair not in self._met:
            self._met[pair] = None
            self._met[pair] = _limit_places(self._compare(sent, read, ""))
        known = self._met[pair]
        if known is None:
            return self._assume_compatible(pair, sent, read, path)
        return [replace(found, path=path + found.path) for found in known]

    def _assume_compatible(self, pair: _Pair, sent: SchemaNode, read: SchemaNode, path: str) -> list[Incompatibility]:
        if pair in self._refused:
            return [make_incompatibility(path, Reason.RECURSIVE, sent, read, certain=False)]
        self._assumed.add(pair)
        return []

    def _compare(self, sent: SchemaNode, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
        if read.is_anything:
            return
        if sent.opaque is not None:
            yield make_incompatibility(path, Reason.OPAQUE_WRITER, sent, read, certain=False)
        elif read.opaque is not None:
            yield make_incompatibility(path, Reason.OPAQUE_READER, sent, read, certain=False)
        else:
            yield from self._compare_known(sent, read, path)

    def _compare_known(self, sent: SchemaNode, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
        # The writer's alternatives first: each of them may be sent, so each has to be accepted.
        if sent.alternatives:
            yield from self._compare_each_alternative(sent, read, path)
            return
        yield from _find_doubts(sent, read, path)
        if read.without_unknowns().is_anything:
            return
        values = _SINGLE.get(sent.type) if sent.values is None else sent.values
        if values is not None:
            yield from self._compare_values(sent, values, read, path)
        elif read.alternatives:
            yield from self._compare_with_alternatives(sent, read, path)
        elif not sent.type:
            yield make_incompatibility(path, Reason.UNTYPED, sent, read, certain=False)
        elif read.values is not None:
            yield make_incompatibility(path, Reason.VALUES, sent, read)
        elif not read.type:
            yield make_incompatibility(path, Reason.UNKNOWN_KEYWORD, sent, read, certain=False)
        elif sent.type == read.type == "object":
            yield from self._compare_objects(sent, read, path)
        elif sent.type == read.type == "array":
            yield from self._compare_arrays(sent, read, path)
        else:
            yield from find_scalar_incompatibilities(sent, read, path, lax=self._lax)

    def _compare_each_alternative(self, sent: SchemaNode, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
        """Compare each alternative of the writer; one that the reader does not have is reported as a whole."""
        names = {_title(other) for other in read.alternatives or (read,)}
        is_choice = sum(member.type != "null" for member in sent.alternatives) > 1
        for member in sent.alternatives:
            found = self.find(member, read, path)
            if is_choice and _title(member) not in names and any(one.path != path for one in found):
                found = [make_incompatibility(path, Reason.TYPE, member, read, certain=_is_sure(found))]
            yield from found

    def _compare_values(
        self, sent: SchemaNode, values: tuple[Any, ...], read: SchemaNode, path: str
    ) -> Iterator[Incompatibility]:
        known = read.without_unknowns()
        results = [(value, accepts(value, known, lax=self._lax)) for value in values]
        for certain, result in ((True, False), (False, None)):
            rejected = tuple(value for value, accepted in results if accepted is result)
            if rejected:
                yield replace(
                    make_incompatibility(path, Reason.VALUES, sent, read, certain=certain), sent=format_values(rejected)
                )

    def _compare_with_alternatives(self, sent: SchemaNode, read: SchemaNode, path: str) -> Iterable[Incompatibility]:
        if read.tag is not None and sent.type == "object":
            return self._compare_tagged(sent, read, read.tag, path)
        attempts = list[tuple[SchemaNode, list[Incompatibility]]]()
        for member in sorted(read.alternatives, key=lambda member: _title(member) != _title(sent)):
            found = _find_missing_fields(sent, member, path) or self.find(sent, member, path)
            if not found:
                return ()
            attempts.append((member, found))
        # Report the incompatibilities with the alternative that is most likely meant.
        member, found = min(attempts, key=lambda one: _unlikeness(sent, *one))
        if member.type != sent.type and _is_sure(found):
            return (make_incompatibility(path, Reason.TYPE, sent, read),)
        rivals = [other for other, why in attempts if other is not member and not _rejects_everything(why, sent, path)]
        # If several alternatives accept some values, each value may be accepted by one or the other.
        return [replace(one, certain=False) for one in found] if rivals else found

    def _compare_tagged(self, sent: SchemaNode, read: SchemaNode, tag: str, path: str) -> Iterator[Incompatibility]:
        inside = f"{path}.{tag}"
        field = sent.properties.get(tag)
        if field is None or tag not in sent.required:
            yield make_incompatibility(
                inside, Reason.OPTIONAL if field or sent.additional_written else Reason.MISSING, sent, read
            )
        elif field.values is None:
            yield make_incompatibility(inside, Reason.TYPE, field, read)
        else:
            unknown = tuple(value for value in field.values if read.get_tagged(value) is None)
            if unknown:
                known = format_values(tuple(read.node["discriminator"].get("mapping", {})))
                yield replace(
                    make_incompatibility(inside, Reason.VALUES, field, read), sent=format_values(unknown), read=known
                )
            # One alternative of the writer may have several tags, each of which selects another one of the reader.
            for value in field.values:
                member = read.get_tagged(value)
                if member is not None:
                    settled = sent if len(field.values) == 1 else sent.with_constant(tag, value)
                    yield from self.find(settled, member, path)

    def _compare_objects(self, sent: SchemaNode, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
        for name, expected in read.properties.items():
            yield from self._compare_field(sent, read, name, expected, path)
        for name in _find_unknown_fields(sent, read):
            yield from self._compare_unknown_field(sent.properties[name], name, read, f"{path}.{name}")
        if sent.additional_written is not None:
            yield from self._compare_additional(sent, sent.additional_written, read, f"{path}.*")
        yield from _compare_sizes(sent, read, path, "minProperties", "maxProperties")

    def _compare_field(
        self, sent: SchemaNode, read: SchemaNode, name: str, expected: SchemaNode, path: str
    ) -> Iterator[Incompatibility]:
        inside = f"{path}.{name}"
        found = list[SchemaNode]()
        for place in read.get_read_locations(name):
            if not isinstance(place, str):  # an AliasPath: a place inside of another field
                if place[0] in sent.properties or sent.additional_written is not None:
                    yield make_incompatibility(inside, Reason.OTHER_PATH, sent, expected, certain=False)
                    return
                continue
            field = sent.properties.get(place, sent.additional_written)
            if field is not None:
                found.append(field)
                yield from self.find(field, expected, inside)
            if place in sent.required:
                return  # always there, so the other names are never looked for
        if name in read.required:
            yield make_incompatibility(
                inside, Reason.OPTIONAL if found else Reason.MISSING, found[0] if found else sent, expected
            )

    def _compare_unknown_field(
        self, field: SchemaNode, name: str, read: SchemaNode, path: str
    ) -> Iterator[Incompatibility]:
        if read.additional_read is None:
            yield make_incompatibility(path, Reason.UNKNOWN_FIELD, field, read)
            return
        yield from self.find(field, read.additional_read, path)
        if read.key is not None and accepts(name, read.key, lax=True) is not True:
            yield make_incompatibility(
                path, Reason.KEYS, field, read.key, certain=accepts(name, read.key, lax=True) is False
            )

    def _compare_additional(
        self, sent: SchemaNode, rest: SchemaNode, read: SchemaNode, path: str
    ) -> Iterator[Incompatibility]:
        # A mapping: its values may be under any key.
        if read.additional_read is None:
            yield make_incompatibility(path, Reason.UNKNOWN_FIELD, rest, read)
            return
        yield from self.find(rest, read.additional_read, path)
        if read.key is not None:
            key = sent.key or sent.child(_TEXT)
            for found in self.find(key, read.key, path):
                yield replace(found, reason=Reason.KEYS)

    def _compare_arrays(self, sent: SchemaNode, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
        yield from _compare_sizes(sent, read, path, "minItems", "maxItems")
        longest = sent.node.get("maxItems", float("inf"))
        leading = max(len(sent.prefix_items), len(read.prefix_items))
        for position in range(leading):
            if position < longest:
                yield from self.find(sent.element(position), read.element(position), f"{path}[{position}]")
        if longest > leading:
            yield from self.find(sent.element(leading), read.element(leading), f"{path}[]")


def _limit_places(found: Iterable[Incompatibility]) -> list[Incompatibility]:
    """Drop an incompatibility that occurs at many places: types that contain each other have endless paths."""
    places = Counter[int]()
    kept = list[Incompatibility]()
    for one in found:
        places[id(one.parts)] += 1
        if places[id(one.parts)] <= _MAX_PLACES:
            kept.append(one)
    return kept


def _find_missing_fields(sent: SchemaNode, read: SchemaNode, path: str) -> list[Incompatibility]:
    """Return the fields that an alternative with another title requires and that are never sent.

    This is enough to rule it out, without comparing the fields that both have.
    """
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


def _find_unknown_fields(sent: SchemaNode, read: SchemaNode) -> list[str]:
    """Return the names of fields that are sent and that the reader does not declare."""
    looked_for = [
        [place for place in read.get_read_locations(name) if isinstance(place, str) and place in sent.properties]
        for name in read.properties
    ]
    # A field with several names is read under the first that is present; then the other names are unknown fields.
    first = {places[0] for places in looked_for if places}
    return [name for name in sent.properties if name not in first]


def _compare_sizes(sent: SchemaNode, read: SchemaNode, path: str, least: str, most: str) -> Iterator[Incompatibility]:
    expected, limit = read.node.get(least, 0), read.node.get(most, float("inf"))
    shortest, longest = sent.node.get(least, 0), sent.node.get(most, float("inf"))
    # An object without minProperties still has its required fields.
    if sent.type == "object":
        shortest, longest = max(shortest, len(sent.required)), min(longest, _max_keys(sent))
    # A set drops duplicates, so it may have fewer elements than were sent.
    shrinks = read.node.get("uniqueItems") and not sent.node.get("uniqueItems")
    if shortest < expected or longest > limit or (shrinks and expected > 1):
        yield make_incompatibility(path, Reason.LIMIT, sent, read, certain=not _has_few_elements(sent, read))


def _max_keys(sent: SchemaNode) -> float:
    if sent.additional_written is None:
        return len(sent.properties)
    return float("inf") if sent.key is None or sent.key.values is None else len(sent.key.values)


def _has_few_elements(sent: SchemaNode, read: SchemaNode) -> bool:
    """Check whether a set has so few possible elements that its size may be limited by that."""
    element = sent.element(0)
    is_set = sent.node.get("uniqueItems") or read.node.get("uniqueItems")
    return bool(is_set) and (element.values is not None or element.type not in ("integer", "number", "string"))


def _find_doubts(sent: SchemaNode, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
    """Yield what only the reader can decide: its validators, and keywords that are not supported here."""
    for check in sorted(read.checks - sent.checks):
        yield replace(make_incompatibility(path, Reason.VALIDATOR, sent, read, certain=False), read=check)
    unknown_keywords = sorted(name for name, value in read.unknown_keywords.items() if sent.node.get(name) != value)
    if unknown_keywords:
        yield replace(
            make_incompatibility(path, Reason.UNKNOWN_KEYWORD, sent, read, certain=False),
            read=", ".join(unknown_keywords),
        )


def _rejects_everything(found: Iterable[Incompatibility], sent: SchemaNode, path: str) -> bool:
    """Check whether every value is rejected: as a whole, or because of a field that is always sent."""
    always = {path, *(f"{path}.{name}" for name in sent.required)}
    return any(
        one.is_total and (one.path in always or (one.reason is Reason.MISSING and one.path.rpartition(".")[0] == path))
        for one in found
    )


def _is_sure(found: Iterable[Incompatibility]) -> bool:
    return any(one.certain for one in found)


def _unlikeness(sent: SchemaNode, read: SchemaNode, found: list[Incompatibility]) -> tuple[bool, bool, bool, int]:
    """Return a sort key: the alternative that is certain to fail, or differs more, is less likely to be meant."""
    return _is_sure(found), sent.type != read.type, _title(sent) != _title(read), len(found)


def _title(part: SchemaNode) -> object:
    return part.node.get("title")
