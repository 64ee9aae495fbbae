"""Scalars of a deployed template: numbers and dates as JavaScript writes them, and any scalar as text.

The Serverless Framework reads YAML with js-yaml and deploys JSON that JavaScript has written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

_RADIXES: Final[Mapping[str, int]] = {"0b": 2, "0o": 8, "0x": 16}
# JavaScript's numbers are exact up to here; text of a larger one has the digits of the nearest, then zeros.
_MAX_EXACT: Final = 2**53
_FIRST_WITH_EXPONENT: Final = 1e21
# Smaller ones have an exponent too; Python's have it below a ten-thousandth.
_MIN_WITHOUT_EXPONENT: Final = 1e-6

TIME: Final = (
    r"(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]*))?"
    r"(?:[ \t]*(?:Z|([-+])([0-9]{1,2})(?::([0-9]{2}))?))?"
)
_DATE: Final = re.compile(rf"([0-9]{{4}})-([0-9]{{1,2}})-([0-9]{{1,2}})(?:{TIME})?$")


def parse_number(text: str) -> int | float | None:
    """Return a number of YAML 1.2 whose text is the one that JavaScript writes.

    Raises:
        ValueError: The text is not a number.
    """
    text = text.lower()
    digits = text.lstrip("-+")
    if (radix := _RADIXES.get(digits[:2])) is not None:
        number = float(int(digits[2:], radix)) * (-1 if text.startswith("-") else 1)
    else:
        number = float(text.replace(".inf", "inf").replace(".nan", "nan"))
    if not math.isfinite(number):
        # JSON, in which the framework deploys, has neither: it writes null.
        return None
    if not number.is_integer() or abs(number) >= _FIRST_WITH_EXPONENT:
        return number
    return int(number) if abs(number) <= _MAX_EXACT else int(Decimal(repr(number)))


def format_date(text: str) -> str:
    """Return a date or a time of YAML as JavaScript writes it; a text that is neither stays as it is.

    >>> format_date("2024-01-31"), format_date("2024-01-31 12:00:00 +02:00")
    ('2024-01-31T00:00:00.000Z', '2024-01-31T10:00:00.000Z')
    """
    if (match := _DATE.match(text)) is None:
        return text
    *numbers, fraction, sign, zone_hour, zone_minute = match.groups()
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
    milliseconds = int(f"{fraction or ''}000"[:3])
    try:
        moment = datetime(year, month, day, hour, minute, second, milliseconds * 1000, tzinfo=UTC)
        zone = timedelta(hours=int(zone_hour or 0), minutes=int(zone_minute or 0))
        moment += zone if sign == "-" else -zone
    except (ValueError, OverflowError):
        return text
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_text(value: Any) -> str:
    """Convert a scalar to text, as CloudFormation does; a float as JavaScript writes it.

    >>> to_text(True), to_text(5), to_text("x"), to_text(0.00001), to_text(1e-7)
    ('true', '5', 'x', '0.00001', '1e-7')

    Raises:
        TypeError: The value is not a scalar.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and "e" in (text := repr(value)):
        is_small = _MIN_WITHOUT_EXPONENT <= abs(value) < 1
        return format(Decimal(text), "f") if is_small else re.sub("e([-+])0+", r"e\1", text)
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(value)
