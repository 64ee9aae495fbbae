"""Hints about the build that a function may need whose handler cannot be loaded."""

from __future__ import annotations

import os
from pathlib import Path

from lambdachain.local import LocalFunction
from lambdachain.local._definitions._node_build import find_package, find_typescript
from lambdachain.local._definitions._requirements import find_python_manifest


def find_build_hint(function: LocalFunction) -> str | None:
    """Return what to do before the handler of a function can be loaded, as far as its files show it.

    Args:
        function: A function whose handler cannot be loaded.
    """
    directory = Path(function.directory)
    if function.runtime == "python":
        file = find_python_manifest(directory)
        if file is None:
            return None
        return f"if it needs a package of {os.path.relpath(file)}, run sam build, or pass --build to install them"
    if function.runtime != "nodejs":
        return None
    source = find_typescript(directory, function.handler)
    if source is not None:
        return f"{os.path.relpath(source)} is TypeScript: pass --build to compile it with esbuild, or run sam build"
    package = next((each for each in (directory, *directory.parents) if (each / "package.json").is_file()), None)
    if package is None or (package / "node_modules").is_dir():
        return None
    build = ", or pass --build" if find_package(directory) is not None else ", or sam build"
    return f"if it needs a package, run npm install in {os.path.relpath(package)}{build}"
