"""Find the files that describe a system, and read them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lambdachain._templates.cdk_app import CDK_MANIFEST, add_cdk_context, find_cdk_stacks
from lambdachain._templates.context import TemplateContext
from lambdachain._templates.diagnostics import Diagnostic, Location, TemplateError
from lambdachain._templates.files import read_text_file
from lambdachain._templates.http_routes import merge_http_definitions, read_http_apis
from lambdachain._templates.nested_stacks import read_stack_tree
from lambdachain._templates.template import parse_template

from ._function_builder import Declarations
from ._template import declare_system
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
_SAM_TEMPLATES: Final = ("template.yaml", "template.yml", "template.json")
_SUFFIXES: Final = {Path(name).suffix for name in FILES}
_CODE_SUFFIXES: Final = {".py", ".js", ".mjs", ".cjs", ".ts", ".mts"}
_SAM_BUILD: Final = Path(".aws-sam/build/template.yaml")


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """The files in a directory that describe a system.

    Attributes:
        files: Those to read.
        others: Those that are not read.
        notices: What to report about the choice.
    """

    files: list[Path] = field(default_factory=list[Path])
    others: list[Path] = field(default_factory=list[Path])
    notices: list[str] = field(default_factory=list[str])


def find_files(directory: Path, *, use_build: bool = True) -> FoundFiles:
    """Find the files in a directory that describe a system.

    Args:
        directory: The directory; that of a CDK app's output is accepted too.
        use_build: Whether to read what ``sam build`` has built of a template, if it is not older than the template.
    """
    if (directory / CDK_MANIFEST.name).is_file():
        return FoundFiles([stack.template for stack in find_cdk_stacks(directory)])
    found = [path for name in FILES if (path := directory / name).is_file()]
    if not found:
        return FoundFiles([stack.template for stack in find_cdk_stacks(directory / CDK_MANIFEST.parent)])
    chosen, others = found[0], found[1:]
    built = directory / _SAM_BUILD
    if chosen.name not in _SAM_TEMPLATES or not use_build or not built.is_file():
        return FoundFiles([chosen], others)
    if built.stat().st_mtime_ns < chosen.stat().st_mtime_ns:
        text = f"{chosen.name} is newer than {_SAM_BUILD}, which is not used: run sam build to serve what it builds"
        return FoundFiles([chosen], others, [text])
    text = f"serving what sam build has built in {_SAM_BUILD.parent}: pass {chosen.name} to serve the sources instead"
    return FoundFiles([built], others, [text])


def read_system(path: Path, context: TemplateContext) -> SystemDefinition:
    """Read the system that a file describes; what is wrong with the file is among the diagnostics."""
    source = os.path.relpath(path)
    try:
        text = read_text_file(path)
    except FileNotFoundError:
        if path.suffix in _SUFFIXES:
            return _nothing(source, "no such file")
        return _nothing(
            source, "no such file; write functions as NAME=[DIRECTORY/]MODULE.FUNCTION, such as orders=app.handler"
        )
    except (OSError, ValueError) as exc:
        return _nothing(source, f"cannot be read: {exc}")
    if path.suffix in _CODE_SUFFIXES:
        example = f"{path.stem}={path.with_suffix('.handler').as_posix()}"
        text = f"code, not a template; write functions as NAME=[DIRECTORY/]MODULE.FUNCTION, such as {example}"
        return _nothing(source, text)
    return parse_system(text, source, path.parent, add_cdk_context(path, context))


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
        tree = read_stack_tree(template, context)
        http = merge_http_definitions(map(read_http_apis, tree.templates))
        return SystemDefinition(declare_system(tree), http=http, files=tuple(tree.files))
    except TemplateError as exc:
        return SystemDefinition(Declarations(diagnostics=(exc.to_diagnostic(),)))
    except RecursionError:
        # TOML has no limit of its own, and the standard library's parser recurses.
        return _nothing(source, "nested too deeply")


def _nothing(source: str, text: str) -> SystemDefinition:
    return SystemDefinition(Declarations(diagnostics=(Diagnostic(Location(source), text),)))
