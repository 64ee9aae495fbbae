"""Install the requirements of Python functions into a cache, as ``sam build`` installs them beside the code."""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from lambdachain._core.user_cache import compute_key
from lambdachain._templates.files import read_text_file
from lambdachain.local._runtimes import identify_python

from ._build_tools import Toolbox
from ._pyproject import LOCK_FILES, PYPROJECT, ProjectRequirements, read_project

REQUIREMENTS: Final = "requirements.txt"
# What decides which packages are installed: the first that exists, and for the second a lock file.
PYTHON_MANIFESTS: Final = (REQUIREMENTS, PYPROJECT, *LOCK_FILES)
# `-r base.txt`, `-c constraints.txt`, `--requirement=base.txt`
_INCLUDED: Final = re.compile(r"(?:-r|-c|--requirement|--constraint)[ =]?\s*(\S+)")
# What a requirement on this machine starts with, after `-e`, `--editable` or `name @`.
_LOCAL_PATH: Final = re.compile(r"(?:(?:-e|--editable)[ =]\s*|[\w.\[\],-]+\s*@\s*)?(?:file:(?://)?)?([^\s;#]+)")


def find_python_manifest(directory: Path) -> Path | None:
    """Return the file that names the packages of a Python function, or ``None`` if it needs none."""
    if (directory / REQUIREMENTS).is_file():
        return directory / REQUIREMENTS
    path = directory / PYPROJECT
    # Most of these files only configure tools.
    return path if path.is_file() and re.search(r"\bdependencies\b", read_text_file(path)) else None


def to_requirements_key(manifest: Path, python: str) -> str | None:
    """Return the cache's key of the packages that a manifest names, or ``None`` if it names none.

    Packages differ by the version of Python, the system and the architecture. A file that the requirements name, such
    as a wheel, a constraints file or a directory with a project, counts with its content.

    Raises:
        ValueError: The manifest cannot be parsed.
        OSError: It cannot be read.
    """
    machine = (identify_python(python), sys.platform, platform.machine())
    if manifest.name == REQUIREMENTS:
        return compute_key((*machine, *_read_contents(manifest, set())))
    project = read_project(manifest.parent)
    if not project.requirements:
        return None
    local = [part for line in project.requirements for part in _read_line(manifest.parent, line, set())]
    return compute_key((*machine, *project.requirements, "constraints", *project.constraints, *local))


def install_requirements(manifest: Path, python: str, directory: Path, tools: Toolbox) -> None:
    """Install the packages that a manifest names into a directory.

    Args:
        manifest: A ``requirements.txt`` or ``pyproject.toml``.
        python: The interpreter that runs the function.
        directory: The directory.
        tools: Runs the installer.

    Raises:
        ValueError: The installation failed; the message has the installer's last lines.
        OSError: A file cannot be read or written.
    """
    command = [*find_installer(python), "--target", str(directory)]
    if manifest.name == REQUIREMENTS:
        tools.run([*command, "--requirement", manifest.name], manifest.parent)
        return
    with tempfile.TemporaryDirectory(prefix="lambdachain-") as folder:
        files = _write_project(read_project(manifest.parent), Path(folder))
        tools.run([*command, *files], manifest.parent)


def _write_project(project: ProjectRequirements, folder: Path) -> list[str]:
    """Write the requirements and constraints to files, and return the installer's options that name them."""
    options: list[str] = []
    for option, lines in (("requirement", project.requirements), ("constraint", project.constraints)):
        if lines:
            path = folder / f"{option}s.txt"
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            options += [f"--{option}", str(path)]
    return options


def _read_contents(file: Path, seen: set[Path]) -> Iterator[str | bytes]:
    if file in seen:
        return
    seen.add(file)
    text = read_text_file(file)
    yield text
    for line in map(str.strip, text.splitlines()):
        yield from _read_line(file.parent, line, seen)


def _read_line(directory: Path, line: str, seen: set[Path]) -> Iterator[str | bytes]:
    """Yield the contents of what a line of requirements names on this machine."""
    if included := _INCLUDED.match(line):
        path = directory / included[1]
        yield from _read_contents(path, seen) if path.is_file() else ()
    elif found := _LOCAL_PATH.match(line):
        yield from _read_local(directory / found[1])


def _read_local(path: Path) -> Iterator[str | bytes]:
    """Yield the content of a file, or of each file of a project's directory, with their names."""
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    for each in files:
        if each.is_file():
            yield str(each.relative_to(path.parent))
            with each.open("rb") as content:
                yield hashlib.file_digest(content, "sha256").digest()


def find_installer(python: str) -> Sequence[str]:
    """Return the command that installs packages for an interpreter, which need not have pip itself."""
    if (uv := shutil.which("uv")) is not None:
        return [uv, "pip", "install", "--quiet", "--python", python]
    options = ["--quiet", "--disable-pip-version-check", "--no-input"]
    return [
        sys.executable,
        "-m",
        "pip",
        *([] if python == sys.executable else ["--python", python]),
        "install",
        *options,
    ]
