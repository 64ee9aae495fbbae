"""``lambdachain init``: write a project of two functions that call each other."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from lambdachain._core.escaping import printable
from lambdachain.cli._exit_status import InputError, echo
from lambdachain.cli._help import CommandWithExamples

from .project_files import render_project, write_files
from .project_name import ProjectName, derive_name, parse_name
from .requirement import find_requirement

# What editors and version control put into a directory before there is anything in it.
_IGNORED: Final = frozenset({".DS_Store", ".git", ".hg", ".idea", ".vscode"})
_MAX_SHOWN: Final = 5


@click.command(
    "init",
    cls=CommandWithExamples,
    examples=["lambdachain init shop", "lambdachain init", "lambdachain init services/2024 --name shop"],
)
@click.argument("directory", default=".")
@click.option("--name", help="The project's name; by default that of the directory.")
def command(*, directory: str, name: str | None) -> None:
    """Write a project of two functions that call each other: contracts, tests, a template that deploys.

    DIRECTORY is created if it does not exist; by default, it is the current directory. It must be empty, except for
    .git, settings of editors and a virtual environment. Nothing is overwritten.
    """
    path = _check_directory(directory)
    project, requirement = _choose_name(path, name), find_requirement()
    contents = render_project(project, requirement)
    write_files(path, contents)
    if "file:" in requirement:
        echo(f"note: the project installs {requirement}, which other machines do not have", file=sys.stderr)
    echo(f"Wrote {len(contents)} files of the project {project.name}. Next:")
    for line in _list_next_commands(directory):
        echo(f"  {line}")
    echo("README.md says how to call, change and deploy it.")


def _check_directory(directory: str) -> Path:
    """Return the path of a directory that is empty or does not exist.

    Raises:
        InputError: It is something else, or has files in it.
        OSError: It cannot be read.
    """
    if not directory:
        # As from "$UNSET": Path("") would be the current directory.
        raise InputError("DIRECTORY is empty: pass a path, or . for the current directory")
    path = Path(directory)
    present = next(each for each in (path, *path.parents) if each.is_symlink() or each.exists())
    if not present.exists():
        raise InputError(f"{present} is a symbolic link to a directory that does not exist")
    if not present.is_dir():
        raise InputError(f"{present} is a file, not a directory")
    in_the_way = _find_files(path) if path == present else []
    if in_the_way:
        raise InputError(
            f"{directory} is not empty: {_format_names(in_the_way)}. Nothing was written: pass an empty directory, or "
            "one that does not exist"
        )
    return path


def _find_files(directory: Path) -> list[str]:
    """Return the names of what is in a directory, except version control, editors' files and virtual environments."""
    return sorted(
        entry.name
        for entry in directory.iterdir()
        if entry.name not in _IGNORED and not (entry / "pyvenv.cfg").is_file()
    )


def _format_names(names: Sequence[str]) -> str:
    """Format names, of many the first ones.

    >>> _format_names(["a", "b", "c", "d", "e", "f", "g"])
    'a, b, c, d, e and 2 more'
    """
    more = len(names) - _MAX_SHOWN
    return ", ".join(names[:_MAX_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _choose_name(directory: Path, name: str | None) -> ProjectName:
    if name is not None:
        try:
            return parse_name(name)
        except ValueError as error:
            raise InputError(f"--name: {error}") from None
    # The name as it was typed, which is that of a link; but "." and ".." have none.
    typed = directory.name if directory.name not in {"", ".."} else directory.resolve().name
    derived = derive_name(typed)
    if derived is None:
        raise InputError(f"cannot derive a name from the directory {typed!r}: pass --name")
    return derived


def _list_next_commands(directory: str) -> list[str]:
    # A name that begins with a hyphen would be an option of cd.
    path = f"./{directory}" if directory.startswith("-") else directory
    enter = [] if Path(directory) == Path() else [f"cd {printable(shlex.quote(path))}"]
    return [*enter, 'python -m pip install -e ".[dev]"', "python -m pytest", "lambdachain serve"]
