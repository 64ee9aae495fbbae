"""What the shell completes after a command: contracts of the modules here, and files. Nothing is imported or called."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# A key was pressed: what takes longer than a fraction of a second is left out.
_MAX_FILES: Final = 300
_MAX_BYTES: Final = 200_000
_HIDDEN: Final = (".", "__pycache__", "node_modules")


def complete_contract(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete ``module:contract`` from the Python files here, and in packages here."""
    found = (f"{module}:{name}" for module, path in _find_modules() for name in _find_contracts(path))
    return _to_items(target for target in sorted(found) if target.startswith(incomplete))


def complete_contract_or_file(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete ``module:contract``, or the path of a file."""
    return [*complete_contract(ctx, param, incomplete), *complete_file(ctx, param, incomplete)]


def complete_file(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the path of a file."""
    return _to_items(_find_paths(incomplete))


def complete_payload(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete ``@FILE``."""
    if not incomplete.startswith("@"):
        return []
    return _to_items(f"@{path}" for path in _find_paths(incomplete[1:]))


def _to_items(values: Iterable[str]) -> list[CompletionItem]:
    # Imported here, and so is ast: every command imports this module to name its callbacks.
    from click.shell_completion import CompletionItem

    return [CompletionItem(value) for value in values]


def _find_paths(incomplete: str) -> list[str]:
    directory, start = os.path.split(incomplete)
    try:
        entries = sorted(Path(directory or ".").iterdir())
    except OSError:
        return []
    shown = [entry for entry in entries if entry.name.startswith(start) and (start or not entry.name.startswith("."))]
    return [f"{os.path.join(directory, entry.name)}{'/' if entry.is_dir() else ''}" for entry in shown]  # noqa: PTH118 - "./" is kept


def _find_modules() -> Iterator[tuple[str, Path]]:
    here = [path for path in sorted(Path().iterdir()) if not path.name.startswith(_HIDDEN)]
    inside = [file for path in here if path.is_dir() for file in sorted(path.glob("*.py"))]
    files = [path for path in [*here, *inside] if path.suffix == ".py" and path.is_file()]
    for file in files[:_MAX_FILES]:
        yield ".".join(file.with_suffix("").parts).removesuffix(".__init__"), file


def _find_contracts(path: Path) -> Iterator[str]:
    """Yield the names of contracts, and of handlers made by ``remote``, at the top level of a module."""
    import ast

    try:
        source = path.read_bytes() if path.stat().st_size <= _MAX_BYTES else b""
        module = ast.parse(source)
    except (OSError, SyntaxError, ValueError):
        return
    for node in module.body:
        if isinstance(node, ast.Assign) and _is_call_of(node.value, "Contract"):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (node.name for decorator in node.decorator_list if _is_call_of(decorator, "remote"))


def _is_call_of(node: Any, name: str) -> bool:
    function = getattr(node, "func", None)
    return getattr(function, "id", None) == name or getattr(function, "attr", None) == name
