"""Find numbers beyond the range of a float, such as ``1e400``: valid JSON, which Python silently reads as infinity.

Imported only if ``float_overflow_scan`` finds that a payload may have one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable
from typing import Any, Final, cast

from lambdachain._core.errors import ErrorDetail
from lambdachain._core.type_guards import is_mapping

from .payload_validation import find_non_finite

# The largest float has 309 digits.
_SAFE_DIGITS: Final = 308
_MSG: Final = "The number is beyond the range of a float, and would be read as infinity"


def find_overflows(value: object, data: bytes, schema: object) -> list[ErrorDetail]:
    """Return an error for each number in *data* that has become infinity in *value*, which was decoded from it.

    The string ``"Infinity"`` is not an overflow, and a type that holds the number exactly (``Decimal``) loses nothing.
    """
    if not _has_infinity(value):
        return []
    try:
        # An integer has no limit in Python: _parse_int makes infinity of one that a float cannot hold.
        decoded: object = json.loads(data, parse_int=_parse_int)
        return [{**detail, "msg": _MSG} for detail in find_non_finite(decoded, decoded, schema)]
    except RecursionError:
        return [ErrorDetail(loc=(), type="finite_number", msg=_MSG)]


def _parse_int(digits: str) -> float:
    return float(digits) if len(digits) > _SAFE_DIGITS else 0.0


def _has_infinity(value: object) -> bool:
    """Check whether an infinity is anywhere inside *value*, however deeply nested, and even if it contains itself."""
    rest, seen = [value], set[int]()
    while rest:
        inner = rest.pop()
        if isinstance(inner, float):
            if math.isinf(inner):
                return True
        elif id(inner) not in seen:
            seen.add(id(inner))
            rest += _iter_parts(inner)
    return False


def _iter_parts(value: object) -> Iterable[object]:
    if isinstance(value, str | bytes | bytearray | type):
        return ()
    if is_mapping(value):
        return value.values()
    if isinstance(value, Collection):
        return cast("Collection[object]", value)
    slots = [name for kind in type(value).__mro__ for name in _get_slot_names(vars(kind).get("__slots__", ()))]
    return [*getattr(value, "__dict__", {}).values(), *(getattr(value, name, None) for name in slots)]


def _get_slot_names(slots: Any) -> Iterable[str]:
    return (slots,) if isinstance(slots, str) else slots
