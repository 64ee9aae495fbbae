"""What the extra ``lambdachain[local]`` brings, and whether it is here."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

# By the name that is imported, the name that is installed.
_NEEDED: Final = {
    "aiohttp": "aiohttp",
    "awslambdaric": "awslambdaric",
    "dotenv": "python-dotenv",
    "watchfiles": "watchfiles",
    "yaml": "PyYAML",
}


def missing_packages() -> list[str]:
    """Name what of the extra is not installed."""
    return [package for module, package in _NEEDED.items() if find_spec(module) is None]
