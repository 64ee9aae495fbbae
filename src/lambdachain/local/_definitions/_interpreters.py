"""Probe the interpreters of Python functions: each once, and all of them at the same time."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from lambdachain.local._runtimes import identify_python

from ._function_builder import DeclaredFunction

_MAX_PROBES: Final = 8
OWN_VERSION: Final = "python{}.{}".format(*sys.version_info)


class Interpreters:
    """What is known about the interpreters of this machine.

    A probe starts a process, which takes longer than everything else that ``serve`` does before it listens, and many
    functions name the same interpreter.

    Args:
        declared: The functions whose interpreters to probe.
    """

    def __init__(self, declared: Iterable[DeclaredFunction] = ()) -> None:
        self._found = {name: path for each in declared for name, path in _find_to_probe(each)}
        paths = sorted(set(self._found.values()))
        with ThreadPoolExecutor(_MAX_PROBES) as pool:
            self._failures: Mapping[str, str | None] = dict(zip(paths, pool.map(_find_failure, paths), strict=True))

    def find_version(self, version: str) -> str | None:
        """Return the path of an interpreter of a version, such as ``python3.13``, that can run functions."""
        path = self._found.get(version)
        return path if path is not None and self._failures.get(path) is None else None

    def explain_missing(self, version: str) -> str:
        """Return why there is no interpreter of a version, and how to get one."""
        path = self._found.get(version)
        install = f"{version} -m pip install awslambdaric"
        if path is not None and (failure := self._failures.get(path)) is not None and "awslambdaric" in failure:
            return failure
        number = version.removeprefix("python")
        return (
            f"{version} is not installed: run uv python install {number}, or pyenv install {number} and pyenv global, "
            f"or, on Ubuntu, apt install {version} from the PPA deadsnakes; then {install}"
        )

    def get_failure(self, python: str) -> str | None:
        """Return why an interpreter cannot run functions, as far as it has been probed."""
        return self._failures.get(python)


def needs_other_version(declared: DeclaredFunction) -> bool:
    """Check whether a function declares a version of Python that is not this interpreter's, and no interpreter."""
    version = declared.runtime or ""
    is_python = re.fullmatch(r"python3\.\d+", version) is not None
    return is_python and version != OWN_VERSION and "python" not in declared.locations


def _find_to_probe(declared: DeclaredFunction) -> Iterator[tuple[str, str]]:
    """Yield the name of an interpreter that a function needs, and its path."""
    function = declared.function
    if needs_other_version(declared):
        version = str(declared.runtime)
        if (path := shutil.which(version)) is not None:
            yield version, path
    elif function.runtime == "python" and function.python != sys.executable:
        yield function.python, function.python


def _find_failure(python: str) -> str | None:
    try:
        identify_python(python)
    except ValueError as exc:
        return str(exc)
    return None
