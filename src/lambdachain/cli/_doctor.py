"""``lambdachain doctor``: whether calls can work from here, and how to fix them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ._code_options import PYTHON, read_code, read_templates, template_options
from ._deployed_code import DeployedCode, find_function_calls
from ._exit_status import ExitStatus, InputError, echo
from ._help import CommandWithExamples
from ._target_options import AS_JSON, endpoint_options

if TYPE_CHECKING:
    from lambdachain._analysis.diagnosis.report import Finding
    from lambdachain._templates.deployment import TemplateDeployment

_COLOURS: Final = {"ok": "green", "note": "yellow", "fault": "red"}


@click.command(
    "doctor",
    cls=CommandWithExamples,
    examples=[
        "lambdachain doctor",
        "lambdachain doctor src --profile staging",
        "lambdachain doctor src --template template.yaml",
        "lambdachain doctor --function billing-charge:live --region eu-west-1",
        "lambdachain doctor src --json | jq '.findings[] | select(.level == \"fault\")'",
    ],
)
@click.argument("code", nargs=-1, type=click.Path(path_type=Path), metavar="[CODE]...")
@click.option(
    "--function", "functions", metavar="FUNCTION", multiple=True, help="Also check this function; repeatable."
)
@click.option(
    "--template",
    "templates",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A SAM or CloudFormation template or a serverless.yml, for the environment of each function; repeatable.",
)
@template_options
@PYTHON
@endpoint_options
@click.option("--offline", is_flag=True, help="Send no requests: check this machine only.")
@AS_JSON
def command(
    *,
    code: tuple[Path, ...],
    functions: tuple[str, ...],
    templates: tuple[Path, ...],
    stage: str | None,
    parameters: dict[str, str],
    python: Path | None,
    endpoint_url: str | None,
    region: str | None,
    profile: str | None,
    offline: bool,
    as_json: bool,
) -> None:
    """Check whether calls can work from here, and how to fix them.

    Checks versions, region, endpoint, credentials (never printed), botocore's retries and TCP keep-alive. For each
    function that CODE calls, and each --function, it sends a DryRun: may this caller invoke it, and if not, why, and
    which policy statement allows it. No function runs, and no code is imported. The exit status is 1 if a check fails.

    With --template, the code of each function reads its function names from the environment that the template sets.

    To check from inside a function, set its handler to lambdachain.doctor.handler and invoke it.
    """
    from botocore.exceptions import BotoCoreError

    from lambdachain._analysis.diagnosis.report import Level, build_report
    from lambdachain._core.errors import InvalidArnError
    from lambdachain.doctor import examine

    for base in code:
        if not base.exists():
            if len(base.parts) == 1 and not base.suffix:
                raise InputError(f"{base}: no such file or directory; to check this function, pass --function {base}")
            raise InputError(f"{base}: no such file or directory")
    findings: list[Finding] = []
    if templates or python is not None:
        deployments = read_templates(templates, None, None, stage, parameters)
        called, findings = _find_called(code, deployments, python)
        code, functions = (), (*functions, *called)
    try:
        examined = examine(
            code, functions, region=region, endpoint_url=endpoint_url, profile=profile, reach=not offline
        )
        _print_findings(findings if not as_json else ())
        # examine() yields lazily: print each finding while the next request is still to be sent.
        for finding in examined:
            findings.append(finding)
            _print_findings([finding] if not as_json else ())
    except (BotoCoreError, InvalidArnError) as exc:
        raise InputError(str(exc)) from None
    if as_json:
        echo(json.dumps(build_report(findings), indent=2))
    sys.exit(ExitStatus.NO if any(one.level is Level.FAULT for one in findings) else ExitStatus.DONE)


def _find_called(
    code: tuple[Path, ...], deployments: list[TemplateDeployment], python: Path | None
) -> tuple[list[str], list[Finding]]:
    """Find what the code calls: that of each function with its own environment variables.

    Returns:
        The names or ARNs of the functions, and a finding for each call that cannot be resolved.
    """
    import os

    from lambdachain._analysis.diagnosis.permission_checks import describe_queue
    from lambdachain._analysis.diagnosis.report import Finding, Level
    from lambdachain._analysis.permissions.required_permissions import find_required_permissions
    from lambdachain._analysis.survey.survey import survey_project

    project = read_code(code, tests=False, python=python, deployments=deployments).project
    survey = survey_project(project, os.environ)
    deployed = DeployedCode(survey)
    found = find_required_permissions(survey)
    unresolved = dict.fromkeys(found.unresolved)
    called, queues = dict.fromkeys(found.functions), dict.fromkeys(found.queues)
    for function in (one for deployment in deployments for one in deployment.functions):
        units = deployed.find_entry_points(function)
        # What is unresolved without the function's variables may be resolved with them.
        for one in find_required_permissions(survey.reachable_from(units)).unresolved:
            unresolved.pop(one, None)
        needs = find_required_permissions(find_function_calls(function, units, survey, {}))
        called |= dict.fromkeys(needs.functions)
        queues |= dict.fromkeys(needs.queues)
        unresolved |= dict.fromkeys(needs.unresolved)
    notes = [Finding(str(one.location), Level.NOTE, one.why) for one in unresolved]
    return [one.format_address() for one in called], [*notes, *map(describe_queue, queues)]


def _print_findings(findings: Iterable[Finding]) -> None:
    for finding in findings:
        for line in _render_finding(finding):
            echo(line)


def _render_finding(finding: Finding) -> Iterator[str]:
    from lambdachain._core.escaping import printable

    level = click.style(f"{finding.level:<5}", fg=_COLOURS[finding.level], bold=True)
    yield f"{level}  {click.style(printable(finding.subject), bold=True)}: {printable(finding.text)}"
    if finding.remedy:
        yield f"       fix: {finding.remedy}"
    if finding.policy is not None:
        yield from ("       " + line for line in json.dumps(finding.policy, indent=2).splitlines())
