"""Texts of somebody else's, made fit to be shown: in a message, a log, on a terminal."""

from __future__ import annotations

import re
from typing import Final

# Control characters, C1 and line separators included; what overrides the direction of writing or is not seen at all,
# but for the joiners that scripts and emojis need; halves of characters, which cannot be encoded.
_UNSAFE: Final = (
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_SECRET_VALUE: Final = re.compile(r"(?<==)[^&#]+")


def printable(text: str, limit: int | None = None) -> str:
    r"""Escape what is not meant to be seen, and shorten what is longer than *limit*.

    >>> printable("first\n\x1b[2Jsecond")
    'first\\n\\x1b[2Jsecond'
    >>> printable("x" * 1000, 3)
    'xxx... (1000 characters)'
    """
    if limit is not None and len(text) > limit:
        return f"{printable(text[:limit])}... ({len(text)} characters)"
    return text if text.isascii() and text.isprintable() else re.sub(_UNSAFE, _escaped, text)


def json_printable(text: str) -> str:
    r"""Escape the same in JSON, which says the same as before.

    >>> json_printable('"a\x7fb"')
    '"a\\u007fb"'
    """
    return text if text.isascii() and text.isprintable() else re.sub(_UNSAFE, _json_escaped, text)


def public_url(url: str | None) -> str | None:
    """Remove from a URL what may be a secret: user and password, and the values of its query.

    >>> public_url("https://user:password@example.com/path?token=secret")
    'https://***@example.com/path?token=***'
    """
    if url is None:
        return None
    front, mark, query = url.partition("?")
    name = front.rpartition("@")[2]
    front = without_passwords(front) if "://" in front or name == front else f"***@{name}"
    return front + mark + _SECRET_VALUE.sub("***", query)


def for_terminal(text: str) -> str:
    r"""Escape what a terminal would obey, but for colours and the ends of lines.

    >>> for_terminal("\x1b[31mred\x1b[0m\n\x1b]0;title\x07")
    '\x1b[31mred\x1b[0m\n\\x1b]0;title\\x07'
    """
    if text.isascii() and text.isprintable():
        return text
    parts = re.split("(\x1b\\[[0-9;]*m|[\n\t])", text)
    return "".join(part if at % 2 else printable(part) for at, part in enumerate(parts))


def without_passwords(text: str) -> str:
    """Remove from the URLs in a text who they are for and with which password.

    >>> without_passwords('cannot connect to "https://user:pass/word@example.com/"')
    'cannot connect to "https://***@example.com/"'
    """
    return re.sub(r"(?<=://)\S*@", "***@", text)


def _escaped(match: re.Match[str]) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(match[0], ascii(match[0])[1:-1])


def _json_escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
