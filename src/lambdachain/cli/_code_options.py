"""The options of ``policy``, ``graph`` and ``doctor`` that select code and templates, and reading both."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from lambdachain._core.escaping import printable

from ._analysis_progress import show_progress
from ._exit_status import InputError, echo
from ._target_options import combine_options, parse_pairs

if TYPE_CHECKING:
    from lambdachain._analysis.survey.installed import InstalledPackages
    from lambdachain._analysis.survey.project import Project
    from lambdachain._analysis.survey.results import CodeUnit, Survey, UnresolvedCall
    from lambdachain._analysis.survey.sources import Source
    from lambdachain._calling.target import Resolver
    from lambdachain._templates.deployment import TemplateDeployment
    from lambdachain._templates.diagnostics import Diagnostic

# Stand in for the account and region of a template's values while --account-id and --region do not name them.
ANY_ACCOUNT: Final = "123456789012"
ANY_REGION: Final = "us-east-1"
_MAX_LISTED: Final = 3


PYTHON: Final = click.option(
    "--python",
    type=click.Path(path_type=Path, exists=True),
    help="Virtual environment, or interpreter in it, with the packages that the code imports, which are read as "
    "text. Default: the packages installed beside lambdachain.",
)

RESOLVE: Final = click.option(
    "--resolve",
    "resolve",
    metavar="prefix=TEXT|NAME=DEPLOYED",
    multiple=True,
    help="Map the names in contracts to deployed names, instead of the clients' own resolvers; repeatable.",
)

_CODE: Final = (
    click.argument("code", nargs=-1, type=click.Path(path_type=Path), metavar="[CODE]..."),
    PYTHON,
    click.option("--tests", is_flag=True, help="Include tests: tests/, test_*.py and conftest.py."),
    click.option(
        "--env",
        "environment",
        metavar="NAME=VALUE",
        callback=parse_pairs,
        multiple=True,
        help="Value of an environment variable from which the code reads function names or qualifiers; repeatable.",
    ),
    click.option("--no-cache", is_flag=True, help="Analyze the code anew, and keep nothing for the next run."),
)
_TEMPLATE: Final = (
    click.option("--stage", help="Stage of a serverless.yml, or stack name of a template."),
    click.option(
        "--parameter",
        "-p",
        "parameters",
        metavar="NAME=VALUE",
        callback=parse_pairs,
        multiple=True,
        help="Value of a template parameter, or of an attribute that only AWS knows, such as Table.Arn; repeatable.",
    ),
)


code_options = combine_options(*_CODE)
"""Decorate a command with the options that select code."""

template_options = combine_options(*_TEMPLATE)
"""Decorate a command with the options that resolve a template's values."""


@dataclass(frozen=True)
class Code:
    """The code that a command is about.

    Attributes:
        sources: The files of the code bases, and the source that templates have in place of files.
        installed: Finds the packages that the code imports.
        is_cached: Whether what is found out about it is kept for the next command.
    """

    sources: Sequence[Source]
    installed: InstalledPackages
    is_cached: bool

    @cached_property
    def project(self) -> Project:
        """The code, parsed."""
        from lambdachain._analysis.survey.project import Project

        with show_progress("Reading code"):
            return Project(self.sources, self.installed)


def read_code(
    code: Iterable[Path],
    *,
    tests: bool,
    python: Path | None,
    deployments: Iterable[TemplateDeployment] = (),
    is_cached: bool = False,
) -> Code:
    """Read the Python files of the code bases, or of the current directory if there are none.

    The source that templates have in place of files is read, too. Contracts in installed packages are read where the
    code imports them: those of *python*, or of this interpreter.

    Raises:
        InputError: A path does not exist, or none has a Python file; *python* has no installed packages.
    """
    from lambdachain._analysis.survey.installed import InstalledPackages, find_site_directories, get_search_path
    from lambdachain._analysis.survey.sources import read_sources

    bases = list(code) or [Path()]
    for base in bases:
        if not base.exists():
            raise InputError(f"{base}: no such file or directory")
    directories = get_search_path() if python is None else find_site_directories(python)
    if not directories:
        raise InputError(
            f"--python {python}: no installed packages found: pass a virtual environment, or its bin/python"
        )
    skipped: list[Path] = []
    with show_progress("Reading code"):
        sources = list(read_sources(bases, tests=tests, on_vendored=skipped.append))
    functions = (function for deployment in deployments for function in deployment.functions)
    sources += (function.inline for function in functions if function.inline is not None)
    if skipped:
        echo(f"note: not searched, because others wrote it: {_format_paths(skipped)}", file=sys.stderr)
    if not sources:
        raise InputError(f"{', '.join(map(str, bases))}: no Python files found")
    return Code(sources, InstalledPackages(directories), is_cached)


def survey_code(code: Code, environment: Mapping[str, str]) -> Survey:
    """Survey code, or return what an earlier command found out about it; what is new is kept when this command ends."""
    from lambdachain._analysis.survey.saved import SavedSurvey, find_survey_file
    from lambdachain._core.user_cache import find_cache_directory

    directory = find_cache_directory() if code.is_cached else None
    if directory is None:
        return _compute_survey(code, environment)
    file = find_survey_file(directory / "surveys", code.sources, environment)
    saved = SavedSurvey(file, code.installed, lambda: _compute_survey(code, environment))
    click.get_current_context().call_on_close(saved.save)
    return saved.survey


