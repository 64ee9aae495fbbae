"""A handler's result as JSON, as Python's runtime client for Lambda serializes it.

The client uses simplejson: a named tuple becomes an object, bytes become a string, a Decimal keeps its digits, NaN
stays NaN. Characters beyond ASCII are escaped up to Python 3.11, and not from 3.12 on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, Final, cast

ESCAPES: Final = sys.version_info < (3, 12)


def marshal(result: object) -> bytes:
    """Serialize a handler's result; bytes are taken as JSON already.

    Raises:
        UnicodeEncodeError: A string has a lone surrogate that is not escaped.
        Exception: See ``to_json``.
    """
    return result if isinstance(result, bytes) else to_json(result).encode()


def to_json(value: object, *, escapes: bool = ESCAPES) -> str:
    """Serialize a value; with *escapes*, characters beyond ASCII are escaped.

    Raises:
        Exception: A part of the value cannot be serialized.
    """
    writer = _JsonWriter(encode_basestring_ascii if escapes else encode_basestring)
    writer.write(value)
    return "".join(writer.chunks)


class _JsonWriter:
    """Collects the chunks of a document; with one stack frame per level it nests as deep as the runtime client."""

    def __init__(self, text: Callable[[str], str]) -> None:
        self.chunks: list[str] = []
        self._text = text
        self._within = set[int]()

    def write(self, value: Any) -> None:
        """Add a value.

        Raises:
            Exception: A part of the value cannot be serialized.
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
        """Split a container into opening bracket, members with the text before each, and closing bracket."""
        fields = _fields(value)
        if fields is not None:
            keys = (f"{self._text(_key(key))}: " for key in fields)
            return "{", zip(_with_separators(keys), fields.values(), strict=True), "}"
        if isinstance(value, list | tuple):
            items = cast("Sequence[Any]", value)
            return "[", zip(_with_separators("" for _ in items), items, strict=True), "]"
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _with_separators(leads: Iterable[str]) -> Iterator[str]:
    return (f", {lead}" if index else lead for index, lead in enumerate(leads))


def _number(value: float | None) -> str:
    """Serialize a number, a boolean or null."""
    if value is None or isinstance(value, bool) or type(value) in (int, float):
        return json.dumps(value)
    # Subclasses such as IntEnum may override __repr__; simplejson writes the plain number.
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
    """Return the members of a dict, or of a named tuple or other object with ``_asdict``, else ``None``."""
    asdict = getattr(value, "_asdict", None)
    fields: Any = asdict() if callable(asdict) else value
    if isinstance(fields, dict):
        return cast("Mapping[Any, Any]", fields)
    if callable(asdict):
        raise TypeError(f"_asdict() must return a dict, not {type(fields).__name__}")
    return None
