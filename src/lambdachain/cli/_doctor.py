"""``lambdachain doctor``: whether calls can work from here, and what would mend them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ._exit_status import Refusal, Status, echo
from ._help import Command
from ._target_options import AS_JSON, where_options

if TYPE_CHECKING:
    from lambdachain._analysis.diagnosis.report import Finding

_COLOURS: Final = {"ok": "green", "note": "yellow", "fault": "red"}


@click.command(
    "doctor",
    cls=Command,
    examples=[
        "lambdachain doctor",
        "lambdachain doctor src --profile staging",
        "lambdachain doctor --function billing-charge:live --region eu-west-1",
        "lambdachain doctor src --json | jq '.findings[] | select(.level == \"fault\")'",
    ],
)
@click.argument("code", nargs=-1, type=click.Path(path_type=Path), metavar="[CODE]...")
@click.option("--function", "functions", metavar="FUNCTION", multiple=True, help="Ask about this function, too.")
@where_options
@click.option("--offline", is_flag=True, help="Send nothing: look at this machine only.")
@AS_JSON
def command(
    *,
    code: tuple[Path, ...],
    functions: tuple[str, ...],
    endpoint_url: str | None,
    region: str | None,
    profile: str | None,
    offline: bool,
    as_json: bool,
) -> None:
    """Look whether calls can work from here, and say what would mend them.

    Versions, region, endpoint, credentials (never shown), what botocore would do about a lost answer, keep-alive; and
    for each function that CODE calls, and each --function, a DryRun: may this caller invoke it, and if not, why, and
    which statement would mend it. No function is run, and no code is imported. The status is 1 if something is wrong.

    Inside a function: set its handler to lambdachain.doctor.handler, and invoke it.
    """
    from botocore.exceptions import BotoCoreError

    from lambdachain._analysis.diagnosis.report import Level, build_report
    from lambdachain._core.errors import InvalidArnError
    from lambdachain.doctor import examine

    for base in code:
        if not base.exists():
            raise Refusal(f"{base}: there is no such directory or file")
    try:
        examined = examine(
            code, functions, region=region, endpoint_url=endpoint_url, profile=profile, reach=not offline
        )
        findings: list[Finding] = []
        for finding in examined:
            findings.append(finding)
            if not as_json:
                for line in _lines(finding):
                    echo(line)
    except (BotoCoreError, InvalidArnError) as exc:
        raise Refusal(str(exc)) from None
    if as_json:
        echo(json.dumps(build_report(findings), indent=2))
    sys.exit(Status.NO if any(one.level is Level.FAULT for one in findings) else Status.DONE)


def _lines(finding: Finding) -> Iterator[str]:
    from lambdachain._core.text import printable

    level = click.style(f"{finding.level:<5}", fg=_COLOURS[finding.level], bold=True)
    yield f"{level}  {click.style(printable(finding.subject), bold=True)}: {printable(finding.text)}"
    if finding.remedy:
        yield f"       to mend it: {finding.remedy}"
    if finding.policy is not None:
        yield from ("       " + line for line in json.dumps(finding.policy, indent=2).splitlines())
