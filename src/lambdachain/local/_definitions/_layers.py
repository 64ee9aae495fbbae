"""Put layers on the search paths of a function, where Lambda has them in ``/opt``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from lambdachain.local._function_config import LocalFunction
from lambdachain.local._runtimes import runtime_for

PYTHON_PATH: Final = "PYTHONPATH"
_NODE_PATH: Final = "NODE_PATH"


def with_search_paths(
    function: LocalFunction,
    layers: Sequence[Path],
    python_packages: Sequence[Path] = (),
    node_packages: Sequence[Path] = (),
) -> LocalFunction:
    """Return a function with packages and layers on its search paths, behind what its environment puts there.

    Args:
        function: The function.
        layers: The directories of its layers, in the order in which the function lists them.
        python_packages: Directories of installed Python packages, which come before those of layers.
        node_packages: Directories that contain installed ``node_modules``, likewise.
    """
    environment = dict(function.environment)
    # Lambda unpacks the layers into one directory in their order: of two files of one name, the last one stays.
    last_first = [*reversed(layers)]
    python = [*python_packages, *(path for layer in last_first for path in _python_paths(function, layer))]
    node = [path / "node_modules" for path in node_packages]
    node += [path for layer in last_first for path in _node_paths(function, layer)]
    _append(environment, PYTHON_PATH, python)
    _append(environment, _NODE_PATH, node)
    return replace(function, environment=environment)


def _python_paths(function: LocalFunction, layer: Path) -> Iterator[Path]:
    if function.runtime == "python":
        versioned = layer / "python" / "lib" / runtime_for(function).identifier(function) / "site-packages"
        yield from (path for path in [versioned] if path.is_dir())
    yield layer / "python"
    # The source of a layer that `sam build` builds: it copies the modules into `python`.
    yield layer


def _node_paths(function: LocalFunction, layer: Path) -> Iterator[Path]:
    if function.runtime == "nodejs":
        major = runtime_for(function).identifier(function).removesuffix(".x").replace("nodejs", "node")
        yield from (path for path in [layer / "nodejs" / major / "node_modules"] if path.is_dir())
    yield layer / "nodejs" / "node_modules"
    # The source of a layer that `sam build` builds: it installs the packages into `nodejs`.
    yield from (path for path in [layer / "node_modules"] if path.is_dir())


def _append(environment: dict[str, str], variable: str, paths: Sequence[Path]) -> None:
    if paths:
        own = [environment[variable]] if variable in environment else []
        environment[variable] = ":".join([*own, *map(str, paths)])
