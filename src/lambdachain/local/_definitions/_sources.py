"""Which file describes the system, and reading it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lambdachain._lambda_api.aws_location import AwsLocation
from lambdachain._templates.document import Document, read_yaml
from lambdachain._templates.intrinsics import Resolver
from lambdachain._templates.problem import Diagnostic, Location, TemplateError
from lambdachain._templates.variables import Variables

from ._cloudformation import read_template
from ._function_builder import Reading
from ._serverless import read_serverless
from ._toml import System, read_toml

MAX_FILE: Final = 16 * 1024 * 1024

# The first that is there describes the system.
FILES: Final = (
    "lambdachain.toml",
    "template.yaml",
    "template.yml",
    "template.json",
    "serverless.yml",
    "serverless.yaml",
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a file may refer to beyond itself.

    Attributes:
        place: The account and the region.
        stage: The stage: ``${sls:stage}``, ``${opt:stage}``.
        parameters: Values of parameters, and of anything else that only AWS would know.
        environment: The variables of this process: ``${env:...}``.
    """

    place: AwsLocation
    stage: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


def find_files(directory: Path) -> list[Path]:
    """Give the files in *directory* that may describe a system, the one that counts first."""
    return [path for name in FILES if (path := directory / name).is_file()]


def read_file(path: Path, around: Surroundings) -> System:
    """Read the system that a file describes; what cannot be read is among the problems."""
    source = os.path.relpath(path)
    try:
        text = _text_of(path)
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


def _text_of(path: Path) -> str:
    """Read a text file, and no endless one such as a device.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not text, or larger than any file of this kind.
    """
    with path.open("rb") as file:
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise ValueError(f"it has more than {MAX_FILE:,} bytes")
    return data.decode("utf-8-sig")


def _read_serverless(document: Document, directory: Path, around: Surroundings) -> Reading:
    return read_serverless(variables_of(document, directory, around), around.parameters, around.place, directory)


def variables_of(document: Document, directory: Path, around: Surroundings) -> Variables:
    """Prepare to work out the variables of a ``serverless.yml`` that lies in *directory*."""

    def read(name: str) -> str:
        return _text_of(directory / name)

    return Variables(
        document,
        options=around.parameters,
        environment=around.environment,
        place=around.place,
        stage=around.stage,
        read=read,
    )


def _unread(source: str, text: str) -> System:
    return System(Reading(problems=(Diagnostic(Location(source), text),)))
