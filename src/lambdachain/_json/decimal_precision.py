"""The digits of decimals that are JSON numbers: pydantic reads a number as a float first, which holds 17 of them.

Python's runtime client for Lambda writes a ``Decimal`` as such a number.
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

_MANY_ATTEMPTS: Final = 256
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?')


def with_digits(data: bytes, value: Any, validator: SchemaValidator, serializer: SchemaSerializer) -> Any:
    """Return *value* with all the digits of its decimals, wherever *data* has more of them than a float holds.

    Args:
        data: The JSON that *value* was read from.
        value: What was read.
        validator: What reads it.
        serializer: What takes a value of the type apart.
    """
    groups = list(_groups(data).values())
    if not groups:
        return value
    known = _Known(value, serializer)

    def attempt(chosen: Collection[int]) -> Any:
        for read in (_read_as_text, _read_as_decimals):
            found = read(data, chosen, validator)
            if found is not None and known.is_same(found):
                return found
        return None

    found = _best(groups, attempt)
    return value if found is None else found


def _groups(data: bytes) -> dict[bytes, list[int]]:
    """Group the numbers that a float does not hold, by the text before them: what has one key is of one type."""
    groups: dict[bytes, list[int]] = {}
    serials, text = count(), b""
    for token in _TOKEN.finditer(data):
        if token[0].startswith(b'"'):
            text = token[0]
        elif _is_lossy(token[0]):
            groups.setdefault(text, []).append(next(serials))
    return groups


def _best(groups: list[list[int]], attempt: Callable[[Collection[int]], Any]) -> Any:
    """Keep the digits of as many groups as are decimals: such a number may stand where a float does, too."""
    kept: list[int] = []
    best: Any = None
    rest = [groups]
    for _ in range(_MANY_ATTEMPTS):
        if not rest:
            break
        some = rest.pop()
        chosen = [*kept, *(serial for group in some for serial in group)]
        found = attempt(chosen)
        if found is not None:
            kept, best = chosen, found
        elif len(some) > 1:
            middle = len(some) // 2
            rest += [some[middle:], some[:middle]]
    return best


def _is_lossy(token: bytes) -> bool:
    """Check whether a token of JSON is a number with more digits than a float of it has."""
    if token[:1] == b'"' or token.isdigit():
        return False
    number = float(token)
    return (
        not token.lstrip(b"-").isdigit() and math.isfinite(number) and Decimal(token.decode()) != Decimal(str(number))
    )


def _read_as_text(data: bytes, chosen: Collection[int], validator: SchemaValidator) -> Any:
    """Read *data* with the chosen numbers as text, which a decimal is read from digit by digit."""
    serials, wanted = count(), frozenset(chosen)

    def as_text(token: re.Match[bytes]) -> bytes:
        is_chosen = _is_lossy(token[0]) and next(serials) in wanted
        return b'"%s"' % token[0] if is_chosen else token[0]

    try:
        return validator.validate_json(_TOKEN.sub(as_text, data))
    except ValueError:
        return None


def _read_as_decimals(data: bytes, chosen: Collection[int], validator: SchemaValidator) -> Any:
    """Read *data* with the chosen numbers as decimals: for a union with ``str``, which would take the text."""
    serials, wanted = count(), frozenset(chosen)

    def number(token: str) -> Decimal | float:
        is_chosen = _is_lossy(token.encode()) and next(serials) in wanted
        return Decimal(token) if is_chosen else float(token)

    try:
        return validator.validate_python(json.loads(data, parse_float=number))
    except (ValueError, RecursionError):
        return None


class _Known:
    """A value as it was read first: whatever is read otherwise must differ from it in the digits of decimals only."""

    def __init__(self, value: Any, serializer: SchemaSerializer) -> None:
        self._serializer = serializer
        self._leaves = list(self._leaves_of(value))

    def is_same(self, other: Any) -> bool:
        leaves = list(self._leaves_of(other))
        pairs = zip(self._leaves, leaves, strict=False)
        return len(leaves) == len(self._leaves) and all(_is_alike(mine, theirs) for mine, theirs in pairs)

    def _leaves_of(self, value: Any) -> Iterator[Any]:
        rest = [self._serializer.to_python(value, warnings=False)]
        while rest:
            inner = rest.pop()
            if is_mapping(inner):
                rest += [*inner.keys(), *inner.values()]
            elif is_sequence(inner):
                rest += inner
            else:
                yield inner


def _is_alike(mine: Any, theirs: Any) -> bool:
    return type(mine) is type(theirs) and (isinstance(mine, Decimal) or mine == theirs)
