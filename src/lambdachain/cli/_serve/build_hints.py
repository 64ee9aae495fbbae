"""Hints about a function whose handler cannot be loaded: another name of it, or the build that it may need."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path
from typing import Final

from lambdachain.cli._source_names import find_handlers
from lambdachain.local import LocalFunction
from lambdachain.local._definitions._layers import PYTHON_PATH
from lambdachain.local._definitions._node_build import find_package, find_typescript
from lambdachain.local._definitions._requirements import find_python_manifest
from lambdachain.local._runtimes import identify_python

# The names that CPython gives to extension modules on Linux: for one version, and for one machine.
_EXTENSION: Final = re.compile(r"\.cpython-(\d)(\d+)-(\w+)-linux-\w+\.so$")
_MISSING: Final = re.compile(r"No module named '([\w.]+)'")


def find_handler_hint(function: LocalFunction, reason: str) -> str | None:
    """Return the handlers that the function's module has, if the runtime client found the module only."""
    if function.runtime != "python" or "Runtime.HandlerNotFound" not in reason:
        return None
    module, _, _ = function.handler.rpartition(".")
    names = [*find_handlers(Path(function.directory, *module.split(".")).with_suffix(".py"))]
    return f"did you mean {' or '.join(f'{module}.{name}' for name in names)}?" if names else None


def find_build_hint(function: LocalFunction, reason: str) -> str | None:
    """Return what to do before the handler of a function can be loaded, as far as its files show it.

    Args:
        function: A function whose handler cannot be loaded.
        reason: What its runtime client reported.
    """
    if function.runtime == "python":
        return _find_foreign_extension(function, reason) or _find_requirements(function)
    return _find_node_build(function) if function.runtime == "nodejs" else None


def _find_requirements(function: LocalFunction) -> str | None:
    file = find_python_manifest(Path(function.directory))
    if file is None:
        return None
    return f"if it needs a package of {os.path.relpath(file)}, run sam build, or pass --build to install them"


def _find_node_build(function: LocalFunction) -> str | None:
    directory = Path(function.directory)
    source = find_typescript(directory, function.handler)
    if source is not None:
        return f"{os.path.relpath(source)} is TypeScript: pass --build to compile it with esbuild, or run sam build"
    package = next((each for each in (directory, *directory.parents) if (each / "package.json").is_file()), None)
    if package is None or (package / "node_modules").is_dir():
        return None
    build = ", or pass --build" if find_package(directory) is not None else ", or sam build"
    return f"if it needs a package, run npm install in {os.path.relpath(package)}{build}"


def _find_foreign_extension(function: LocalFunction, reason: str) -> str | None:
    """Return a hint about a compiled module that was built for another machine, which Python reports as missing."""
    missing = _MISSING.search(reason)
    if missing is None:
        return None
    *packages, name = missing[1].split(".")
    search_path = [str(function.directory), *filter(None, function.environment.get(PYTHON_PATH, "").split(":"))]
    here = (identify_python(function.python), platform.machine(), sys.platform)
    for file in (file for entry in search_path for file in Path(entry, *packages).glob(f"{name}.*.so")):
        tag = _EXTENSION.search(file.name)
        built_for = (f"python{tag[1]}.{tag[2]}", tag[3], "linux") if tag else here
        if built_for != here:
            return (
                f"{os.path.relpath(file)} was built for {built_for[0]} on {built_for[1]}, and this is {here[0]} on "
                f"{here[1]}, which cannot load it: serve the sources without it, or build it for this machine"
            )
    return None
