"""``graph`` and ``policy`` keep what they have found out about code, and use it as long as nothing has changed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

Run: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]
Write: TypeAlias = Callable[[Mapping[str, str]], Path]

CODE = """
import os
import boto3

def handler(event, context):
    boto3.client("lambda").invoke(FunctionName=os.environ["TARGET"], InvocationType="Event")
    boto3.client("lambda").invoke(FunctionName=event["function"])
"""
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  First:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: svc-first
      Runtime: python3.13
      Handler: app.handler
      CodeUri: .
      Environment: {Variables: {TARGET: svc-second}}
      Policies: [{Statement: [{Effect: Allow, Action: "lambda:*", Resource: "*"}]}]
  Inline:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: svc-inline
      Runtime: python3.13
      Handler: index.handler
      Code:
        ZipFile: |
          import boto3
          def handler(event, context):
              boto3.client("lambda").invoke(FunctionName="svc-third")
"""
COMMANDS = (
    ("graph", ".", "--template", "template.yaml", "--json"),
    ("graph", ".", "--template", "template.yaml"),
    ("policy", ".", "--check", "template.yaml"),
    ("policy", ".", "--env", "TARGET=svc-second", "--as", "sam"),
)


@pytest.fixture
def cache(tmp_path: Path, environment: dict[str, str]) -> Path:
    """Give the commands a cache of their own, and return where they keep surveys."""
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    return tmp_path / "cache" / "lambdachain" / "surveys"


def is_analyzing(run: Run, *arguments: str) -> bool:
    """Check whether a command evaluates code: only then does it import what evaluates it."""
    return "lambdachain._analysis.survey.evaluation" in run(*arguments, PYTHONPROFILEIMPORTTIME="1").stderr


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_second_run_prints_the_same_and_analyzes_nothing(
    run: Run, write: Write, cache: Path, arguments: tuple[str, ...]
):
    """Output, warnings, unresolved calls, notes, and the exit status."""
    write({"app.py": CODE, "template.yaml": TEMPLATE})
    first = run(*arguments)
    again = run(*arguments)

    assert "svc-" in first.stdout + first.stderr
    assert (again.returncode, again.stdout, again.stderr) == (first.returncode, first.stdout, first.stderr)
    assert not is_analyzing(run, *arguments)
    assert len([*cache.iterdir()]) == 1


def test_what_changes_is_analyzed_again(run: Run, write: Write, cache: Path):
    """The code, the source in a template, and the variables of a function."""
    directory = write({"app.py": CODE, "template.yaml": TEMPLATE})
    graph = COMMANDS[1]
    run(*graph)
    write({"template.yaml": TEMPLATE.replace("svc-third", "svc-fourth")})
    inline = run(*graph)
    write({"template.yaml": TEMPLATE.replace("svc-second", "svc-fifth")})
    variables = run(*graph)
    (directory / "app.py").write_text(CODE.replace("lambda", "s3"))
    code = run(*graph)

    assert "svc-fourth" in inline.stdout
    assert "svc-fifth" in variables.stdout
    assert "svc-second" not in code.stdout
    assert len([*cache.iterdir()]) == 3


def test_with_no_cache_nothing_is_read_or_kept(run: Run, write: Write, cache: Path):
    """``--no-cache``, before there is a cache and afterwards."""
    write({"app.py": CODE, "template.yaml": TEMPLATE})
    graph = (*COMMANDS[1], "--no-cache")
    run(*graph)

    assert not cache.exists()
    run(*COMMANDS[1])
    assert is_analyzing(run, *graph)


def test_where_nothing_can_be_written_nothing_is_kept(run: Run, write: Write, environment: dict[str, str]):
    """A container may have no home that can be written to: the command works."""
    write({"app.py": CODE, "template.yaml": TEMPLATE})
    environment.pop("XDG_CACHE_HOME", None)
    found = run(*COMMANDS[1], HOME="/dev/null/missing")

    assert "svc-second" in found.stdout
    assert not found.returncode
