"""What the shell completes after a command: contracts and handlers of the modules here, and files.

Nothing is imported or called.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._source_names import find_contracts, find_handlers, find_sources

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def complete_contract(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete ``module:contract`` from the Python files here, and in packages here."""
    found = (f"{module}:{name}" for module, path in _find_modules() for name in find_contracts(path))
    return _to_items(target for target in sorted(found) if target.startswith(incomplete))


def complete_contract_or_file(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete ``module:contract``, or the path of a file."""
    return [*complete_contract(ctx, param, incomplete), *complete_file(ctx, param, incomplete)]


def complete_function(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete ``NAME=[DIR/]HANDLER`` with the handlers in the directory and in those below it, or a file."""
    name, equals, code = incomplete.partition("=")
    if not equals:
        return complete_file(ctx, param, incomplete)
    directory = code[: code.rfind("/") + 1]
    handlers = (
        f"{directory}{prefix}{path.stem}.{handler}"
        for prefix, path in find_sources(Path(directory))
        for handler in find_handlers(path)
    )
    return _to_items(f"{name}={handler}" for handler in handlers if handler.startswith(code))


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
    for directory, file in find_sources(Path()):
        module = f"{directory}{file.stem}".replace("/", ".")
        yield module.removesuffix(".__init__"), file
