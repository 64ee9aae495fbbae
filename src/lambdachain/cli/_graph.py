"""``lambdachain graph``: who calls whom, as a picture, and what will not go well."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ._code_options import (
    code_options,
    print_json,
    read_project,
    read_template,
    tell_undecided,
    template_options,
    undecided_objects,
)
from ._exit_status import Status, echo
from ._help import Command
from ._target_options import AS_JSON

if TYPE_CHECKING:
    from lambdachain._analysis.call_graph.graph import Graph
    from lambdachain._analysis.call_graph.types import SchemaFile
    from lambdachain._analysis.call_graph.warnings import Timeout, Warned
    from lambdachain._analysis.survey.found import CodeUnit, Survey, UnresolvedCall
    from lambdachain._templates.deployment import DeployedFunction, Deployment

_FORMATS: Final = ("text", "mermaid", "dot", "svg")


@click.command(
    "graph",
    cls=Command,
    examples=[
        "lambdachain graph",
        "lambdachain graph orders billing --as svg > calls.svg",
        "lambdachain graph src --template template.yaml --check",
        "lambdachain graph src --as mermaid --functions-only",
    ],
)
@code_options
@click.option(
    "--as", "drawn_as", type=click.Choice(_FORMATS), default="text", show_default=True, help="How to draw it."
)
@click.option(
    "--template",
    "templates",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A SAM or CloudFormation template or a serverless.yml: timeouts, and handlers that no decorator tells.",
)
@template_options
@click.option("--functions-only", is_flag=True, help="Leave out calls by code that is no function's.")
@click.option("--check", is_flag=True, help="Only warn; the status is 1 if there is a warning.")
@AS_JSON
def command(
    *,
    code: tuple[Path, ...],
    tests: bool,
    environment: dict[str, str],
    drawn_as: str,
    templates: tuple[Path, ...],
    stage: str | None,
    parameters: dict[str, str],
    functions_only: bool,
    check: bool,
    as_json: bool,
) -> None:
    """Draw who calls whom, and warn of what will not go well.

    CODE is the directories of one or several code bases; the current directory without any. Nothing of them is imported
    or run. Warnings, each with file and line, go to standard error: cycles, chains of more than two calls that wait, a
    callee whose timeout does not fit into its caller's, a function that is fired and not idempotent, types that do not
    match between callers and callees.
    """
    from lambdachain._analysis.survey.survey import survey_of

    project = read_project(code, tests=tests)
    survey = survey_of(project, environment)
    deployments = [read_template(path, None, None, stage, parameters) for path in templates]
    graph, warned, undecided = _looked_at(survey, deployments, code)
    if functions_only:
        graph = graph.of_functions()
    if as_json:
        from lambdachain._analysis.call_graph.pictures import as_object

        print_json({**as_object(graph, warned), "undecided": undecided_objects(undecided)})
    else:
        if not check:
            echo(_drawn(graph, warned, drawn_as).rstrip("\n"))
        _tell(warned, undecided, deployments)
    sys.exit(Status.NO if check and warned else Status.DONE)


def _looked_at(
    survey: Survey, deployments: Sequence[Deployment], code: Sequence[Path]
) -> tuple[Graph, list[Warned], list[UnresolvedCall]]:
    from lambdachain._analysis.call_graph.graph import graph_of
    from lambdachain._analysis.call_graph.types import type_warnings
    from lambdachain._analysis.call_graph.warnings import warnings_of

    functions = [function for deployment in deployments for function in deployment.functions]
    names = {function.name: _names(function, survey) for function in functions}
    graph = graph_of(survey, {name: unit for name, (_, unit) in names.items() if unit is not None})
    timeouts = dict(_timeouts(functions, names))
    mismatched, untold = type_warnings(survey, list(_schema_files(code or [Path()])))
    warned = sorted([*warnings_of(graph, timeouts), *mismatched], key=lambda one: (one.place, one.kind))
    return graph, warned, sorted({*survey.undecided, *untold}, key=lambda one: one.place)


def _names(function: DeployedFunction, survey: Survey) -> tuple[str, CodeUnit | None]:
    """Find the code of a deployed function: by its handler's file, or else by its name."""
    from lambdachain._analysis.call_graph.graph import function_name

    name = function.handler.rpartition(".")[2]
    unit = next((unit for unit in survey.units if unit == (function.file, name)), None)
    known = next((function_name(one.contract.function) for one in survey.handlers if one.unit == unit), function.name)
    return known, unit


def _timeouts(
    functions: Iterable[DeployedFunction], names: dict[str, tuple[str, CodeUnit | None]]
) -> Iterator[tuple[str, Timeout]]:
    from lambdachain._analysis.call_graph.warnings import Timeout

    for function in functions:
        if function.timeout is not None:
            yield names[function.name][0], Timeout(function.timeout, function.spot.place)


def _schema_files(code: Iterable[Path]) -> Iterator[SchemaFile]:
    """Find the schemas that ``Contract.schema`` was written to."""
    import os

    from lambdachain._analysis.call_graph.types import SchemaFile
    from lambdachain._contracts.contract_schema import checked_schema
    from lambdachain._core.errors import ContractError

    for base in code:
        for path in sorted(base.rglob("*.json")) if base.is_dir() else ():
            if any(part.startswith(".") or part == "node_modules" for part in path.parts[1:]):
                continue
            try:
                yield SchemaFile(os.path.relpath(path), checked_schema(json.loads(path.read_text(encoding="utf-8"))))
            except (ContractError, ValueError, RecursionError, OSError):
                continue  # some other JSON


def _drawn(graph: Graph, warned: Sequence[Warned], drawn_as: str) -> str:
    from lambdachain._analysis.call_graph import pictures

    if drawn_as == "svg":
        from lambdachain._analysis.call_graph.svg import as_svg

        return as_svg(graph, warned)
    writers: dict[str, Any] = {"text": pictures.as_text, "mermaid": pictures.as_mermaid, "dot": pictures.as_dot}
    drawn: str = writers[drawn_as](graph)
    return drawn


def _tell(warned: Iterable[Warned], undecided: Iterable[UnresolvedCall], deployments: Iterable[Deployment]) -> None:
    for one in warned:
        label = click.style("warning:", fg="yellow", bold=True)
        echo(f"{label} {one.place}: {one.kind}: {one.text}", file=sys.stderr)
    tell_undecided(undecided)
    tell_undecided(problem for deployment in deployments for problem in deployment.problems)
