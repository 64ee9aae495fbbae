"""What is asked of a value after it has been written, and only of types where the answer is not known beforehand.

Whether it holds a secret, has fields that its type does not declare, or cannot be read back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final, cast

from lambdachain._core.errors import ErrorDetail
from lambdachain._core.type_guards import is_mapping

from .core_schema import Built, Doubt, Traits
from .payload_validation import Undeclared, details_of

_MASK: Final = b'"**********"'


def doubts_of(traits: Traits, built: Built, *, is_declared: bool) -> Iterator[Doubt]:
    """List what a value of a type has to be asked, given the value and its JSON."""
    if traits.may_mask:
        yield _masked
    if traits.records:
        yield Undeclared(built.schema, traits.records)
    if traits.may_differ and is_declared:
        from .round_trip import reading_of

        reading = reading_of(built.schema)
        if reading.needs_trial:
            yield partial(_unread, built, None if reading.differs else set[type]())


def _masked(value: object, data: bytes) -> list[ErrorDetail]:
    """Refuse a secret that stands where none is declared, or that its serializer left masked."""
    if _MASK not in data or not _holds_secret(value):
        return []
    msg = "A secret is written as asterisks: pass what get_secret_value() returns, or give it a serializer"
    return [ErrorDetail(loc=(), type="not_json", msg=msg)]


def _holds_secret(value: object) -> bool:
    """Search everything inside *value* for one of pydantic's secrets."""
    rest, seen = [value], set[int]()
    while rest:
        inner: Any = rest.pop()
        if id(inner) in seen or isinstance(inner, str | bytes | int | float | type(None) | type):
            continue
        if hasattr(inner, "get_secret_value"):
            return True
        seen.add(id(inner))
        if is_mapping(inner):
            rest += inner.values()
        elif isinstance(inner, list | tuple | set | frozenset):
            rest += cast("list[object]", inner)
        else:
            rest += _attributes(inner)
    return False


def _attributes(inner: Any) -> Iterator[object]:
    members: Mapping[str, object] = getattr(inner, "__dict__", {})
    yield from members.values()
    fields: Mapping[str, object] = getattr(inner, "__dataclass_fields__", {})
    yield from (getattr(inner, name, None) for name in fields)
    yield getattr(inner, "__pydantic_extra__", None)


def _unread(built: Built, tried: set[type] | None, value: object, data: bytes) -> list[ErrorDetail]:
    """Read back the first value of each class, or every value: what functions make of it is not known before.

    Args:
        built: What reads it.
        tried: The classes of which a value has been read back; ``None`` where that shows nothing about the next.
        value: What has been written.
        data: Its JSON.
    """
    if tried is not None and type(value) in tried:
        return []
    from pydantic_core import ValidationError, from_json

    try:
        built.validator.validate_json(data)
    except ValidationError as exc:
        found = details_of(exc, from_json(data), built.schema)
        return [_as_detail(error["loc"], error["type"]) for error in found]
    except (AttributeError, LookupError, TypeError, ValueError) as exc:  # of a validator that met what it never should
        return [_as_detail((), type(exc).__name__)]
    if tried is not None:
        tried.add(type(value))
    return []


def _as_detail(loc: tuple[str | int, ...], rule: str) -> ErrorDetail:
    msg = f"It is written so that it cannot be read back ({rule}): its serializer and its type do not agree"
    return ErrorDetail(loc=loc, type="unreadable", msg=msg)
