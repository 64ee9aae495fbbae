"""Hints about the build that a function may need whose handler cannot be loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from lambdachain.local import LocalFunction
from lambdachain.local._definitions._requirements import REQUIREMENTS

_TYPESCRIPT: Final = (".ts", ".mts", ".cts", ".tsx")


def find_build_hint(function: LocalFunction) -> str | None:
    """Return what to do before the handler of a function can be loaded, as far as its files show it.

    Args:
        function: A function whose handler cannot be loaded.
    """
    directory = Path(function.directory)
    if function.runtime == "python":
        file = directory / REQUIREMENTS
        if not file.is_file():
            return None
        return f"if it needs a package of {os.path.relpath(file)}, run sam build, or pass --build to install them"
    if function.runtime != "nodejs":
        return None
    module = directory / function.handler.rpartition(".")[0]
    source = next((path for end in _TYPESCRIPT if (path := module.with_name(module.name + end)).is_file()), None)
    if source is not None:
        return f"{os.path.relpath(source)} is TypeScript: compile it, with sam build for example, and serve the output"
    package = next((each for each in (directory, *directory.parents) if (each / "package.json").is_file()), None)
    if package is None or (package / "node_modules").is_dir():
        return None
    return f"if it needs a package, run npm install in {os.path.relpath(package)}, or sam build"
