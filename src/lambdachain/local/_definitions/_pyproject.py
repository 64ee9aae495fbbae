"""Read the dependencies of a ``pyproject.toml``, with the versions that a lock file pins.

Dependencies are those of PEP 621 (``[project]``) or of Poetry (``[tool.poetry.dependencies]``). The versions of a
``uv.lock`` or ``poetry.lock`` become constraints, so that any installer can use them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lambdachain._core.type_guards import is_list, is_mapping
from lambdachain._templates.files import read_text_file

PYPROJECT: Final = "pyproject.toml"
LOCK_FILES: Final = ("uv.lock", "poetry.lock")
_VERSION: Final = re.compile(r"\d+(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class ProjectRequirements:
    """What a project needs.

    Attributes:
        requirements: Its dependencies, as in a ``requirements.txt``.
        constraints: The versions that its lock file pins.
    """

    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()


def read_project(directory: Path) -> ProjectRequirements:
    """Read the ``pyproject.toml`` of a directory, and the lock file beside it.

    Raises:
        ValueError: They cannot be parsed, or only a build backend knows the dependencies.
        OSError: They cannot be read.
    """
    project = _parse(directory / PYPROJECT)
    requirements = tuple(_read_dependencies(project, directory))
    lock = next((path for name in LOCK_FILES if (path := directory / name).is_file()), None)
    if lock is None or not requirements:
        return ProjectRequirements(requirements)
    return ProjectRequirements(requirements, tuple(_read_lock(_parse(lock))))


def _parse(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(read_text_file(path))
    except tomllib.TOMLDecodeError as exc:
        raise ValueError(f"{path.name} is not valid TOML: {exc}") from None


def _read_dependencies(project: Mapping[str, Any], directory: Path) -> Iterator[str]:
    table = project.get("project")
    if is_mapping(table):
        dynamic = table.get("dynamic")
        if "dependencies" in (dynamic if is_list(dynamic) else ()):
            raise ValueError(
                "its dependencies are dynamic, and only its build backend knows them: write them to a requirements.txt"
            )
        if is_list(dependencies := table.get("dependencies")):
            yield from map(str, dependencies)
            return
    tool = project.get("tool")
    poetry = tool.get("poetry") if is_mapping(tool) else None
    dependencies = poetry.get("dependencies") if is_mapping(poetry) else None
    for name, value in dependencies.items() if is_mapping(dependencies) else ():
        if name != "python":
            # Several entries are for several versions of Python, each with a marker.
            yield from (to_requirement(name, each, directory) for each in (value if is_list(value) else [value]))


def to_requirement(name: str, value: Any, directory: Path = Path()) -> str:
    """Convert a dependency of Poetry.

    >>> to_requirement("requests", "^2.31"), to_requirement("x", {"version": "~1.2", "extras": ["a"]})
    ('requests>=2.31,<3', 'x[a]>=1.2,<1.3')

    Args:
        name: The name of the package.
        value: A version, or a table.
        directory: The directory that a path is relative to.

    Raises:
        ValueError: It has no equivalent.
    """
    table: Mapping[str, Any] = value if is_mapping(value) else {"version": value}
    extras = f"[{','.join(map(str, table['extras']))}]" if table.get("extras") else ""
    markers = [str(table["markers"])] if table.get("markers") else []
    markers += [_to_marker(each) for each in _split(str(table.get("python", "*")))]
    marker = f"; {' and '.join(f'({each})' for each in markers if each)}" if any(markers) else ""
    for setting, prefix in (("url", ""), ("git", "git+"), ("path", "")):
        if (place := table.get(setting)) is not None:
            text = (directory / str(place)).resolve().as_uri() if setting == "path" else f"{prefix}{place}"
            revision = next((str(table[each]) for each in ("rev", "tag", "branch") if table.get(each)), None)
            return f"{name}{extras} @ {text}{'' if revision is None else f'@{revision}'}{' ' if marker else ''}{marker}"
    version = table.get("version")
    if version is None:
        raise ValueError(f"the dependency {name} has no version")
    specifiers = [specifier for each in _split(str(version)) for specifier in _to_specifiers(name, each)]
    return f"{name}{extras}{','.join(specifiers)}{marker}"


def _split(version: str) -> list[str]:
    return [part.strip() for part in version.split(",") if part.strip() not in ("", "*")]


def _to_marker(version: str) -> str:
    return " and ".join(
        f"python_full_version {match[1]} '{match[2]}'"
        for specifier in _to_specifiers("python", version)
        if (match := re.fullmatch(r"([<>=!~]+)(.+)", specifier))
    )


def _to_specifiers(name: str, version: str) -> list[str]:
    """Convert one part of a version of Poetry: ``^1.2`` keeps the first number that is not 0, ``~1.2`` the second."""
    operator, text = version[:1], version[1:].strip()
    if "||" in version or " || " in version:
        raise ValueError(f"the version {version!r} of {name} has alternatives, which no other installer reads")
    if operator in ("^", "~") and not text.startswith("="):
        match = _VERSION.match(text)
        if match is None:
            raise ValueError(f"the version {version!r} of {name} cannot be read")
        numbers = [int(each) for each in match[0].split(".")]
        kept = min(len(numbers), 2) if operator == "~" else _count_caret(numbers)
        upper = [*numbers[: kept - 1], numbers[kept - 1] + 1]
        return [f">={text}", f"<{'.'.join(map(str, upper))}"]
    return [re.sub(r"\s+", "", version)] if operator in "<>=!~" else [f"=={version}"]


def _count_caret(numbers: list[int]) -> int:
    return next((index + 1 for index, each in enumerate(numbers) if each), len(numbers))


def _read_lock(lock: Mapping[str, Any]) -> Iterator[str]:
    """Yield the pinned version of each package from an index; packages with several versions have none."""
    packages = [each for each in lock.get("package") or () if is_mapping(each)]
    counts: dict[str, int] = {}
    for package in packages:
        counts[str(package.get("name"))] = counts.get(str(package.get("name")), 0) + 1
    for package in packages:
        name, version, source = str(package.get("name")), package.get("version"), package.get("source")
        # Of another source than an index, the requirement itself says what is installed.
        is_indexed = source is None or (is_mapping(source) and ("registry" in source or source.get("type") == "legacy"))
        if version is not None and is_indexed and counts[name] == 1:
            yield f"{name}=={version}"
