"""Read systems from text, for the tests of every kind of file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

from lambdachain._lambda_api.aws_location import AwsLocation
from lambdachain._templates.context import TemplateContext
from lambdachain.local import LocalFunction
from lambdachain.local._definitions._function_builder import Declarations
from lambdachain.local._definitions._sources import parse_system, read_system

SYSTEMS = Path(__file__).parent / "systems"
AWS = AwsLocation("123456789012", "us-east-1")


def parse(text: str, source: str = "template.yaml", **context: Any) -> Declarations:
    """Parse a text as if the file were in ``/code``."""
    return parse_system(dedent(text), source, Path("/code"), TemplateContext(AWS, **context)).declarations


def read(path: Path, **context: Any) -> Declarations:
    """Read a file."""
    return read_system(path, TemplateContext(AWS, **context)).declarations


def functions(declarations: Declarations) -> Mapping[str, LocalFunction]:
    """Return the functions by name."""
    return {each.function.name: each.function for each in declarations.functions}


def diagnostics(declarations: Declarations) -> list[str]:
    """Return the diagnostics as they are printed."""
    return [str(each) for each in declarations.diagnostics]


def only_function(declarations: Declarations) -> LocalFunction:
    """Return the only function, after checking that nothing is wrong."""
    assert diagnostics(declarations) == []
    (declared,) = declarations.functions
    return declared.function
