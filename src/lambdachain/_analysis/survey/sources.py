"""Read the Python files of code bases, without importing any."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_EXCLUDED_DIRECTORIES: Final = frozenset(
    {"__pycache__", "node_modules", "site-packages", "build", "dist", "venv", "tests", "test", "cdk.out"}
)
_TEST_FILES: Final = ("test_", "conftest.")
# Directories of tools, and files of editors and systems: Emacs' lock ``.#app.py`` is a dangling symbolic link.
_HIDDEN_PREFIX: Final = "."


# Distributions that are unpacked into layers and packages, and that call functions in the name of others.
_VENDORED_PACKAGES: Final = frozenset({"boto3", "botocore", "s3transfer", "aiobotocore", "aioboto3"})
# Directories that tools install into or generate, which a user may expect to be searched.
_GENERATED: Final = frozenset({"node_modules", "site-packages", "venv", ".venv", "cdk.out", ".aws-sam", ".serverless"})
# What pip leaves beside the packages that it unpacks. (``.egg-info`` is beside the user's own package, too.)
_METADATA_SUFFIX: Final = ".dist-info"


@dataclass(frozen=True, slots=True)
class Source:
    """A Python file.

    Attributes:
        base: The code base, as named by the user.
        file: The path as it is shown in messages.
        parts: The module's name relative to the code base: ``("orders", "app")``.
        text: The content. Bytes are decoded by Python's parser, which honors a byte-order mark and a coding comment.
        error: Why it cannot be read; empty if it can.
    """

    base: str
    file: str
    parts: tuple[str, ...]
    text: str | bytes
    error: str = ""

    @property
    def is_package(self) -> bool:
        """Whether it is the ``__init__.py`` of a package."""
        return Path(self.file).name == "__init__.py"

    def mentions(self, word: str) -> bool:
        """Check whether a word is in the text: if not, nothing in the code can mean it."""
        return word in self.text if isinstance(self.text, str) else word.encode() in self.text


def read_sources(
    bases: Iterable[Path], *, tests: bool = False, on_vendored: Callable[[Path], object] = lambda _: None
) -> Iterator[Source]:
    """Yield the Python files of code bases, each once: directories, or single files.

    Args:
        bases: The directories or files.
        tests: Whether to include tests: ``tests/``, ``test_*.py`` and ``conftest.py``.
        on_vendored: Called with each directory that is skipped because others wrote the code in it: a virtual
            environment, installed packages, a copy of botocore.
    """
    seen: set[str] = set()
    for base in bases:
        for path in _find_files(base, tests=tests, on_vendored=on_vendored):
            # ``graph src src/orders`` names the files of orders twice. A link to a file stays a module of its own.
            if (file := os.path.relpath(path)) not in seen:
                seen.add(file)
                yield _read_source(base, path, file)


def _read_source(base: Path, path: Path, file: str) -> Source:
    inside = path.relative_to(base if base.is_dir() else base.parent).with_suffix("").parts
    parts = inside[:-1] if inside[-1] == "__init__" else inside
    try:
        return Source(str(base), file, parts, path.read_bytes())
    except OSError as exc:
        reason = "it is a broken symbolic link" if path.is_symlink() and not path.exists() else str(exc.strerror)
        return Source(str(base), file, parts, "", f"cannot read the file: {reason}")


def _find_files(base: Path, *, tests: bool, on_vendored: Callable[[Path], object]) -> Iterator[Path]:
    if not base.is_dir():
        yield base
        return
    for directory, names, files in os.walk(base):
        searched = sorted(name for name in names if _is_searched(name, tests=tests))
        installed = _find_installed(Path(directory), names)
        vendored = [name for name in searched if name in installed or _is_vendored(Path(directory, name))]
        for name in sorted({*vendored, *_GENERATED.intersection(names)}):
            on_vendored(Path(directory, name))
        # In place: os.walk visits the directories that are left in the list, in this order.
        names[:] = [name for name in searched if name not in vendored]
        for name in sorted(files):
            if (
                name.endswith(".py")
                and name not in installed
                and not name.startswith(_HIDDEN_PREFIX)
                and (tests or not name.startswith(_TEST_FILES))
            ):
                yield Path(directory, name)


def _is_searched(directory: str, *, tests: bool) -> bool:
    if directory.startswith(_HIDDEN_PREFIX):
        return False
    return directory not in _EXCLUDED_DIRECTORIES or (tests and directory in ("tests", "test"))


def _is_vendored(directory: Path) -> bool:
    """Check whether others wrote the code in a directory: it is not the user's to change.

    A directory that a user names is always searched; this is about the directories inside.
    """
    is_known = directory.name in _VENDORED_PACKAGES and (directory / "__init__.py").is_file()
    # A virtual environment by any name: ``env``, ``py311``.
    return is_known or (directory / "pyvenv.cfg").is_file()


def _find_installed(parent: Path, names: Sequence[str]) -> set[str]:
    """Return the packages and modules that distributions list: ``requests`` beside ``requests-2.32.dist-info``.

    The user's own modules may lie beside them, as ``pip install -t .`` puts them there.
    """
    found: set[str] = set()
    for name in names:
        if name.endswith(_METADATA_SUFFIX):
            found |= _read_top_level(parent / name)
    return found


def _read_top_level(metadata: Path) -> set[str]:
    """Return the top-level packages of a distribution, by what its installer listed."""
    for name, parse in (("RECORD", _parse_record), ("top_level.txt", str.split)):
        try:
            return set(parse((metadata / name).read_text(encoding="utf-8", errors="replace")))
        except OSError:
            continue
    return {metadata.name.partition("-")[0]}


def _parse_record(text: str) -> Iterator[str]:
    for row in csv.reader(text.splitlines()):
        yield from (path.partition("/")[0] for path in row[:1])
