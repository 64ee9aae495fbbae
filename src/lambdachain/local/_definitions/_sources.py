"""Which file describes the system, and reading it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from lambdachain._templates.context import Surroundings, variables_of
from lambdachain._templates.diagnostics import Diagnostic, Location, TemplateError
from lambdachain._templates.document import Document, read_yaml
from lambdachain._templates.files import read_bounded
from lambdachain._templates.intrinsics import Resolver

from ._function_builder import Reading
from ._serverless import read_serverless
from ._template import read_template
from ._toml import System, read_toml

# The first that is there describes the system.
FILES: Final = (
    "lambdachain.toml",
    "template.yaml",
    "template.yml",
    "template.json",
    "serverless.yml",
    "serverless.yaml",
)


def find_files(directory: Path) -> list[Path]:
    """Return the files in *directory* that may describe a system, the one that counts first."""
    return [path for name in FILES if (path := directory / name).is_file()]


def read_file(path: Path, around: Surroundings) -> System:
    """Read the system that a file describes; what cannot be read is among the problems."""
    source = os.path.relpath(path)
    try:
        text = read_bounded(path)
    except FileNotFoundError:
        return _unread(source, "no such file")
    except (OSError, ValueError) as exc:
        return _unread(source, f"cannot be read: {exc}")
    return read_text(text, source, path.parent, around)


def read_text(text: str, source: str, directory: Path, around: Surroundings) -> System:
    """Read a system from the text of a file; its kind shows in what it contains.

    Args:
        text: The text.
        source: The file's name.
        directory: Where it lies.
        around: What it may refer to.
    """
    try:
        return _read_text(text, source, directory, around)
    except RecursionError:
        return _unread(source, "nested too deeply")


def _read_text(text: str, source: str, directory: Path, around: Surroundings) -> System:
    if source.endswith(".toml"):
        return read_toml(text, source, directory)
    try:
        document = read_yaml(text, source)
    except TemplateError as exc:
        return System(Reading(problems=(exc.problem(),)))
    if document.get("Resources") is not None:
        stack = around.parameters.get("AWS::StackName", around.stage or "local")
        resolver = Resolver(document, around.parameters, around.place, stack)
        return System(read_template(document, resolver, directory))
    if document.get("service") is not None or document.get("functions") is not None:
        return System(_read_serverless(document, directory, around))
    return _unread(source, "neither a template (no Resources) nor a serverless.yml (no service)")


def _read_serverless(document: Document, directory: Path, around: Surroundings) -> Reading:
    return read_serverless(variables_of(document, directory, around), around.parameters, around.place, directory)


def _unread(source: str, text: str) -> System:
    return System(Reading(problems=(Diagnostic(Location(source), text),)))