def _compute_survey(code: Code, environment: Mapping[str, str]) -> Survey:
    """Survey code, with the time that it takes shown on a terminal."""
    from lambdachain._analysis.survey.survey import survey_project

    project = code.project
    # The collector would walk the syntax trees, which are most of the memory, again and again.
    gc.freeze()
    try:
        with show_progress(f"Analyzing {len(project.modules):,} files"):
            return survey_project(project, environment)
    finally:
        gc.unfreeze()


def _format_paths(paths: Sequence[Path]) -> str:
    """Return the first paths and the number of the others, for one line."""
    listed = [printable(os.path.relpath(path)) for path in paths[:_MAX_LISTED]]
    if len(paths) > _MAX_LISTED:
        listed.append(f"and {len(paths) - _MAX_LISTED} more")
    return ", ".join(listed)


def find_callers(survey: Survey, callers: Iterable[str]) -> list[CodeUnit]:
    """Find the code of functions, each by its name or its handler setting.

    Raises:
        InputError: There is no such function in the code.
    """
    return [unit for caller in callers for unit in _find_caller(survey, caller)]


def _find_caller(survey: Survey, caller: str) -> list[CodeUnit]:
    if named := [handler.unit for handler in survey.find_handlers(caller)]:
        return named
    exported = {handler.unit: handler.handler_setting for handler in survey.handlers}
    settings = {unit: _handler_setting(unit, exported.get(unit)) for unit in survey.units if unit.name}
    wanted = caller.replace("/", ".")
    units = [unit for unit, setting in settings.items() if "." in wanted and f".{setting}".endswith(f".{wanted}")]
    # Handlers made by remote() take precedence over other functions of the same name.
    units = [unit for unit in units if unit in exported] or units
    if len({unit.file for unit in units}) > 1:
        raise InputError(
            f"{caller!r} matches several files: write {' or '.join(sorted(settings[unit] for unit in units))}"
        )
    if not units:
        known = sorted({name for one in survey.handlers for name in (one.contract.function, one.handler_setting)})
        close = get_close_matches(caller, known, 1)
        advice = f"did you mean {close[0]!r}?" if close else f"handlers found: {', '.join(known) or 'none'}"
        raise InputError(f"no handler {caller!r} found in this code; {advice}")
    return units


def _handler_setting(unit: CodeUnit, exported: str | None) -> str:
    """Return the handler setting with every directory, such as ``orders.app.handler``."""
    path = Path(unit.file).with_suffix("")
    name = unit.name if exported is None else exported.rpartition(".")[2]
    return ".".join([*path.parts, name])


def parse_resolver(values: Iterable[str]) -> Resolver | None:
    """Parse ``--resolve`` into a resolver: ``prefix=TEXT``, or ``NAME=DEPLOYED`` for single names.

    Raises:
        InputError: It has neither form, or both.
    """
    from lambdachain import resolvers

    names: dict[str, str] = {}
    for one in values:
        name, equals, value = one.partition("=")
        if not (name and equals and value):
            raise InputError(f"--resolve {one!r} is not prefix=TEXT or NAME=DEPLOYED")
        names[name] = value
    prefix = names.pop("prefix", None)
    if prefix is not None and names:
        raise InputError("--resolve: prefix=TEXT cannot be combined with NAME=DEPLOYED")
    if prefix is not None:
        return resolvers.prefix(prefix)
    return resolvers.mapping(names) if names else None


def read_templates(
    paths: Sequence[Path], account_id: str | None, region: str | None, stage: str | None, parameters: Mapping[str, str]
) -> list[TemplateDeployment]:
    """Read the functions that templates deploy; one may import what another exports.

    Raises:
        InputError: One cannot be read, or a package that reads it is not installed.
    """
    if not paths:
        return []
    if find_spec("yaml") is None:
        raise InputError("reading a template needs PyYAML: pip install 'lambdachain[local]'")
    # Imported after the check above: reading templates needs PyYAML.
    from lambdachain._core.errors import InvalidArnError
    from lambdachain._lambda_api.aws_location import AwsLocation
    from lambdachain._templates.context import TemplateContext
    from lambdachain._templates.deployment import read_deployments
    from lambdachain._templates.diagnostics import TemplateError

    try:
        location = AwsLocation(account_id or ANY_ACCOUNT, region or ANY_REGION)
        return read_deployments(
            paths, TemplateContext(location, stage=stage, parameters=parameters, environment=os.environ)
        )
    except InvalidArnError as exc:
        raise InputError(f"--account-id or --region is not valid in an ARN: {exc}") from None
    except TemplateError as exc:
        raise InputError(str(exc.to_diagnostic())) from None


def print_unresolved(unresolved: Iterable[UnresolvedCall | Diagnostic]) -> None:
    """Print what cannot be resolved, one line each, to standard error."""
    for one in unresolved:
        echo(f"{click.style('unresolved:', fg='yellow', bold=True)} {one}", file=sys.stderr)


def unresolved_to_dicts(unresolved: Iterable[UnresolvedCall]) -> list[dict[str, Any]]:
    """Convert unresolved calls to JSON objects."""
    return [{"file": one.location.file, "line": one.location.line, "why": one.why} for one in unresolved]


def print_json(value: Any) -> None:
    """Print a JSON object to standard output."""
    import json

    echo(json.dumps(value, indent=2, ensure_ascii=False))
