"""What an authorizer needs of a request, in the forms of REST APIs and HTTP APIs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from lambdachain._core.type_guards import is_list

_SOURCE: Final = re.compile(r"(?:header|querystring|context|stageVariables)\.\S+")


def parse_identity_sources(value: Any) -> tuple[str, ...]:
    """Convert the identity sources of an authorizer, a text with commas or a list, to one form.

    >>> parse_identity_sources("method.request.header.Auth, $request.querystring.key")
    ('header.Auth', 'querystring.key')
    """
    parts = value if is_list(value) else str(value).split(",") if value is not None else ()
    return tuple(source for part in parts for source in _parse_source(str(part).strip()))


def _parse_source(text: str) -> Iterator[str]:
    source = text.removeprefix("method.").removeprefix("$").removeprefix("request.").replace("multivalue", "")
    if _SOURCE.fullmatch(source):
        yield source
