"""A handler's answer as JSON, the way Python's runtime client for Lambda writes it.

It writes with simplejson: a named tuple as an object, bytes as text, a Decimal with its own digits, NaN as NaN; beyond
ASCII with escapes up to Python 3.11, and as it is from 3.12 on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, Final, cast

ESCAPES: Final = sys.version_info < (3, 12)


def marshal(answer: object) -> bytes:
    """Write an answer as it goes out; bytes are taken for JSON already.

    Raises:
        UnicodeEncodeError: A text has half a character, and nothing escapes it.
        Exception: As ``to_json``.
    """
    return answer if isinstance(answer, bytes) else to_json(answer).encode()


def to_json(value: object, *, escapes: bool = ESCAPES) -> str:
    """Write a value, with everything beyond ASCII as *escapes* or as it is.

    Raises:
        Exception: JSON has no form for a part of it.
    """
    writer = _Writer(encode_basestring_ascii if escapes else encode_basestring)
    writer.write(value)
    return "".join(writer.chunks)


class _Writer:
    """Collects JSON; with one frame a level, it goes as deep as the runtime's own."""

    def __init__(self, text: Callable[[str], str]) -> None:
        self.chunks: list[str] = []
        self._text = text
        self._within = set[int]()

    def write(self, value: Any) -> None:
        """Add a value.

        Raises:
            Exception: JSON has no form for a part of it.
        """
        scalar = self._scalar(value)
        if scalar is not None:
            self.chunks.append(scalar)
            return
        if id(value) in self._within:
            raise ValueError("Circular reference detected")
        self._within.add(id(value))
        opening, members, closing = self._container(value)
        self.chunks.append(opening)
        for lead, member in members:
            self.chunks.append(lead)
            self.write(member)
        self.chunks.append(closing)
        self._within.discard(id(value))

    def _scalar(self, value: Any) -> str | None:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bytes):
            return self._text(value.decode())
        if value is None or isinstance(value, bool | int | float):
            return _number(value)
        if isinstance(value, Decimal):
            return "NaN" if value.is_nan() else str(value)
        return None

    def _container(self, value: Any) -> tuple[str, Iterator[tuple[str, Any]], str]:
        """Accept a value apart: what comes first, each member and what leads it, and what comes last."""
        fields = _fields(value)
        if fields is not None:
            keys = (f"{self._text(_key(key))}: " for key in fields)
            return "{", zip(_separated(keys), fields.values(), strict=True), "}"
        if isinstance(value, list | tuple):
            items = cast("Sequence[Any]", value)
            return "[", zip(_separated("" for _ in items), items, strict=True), "]"
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _separated(leads: Iterable[str]) -> Iterator[str]:
    return (f", {lead}" if index else lead for index, lead in enumerate(leads))


def _number(value: float | None) -> str:
    """Write a number, or a constant of JSON."""
    if value is None or isinstance(value, bool) or type(value) in (int, float):
        return json.dumps(value)
    return str(int(value)) if isinstance(value, int) else json.dumps(float(value))


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bytes):
        return key.decode()
    if key is None or isinstance(key, bool | int | float):
        return _number(key)
    raise TypeError(f"keys must be str, int, float, bool or None, not {type(key).__name__}")


def _fields(value: Any) -> Mapping[Any, Any] | None:
    """Return the fields of a dictionary, of a named tuple, and of what can be taken for one."""
    asdict = getattr(value, "_asdict", None)
    fields: Any = asdict() if callable(asdict) else value
    if isinstance(fields, dict):
        return cast("Mapping[Any, Any]", fields)
    if callable(asdict):
        raise TypeError(f"_asdict() must return a dict, not {type(fields).__name__}")
    return None
