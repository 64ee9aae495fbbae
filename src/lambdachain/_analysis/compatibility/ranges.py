"""The bounds of numbers, decimals, dates and times in a JSON Schema and its extensions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from fractions import Fraction
from math import floor
from operator import gt, lt
from typing import Any, Final

from .schema_node import SchemaNode

_Bound = tuple[Any, bool]  # the value, and whether the bound itself is excluded

_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "decimal": Decimal,
    "number": Decimal,
    "integer": Decimal,
    "fraction": Fraction,
    "duration": Decimal,
    "date": date.fromisoformat,
    "date-time": datetime.fromisoformat,
    "time": time.fromisoformat,
}


@dataclass(frozen=True, slots=True)
class Range:
    """A range of values: ``None`` means unbounded; an *open* bound is itself excluded."""

    low: Any = None
    high: Any = None
    low_open: bool = False
    high_open: bool = False

    def contains(self, other: Range) -> bool:
        """Check whether this range contains all of *other*.

        Raises:
            TypeError: The bounds cannot be compared: only one of two times has a time zone.
        """
        return _is_inside((other.low, other.low_open), (self.low, self.low_open), gt) and _is_inside(
            (other.high, other.high_open), (self.high, self.high_open), lt
        )

    def __str__(self) -> str:
        low = "" if self.low is None else f"{'>' if self.low_open else '≥'} {self.low}"
        high = "" if self.high is None else f"{'<' if self.high_open else '≤'} {self.high}"
        return " and ".join(filter(None, (low, high)))


def read_range(part: SchemaNode) -> Range:
    """Return the range of values that a schema allows.

    Raises:
        ValueError: A bound cannot be parsed as a value of its type.
    """
    kind = part.node.get("format", part.type)
    low, low_open = _get_tighter(_read_bounds(part, kind, ("ge", "minimum"), ("gt", "exclusiveMinimum")), lower=True)
    high, high_open = _get_tighter(_read_bounds(part, kind, ("le", "maximum"), ("lt", "exclusiveMaximum")), lower=False)
    # Integers have closed bounds only: > 0 and >= 1 are the same.
    if part.type == "integer":
        low, low_open = (None if low is None else floor(low) + 1 if low_open else -floor(-low)), False
        high, high_open = (None if high is None else -floor(-high) - 1 if high_open else floor(high)), False
    return Range(low, high, low_open, high_open)


def _read_bounds(part: SchemaNode, kind: str, closed: tuple[str, str], opened: tuple[str, str]) -> list[_Bound]:
    found = list[_Bound]()
    for (mark, keyword), is_open in ((closed, False), (opened, True)):
        if mark in part.extensions:
            found.append((_parse_bound(kind, part.extensions[mark]), is_open))
        elif keyword in part.node:
            found.append((part.node[keyword], is_open))
    return found


def _parse_bound(kind: str, text: str) -> Any:
    reader = _READERS.get(kind)
    if reader is None:
        raise ValueError(f"{kind} has no bounds")
    try:
        return reader(text)
    except ArithmeticError as exc:
        raise ValueError(text) from exc


def _get_tighter(bounds: list[_Bound], *, lower: bool) -> _Bound:
    if not bounds:
        return None, False
    if len(bounds) == 1:
        return bounds[0]
    (closed, _), (opened, _) = bounds
    # With equal bounds the open one is tighter: it excludes the value itself.
    return (opened, True) if (opened >= closed if lower else opened <= closed) else (closed, False)


def _is_inside(bound: _Bound, limit: _Bound, is_beyond: Callable[[Any, Any], bool]) -> bool:
    """Check whether a bound is at least as tight as a limit."""
    (value, is_open), (most, most_open) = bound, limit
    if most is None:
        return True
    if value is None:
        return False
    return is_beyond(value, most) or (bool(value == most) and (is_open or not most_open))
