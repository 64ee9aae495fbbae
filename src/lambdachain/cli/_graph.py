"""``lambdachain graph``: the call graph as a picture, and warnings about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from ._baseline import Baseline, baseline_options, unresolved_to_line, warning_to_line
from ._code_options import (
    code_options,
    print_json,
    print_unresolved,
    read_code,
    read_templates,
    survey_code,
    template_options,
    unresolved_to_dicts,
)
from ._deployed_code import DeployedCode, get_environment
from ._exit_status import ExitStatus, echo
from ._help import CommandWithExamples
from ._target_options import AS_JSON

if TYPE_CHECKING:
    from lambdachain._analysis.call_graph.graph import Graph
    from lambdachain._analysis.call_graph.type_mismatches import SchemaFile
    from lambdachain._analysis.call_graph.warnings import ConfiguredTimeout, GraphWarning
    from lambdachain._analysis.survey.results import CodeUnit, Survey, UnresolvedCall
    from lambdachain._templates.deployment import DeployedFunction, TemplateDeployment

    _CodeByFunction: TypeAlias = Mapping[str, tuple[str, CodeUnit | None]]
    """The name of each function in the code, and its code, by its name in the template."""

_FORMATS: Final = ("text", "mermaid", "dot", "svg")


@click.command(
    "graph",
    cls=CommandWithExamples,
    examples=[
        "lambdachain graph",
        "lambdachain graph orders billing --as svg > calls.svg",
        "lambdachain graph src --template template.yaml --check",
        "lambdachain graph src --as mermaid --functions-only",
    ],
)
@code_options
@click.option(
    "--as", "output_format", type=click.Choice(_FORMATS), default="text", show_default=True, help="Output format."
)
@click.option(
    "--template",
    "templates",
    type=click.Path(path_type=Path),
    multiple=True,
    help="SAM or CloudFormation template or serverless.yml, for timeouts and undecorated handlers; repeatable.",
)
@template_options
@click.option("--functions-only", is_flag=True, help="Leave out calls by code that belongs to no function.")
@click.option("--check", is_flag=True, help="Print only warnings, and exit with status 1 if there is one.")
@baseline_options
@AS_JSON
def command(
    *,
    code: tuple[Path, ...],
    python: Path | None,
    tests: bool,
    environment: dict[str, str],
    no_cache: bool,
    output_format: str,
    templates: tuple[Path, ...],
    stage: str | None,
    parameters: dict[str, str],
    functions_only: bool,
    check: bool,
    baseline: Path | None,
    write_baseline: bool,
    as_json: bool,
) -> None:
    """Draw the call graph, and warn about cycles and conflicting timeouts.

    CODE is the directories of one or more code bases, by default the current directory. The code is parsed, never
    imported or run.

    Warnings go to standard error, each with file and line: cycles, chains of more than two synchronous calls, a
    callee whose timeout is not shorter than its caller's, events for a function that is not idempotent, and types that
    do not match between callers and callees.
    """
    known = Baseline(baseline, is_written=write_baseline)
    deployments = read_templates(templates, None, None, stage, parameters)
    read = read_code(code, tests=tests, python=python, deployments=deployments, is_cached=not no_cache)
    survey = survey_code(read, environment)
    graph, warnings, unresolved = _analyze(survey, environment, deployments, code)
    warnings = known.select_new(warnings, warning_to_line)
    unresolved = known.select_new(unresolved, unresolved_to_line)
    if note := known.save():
        echo(f"note: {note}", file=sys.stderr)
    if functions_only:
        graph = graph.functions_only()
    if as_json:
        from lambdachain._analysis.call_graph.formats import as_object

        # "undecided" is a documented key.
        print_json({**as_object(graph, warnings), "undecided": unresolved_to_dicts(unresolved)})
    else:
        if not check:
            echo(_render(graph, warnings, output_format).rstrip("\n"))
        _print_warnings(warnings, unresolved, deployments)
    sys.exit(ExitStatus.NO if check and warnings else ExitStatus.DONE)


def _analyze(
    survey: Survey, environment: Mapping[str, str], deployments: Sequence[TemplateDeployment], code: Sequence[Path]
) -> tuple[Graph, list[GraphWarning], list[UnresolvedCall]]:
    from lambdachain._analysis.call_graph.type_mismatches import find_type_mismatches
    from lambdachain._analysis.call_graph.warnings import find_warnings
    from lambdachain._analysis.survey.results import merge_by_site

    functions = [function for deployment in deployments for function in deployment.functions]
    deployed = DeployedCode(survey)
    names = {function.name: _find_code(function, survey, deployed) for function in functions}
    graph = _build_graph(survey, environment, functions, names)
    _report_unread(graph, functions, names)
    timeouts = dict(_find_timeouts(functions, names))
    mismatched, unresolved = find_type_mismatches(survey, list(_find_schema_files(code or [Path()])))
    warnings = sorted([*find_warnings(graph, timeouts), *mismatched], key=lambda one: (one.location, one.kind))
    return graph, warnings, list(merge_by_site([*_find_unresolved(survey, graph), *unresolved]))


def _build_graph(
    survey: Survey, environment: Mapping[str, str], functions: Sequence[DeployedFunction], names: _CodeByFunction
) -> Graph:
    from lambdachain._analysis.call_graph.graph import FunctionEnvironment, build_graph

    environments = {
        names[one.name][0]: FunctionEnvironment(
            survey.in_environment(get_environment(one, names[one.name][0], environment)),
            one.deferred_environment,
        )
        for one in functions
    }
    return build_graph(
        survey,
        {name: unit for name, (_, unit) in names.items() if unit is not None},
        environments,
        {own: name for own, (name, _) in names.items()},
    )


def _report_unread(graph: Graph, functions: Sequence[DeployedFunction], names: _CodeByFunction) -> None:
    """Print a note for each function whose code was not read."""
    shown = {node.name for node in graph.nodes}
    for one in functions:
        if names[one.name][0] not in shown:
            reason = f"its calls are unknown: the code of {one.name} is not among the files read"
            echo(f"note: {one.location}: {reason}", file=sys.stderr)


def _find_unresolved(survey: Survey, graph: Graph) -> Iterator[UnresolvedCall]:
    """Yield the calls whose function or verb is unknown."""
    from lambdachain._analysis.survey.results import CallMode, CallSite, UnresolvedCall, explain_undecided

    # A call that is unresolved without a template may be resolved with the variables of each function.
    yield from (one for one in survey.unresolved if not one.callee)
    for edge in graph.edges:
        yield from (call for call in edge.calls if isinstance(call, UnresolvedCall))
    for edge in graph.edges:
        if edge.mode is CallMode.UNDECIDED:
            yield from (explain_undecided(call) for call in edge.calls if isinstance(call, CallSite))


def _find_code(function: DeployedFunction, survey: Survey, code: DeployedCode) -> tuple[str, CodeUnit | None]:
    """Find a deployed function's name in the graph, and its code by its handler's file."""
    from lambdachain._analysis.call_graph.graph import function_name

    unit = code.find_handler(function)
    # the graph uses the name that contracts have, which a template may not repeat
    known = next((function_name(one.contract.function) for one in survey.handlers if one.unit == unit), function.name)
    return known, unit


def _find_timeouts(
    functions: Iterable[DeployedFunction], names: dict[str, tuple[str, CodeUnit | None]]
) -> Iterator[tuple[str, ConfiguredTimeout]]:
    from lambdachain._analysis.call_graph.warnings import ConfiguredTimeout

    for function in functions:
        if function.timeout is not None:
            yield names[function.name][0], ConfiguredTimeout(function.timeout, function.location.file_and_line)


def _find_schema_files(code: Iterable[Path]) -> Iterator[SchemaFile]:
    """Find JSON files that hold the schema of a contract, as ``lambdachain schema`` prints it."""
    import os

    from lambdachain._analysis.call_graph.type_mismatches import SchemaFile
    from lambdachain._contracts.contract_schema import parse_contract_schema
    from lambdachain._core.errors import ContractError

    for base in code:
        for path in sorted(_find_json_files(base)):
            try:
                yield SchemaFile(
                    os.path.relpath(path), parse_contract_schema(json.loads(path.read_text(encoding="utf-8")))
                )
            except (ContractError, ValueError, RecursionError, OSError):
                continue  # not the schema of a contract


def _find_json_files(base: Path) -> Iterator[Path]:
    import os

    for directory, names, files in os.walk(base):
        # In place: os.walk visits the directories that are left in the list.
        names[:] = [name for name in names if not name.startswith(".") and name != "node_modules"]
        yield from (Path(directory, name) for name in files if name.endswith(".json"))


def _render(graph: Graph, warnings: Sequence[GraphWarning], output_format: str) -> str:
    from lambdachain._analysis.call_graph import formats

    if output_format == "svg":
        from lambdachain._analysis.call_graph.svg import as_svg

        return as_svg(graph, warnings)
    writers: dict[str, Any] = {"text": formats.as_text, "mermaid": formats.as_mermaid, "dot": formats.as_dot}
    drawn: str = writers[output_format](graph)
    return drawn


def _print_warnings(
    warnings: Iterable[GraphWarning], unresolved: Iterable[UnresolvedCall], deployments: Iterable[TemplateDeployment]
) -> None:
    for one in warnings:
        label = click.style("warning:", fg="yellow", bold=True)
        echo(f"{label} {one.location}: {one.kind}: {one.text}", file=sys.stderr)
    print_unresolved(unresolved)
    print_unresolved(problem for deployment in deployments for problem in deployment.diagnostics)
