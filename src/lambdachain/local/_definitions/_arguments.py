"""Functions named on the command line: ``orders=orders/app.handler``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lambdachain._templates.diagnostics import Diagnostic, Location

from ._function_builder import FunctionBuilder, Reading, gather


def is_function(argument: str) -> bool:
    """Check whether an argument declares a function; otherwise it names a file.

    >>> is_function("orders=app.handler"), is_function("template.yaml")
    (True, False)
    """
    return "=" in argument


def read_arguments(arguments: Iterable[str], directory: Path) -> Reading:
    """Read functions of the form ``NAME=[DIRECTORY/]MODULE.FUNCTION``.

    Args:
        arguments: The arguments.
        directory: What their directories are relative to.
    """
    drafts: list[FunctionBuilder] = []
    problems: list[Diagnostic] = []
    for argument in arguments:
        name, _, code = argument.partition("=")
        spot = Location(f"argument {argument!r}")
        if not name or not code:
            problems.append(
                Diagnostic(spot, "a function is NAME=[DIRECTORY/]MODULE.FUNCTION, such as orders=app.handler")
            )
            continue
        below, _, handler = code.rpartition("/")
        draft = FunctionBuilder(name, spot)
        draft.set("handler", handler, spot)
        draft.set("directory", str(directory / below), spot)
        if code.startswith("/"):
            draft.set("directory", below or "/", spot)
        drafts.append(draft)
    return gather(drafts, problems)
