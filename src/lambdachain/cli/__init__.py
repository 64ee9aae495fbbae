"""The command ``lambdachain``: one module for each of its commands."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command, and end the process with its status."""
    if find_spec("click") is None:
        sys.exit("lambdachain: its commands need click, not installed here: pip install 'lambdachain[cli]'")
    try:
        from ._commands import run

        sys.exit(run())
    except KeyboardInterrupt:  # before a command has begun, or after it has ended
        sys.exit(130)
