"""The packages of the extra ``lambdachain[local]``, and whether they are installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

# From the name of the module to the name of its distribution.
_NEEDED: Final = {
    "aiohttp": "aiohttp",
    "awslambdaric": "awslambdaric",
    "dotenv": "python-dotenv",
    "httptools": "httptools",
    "watchfiles": "watchfiles",
    "yaml": "PyYAML",
}


def missing_packages() -> list[str]:
    """Return the names of the packages of the extra that are not installed."""
    return [package for module, package in _NEEDED.items() if find_spec(module) is None]
