"""Reading a system from text, as the tests do it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

from lambdachain._lambda_api.aws_location import AwsLocation
from lambdachain._templates.context import Surroundings
from lambdachain.local import LocalFunction
from lambdachain.local._definitions._function_builder import Reading
from lambdachain.local._definitions._sources import read_file, read_text

SYSTEMS = Path(__file__).parent / "systems"
PLACE = AwsLocation("123456789012", "us-east-1")


def read(text: str, source: str = "template.yaml", *, around: Surroundings | None = None, **given: Any) -> Reading:
    """Read a text as if it lay in ``/code``."""
    return read_text(dedent(text), source, Path("/code"), around or Surroundings(PLACE, **given)).reading


def read_system(name: str, **given: Any) -> Reading:
    """Read one of the systems that lie here."""
    return read_file(SYSTEMS / name, Surroundings(PLACE, **given)).reading


def functions(reading: Reading) -> Mapping[str, LocalFunction]:
    """Give the functions by name."""
    return {each.function.name: each.function for each in reading.declared}


def problems(reading: Reading) -> list[str]:
    """Give the problems as they are printed."""
    return [str(problem) for problem in reading.problems]


def one(reading: Reading) -> LocalFunction:
    """Give the only function, which nothing is wrong with."""
    assert problems(reading) == []
    (each,) = reading.declared
    return each.function
