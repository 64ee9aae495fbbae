"""The files of a new project: rendered from the templates in ``project``, and written all or none."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from string import Template
from typing import Final

from .project_name import ProjectName

_SUFFIX: Final = ".tmpl"
# The directory in ``project`` whose name depends on the project's.
_CONTRACTS: Final = "contracts"
# The minor versions of Python 3 for which Lambda has a runtime and that lambdachain supports.
_RUNTIMES: Final = range(11, 15)


def render_project(name: ProjectName, requirement: str) -> dict[PurePosixPath, str]:
    """Return the text of each file of a project, by its path in the project.

    Args:
        name: The project's name.
        requirement: The requirement that installs lambdachain.
    """
    values = {
        "project": name.name,
        "distribution": name.distribution,
        "contracts": name.contracts,
        "python": find_runtime_version(sys.version_info.minor),
        "requirement": requirement,
    }
    return {
        _to_path(template, name): Template(source.read_text(encoding="utf-8")).substitute(values)
        for template, source in _find_templates(files("lambdachain.cli._init") / "project", PurePosixPath())
    }


def find_runtime_version(minor: int) -> str:
    """Return the version of Python that functions run on: the one of ``init``, where Lambda has it.

    >>> find_runtime_version(12), find_runtime_version(99)
    ('3.12', '3.14')

    Args:
        minor: The minor version of the interpreter that runs.
    """
    return f"3.{min(max(minor, _RUNTIMES[0]), _RUNTIMES[-1])}"


def _find_templates(directory: Traversable, path: PurePosixPath) -> Iterator[tuple[PurePosixPath, Traversable]]:
    for entry in sorted(directory.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _find_templates(entry, path / entry.name)
        elif entry.name.endswith(_SUFFIX):
            yield path / entry.name, entry


def _to_path(template: PurePosixPath, name: ProjectName) -> PurePosixPath:
    parts = [name.contracts if part == _CONTRACTS else part for part in template.parts]
    return PurePosixPath(*parts).with_suffix("")


def write_files(directory: Path, contents: Mapping[PurePosixPath, str]) -> None:
    """Write files into a directory, which is created if it does not exist: all of them, or none.

    Args:
        directory: The directory.
        contents: The texts by paths relative to the directory.

    Raises:
        OSError: A file cannot be written, or is there already. Nothing that was written stays.
    """
    created: list[Path] = []
    try:
        for path, text in contents.items():
            _make_directory((directory / path).parent, created)
            _write_file(directory / path, text, created)
    except BaseException:
        for written in reversed(created):
            with suppress(OSError):
                written.rmdir() if written.is_dir() else written.unlink()
        raise


def _write_file(path: Path, text: str, created: list[Path]) -> None:
    """Create a file, and record it before it has content."""
    try:
        # "x": a file that another program has written in the meantime is not replaced.
        with path.open("x", encoding="utf-8", newline="\n") as file:
            created.append(path)
            file.write(text)
    except OSError as error:
        error.filename = str(path)  # which the error of a full disk does not have
        raise


def _make_directory(directory: Path, created: list[Path]) -> None:
    """Create a directory and those above it, and record the new ones."""
    if directory.is_dir():
        return
    _make_directory(directory.parent, created)
    directory.mkdir()
    created.append(directory)
