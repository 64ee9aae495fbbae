"""The OS-only runtime: an executable of the function's own that speaks the Runtime API."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ._function_config import LocalFunction


class ProvidedRuntime:
    """Whatever program stands as ``bootstrap`` in the function's directory: compiled, or a script that says its own
    interpreter in its first line.
    """

    def identifier(self, function: LocalFunction) -> str:
        """Name the newest OS-only runtime, after a look at whether there is a program to run."""
        self.command(function)
        return "provided.al2023"

    def command(self, function: LocalFunction) -> Sequence[str]:
        """Run the program; it finds the handler setting in ``_HANDLER``."""
        bootstrap = Path(function.directory).resolve() / "bootstrap"
        if not bootstrap.is_file():
            raise ValueError(f"runtime 'provided' runs the executable {str(bootstrap)!r}, which does not exist")
        if not os.access(bootstrap, os.X_OK):
            raise ValueError(f"{str(bootstrap)!r} is not executable: chmod +x it")
        return (str(bootstrap),)

    def environment(self, function: LocalFunction) -> Mapping[str, str]:  # noqa: ARG002 - as of every runtime
        """Return nothing: what else there is comes with the program."""
        return {}

    def takes_path(self, function: LocalFunction) -> bool:  # noqa: ARG002 - as of every runtime
        """Accept none: clients in Rust, Swift and many scripts want a host and a port."""
        return False
