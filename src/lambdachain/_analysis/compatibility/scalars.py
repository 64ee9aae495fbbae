"""Compare strings, numbers and single values: does pydantic accept what is sent?

Most rules here are facts about pydantic's lax mode, found by experiment; ``tests/analysis/compatibility`` compares
them with pydantic itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from .incompatibility import Incompatibility, Reason, make_incompatibility
from .ranges import Range, read_range
from .schema_node import SchemaNode, json_type

_NUMBERS: Final = frozenset({"integer", "number"})
# Formats that pydantic accepts for another format, in every configuration.
_FORMATS_READ: Final[dict[str, frozenset[str]]] = {
    "uuid": frozenset({"uuid1", "uuid3", "uuid4", "uuid5", "uuid6", "uuid7", "uuid8"}),
    "ipvanyaddress": frozenset({"ipv4", "ipv6"}),
    "ipvanyinterface": frozenset({"ipv4", "ipv6", "ipv4interface", "ipv6interface", "ipvanyaddress"}),
    "ipv4interface": frozenset({"ipv4"}),
    "ipv6interface": frozenset({"ipv6"}),
}
# No format, or one that every string has: the reader accepts any string.
_ANY_TEXT: Final = frozenset({None, "binary", "path"})
_ENCODED: Final = frozenset({"binary", "base64url", "base64", "hex"})
_KNOWN_FORMATS: Final = frozenset(
    {"date", "date-time", "time", "duration", "decimal", "uuid", "uuid4", "uri", "email", "ipv4", "ipv6", *_ENCODED}
)
# A string of one format may be valid for another: pydantic reads the decimal "86400" as a date, in seconds since 1970.
_NUMERIC_FORMATS: Final = frozenset({"date", "date-time", "time", "duration", "decimal"})
_EQUAL_EXTENSIONS: Final = ("timezone", "now", "unit")
_TIME_EXTENSIONS: Final = (*_EQUAL_EXTENSIONS, "gt", "ge", "lt", "le")
# URLs of these schemes always have a host.
_WITH_HOST: Final = frozenset({"http", "https", "ws", "wss"})
_TEXT_LIMITS: Final = ("minLength", "maxLength", "pattern")


def find_scalar_incompatibilities(
    sent: SchemaNode, read: SchemaNode, path: str, *, lax: bool
) -> Iterator[Incompatibility]:
    """Compare two schemas with one JSON type each that is not an array or an object."""
    if sent.type == read.type == "string":
        yield from _compare_strings(sent, read, path, lax=lax)
    elif _is_number_for(sent, read, lax=lax):
        yield from _compare_numbers(sent, read, path)
    elif sent.type != read.type:
        yield make_incompatibility(
            path, Reason.TYPE, sent, read, certain=not (lax and sent.type != "string" and _may_read_number(read))
        )


def accepts(value: Any, read: SchemaNode, *, lax: bool) -> bool | None:
    """Return whether the reader accepts one value; ``None`` if that is unknown."""
    if read.opaque is not None or read.checks or read.unknown_keywords:
        return None
    if read.alternatives:
        results = [accepts(value, member, lax=lax) for member in read.alternatives]
        return True if True in results else None if None in results else False
    if read.values is not None:
        equal = [known for known in read.values if known == value]
        # In Python 0 == False, and some of pydantic's validators compare that way, so the result is unknown.
        return any(type(known) is type(value) for known in equal) or (None if equal else False)
    return _accepts_plain(value, read, lax=lax) if read.type else True


def _accepts_plain(value: Any, read: SchemaNode, *, lax: bool) -> bool | None:
    kind = json_type(value)
    if kind in _NUMBERS and read.type in _NUMBERS:
        is_whole = kind == "integer" or (lax and "strict" not in read.extensions and float(value).is_integer())
        return (read.type == "number" or is_whole) and _within(value, read)
    if kind == "boolean" and read.type in _NUMBERS:
        return lax and not read.extensions.keys() & {"strict", "decimal"} and _within(int(value), read)
    if kind != read.type:
        return None if lax and _may_be_read(kind, read) else False
    if kind == "string":
        return _accepts_string(value, read)
    return None if kind in ("array", "object") else True


def _is_number_for(sent: SchemaNode, read: SchemaNode, *, lax: bool) -> bool:
    if sent.type in _NUMBERS:
        return read.type in ("number", sent.type)
    is_decimal = sent.node.get("format") == "decimal"
    return lax and is_decimal and read.type == "number" and not read.extensions.keys() & {"strict", "decimal"}


def _may_be_read(kind: str, read: SchemaNode) -> bool:
    """Check whether pydantic converts some values of a JSON type to the type of the reader."""
    if kind == "string":
        return read.type in _NUMBERS or read.type == "boolean"
    return _may_read_number(read) or (kind in _NUMBERS and read.type == "boolean")


def _may_read_number(read: SchemaNode) -> bool:
    """Check whether pydantic may read a number as seconds, as an IP address, or as a string."""
    return read.type == "string" and (read.node.get("format") not in _ANY_TEXT or "numbers" in read.extensions)


def _within(value: Any, read: SchemaNode) -> bool | None:
    if (
        "multipleOf" in read.node
        or "digits" in read.extensions
        or "places" in read.extensions
        or "multiple_of" in read.extensions
    ):
        return None
    return read_range(read).contains(Range(value, value))


def _accepts_string(value: str, read: SchemaNode) -> bool | None:
    form = read.node.get("format")
    if form not in _ANY_TEXT or (form == "binary" and not value.isascii()) or _get_transformations(read):
        return None
    if not read.node.get("minLength", 0) <= len(value) <= read.node.get("maxLength", len(value)):
        return False
    return _matches(value, read.node["pattern"]) if "pattern" in read.node else True


def _matches(value: str, pattern: str) -> bool | None:
    # pydantic's regular expressions are Rust's: what Python cannot parse is unknown, not rejected.
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return None


def _compare_strings(sent: SchemaNode, read: SchemaNode, path: str, *, lax: bool) -> Iterator[Incompatibility]:
    written, expected = sent.node.get("format"), read.node.get("format")
    if not _reads_format(sent, read, lax=lax):
        is_known = expected in _KNOWN_FORMATS and not {written, expected} <= _NUMERIC_FORMATS
        yield make_incompatibility(path, Reason.TYPE, sent, read, certain=written is None or is_known)
    elif written == expected and expected not in _ENCODED:
        yield from _compare_limits(sent, read, path)
    elif any(name in read.extensions for name in _TIME_EXTENSIONS):
        yield make_incompatibility(path, Reason.LIMIT, sent, read, certain=False)
    if expected != "decimal":
        yield from _compare_string_limits(sent, read, path)


def _reads_format(sent: SchemaNode, read: SchemaNode, *, lax: bool) -> bool:
    written, expected = sent.node.get("format"), read.node.get("format")
    if written == expected or (expected in _FORMATS_READ and written in _FORMATS_READ[expected]):
        return True
    if expected in _ANY_TEXT:
        return not {written, expected} <= _ENCODED
    return lax and (written, expected) == ("date", "date-time") and "strict" not in read.extensions


def _compare_string_limits(sent: SchemaNode, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
    if not any(name in read.node for name in _TEXT_LIMITS):
        return
    # Limits of bytes count bytes, limits of strings count characters, so they cannot be compared.
    counts_alike = (sent.node.get("format") in _ENCODED) == (read.node.get("format") in _ENCODED)
    short = sent.node.get("minLength", 0) < read.node.get("minLength", 0)
    long = "maxLength" in read.node and sent.node.get("maxLength", float("inf")) > read.node["maxLength"]
    other = "pattern" in read.node and sent.node.get("pattern") != read.node["pattern"]
    if short or long or not counts_alike or other:
        # If the writer has a pattern or format, all its values may happen to have the right length and match.
        yield make_incompatibility(path, Reason.LIMIT, sent, read, certain=not {"pattern", "format"} & sent.node.keys())
    elif _get_transformations(read) - _get_transformations(sent):
        yield make_incompatibility(path, Reason.LIMIT, sent, read, certain=False)


def _get_transformations(part: SchemaNode) -> frozenset[str]:
    """Return the transformations of a string before its limits are checked."""
    return frozenset({"strip", "lower", "upper"} & part.extensions.keys())


def _compare_numbers(sent: SchemaNode, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
    expected = read.node.get("multipleOf")
    if expected is not None and not _is_multiple(sent, expected):
        yield make_incompatibility(path, Reason.LIMIT, sent, read)
    else:
        yield from _compare_limits(sent, read, path)


def _is_multiple(sent: SchemaNode, expected: Any) -> bool:
    step = sent.node.get("multipleOf", sent.extensions.get("multiple_of", 1 if sent.type == "integer" else None))
    try:
        return step is not None and Decimal(str(step)) % Decimal(str(expected)) == 0
    except ArithmeticError:
        return False


def _compare_limits(sent: SchemaNode, read: SchemaNode, path: str) -> Iterator[Incompatibility]:
    """Compare bounds, and the limits that only the extensions have."""
    try:
        holds = read_range(read).contains(read_range(sent))
    except (ValueError, TypeError):
        yield make_incompatibility(path, Reason.LIMIT, sent, read, certain=False)
        return
    if not (holds and _has_allowed_step(sent, read) and _has_allowed_extensions(sent, read)):
        yield make_incompatibility(path, Reason.LIMIT, sent, read)
    elif not _has_allowed_digits(sent, read):
        yield make_incompatibility(path, Reason.LIMIT, sent, read, certain="multiple_of" not in sent.extensions)


def _has_allowed_step(sent: SchemaNode, read: SchemaNode) -> bool:
    return "multiple_of" not in read.extensions or _is_multiple(sent, read.extensions["multiple_of"])


def _has_allowed_extensions(sent: SchemaNode, read: SchemaNode) -> bool:
    if any(
        name in read.extensions and sent.extensions.get(name) != read.extensions[name] for name in _EQUAL_EXTENSIONS
    ):
        return False
    allowed, own = read.extensions.get("allowed_schemes"), sent.extensions.get("allowed_schemes")
    if allowed is not None:
        return own is not None and set(own) <= set(allowed)
    return (
        "host_required" not in read.extensions or "host_required" in sent.extensions or set(own or ("",)) <= _WITH_HOST
    )


def _has_allowed_digits(sent: SchemaNode, read: SchemaNode) -> bool:
    """Check whether a decimal has at most the allowed digits, in total and after the point."""
    (digits, places), (most, most_places) = _count_digits(sent), _count_digits(read)
    if most is not None and (digits is None or digits > most):
        return False
    if most_places is None:
        return True
    if places is None or places > most_places:
        return False
    return most is None or digits is None or digits - places <= most - most_places


def _count_digits(part: SchemaNode) -> tuple[int | None, int | None]:
    digits, places = part.extensions.get("digits"), part.extensions.get("places")
    if part.type == "integer":
        within = read_range(part)
        if within.low is None or within.high is None:
            return None, 0
        return max(len(str(abs(within.low))), len(str(abs(within.high)))), 0
    return None if digits is None else int(digits), None if places is None else int(places)
