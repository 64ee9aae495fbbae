"""Restore the digits of a ``Decimal`` that is a JSON number: pydantic reads a number as a float, of 17 digits, first.

Python's runtime client for Lambda writes a ``Decimal`` as such a number. Which numbers of a payload are decimals only
the validator knows, so groups of them are replaced and validated again, until the value differs in decimals only.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterator
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from lambdachain._core.type_guards import is_mapping, is_sequence

if TYPE_CHECKING:
    from pydantic_core import SchemaSerializer, SchemaValidator

# Each attempt decodes the whole payload, so their number is limited; the rest keeps the digits of a float.
_MAX_ATTEMPTS: Final = 256
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?')


def restore_decimal_digits(data: bytes, value: Any, validator: SchemaValidator, serializer: SchemaSerializer) -> Any:
    """Return *value* with all the digits of its decimals, where *data* has more of them than a float holds.

    Args:
        data: The JSON that *value* was decoded from.
        value: The decoded value.
        validator: The validator of its type.
        serializer: The serializer of its type.
    """
    groups = list(_group_lossy_numbers(data).values())
    if not groups:
        return value
    baseline = _Baseline(value, serializer)

    def try_restoring(selected: Collection[int]) -> Any:
        for read in (_decode_as_strings, _decode_as_decimals):
            found = read(data, selected, validator)
            if found is not None and baseline.is_same(found):
                return found
        return None

    found = _find_largest_restoration(groups, try_restoring)
    return value if found is None else found


def _group_lossy_numbers(data: bytes) -> dict[bytes, list[int]]:
    """Group the numbers that a float does not hold by the string before them, usually their key: it has one type."""
    groups: dict[bytes, list[int]] = {}
    indexes, text = count(), b""
    for token in _TOKEN.finditer(data):
        if token[0].startswith(b'"'):
            text = token[0]
        elif _is_lossy(token[0]):
            groups.setdefault(text, []).append(next(indexes))
    return groups


def _find_largest_restoration(groups: list[list[int]], try_restoring: Callable[[Collection[int]], Any]) -> Any:
    """Restore the digits of as many groups as are decimals; such a number may also be the value of a float.

    A group that is not a decimal makes a whole attempt fail, so the groups are halved until it is alone.
    """
    kept: list[int] = []
    best: Any = None
    rest = [groups]
    for _ in range(_MAX_ATTEMPTS):
        if not rest:
            break
        some = rest.pop()
        selected = [*kept, *(index for group in some for index in group)]
        found = try_restoring(selected)
        if found is not None:
            kept, best = selected, found
        elif len(some) > 1:
            middle = len(some) // 2
            rest += [some[middle:], some[:middle]]
    return best


def _is_lossy(token: bytes) -> bool:
    """Check whether a JSON token is a number with more digits than a float holds."""
    # Integers of any length are read exactly: only a point or an exponent makes a float of a number.
    if token[:1] == b'"' or token.isdigit():
        return False
    number = float(token)
    return (
        not token.lstrip(b"-").isdigit() and math.isfinite(number) and Decimal(token.decode()) != Decimal(str(number))
    )


def _decode_as_strings(data: bytes, selected: Collection[int], validator: SchemaValidator) -> Any:
    """Decode *data* with the selected numbers as strings, from which pydantic reads every digit of a decimal."""
    indexes, selected_indexes = count(), frozenset(selected)

    def as_text(token: re.Match[bytes]) -> bytes:
        is_selected = _is_lossy(token[0]) and next(indexes) in selected_indexes
        return b'"%s"' % token[0] if is_selected else token[0]

    try:
        return validator.validate_json(_TOKEN.sub(as_text, data))
    except ValueError:
        return None


def _decode_as_decimals(data: bytes, selected: Collection[int], validator: SchemaValidator) -> Any:
    """Decode *data* with the selected numbers as decimals: for a union with ``str``, which would accept the string."""
    indexes, selected_indexes = count(), frozenset(selected)

    def number(token: str) -> Decimal | float:
        is_selected = _is_lossy(token.encode()) and next(indexes) in selected_indexes
        return Decimal(token) if is_selected else float(token)

    try:
        return validator.validate_python(json.loads(data, parse_float=number))
    except (ValueError, RecursionError):
        return None


class _Baseline:
    """The value as it was decoded at first: another decoding may differ from it in the digits of decimals only."""

    def __init__(self, value: Any, serializer: SchemaSerializer) -> None:
        self._serializer = serializer
        self._leaves = list(self._iter_leaves(value))

    def is_same(self, other: Any) -> bool:
        leaves = list(self._iter_leaves(other))
        pairs = zip(self._leaves, leaves, strict=False)
        return len(leaves) == len(self._leaves) and all(_is_same_leaf(expected, actual) for expected, actual in pairs)

    def _iter_leaves(self, value: Any) -> Iterator[Any]:
        rest = [self._serializer.to_python(value, warnings=False)]
        while rest:
            inner = rest.pop()
            if is_mapping(inner):
                rest += [*inner.keys(), *inner.values()]
            elif is_sequence(inner):
                rest += inner
            else:
                yield inner


def _is_same_leaf(expected: Any, actual: Any) -> bool:
    return type(expected) is type(actual) and (isinstance(expected, Decimal) or expected == actual)
