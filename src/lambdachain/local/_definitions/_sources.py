"""Find the file that describes a system, and read it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from lambdachain._templates.context import TemplateContext
from lambdachain._templates.diagnostics import Diagnostic, Location, TemplateError
from lambdachain._templates.files import read_text_file
from lambdachain._templates.http_routes import read_http_apis
from lambdachain._templates.template import parse_template

from ._function_builder import Declarations
from ._template import declare_functions
from ._toml import SystemDefinition, parse_toml

# The first of these that is in a directory describes the system.
FILES: Final = (
    "lambdachain.toml",
    "template.yaml",
    "template.yml",
    "template.json",
    "serverless.yml",
    "serverless.yaml",
)


def find_files(directory: Path) -> list[Path]:
    """Return the files in *directory* that may describe a system; the first takes precedence."""
    return [path for name in FILES if (path := directory / name).is_file()]


def read_system(path: Path, context: TemplateContext) -> SystemDefinition:
    """Read the system that a file describes; what is wrong with the file is among the diagnostics."""
    source = os.path.relpath(path)
    try:
        text = read_text_file(path)
    except FileNotFoundError:
        return _nothing(source, "no such file")
    except (OSError, ValueError) as exc:
        return _nothing(source, f"cannot be read: {exc}")
    return parse_system(text, source, path.parent, context)


def parse_system(text: str, source: str, directory: Path, context: TemplateContext) -> SystemDefinition:
    """Parse a system from the text of a file; what it contains shows which kind it is.

    Args:
        text: The text.
        source: The file's name.
        directory: The file's directory.
        context: What a template may refer to.
    """
    try:
        if source.endswith(".toml"):
            return parse_toml(text, source, directory)
        template = parse_template(text, source, directory, context)
        return SystemDefinition(declare_functions(template), http=read_http_apis(template))
    except TemplateError as exc:
        return SystemDefinition(Declarations(diagnostics=(exc.to_diagnostic(),)))
    except RecursionError:
        # TOML has no limit of its own, and the standard library's parser recurses.
        return _nothing(source, "nested too deeply")


def _nothing(source: str, text: str) -> SystemDefinition:
    return SystemDefinition(Declarations(diagnostics=(Diagnostic(Location(source), text),)))
