"""The files of a code base, and which file an import means."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Final

_LEFT_OUT: Final = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist", "venv", "tests", "test"})
_OF_TESTS: Final = ("test_", "conftest.")
# Directories of tools, and what editors and systems leave beside a file: ``.#app.py`` is a link to nowhere.
_HIDDEN: Final = "."


@dataclass(frozen=True, slots=True)
class Source:
    """A Python file.

    Attributes:
        base: The code base, as it was named.
        file: The file, as it is shown.
        parts: The names that its module may be imported by, from the code base down: ``("orders", "app")``.
        text: What is in it; bytes say themselves how they are encoded, as Python reads them.
    """

    base: str
    file: str
    parts: tuple[str, ...]
    text: str | bytes

    @property
    def is_package(self) -> bool:
        """Whether it is what a package itself holds."""
        return Path(self.file).name == "__init__.py"


def read_sources(bases: Iterable[Path], *, tests: bool = False) -> Iterator[Source]:
    """Read the Python files of code bases: directories, or single files.

    Args:
        bases: Where they are.
        tests: Whether tests are read, too: ``tests/``, ``test_*.py`` and ``conftest.py``.

    Raises:
        OSError: One is not there, or cannot be read.
    """
    for base in bases:
        for path in _files(base, tests=tests):
            inside = path.relative_to(base if base.is_dir() else base.parent).with_suffix("").parts
            parts = inside[:-1] if inside[-1] == "__init__" else inside
            yield Source(str(base), os.path.relpath(path), parts, path.read_bytes())


def _files(base: Path, *, tests: bool) -> Iterator[Path]:
    if not base.is_dir():
        yield base
        return
    for directory, names, files in os.walk(base):
        names[:] = sorted(name for name in names if _is_code(name, tests=tests))
        for name in sorted(files):
            if name.endswith(".py") and not name.startswith(_HIDDEN) and (tests or not name.startswith(_OF_TESTS)):
                yield Path(directory, name)


def _is_code(directory: str, *, tests: bool) -> bool:
    if directory.startswith(_HIDDEN):
        return False
    return directory not in _LEFT_OUT or (tests and directory in ("tests", "test"))


class Imports:
    """Finds the source that an import means.

    A function's directory is on Lambda's path, and a shared package is installed from another: so a module is known by
    every end of its path, and of several the one nearest to the importing file counts.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self._by_end: dict[tuple[str, ...], list[Source]] = {}
        for source in sources:
            for start in range(len(source.parts) or 1):
                self._by_end.setdefault(source.parts[start:], []).append(source)

    def find(self, name: str, importer: Source) -> Source | None:
        """Return the source of module *name*; ``None`` for one that is not among them, or cannot be told from
        another.
        """
        parts = tuple(part for part in name.split(".") if part)
        if not name.startswith(".") and (parts[0] in sys.stdlib_module_names or parts[0] == "lambdachain"):
            return None
        ranked = sorted((-_shared(source, importer), len(source.parts), source.file) for source in self._named(parts))
        if not ranked or (len(ranked) > 1 and ranked[0][:2] == ranked[1][:2]):
            return None
        return next(source for source in self._named(parts) if source.file == ranked[0][2])

    def _named(self, parts: tuple[str, ...]) -> list[Source]:
        return self._by_end.get(parts, [])


def _shared(one: Source, other: Source) -> int:
    """Count the directories that two files have in common."""
    pairs = zip(Path(one.file).parts[:-1], Path(other.file).parts[:-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def resolve_import(module: str | None, level: int, importer: Source) -> str:
    """Write a relative import out: *level* dots before *module*. One dot stays: it means no module of Python's own."""
    if level == 0:
        return module or ""
    up = level - 1 if importer.is_package else level
    package = importer.parts[: max(0, len(importer.parts) - up)]
    return "." + ".".join([*package, *([module] if module else [])])
