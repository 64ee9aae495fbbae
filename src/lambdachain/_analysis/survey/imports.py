"""Find the file that an import means."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

from .sources import Source


class Imports:
    """Finds the source file of a module that is imported.

    There is no ``sys.path`` to go by: on Lambda the function's own directory is on it, and a shared package is
    installed from another directory. So a module is known by every suffix of its path, and if several files match, the
    one that shares most directories with the importing file is meant.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self._by_suffix: dict[tuple[str, ...], list[Source]] = {}
        for source in sources:
            for start in range(len(source.parts) or 1):
                self._by_suffix.setdefault(source.parts[start:], []).append(source)

    def find(self, name: str, importer: Source) -> Source | None:
        """Return the source of module *name*; ``None`` if no file matches, or two match equally well."""
        parts = tuple(part for part in name.split(".") if part)
        # A file named ``types.py`` does not replace Python's ``types``, unless the import is relative.
        # A name that is computed may be empty.
        if not name.startswith(".") and (not parts or parts[0] in sys.stdlib_module_names or parts[0] == "lambdachain"):
            return None
        ranked = sorted(
            (-_count_shared_directories(source, importer), len(source.parts), source.file)
            for source in self._by_suffix.get(parts, [])
        )
        if not ranked or (len(ranked) > 1 and ranked[0][:2] == ranked[1][:2]):
            return None
        return next(source for source in self._by_suffix[parts] if source.file == ranked[0][2])


def _count_shared_directories(one: Source, other: Source) -> int:
    """Count the leading directories that two files have in common."""
    pairs = zip(Path(one.file).parts[:-1], Path(other.file).parts[:-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def resolve_import(module: str | None, level: int, importer: Source) -> str:
    """Return the full name of an imported module; *level* is the number of leading dots.

    A relative import keeps one leading dot, so that ``.types`` is not mistaken for Python's own ``types``.
    """
    if level == 0:
        return module or ""
    up = level - 1 if importer.is_package else level
    package = importer.parts[: max(0, len(importer.parts) - up)]
    return "." + ".".join([*package, *([module] if module else [])])
