"""Find the modules of installed packages that the code imports, as text: none is imported.

Contracts are often in a package of their own, which callers install. Only a package that mentions lambdachain is read:
any other has no contracts, clients or handlers, and the survey knows the libraries that matter by their names. Of such
a package, only the modules are read that may define a constant or an enum which the code imports.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from lambdachain._core.user_cache import compute_key

from .sources import Source

_MARK: Final = b"lambdachain"
# More files than any package of contracts has, and few enough to be read in a moment.
_MAX_FILES: Final = 1000
_EDITABLE: Final = "__editable___*_finder.py"
# Where a module sets a name to a value, defines a class of that name, or imports it.
_DEFINITION: Final = (
    r"^(?:{0}\s*(?::[^=\n]+)?=[^=]|class\s+{0}\b{1}|from\s+\S+\s+import\s+(?:\*|\([^)]*\b{0}\b|[^(\n]*\b{0}\b))"
)
_ENUM_BASES: Final = r"\s*\([^)]*(?:Enum|Flag)\b"


def explain_missing_module(module: str) -> str:
    """Describe how to supply a module that was not found; completes a message.

    >>> explain_missing_module("shop_contracts.billing")
    "and no module 'shop_contracts' was found: add its directory, or --python with the environment that has it"
    """
    top = module.partition(".")[0]
    return f"and no module {top!r} was found: add its directory, or --python with the environment that has it"


class InstalledPackages:
    """Finds modules in directories of packages.

    Args:
        directories: The directories, in the order in which Python searches them.
    """

    def __init__(self, directories: Iterable[Path] = ()) -> None:
        self._directories = [one for one in dict.fromkeys(directories) if one.is_dir()]
        self._editable = dict(mapping for one in self._directories for mapping in _read_editable(one))
        self._tops: dict[str, list[Path]] = {}
        self._versions: dict[str, str] = {}
        self._is_read: dict[Path, bool] = {}

    @property
    def versions(self) -> Mapping[str, str]:
        """What every answer so far depends on: each top-level name that was looked up, with a version of its files."""
        return self._versions

    def find_version(self, name: str) -> str:
        """Return a text that differs when a top-level name is elsewhere, or when a file of its packages has changed."""
        self._find_tops(name)
        return self._versions[name]

    def is_installed(self, module: str) -> bool:
        """Check whether there is a package or module of this name, even if it is not read."""
        top = module.partition(".")[0]
        return top in sys.stdlib_module_names or bool(self._find_tops(top))

    def find(self, module: str) -> Source | None:
        """Return the source of a module in a package that mentions lambdachain."""
        parts = tuple(module.split("."))
        if not all(part.isidentifier() for part in parts) or parts[0] == "lambdachain":
            return None
        for top in self._find_tops(parts[0]):
            path = _find_file(top, parts[1:])
            if path is not None and self._mentions(top):
                return Source(str(top), _shorten(path), parts, path.read_bytes())
        return None

    def find_defining(self, module: str, name: str, *, is_read: bool) -> Source | None:
        """Return the source of a module, in whatever package, that may define a constant or an enum.

        Args:
            module: The name of the module.
            name: What it defines.
            is_read: Whether an attribute of that is read: then it may be any class, as that may have constants, too.
        """
        parts = tuple(module.split("."))
        if not all(part.isidentifier() for part in parts) or parts[0] in (*sys.stdlib_module_names, "lambdachain"):
            return None
        path = next(filter(None, (_find_file(top, parts[1:]) for top in self._find_tops(parts[0]))), None)
        text = b"" if path is None else _read(path)
        pattern = _DEFINITION.format(re.escape(name), "" if is_read else _ENUM_BASES)
        is_defining = path is not None and re.search(pattern.encode(), text, re.MULTILINE)
        return Source(str(path), _shorten(path), parts, text) if path is not None and is_defining else None

    def mentions_lambdachain(self, module: str) -> bool:
        """Check whether the package that a module is in has lambdachain in its text, and is not lambdachain itself."""
        top = module.partition(".")[0]
        return top != "lambdachain" and any(self._mentions(one) for one in self._find_tops(top))

    def _find_tops(self, name: str) -> list[Path]:
        """Return the directories or files of a top-level name; a namespace package has several."""
        if name not in self._tops:
            candidates = [self._editable[name]] if name in self._editable else []
            candidates += [directory / name for directory in self._directories]
            self._tops[name] = [one for one in candidates if one.is_dir() or one.with_suffix(".py").is_file()]
            # Before a file is read: one that changes afterwards must not count as what was read.
            self._versions[name] = compute_key(part for top in self._tops[name] for part in describe_files(top))
        return self._tops[name]

    def _mentions(self, top: Path) -> bool:
        if top not in self._is_read:
            files = top.rglob("*.py") if top.is_dir() else iter([top.with_suffix(".py")])
            self._is_read[top] = any(_MARK in _read(path) for path in islice(files, _MAX_FILES))
        return self._is_read[top]


NOT_INSTALLED: Final = InstalledPackages()


def describe_files(top: Path) -> Iterator[str]:
    """Yield the path, size and time of change of each Python file of a package, or of a module of this name."""
    yield str(top)
    files = [Path(directory, name) for directory, _, names in os.walk(top) for name in names if name.endswith(".py")]
    for path in (*sorted(files), top.with_suffix(".py")):
        try:
            status = path.stat()
        except OSError:
            continue
        yield f"{path} {status.st_size} {status.st_mtime_ns}"


def get_search_path() -> list[Path]:
    """Return the directories in which the running interpreter finds installed packages."""
    standard = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    # The empty entry is the current directory, which is surveyed if it is the user's code.
    listed = [Path(entry) for entry in sys.path if entry]
    return [one for one in listed if one not in standard]


def find_site_directories(python: Path) -> list[Path]:
    """Return the directories of installed packages of a virtual environment, or of an interpreter in its ``bin``.

    The interpreter is not run: files named ``*.pth`` may run code when it starts.
    """
    home = python.parent.parent if python.is_file() else python
    libraries = ("lib/python*", "lib64/python*", "Lib", "lib/python3")
    patterns = [f"{library}/{name}" for library in libraries for name in ("site-packages", "dist-packages")]
    found = [path for pattern in patterns for path in sorted(home.glob(pattern)) if path.is_dir()]
    return [*found, *(path for one in found for path in _read_pth(one))]


def _read_pth(directory: Path) -> Iterator[Path]:
    """Yield the directories that path configuration files add, as an editable installation does."""
    for path in sorted(directory.glob("*.pth")):
        for line in _read(path).decode(errors="replace").splitlines():
            if line.strip() and not line.startswith(("#", "import ", "import\t")):
                yield directory / line.strip()


def _read_editable(directory: Path) -> Iterator[tuple[str, Path]]:
    """Yield the packages that setuptools has installed as editable, from the module that it generates."""
    for path in sorted(directory.glob(_EDITABLE)):
        try:
            tree = ast.parse(_read(path))
        except SyntaxError:
            continue
        for statement in tree.body:
            match statement:
                case (
                    ast.AnnAssign(target=ast.Name(id="MAPPING"), value=ast.Dict() as node)
                    | ast.Assign(targets=[ast.Name(id="MAPPING")], value=ast.Dict() as node)
                ):
                    yield from ((str(name), Path(str(place))) for name, place in ast.literal_eval(node).items())
                case _:
                    continue


def _find_file(top: Path, rest: tuple[str, ...]) -> Path | None:
    path = top.joinpath(*rest)
    candidates = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((one for one in candidates if one.is_file()), None)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _shorten(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
