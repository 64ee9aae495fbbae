"""Read the Python files of code bases, without importing any."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_EXCLUDED_DIRECTORIES: Final = frozenset(
    {"__pycache__", "node_modules", "site-packages", "build", "dist", "venv", "tests", "test"}
)
_TEST_FILES: Final = ("test_", "conftest.")
# Directories of tools, and files of editors and systems: Emacs' lock ``.#app.py`` is a dangling symbolic link.
_HIDDEN_PREFIX: Final = "."


@dataclass(frozen=True, slots=True)
class Source:
    """A Python file.

    Attributes:
        base: The code base, as named by the user.
        file: The path as it is shown in messages.
        parts: The module's name relative to the code base: ``("orders", "app")``.
        text: The content. Bytes are decoded by Python's parser, which honors a byte-order mark and a coding comment.
    """

    base: str
    file: str
    parts: tuple[str, ...]
    text: str | bytes

    @property
    def is_package(self) -> bool:
        """Whether it is the ``__init__.py`` of a package."""
        return Path(self.file).name == "__init__.py"


def read_sources(bases: Iterable[Path], *, tests: bool = False) -> Iterator[Source]:
    """Yield the Python files of code bases: directories, or single files.

    Args:
        bases: The directories or files.
        tests: Whether to include tests: ``tests/``, ``test_*.py`` and ``conftest.py``.

    Raises:
        OSError: A file or directory does not exist or cannot be read.
    """
    for base in bases:
        for path in _find_files(base, tests=tests):
            inside = path.relative_to(base if base.is_dir() else base.parent).with_suffix("").parts
            parts = inside[:-1] if inside[-1] == "__init__" else inside
            yield Source(str(base), os.path.relpath(path), parts, path.read_bytes())


def _find_files(base: Path, *, tests: bool) -> Iterator[Path]:
    if not base.is_dir():
        yield base
        return
    for directory, names, files in os.walk(base):
        # In place: os.walk visits the directories that are left in the list, in this order.
        names[:] = sorted(name for name in names if _is_searched(name, tests=tests))
        for name in sorted(files):
            if (
                name.endswith(".py")
                and not name.startswith(_HIDDEN_PREFIX)
                and (tests or not name.startswith(_TEST_FILES))
            ):
                yield Path(directory, name)


def _is_searched(directory: str, *, tests: bool) -> bool:
    if directory.startswith(_HIDDEN_PREFIX):
        return False
    return directory not in _EXCLUDED_DIRECTORIES or (tests and directory in ("tests", "test"))
