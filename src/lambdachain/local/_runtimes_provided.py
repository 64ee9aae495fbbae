"""The OS-only runtime: an executable of the function that implements the Runtime API."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ._function_config import LocalFunction


class ProvidedRuntime:
    """Runs the executable ``bootstrap`` in the function's directory: a compiled program, or a script with a shebang."""

    def identifier(self, function: LocalFunction) -> str:
        """Return the newest OS-only runtime, after checking that ``bootstrap`` can be run."""
        self.command(function)
        return "provided.al2023"

    def command(self, function: LocalFunction) -> Sequence[str]:
        """Run the program; it reads the handler setting from ``_HANDLER``."""
        bootstrap = Path(function.directory).resolve() / "bootstrap"
        if not bootstrap.is_file():
            raise ValueError(
                f"runtime 'provided' runs the executable {str(bootstrap)!r}, which does not exist: build it first, "
                "with sam build for example"
            )
        if not os.access(bootstrap, os.X_OK):
            raise ValueError(f"{str(bootstrap)!r} is not executable: run chmod +x on it")
        return (str(bootstrap),)

    def environment(self, function: LocalFunction) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's signature
        """Return no variables: the program brings what else it needs."""
        return {}

    def takes_path(self, function: LocalFunction) -> bool:  # noqa: ARG002 - the protocol's signature
        """Return false: clients in Rust, Swift and many scripts accept only a host and a port."""
        return False
