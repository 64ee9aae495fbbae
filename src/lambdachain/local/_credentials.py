"""The credentials of functions: made up, each function's own, so that the endpoint knows who calls.

As on AWS, where a function's role signs its calls. They are worth nothing elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from typing import Final

SECRET_KEY: Final = "local-secret-access-key"  # noqa: S105 - it opens nothing
SESSION_TOKEN: Final = "local-session-token"  # noqa: S105 - it opens nothing

_CREDENTIAL: Final = re.compile(r"Credential=([A-Z0-9]+)/")


@cache
def access_key(function: str) -> str:
    """Return the access key id of a function, in the form that AWS's have."""
    return "LOCAL" + hashlib.sha256(function.encode()).hexdigest()[:15].upper()


def caller_of(authorization: str | None, functions: Iterable[str]) -> str | None:
    """Name the function that signed a request, by its ``Authorization`` header; ``None`` for anybody else."""
    found = _CREDENTIAL.search(authorization or "")
    if found is None or not found[1].startswith("LOCAL"):
        return None
    return next((name for name in functions if access_key(name) == found[1]), None)
