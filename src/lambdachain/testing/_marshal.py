"""A handler's answer as JSON, the way Python's runtime client for Lambda writes it.

It writes with simplejson: a named tuple as an object, bytes as text, a Decimal with its own digits, NaN as NaN.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, cast

# Digits go through the encoder as marked text, since it would write no number of its own but int and float.
_MARK: Final = secrets.token_hex(8)
_MARKED: Final = re.compile(f'"{_MARK}([^"]*)"')


def marshal(answer: object) -> bytes:
    """Write an answer; bytes go out as they are.

    Raises:
        Exception: JSON has no form for a part of it.
    """
    if isinstance(answer, bytes):
        return answer
    text = json.dumps(_plain(answer, ()), default=_refused)
    return (_MARKED.sub(r"\1", text) if _MARK in text else text).encode()


def _plain(value: Any, above: tuple[int, ...]) -> object:
    """Turn what simplejson knows and json does not into what json knows."""
    if isinstance(value, Decimal):
        return float("nan") if value.is_nan() else f"{_MARK}{value}"
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, dict | list | tuple):
        return value
    if id(cast("object", value)) in above:
        raise ValueError("Circular reference detected")
    within = (*above, id(cast("object", value)))
    fields: Callable[[], dict[str, object]] | None = getattr(cast("object", value), "_asdict", None)
    if isinstance(value, tuple) and fields is not None:
        return _plain(fields(), within)
    if isinstance(value, dict):
        entries = cast("dict[Any, object]", value)
        return {_key(key): _plain(inner, within) for key, inner in entries.items()}
    return [_plain(inner, within) for inner in cast("list[object]", value)]


def _key(key: Any) -> Any:
    return key.decode() if isinstance(key, bytes) else key


def _refused(value: object) -> None:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
