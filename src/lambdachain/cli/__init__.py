"""The command ``lambdachain``: one module for each of its commands."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command, and end the process with its status."""
    if find_spec("click") is None:
        sys.exit("lambdachain: its commands need click, not installed here: pip install 'lambdachain[cli]'")
    from ._commands import commands

    commands(prog_name="lambdachain")
