"""The fake credentials of functions: each function has its own, so that the endpoint knows which function calls.

On AWS a function's role signs its calls in the same way. AWS accepts none of these credentials.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from typing import Final

SECRET_KEY: Final = "local-secret-access-key"  # noqa: S105 - a fake
SESSION_TOKEN: Final = "local-session-token"  # noqa: S105 - a fake

_CREDENTIAL: Final = re.compile(r"Credential=([A-Z0-9]+)/")


@cache
def access_key_id(function: str) -> str:
    """Return the access key id of a function, in the format of AWS's."""
    return "LOCAL" + hashlib.sha256(function.encode()).hexdigest()[:15].upper()


def find_caller(authorization: str | None, functions: Iterable[str]) -> str | None:
    """Return the name of the function that signed a request, from its ``Authorization`` header, or ``None``."""
    found = _CREDENTIAL.search(authorization or "")
    # Most callers are not functions: spare them the comparison with every function's key.
    if found is None or not found[1].startswith("LOCAL"):
        return None
    return next((name for name in functions if access_key_id(name) == found[1]), None)
