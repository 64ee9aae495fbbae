"""The options that say which code and which template is meant, and reading both."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ._exit_status import Refusal, echo
from ._optional_dependencies import missing_packages
from ._target_options import options, pairs

if TYPE_CHECKING:
    from lambdachain._analysis.survey.found import CodeUnit, Survey, UnresolvedCall
    from lambdachain._analysis.survey.project import Project
    from lambdachain._calling.target import Resolver
    from lambdachain._templates.deployment import Deployment
    from lambdachain._templates.problem import Diagnostic

# Where a template's values are worked out while nobody says where it will be deployed.
ANY_ACCOUNT: Final = "123456789012"
ANY_REGION: Final = "us-east-1"


_CODE: Final = (
    click.argument("code", nargs=-1, type=click.Path(path_type=Path), metavar="[CODE]..."),
    click.option("--tests", is_flag=True, help="Read tests, too: tests/, test_*.py, conftest.py."),
    click.option(
        "--env",
        "environment",
        metavar="NAME=VALUE",
        callback=pairs,
        multiple=True,
        help="An environment variable that the code reads names or qualifiers from.",
    ),
)
_TEMPLATE: Final = (
    click.option("--stage", help="The stage of a serverless.yml; the stack's name of a template."),
    click.option(
        "--parameter",
        "-p",
        "parameters",
        metavar="NAME=VALUE",
        callback=pairs,
        multiple=True,
        help="A template's parameter, or what only AWS knows of it.",
    ),
)


code_options = options(*_CODE)
"""Give a command the options that say which code is read."""

template_options = options(*_TEMPLATE)
"""Give a command the options that a template is worked out with."""


def read_project(code: Iterable[Path], *, tests: bool) -> Project:
    """Read the Python files of code bases; the current directory's without any.

    Raises:
        Refusal: One is not there, or there is no Python file.
    """
    from lambdachain._analysis.survey.project import Project
    from lambdachain._analysis.survey.sources import read_sources

    bases = list(code) or [Path()]
    for base in bases:
        if not base.exists():
            raise Refusal(f"{base}: there is no such directory or file")
    sources = list(read_sources(bases, tests=tests))
    if not sources:
        raise Refusal(f"{', '.join(map(str, bases))}: there is no Python file there")
    return Project(sources)


def starts_of(survey: Survey, callers: Iterable[str]) -> list[CodeUnit]:
    """Find the code of functions, by the name of each or its handler setting.

    Raises:
        Refusal: There is no such function in the code.
    """
    return [unit for caller in callers for unit in _starts_of(survey, caller)]


def _starts_of(survey: Survey, caller: str) -> list[CodeUnit]:
    if named := [handler.unit for handler in survey.of_function(caller)]:
        return named
    exported = {handler.unit: handler.setting for handler in survey.handlers}
    settings = {unit: _setting(unit, exported.get(unit)) for unit in survey.units if unit.name}
    asked = caller.replace("/", ".")
    units = [unit for unit, setting in settings.items() if "." in asked and f".{setting}".endswith(f".{asked}")]
    units = [unit for unit in units if unit in exported] or units
    if len({unit.file for unit in units}) > 1:
        raise Refusal(f"{caller!r} is in several files: write {' or '.join(sorted(settings[unit] for unit in units))}")
    if not units:
        known = sorted({name for one in survey.handlers for name in (one.contract.function, one.setting)})
        close = get_close_matches(caller, known, 1)
        advice = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known) or 'none'}"
        raise Refusal(f"no handler of {caller!r} in this code; {advice}")
    return units


def _setting(unit: CodeUnit, exported: str | None) -> str:
    """Write a handler setting with every directory, as ``orders.app.handler``."""
    path = Path(unit.file).with_suffix("")
    name = unit.name if exported is None else exported.rpartition(".")[2]
    return ".".join([*path.parts, name])


def resolver_of(given: Iterable[str]) -> Resolver | None:
    """Make the resolver that ``--resolve`` names: ``prefix=TEXT``, or ``NAME=DEPLOYED`` for single names.

    Raises:
        Refusal: It is of neither form.
    """
    from lambdachain import resolvers

    names: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not (name and equals and value):
            raise Refusal(f"--resolve {one!r} is neither prefix=TEXT nor NAME=DEPLOYED")
        names[name] = value
    prefix = names.pop("prefix", None)
    if prefix is not None and names:
        raise Refusal("--resolve takes a prefix or single names, not both")
    if prefix is not None:
        return resolvers.prefix(prefix)
    return resolvers.mapping(names) if names else None


def read_template(
    path: Path, account_id: str | None, region: str | None, stage: str | None, parameters: Mapping[str, str]
) -> Deployment:
    """Read the functions that a template deploys.

    Raises:
        Refusal: It cannot be read, or the extra that reads it is not installed.
    """
    import os

    if missing := missing_packages():
        raise Refusal(f"reading a template needs {', '.join(missing)}: pip install 'lambdachain[local]'")
    from lambdachain._core.errors import InvalidArnError
    from lambdachain._lambda_api.aws_location import AwsLocation
    from lambdachain._templates.deployment import read_deployment
    from lambdachain._templates.problem import TemplateError
    from lambdachain._templates.surroundings import Surroundings

    try:
        place = AwsLocation(account_id or ANY_ACCOUNT, region or ANY_REGION)
        return read_deployment(path, Surroundings(place, stage, parameters, os.environ))
    except InvalidArnError as exc:
        raise Refusal(f"--account-id and --region need to fit into an ARN: {exc}") from None
    except TemplateError as exc:
        raise Refusal(str(exc.problem())) from None


def tell_undecided(undecided: Iterable[UnresolvedCall | Diagnostic]) -> None:
    """Print what cannot be told, a line each, to standard error."""
    for one in undecided:
        echo(f"{click.style('cannot tell:', fg='yellow', bold=True)} {one}", file=sys.stderr)


def undecided_objects(undecided: Iterable[UnresolvedCall]) -> list[dict[str, Any]]:
    """Return what cannot be told as objects."""
    return [{"file": one.place.file, "line": one.place.line, "why": one.why} for one in undecided]


def print_json(value: Any) -> None:
    """Print an object for programs."""
    import json

    echo(json.dumps(value, indent=2, ensure_ascii=False))
