"""Functions named on the command line: ``orders=orders/app.handler``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lambdachain._templates.diagnostics import Diagnostic, Location

from ._function_builder import Declarations, FunctionBuilder, build_functions


def is_function(argument: str) -> bool:
    """Check whether an argument declares a function; otherwise it is the path of a file.

    >>> is_function("orders=app.handler"), is_function("template.yaml")
    (True, False)
    """
    return "=" in argument


def parse_arguments(arguments: Iterable[str], directory: Path) -> Declarations:
    """Parse functions of the form ``NAME=[DIRECTORY/]MODULE.FUNCTION``.

    Args:
        arguments: The arguments.
        directory: What their directories are relative to.
    """
    builders: list[FunctionBuilder] = []
    diagnostics: list[Diagnostic] = []
    for argument in arguments:
        name, _, code = argument.partition("=")
        location = Location(f"argument {argument!r}")
        if not name or not code:
            text = "not of the form NAME=[DIRECTORY/]MODULE.FUNCTION, such as orders=app.handler"
            diagnostics.append(Diagnostic(location, text))
            continue
        below, _, handler = code.rpartition("/")
        builder = FunctionBuilder(name, location)
        builder.set("handler", handler, location)
        # `/app.handler` has an empty part before its only slash, which is the root and not the current directory.
        path = Path(below or "/") if code.startswith("/") else directory / below
        builder.set("directory", str(path), location)
        builders.append(builder)
    return build_functions(builders, diagnostics)
