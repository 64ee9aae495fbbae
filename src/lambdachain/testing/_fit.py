"""Whether all that one side writes is read by the other, as pydantic reads it: over their JSON Schemas.

Sound: where no gap is found, nothing that is written is refused. A gap that is not certain may turn out to be none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from ._gaps import Gap, Reason, gap
from ._leaves import leaf_gaps, takes
from ._schema_part import Part
from ._schema_words import listed

_TEXT: Final = {"type": "string"}
_SINGLE: Final[dict[str, tuple[Any, ...]]] = {"boolean": (True, False), "null": (None,)}


def gaps(sent: Part, read: Part, path: str, *, lax: bool = True) -> list[Gap]:
    """Find where what is written may not be read.

    Args:
        sent: What one side writes.
        read: What the other accepts.
        path: What the whole is called.
        lax: Whether pydantic reads it, which takes ``true`` for 1 and a decimal's text for a float.
    """
    return list(dict.fromkeys(_Comparison(lax=lax).gaps(sent, read, path)))


class _Comparison:
    """One comparison of two schemas; it remembers the pairs of definitions it has met, for some refer to themselves."""

    def __init__(self, *, lax: bool) -> None:
        self._lax = lax
        self._met: dict[tuple[str, str], list[Gap]] = {}

    def gaps(self, sent: Part, read: Part, path: str) -> list[Gap]:
        if sent.ref is None or read.ref is None:
            return list(self._found(sent, read, path))
        pair = (sent.ref, read.ref)
        if pair not in self._met:
            self._met[pair] = []  # while it is compared, it is taken to fit: it does, unless something in it does not
            self._met[pair] = list(self._found(sent, read, ""))
        return [replace(found, path=path + found.path) for found in self._met[pair]]

    def _found(self, sent: Part, read: Part, path: str) -> Iterator[Gap]:
        if read.is_anything:
            return
        if sent.opaque is not None:
            yield gap(path, Reason.WRITER, sent, read, certain=False)
        elif read.opaque is not None:
            yield gap(path, Reason.READER, sent, read, certain=False)
        else:
            yield from self._compared(sent, read, path)

    def _compared(self, sent: Part, read: Part, path: str) -> Iterator[Gap]:
        if sent.members:
            for member in sent.members:
                yield from self.gaps(member, read, path)
            return
        yield from _doubts(sent, read, path)
        values = _SINGLE.get(sent.type) if sent.values is None and sent.type != read.type else sent.values
        if values is not None:
            yield from self._values(sent, values, read, path)
        elif read.members:
            yield from self._any_of(sent, read, path)
        elif not sent.type:
            yield gap(path, Reason.ANYTHING, sent, read, certain=False)
        elif read.values is not None:
            yield gap(path, Reason.VALUES, sent, read)
        elif not read.type:
            yield gap(path, Reason.PUZZLE, sent, read, certain=False)
        elif sent.type == read.type == "object":
            yield from self._object(sent, read, path)
        elif sent.type == read.type == "array":
            yield from self._array(sent, read, path)
        else:
            yield from leaf_gaps(sent, read, path, lax=self._lax)

    def _values(self, sent: Part, values: tuple[Any, ...], read: Part, path: str) -> Iterator[Gap]:
        settled = read.without_doubts()
        answers = [(value, takes(value, settled, lax=self._lax)) for value in values]
        for certain, answer in ((True, False), (False, None)):
            refused = tuple(value for value, taken in answers if taken is answer)
            if refused:
                yield replace(gap(path, Reason.VALUES, sent, read, certain=certain), sent=listed(refused))

    def _any_of(self, sent: Part, read: Part, path: str) -> Iterable[Gap]:
        if read.tag is not None and sent.type == "object":
            return self._tagged(sent, read, read.tag, path)
        tries = [(member, self.gaps(sent, member, path)) for member in read.members]
        if any(not found for _, found in tries):
            return ()
        member, found = min(tries, key=lambda one: _unlikeness(sent, *one))
        return found if member.type == sent.type or not _is_sure(found) else (gap(path, Reason.TYPE, sent, read),)

    def _tagged(self, sent: Part, read: Part, tag: str, path: str) -> Iterator[Gap]:
        inside = f"{path}.{tag}"
        given = sent.properties.get(tag)
        if given is None or tag not in sent.required:
            yield gap(inside, Reason.LEFT_OUT if given or sent.rest_written else Reason.MISSING, sent, read)
        elif given.values is None:
            yield gap(inside, Reason.TYPE, given, read)
        else:
            unknown = tuple(value for value in given.values if read.tagged(value) is None)
            if unknown:
                known = listed(tuple(read.node["discriminator"].get("mapping", {})))
                yield replace(gap(inside, Reason.VALUES, given, read), sent=listed(unknown), read=known)
            for value in given.values:
                member = read.tagged(value)
                if member is not None:
                    settled = sent if len(given.values) == 1 else sent.narrowed(tag, value)
                    yield from self.gaps(settled, member, path)

    def _object(self, sent: Part, read: Part, path: str) -> Iterator[Gap]:
        places = {name: read.places(name) for name in read.properties}
        for name, wanted in read.properties.items():
            yield from self._field(sent, read, name, wanted, path)
        named = {place for found in places.values() for place in found if isinstance(place, str)}
        for name, given in sent.properties.items():
            if name not in named:
                yield from self._unknown(given, name, read, f"{path}.{name}")
        if sent.rest_written is not None:
            yield from self._rest(sent, sent.rest_written, read, f"{path}.*")
        yield from _sizes(sent, read, path, "minProperties", "maxProperties")

    def _field(self, sent: Part, read: Part, name: str, wanted: Part, path: str) -> Iterator[Gap]:
        inside = f"{path}.{name}"
        found = list[Part]()
        for place in read.places(name):
            if not isinstance(place, str):
                if place[0] in sent.properties or sent.rest_written is not None:
                    yield gap(inside, Reason.ELSEWHERE, sent, wanted, certain=False)
                continue
            given = sent.properties.get(place, sent.rest_written)
            if given is not None:
                found.append(given)
                yield from self.gaps(given, wanted, inside)
            if place in sent.required:
                return
        if name in read.required:
            yield gap(inside, Reason.LEFT_OUT if found else Reason.MISSING, *(found or [sent])[:1], wanted)

    def _unknown(self, given: Part, name: str, read: Part, path: str) -> Iterator[Gap]:
        if read.rest_read is None:
            yield gap(path, Reason.FORBIDDEN, given, read)
            return
        yield from self.gaps(given, read.rest_read, path)
        if read.key is not None and takes(name, read.key, lax=True) is not True:
            yield gap(path, Reason.KEYS, given, read.key, certain=takes(name, read.key, lax=True) is False)

    def _rest(self, sent: Part, rest: Part, read: Part, path: str) -> Iterator[Gap]:
        if read.rest_read is None:
            yield gap(path, Reason.FORBIDDEN, rest, read)
            return
        yield from self.gaps(rest, read.rest_read, path)
        if read.key is not None:
            key = sent.key or sent.within(_TEXT)
            for found in self.gaps(key, read.key, path):
                yield replace(found, reason=Reason.KEYS)

    def _array(self, sent: Part, read: Part, path: str) -> Iterator[Gap]:
        yield from _sizes(sent, read, path, "minItems", "maxItems")
        longest = sent.node.get("maxItems", float("inf"))
        leading = max(len(sent.first), len(read.first))
        for position in range(leading):
            if position < longest:
                yield from self.gaps(sent.element(position), read.element(position), f"{path}[{position}]")
        if longest > leading:
            yield from self.gaps(sent.element(leading), read.element(leading), f"{path}[]")


def _sizes(sent: Part, read: Part, path: str, least: str, most: str) -> Iterator[Gap]:
    wanted, limit = read.node.get(least, 0), read.node.get(most, float("inf"))
    shortest, longest = sent.node.get(least, 0), sent.node.get(most, float("inf"))
    if least == "minProperties":
        shortest = max(shortest, len(sent.required))
        longest = longest if sent.rest_written is not None else min(longest, len(sent.properties))
    # What is the same twice is read as one by a set.
    shrinks = read.node.get("uniqueItems") and not sent.node.get("uniqueItems")
    if shortest < wanted or longest > limit or (shrinks and wanted > 1):
        yield gap(path, Reason.LIMIT, sent, read)


def _doubts(sent: Part, read: Part, path: str) -> Iterator[Gap]:
    """Name what only the reader knows how to judge."""
    for check in sorted(read.checks - sent.checks):
        yield replace(gap(path, Reason.CHECK, sent, read, certain=False), read=check)
    puzzles = sorted(name for name, value in read.puzzles.items() if sent.node.get(name) != value)
    if puzzles:
        yield replace(gap(path, Reason.PUZZLE, sent, read, certain=False), read=", ".join(puzzles))


def _is_sure(found: Iterable[Gap]) -> bool:
    return any(one.certain for one in found)


def _unlikeness(sent: Part, read: Part, found: list[Gap]) -> tuple[bool, bool, bool, int]:
    """Tell which alternative is meant least: one that surely fails, is of another type or name, or differs more."""
    return _is_sure(found), sent.type != read.type, sent.node.get("title") != read.node.get("title"), len(found)
