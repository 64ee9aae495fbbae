"""What was expected beside what came, field by field: for the message of a failed expectation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import zip_longest
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping, is_sequence
from lambdachain._json.codec import type_name

_LONGEST: Final = 200
_ABSENT: Final = object()


def compare(expected: Sequence[object], came: Sequence[object]) -> list[str]:
    """Report in lines how the requests that came differ from those expected; none if they do not."""
    pairs = zip_longest(expected, came, fillvalue=_ABSENT)
    return [line for number, pair in enumerate(pairs, 1) for line in _call(f"call {number}", *pair)]


def _call(name: str, expected: object, came: object) -> Iterator[str]:
    if came is _ABSENT:
        yield f"{name} did not come: {shortened(expected)}"
    elif expected is _ABSENT:
        yield f"{name} was not expected: {shortened(came)}"
    else:
        yield from (f"{name}: {line}" for line in differences(expected, came))


def differences(expected: object, came: object, path: str = "") -> list[str]:
    """Describe where two values differ, in lines such as ``items[1].price: 3 came, 4 was expected``."""
    if expected == came:
        return []
    parts, others = _parts(expected), _parts(came)
    if type(expected) is type(came) and parts is not None and others is not None:
        names = {**parts, **others}
        pairs = ((name, parts.get(name, _ABSENT), others.get(name, _ABSENT)) for name in names)
        lines = [line for name, one, other in pairs for line in _part(f"{path}{name}".lstrip("."), one, other)]
        if lines:
            return lines
    return [f"{path or 'the request'}: {_told(came, expected)} came, {_told(expected, came)} was expected"]


def _part(path: str, expected: object, came: object) -> Iterator[str]:
    if came is _ABSENT:
        yield f"{path}: nothing came, {shortened(expected)} was expected"
    elif expected is _ABSENT:
        yield f"{path}: {shortened(came)} came, nothing was expected"
    else:
        yield from differences(expected, came, path)


def shortened(value: object) -> str:
    """Show a value, cut where it is very long."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


def _told(value: object, other: object) -> str:
    """Show a value so that it does not look like another of a different type: ``1`` and ``1.0`` do, or two classes."""
    told = shortened(value)
    return told if told != shortened(other) else f"{told} ({type_name(type(value))})"


def _parts(value: Any) -> Mapping[str, object] | None:
    """Accept a value apart; ``None`` for one that has no parts."""
    if is_mapping(value):
        return {f"[{key!r}]": inner for key, inner in value.items()}
    if is_sequence(value):
        return {f"[{position}]": inner for position, inner in enumerate(value)}
    if is_dataclass(value):
        return {f".{field.name}": getattr(value, field.name) for field in fields(value)}
    model_fields: object = getattr(value.__class__, "model_fields", None)
    return {f".{name}": getattr(value, name) for name in model_fields} if is_mapping(model_fields) else None
