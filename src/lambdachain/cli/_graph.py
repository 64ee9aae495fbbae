"""``lambdachain graph``: who calls whom, as a picture, and what will not go well."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ._exit_status import Status, echo
from ._help import Command
from ._surveying import (
    code_options,
    print_json,
    read_project,
    read_template,
    tell_undecided,
    template_options,
    undecided_objects,
)
from ._target_options import AS_JSON

if TYPE_CHECKING:
    from lambdachain._analysis.call_graph.graph import Graph
    from lambdachain._analysis.call_graph.type_mismatches import SchemaFile
    from lambdachain._analysis.call_graph.warnings import ConfiguredTimeout, GraphWarning
    from lambdachain._analysis.survey.results import CodeUnit, Survey, UnresolvedCall
    from lambdachain._templates.deployment import DeployedFunction, TemplateDeployment

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
    from lambdachain._analysis.survey.survey import survey_project

    project = read_project(code, tests=tests)
    survey = survey_project(project, environment)
    deployments = [read_template(path, None, None, stage, parameters) for path in templates]
    graph, warned, undecided = _looked_at(survey, deployments, code)
    if functions_only:
        graph = graph.functions_only()
    if as_json:
        from lambdachain._analysis.call_graph.formats import as_object

        print_json({**as_object(graph, warned), "undecided": undecided_objects(undecided)})
    else:
        if not check:
            echo(_drawn(graph, warned, drawn_as).rstrip("\n"))
        _tell(warned, undecided, deployments)
    sys.exit(Status.NO if check and warned else Status.DONE)


def _looked_at(
    survey: Survey, deployments: Sequence[TemplateDeployment], code: Sequence[Path]
) -> tuple[Graph, list[GraphWarning], list[UnresolvedCall]]:
    from lambdachain._analysis.call_graph.graph import build_graph
    from lambdachain._analysis.call_graph.type_mismatches import find_type_mismatches
    from lambdachain._analysis.call_graph.warnings import find_warnings

    functions = [function for deployment in deployments for function in deployment.functions]
    names = {function.name: _names(function, survey) for function in functions}
    graph = build_graph(survey, {name: unit for name, (_, unit) in names.items() if unit is not None})
    timeouts = dict(_timeouts(functions, names))
    mismatched, untold = find_type_mismatches(survey, list(_schema_files(code or [Path()])))
    warned = sorted([*find_warnings(graph, timeouts), *mismatched], key=lambda one: (one.location, one.kind))
    return graph, warned, sorted({*survey.unresolved, *untold}, key=lambda one: one.location)


def _names(function: DeployedFunction, survey: Survey) -> tuple[str, CodeUnit | None]:
    """Find the code of a deployed function: by its handler's file, or else by its name."""
    from lambdachain._analysis.call_graph.graph import function_name

    name = function.handler.rpartition(".")[2]
    unit = next((unit for unit in survey.units if unit == (function.file, name)), None)
    known = next((function_name(one.contract.function) for one in survey.handlers if one.unit == unit), function.name)
    return known, unit


def _timeouts(
    functions: Iterable[DeployedFunction], names: dict[str, tuple[str, CodeUnit | None]]
) -> Iterator[tuple[str, ConfiguredTimeout]]:
    from lambdachain._analysis.call_graph.warnings import ConfiguredTimeout

    for function in functions:
        if function.timeout is not None:
            yield names[function.name][0], ConfiguredTimeout(function.timeout, function.location.file_and_line)


def _schema_files(code: Iterable[Path]) -> Iterator[SchemaFile]:
    """Find the schemas that ``Contract.schema`` was written to."""
    import os

    from lambdachain._analysis.call_graph.type_mismatches import SchemaFile
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


def _drawn(graph: Graph, warned: Sequence[GraphWarning], drawn_as: str) -> str:
    from lambdachain._analysis.call_graph import formats

    if drawn_as == "svg":
        from lambdachain._analysis.call_graph.svg import as_svg

        return as_svg(graph, warned)
    writers: dict[str, Any] = {"text": formats.as_text, "mermaid": formats.as_mermaid, "dot": formats.as_dot}
    drawn: str = writers[drawn_as](graph)
    return drawn


def _tell(
    warned: Iterable[GraphWarning], undecided: Iterable[UnresolvedCall], deployments: Iterable[TemplateDeployment]
) -> None:
    for one in warned:
        label = click.style("warning:", fg="yellow", bold=True)
        echo(f"{label} {one.location}: {one.kind}: {one.text}", file=sys.stderr)
    tell_undecided(undecided)
    tell_undecided(problem for deployment in deployments for problem in deployment.diagnostics)
