"""Read the ``.env`` files that the Serverless Framework takes environment variables from."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .document import Document

# One NAME=VALUE of a file. Written here, because the package python-dotenv comes with an extra that only `serve` needs.
_LINE: Final = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?([\w.-]+)(?:[ \t]*=|:[ \t]+)[ \t]*
    ('(?:\\'|[^'])*' | "(?:\\"|[^"])*" | `(?:\\`|[^`])*` | [^#\r\n]*)""",
    re.MULTILINE | re.VERBOSE,
)


def is_dotenv_read(document: Document) -> bool:
    """Check whether the framework reads ``.env`` files: version 4 does unless told not to, earlier ones if told to."""
    setting = document.get("useDotenv")
    if setting is not None:
        return setting is not False
    major = re.search(r"\d+", str(document.get("frameworkVersion") or ""))
    return major is None or int(major[0]) >= 4


def load_dotenv(stage: str | None, read_file: Callable[[str], str]) -> dict[str, str]:
    """Return the variables of ``.env.STAGE`` and ``.env``; the former take precedence, and a missing file has none.

    Args:
        stage: The stage, if it is known.
        read_file: Reads a file in the service's directory.
    """
    variables: dict[str, str] = {}
    for name in [".env", *([f".env.{stage}"] if stage else [])]:
        try:
            variables |= parse_dotenv(read_file(name))
        except (OSError, ValueError):
            continue
    return variables


def parse_dotenv(text: str) -> dict[str, str]:
    r"""Parse the variables of a ``.env`` file; what is not of the form ``NAME=VALUE`` is ignored.

    >>> parse_dotenv("A=1 # one\nexport B='two words'\nC=\"three\\nlines\"")
    {'A': '1', 'B': 'two words', 'C': 'three\nlines'}
    """
    return {match[1]: _unquote(match[2].strip()) for match in _LINE.finditer(text)}


def _unquote(value: str) -> str:
    quote = value[:1]
    if len(value) < 2 or quote not in "'\"`" or value[-1] != quote:
        return value
    inside = value[1:-1]
    return inside.replace("\\n", "\n").replace("\\r", "\r") if quote == '"' else inside
