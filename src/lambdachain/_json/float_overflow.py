"""Numbers beyond the range of a float, such as ``1e400``: valid JSON, which Python reads as infinity without a word.

Imported only where the bytes at hand may have one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable
from typing import Any, Final, cast

from lambdachain._core.errors import ErrorDetail
from lambdachain._core.type_guards import is_mapping

from .payload_validation import not_finite

# The largest float has 309 digits.
_SAFE_DIGITS: Final = 308
_MSG: Final = "The number is beyond the range of a float, and would be read as infinity"


def overflowing(value: object, data: bytes, schema: object) -> list[ErrorDetail]:
    """List which numbers in *data* have become infinity in *value*, which was decoded from it.

    A text such as ``"Infinity"`` is the type's own choice, and a type that holds the number exactly has lost nothing.
    """
    if not _holds_infinity(value):
        return []
    try:
        read: object = json.loads(data, parse_int=_ranged)
        return [{**detail, "msg": _MSG} for detail in not_finite(read, read, schema)]
    except RecursionError:
        return [ErrorDetail(loc=(), type="finite_number", msg=_MSG)]


def _ranged(digits: str) -> float:
    return float(digits) if len(digits) > _SAFE_DIGITS else 0.0


def _holds_infinity(value: object) -> bool:
    """Check whether an infinity is anywhere inside *value*, however deep it is and even if it contains itself."""
    rest, seen = [value], set[int]()
    while rest:
        inner = rest.pop()
        if isinstance(inner, float):
            if math.isinf(inner):
                return True
        elif id(inner) not in seen:
            seen.add(id(inner))
            rest += _parts(inner)
    return False


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, str | bytes | bytearray | type):
        return ()
    if is_mapping(value):
        return value.values()
    if isinstance(value, Collection):
        return cast("Collection[object]", value)
    slots = [name for kind in type(value).__mro__ for name in _names(vars(kind).get("__slots__", ()))]
    return [*getattr(value, "__dict__", {}).values(), *(getattr(value, name, None) for name in slots)]


def _names(slots: Any) -> Iterable[str]:
    return (slots,) if isinstance(slots, str) else slots
