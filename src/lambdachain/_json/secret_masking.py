"""Secrets (``SecretStr``, ``SecretBytes``, ``Secret[...]``) in payloads: rejected, since pydantic masks them in JSON.

Three modules keep secrets out of payloads and errors. ``core_schema.inspect_schema`` rejects a type that declares a
secret, when the contract is made. Here, a secret is found in a value whose type does not declare one (``Any``, a field
of a user's serializer). ``payload_validation`` redacts error messages, which must not repeat any input.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from lambdachain._core.errors import ErrorDetail
from lambdachain._core.type_guards import is_mapping

_MASK: Final = b'"**********"'


def find_masked_secrets(value: object, data: bytes) -> list[ErrorDetail]:
    """Return an error if *data*, the JSON of *value*, has asterisks in the place of a secret."""
    # The bytes are searched first: walking the value is slow, and asterisks are rare.
    if _MASK not in data or not _has_secret(value):
        return []
    msg = "A secret is written as asterisks: pass what get_secret_value() returns, or add a serializer"
    return [ErrorDetail(loc=(), type="not_json", msg=msg)]


def _has_secret(value: object) -> bool:
    """Check whether one of pydantic's secrets is anywhere inside *value*."""
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
            rest += _iter_attributes(inner)
    return False


def _iter_attributes(inner: Any) -> Iterator[object]:
    members: Mapping[str, object] = getattr(inner, "__dict__", {})
    yield from members.values()
    # The fields of a dataclass with slots are not in __dict__.
    fields: Mapping[str, object] = getattr(inner, "__dataclass_fields__", {})
    yield from (getattr(inner, name, None) for name in fields)
    yield getattr(inner, "__pydantic_extra__", None)
