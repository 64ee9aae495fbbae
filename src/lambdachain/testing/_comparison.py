"""Differences between expected and actual requests, field by field, for the message of a failed assertion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import zip_longest
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping, is_sequence
from lambdachain._json.codec import type_name

_MAX_LENGTH: Final = 200
_ABSENT: Final = object()


def compare(expected: Sequence[object], actual: Sequence[object]) -> list[str]:
    """Describe how the actual requests differ from the expected ones, in lines; an empty list if they do not."""
    pairs = zip_longest(expected, actual, fillvalue=_ABSENT)
    return [line for number, pair in enumerate(pairs, 1) for line in _compare_call(f"call {number}", *pair)]


def _compare_call(name: str, expected: object, actual: object) -> Iterator[str]:
    if actual is _ABSENT:
        yield f"{name}: expected {shorten(expected)}, but there was no such call"
    elif expected is _ABSENT:
        yield f"{name}: unexpected call with {shorten(actual)}"
    else:
        yield from (f"{name}: {line}" for line in differences(expected, actual))


def differences(expected: object, actual: object, path: str = "") -> list[str]:
    """Describe where two values differ, in lines such as ``items[1].price: expected 4, got 3``."""
    # The classes of a test decide themselves what is equal; only unequal values are taken apart.
    if expected == actual:
        return []
    parts, others = _parts(expected), _parts(actual)
    if type(expected) is type(actual) and parts is not None and others is not None:
        names = {**parts, **others}
        pairs = ((name, parts.get(name, _ABSENT), others.get(name, _ABSENT)) for name in names)
        lines = [line for name, one, other in pairs for line in _compare_part(f"{path}{name}".lstrip("."), one, other)]
        # No lines: the parts are equal and something that is not a part differs, so the whole is shown below.
        if lines:
            return lines
    return [
        f"{path or 'the request'}: expected {_show_distinct(expected, actual)}, got {_show_distinct(actual, expected)}"
    ]


def _compare_part(path: str, expected: object, actual: object) -> Iterator[str]:
    if actual is _ABSENT:
        yield f"{path}: expected {shorten(expected)}, but it is missing"
    elif expected is _ABSENT:
        yield f"{path}: unexpected {shorten(actual)}"
    else:
        yield from differences(expected, actual, path)


def shorten(value: object) -> str:
    """Return the repr of a value, truncated if it is very long."""
    text = repr(value)
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}... ({len(text)} characters)"


def _show_distinct(value: object, other: object) -> str:
    """Return the repr of a value, with its type if *other* has the same repr, as instances of two classes may have."""
    text = shorten(value)
    return text if text != shorten(other) else f"{text} ({type_name(type(value))})"


def _parts(value: Any) -> Mapping[str, object] | None:
    """Split a value into its parts by path; ``None`` for a value that has no parts."""
    if is_mapping(value):
        return {f"[{key!r}]": inner for key, inner in value.items()}
    if is_sequence(value):
        return {f"[{position}]": inner for position, inner in enumerate(value)}
    if is_dataclass(value):
        return {f".{field.name}": getattr(value, field.name) for field in fields(value)}
    # Read from the class, because pydantic deprecates reading model_fields from an instance.
    model_fields: object = getattr(value.__class__, "model_fields", None)
    return {f".{name}": getattr(value, name) for name in model_fields} if is_mapping(model_fields) else None
