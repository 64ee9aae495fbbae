"""The names of contracts and handlers in Python files, read without importing them: for completion and hints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import ast

# A key was pressed: what takes longer than a fraction of a second is left out.
_MAX_FILES: Final = 300
_MAX_BYTES: Final = 200_000
_HIDDEN: Final = (".", "__pycache__", "node_modules")


def find_sources(directory: Path) -> Iterator[tuple[str, Path]]:
    """Yield the Python files in a directory and in those below it, each after the part of its path between the two."""
    try:
        here = [path for path in sorted(directory.iterdir()) if not path.name.startswith(_HIDDEN)]
    except OSError:
        return
    inside = [(f"{path.name}/", file) for path in here if path.is_dir() for file in sorted(path.glob("*.py"))]
    files = [(below, file) for below, file in (*(("", path) for path in here), *inside) if _is_source(file)]
    yield from files[:_MAX_FILES]


def _is_source(path: Path) -> bool:
    return path.suffix == ".py" and path.is_file()


def find_contracts(path: Path) -> Iterator[str]:
    """Yield the names of contracts, and of handlers made by ``remote``, at the top level of a module."""
    import ast

    for node in _parse_module(path):
        if isinstance(node, ast.Assign) and _is_call_of(node.value, "Contract"):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_remote(node):
            yield node.name


def find_handlers(path: Path) -> Iterator[str]:
    """Yield the names of what may be a handler at the top level of a module: made by ``remote``, of two parameters as
    Lambda passes them, or called a handler.
    """
    import ast

    for node in _parse_module(path):
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            yield from (name for name in names if "handler" in name.lower())
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _may_be_handler(node):
            yield node.name


def _may_be_handler(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if node.name.startswith("_"):
        return False
    return _is_remote(node) or "handler" in node.name.lower() or len(node.args.args) == 2


def _parse_module(path: Path) -> Sequence[ast.stmt]:
    import ast

    try:
        return ast.parse(path.read_bytes() if path.stat().st_size <= _MAX_BYTES else b"").body
    except (OSError, SyntaxError, ValueError):
        return ()


def _is_remote(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(_is_call_of(decorator, "remote") for decorator in node.decorator_list)


def _is_call_of(node: Any, name: str) -> bool:
    function = getattr(node, "func", None)
    return getattr(function, "id", None) == name or getattr(function, "attr", None) == name
