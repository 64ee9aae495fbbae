"""Escape untrusted text for display: the text of a callee or a file must not control a terminal or end a log's line."""

from __future__ import annotations

import re
from typing import Final

# Control characters, including C1 and line separators; characters that override the direction of writing or are
# invisible, except the joiners that scripts and emojis need; surrogates, which cannot be encoded.
_UNSAFE: Final = (
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: str, limit: int | None = None) -> str:
    r"""Escape unsafe and invisible characters, and truncate text longer than *limit*.

    >>> printable("first\n\x1b[2Jsecond")
    'first\\n\\x1b[2Jsecond'
    >>> printable("x" * 1000, 3)
    'xxx... (1000 characters)'
    """
    if limit is not None and len(text) > limit:
        return f"{printable(text[:limit])}... ({len(text)} characters)"
    # Most texts are plain ASCII: two methods in C are cheaper than a search.
    return text if text.isascii() and text.isprintable() else re.sub(_UNSAFE, _escape, text)


def json_printable(text: str) -> str:
    r"""Escape the same characters in JSON text, which keeps its meaning.

    >>> json_printable('"a\x7fb"')
    '"a\\u007fb"'
    """
    return text if text.isascii() and text.isprintable() else re.sub(_UNSAFE, _escape_in_json, text)


def for_terminal(text: str) -> str:
    r"""Escape what a terminal would obey, except colors, tabs and line feeds.

    >>> for_terminal("\x1b[31mred\x1b[0m\n\x1b]0;title\x07")
    '\x1b[31mred\x1b[0m\n\\x1b]0;title\\x07'
    """
    if text.isascii() and text.isprintable():
        return text
    # With a group in the pattern, split() keeps the separators, at the odd positions.
    parts = re.split("(\x1b\\[[0-9;]*m|[\n\t])", text)
    return "".join(part if at % 2 else printable(part) for at, part in enumerate(parts))


def _escape(match: re.Match[str]) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(match[0], ascii(match[0])[1:-1])


def _escape_in_json(match: re.Match[str]) -> str:
    # JSON writes a character beyond U+FFFF as two surrogates.
    units = match[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
