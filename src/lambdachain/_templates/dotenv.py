"""Read the ``.env`` files that the Serverless Framework takes environment variables from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from .document import Document
from .framework_version import get_framework_version

# One NAME=VALUE of a file. Written here, because the package python-dotenv comes with an extra that only `serve` needs.
_LINE: Final = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?([\w.-]+)(?:[ \t]*=|:[ \t]+)[ \t]*
    ('(?:\\'|[^'])*' | "(?:\\"|[^"])*" | `(?:\\`|[^`])*` | [^#\r\n]*)""",
    re.MULTILINE | re.VERBOSE,
)
# $NAME, ${NAME} and ${NAME:-default}; a dollar sign after a backslash is one.
_REFERENCE: Final = re.compile(r"(?<!\\)\$\{?(\w+)(?::-([^}\\]*))?\}?", re.ASCII)
_DOLLAR: Final = re.compile(r"(?<!\\)\$")
# References of references that never end, or that double at each step, stop here.
_MAX_STEPS: Final = 100
_MAX_LENGTH: Final = 100_000


def is_dotenv_read(document: Document) -> bool:
    """Check whether the framework reads ``.env`` files: version 4 does unless told not to, earlier ones if told to."""
    setting = document.get("useDotenv")
    if setting is not None:
        return setting is not False
    version = get_framework_version(document)
    return version is None or version >= 4


def load_dotenv(
    document: Document, stage: str | None, environment: Mapping[str, str], read_file: Callable[[str], str]
) -> dict[str, str]:
    """Return the variables of ``.env.STAGE`` and ``.env``; the former take precedence, and a missing file has none.

    Up to version 3, the framework reads ``.env`` only if there is no ``.env.STAGE``.

    Args:
        document: The service.
        stage: The stage, if it is known.
        environment: The variables of the process, which take precedence.
        read_file: Reads a file in the service's directory.
    """
    variables: dict[str, str] = {}
    is_one_enough = (get_framework_version(document) or 4) < 4
    for name in [*([f".env.{stage}"] if stage else []), ".env"]:
        try:
            found = parse_dotenv(read_file(name), {**variables, **environment})
        except (OSError, ValueError):
            continue
        variables = {**found, **variables}
        if is_one_enough:
            break
    return variables


def parse_dotenv(text: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    r"""Parse the variables of a ``.env`` file, which may refer to each other and to those of *environment*.

    What is not of the form ``NAME=VALUE`` is ignored.

    >>> parse_dotenv("A=1 # one\nexport B='two words'\nC=\"three\\nlines\"\nD=${A}${E:-x}")
    {'A': '1', 'B': 'two words', 'C': 'three\nlines', 'D': '1x'}
    """
    variables = {match[1]: _unquote(match[2].strip()) for match in _LINE.finditer(text)}
    for name, value in variables.items():
        written = (environment or {}).get(name, value)
        variables[name] = _expand(written, variables, environment or {}).replace("\\$", "$")
    return variables


def _expand(value: str, variables: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """Replace the references of a value, the last one first: a default may contain another one."""
    for _ in range(_MAX_STEPS):
        dollars = list(_DOLLAR.finditer(value))
        match = _REFERENCE.search(value, dollars[-1].start()) if dollars else None
        if match is None or len(value) > _MAX_LENGTH:
            break
        name, default = match.groups()
        found = environment.get(name) or default or variables.get(name) or ""
        value = value.replace(match[0], found, 1)
    return value


def _unquote(value: str) -> str:
    quote = value[:1]
    if len(value) < 2 or quote not in "'\"`" or value[-1] != quote:
        return value
    inside = value[1:-1]
    return inside.replace("\\n", "\n").replace("\\r", "\r") if quote == '"' else inside
