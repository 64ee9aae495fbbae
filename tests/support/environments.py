"""Environments for subprocesses: the variables of this process without those that a test must not depend on."""

from __future__ import annotations

import os


def environment_without(*prefixes: str) -> dict[str, str]:
    """Return the variables whose names begin with none of *prefixes*."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
