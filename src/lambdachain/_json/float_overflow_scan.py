"""Scan JSON for numbers that may be beyond the range of a float. Fast, since every response is scanned.

``float_overflow`` finds out whether one is, and where.
"""

from __future__ import annotations

import re
from typing import Final

# The largest float is 1.8e308. The patterns begin with a letter, since re searches for one at the speed of memchr.
_EXPONENT: Final = re.compile(rb"e(?<=[0-9]e)\+?[0-9]{3,}(?:[\s,\]}]|\Z)")
_CAPITAL_EXPONENT: Final = re.compile(rb"E(?<=[0-9]E)\+?[0-9]{3,}(?:[\s,\]}]|\Z)")

# With an exponent of at most two digits, a number needs 210 digits and perhaps a point to overflow, so every sample of
# it is a digit. The wide stride rules out text at little cost; the narrow one sees every blank between two numbers.
_LONG: Final = 210
_IS_DIGIT: Final = bytes(byte in b"0123456789." for byte in range(256))
_WIDE, _NARROW = 11, 2
_WIDE_ROW, _NARROW_ROW = b"\1" * (_LONG // _WIDE), b"\1" * (_LONG // _NARROW)


def may_overflow(data: bytes) -> bool:
    """Check for a number with an exponent of three digits, or with hundreds of digits: no other can overflow.

    >>> may_overflow(b'{"cents": 1e400}'), may_overflow(b'{"cents": 1e40, "id": "7e400"}')
    (True, False)
    """
    if _EXPONENT.search(data) or _CAPITAL_EXPONENT.search(data):
        return True
    # Not ``in``, which tries its operand as a number before it searches, and drops an exception.
    if len(data) < _LONG or data[::_WIDE].translate(_IS_DIGIT).find(_WIDE_ROW) < 0:
        return False
    return _NARROW_ROW in data[::_NARROW].translate(_IS_DIGIT)
