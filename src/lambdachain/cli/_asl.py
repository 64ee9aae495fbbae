"""``lambdachain asl``: state machines of Step Functions, checked against the contracts of their functions."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._code_options import (
    ANY_ACCOUNT,
    ANY_REGION,
    RESOLVE,
    parse_resolver,
    print_json,
    print_unresolved,
    template_options,
)
from ._exit_status import ExitStatus, InputError, echo
from ._help import CommandWithExamples
from ._shell_completion import complete_contract
from ._target_options import AS_JSON, parse_pairs

if TYPE_CHECKING:
    from lambdachain._contracts.contract import Contract
    from lambdachain.stepfunctions._checks.check import CheckResult
    from lambdachain.stepfunctions._checks.files import DefinitionFile


@click.group("asl")
def command() -> None:
    """Check state machines of Step Functions against your contracts."""


@command.command(
    "check",
    cls=CommandWithExamples,
    examples=[
        "lambdachain asl check order.asl.json billing_contracts mail_contracts:receipt",
        "lambdachain asl check template.yaml billing_contracts --resolve prefix=prod-",
        "lambdachain asl check order.asl.yaml billing_contracts --timeout billing-charge=30 --json",
    ],
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("contracts", nargs=-1, required=True, metavar="CONTRACT...", shell_complete=complete_contract)
@click.option(
    "--timeout",
    "timeouts",
    metavar="FUNCTION=SECONDS",
    callback=parse_pairs,
    multiple=True,
    help="A function's own Timeout, where FILE is not the template that has it; repeatable.",
)
@RESOLVE
@template_options
@AS_JSON
def check(
    *,
    file: Path,
    contracts: tuple[str, ...],
    timeouts: dict[str, str],
    resolve: tuple[str, ...],
    stage: str | None,
    parameters: dict[str, str],
    as_json: bool,
) -> None:
    """Check state machines against the contracts of the functions that they call.

    FILE is a definition in Amazon States Language (JSON or YAML), or a SAM or CloudFormation template with state
    machines. CONTRACT is module:contract, or a module for all contracts in it; they are imported.

    It reports tasks whose payload cannot fit the contract, retries that can run a function twice that is not
    idempotent, catches of errors that nobody declares, and timeouts that end before the function. The exit status is 1
    if there are findings, or if nothing could be checked.
    """
    from lambdachain.stepfunctions._checks.check import check_definition
    from lambdachain.stepfunctions._checks.issues import KnownFunctions

    found = _read_file(file, stage, parameters)
    known = KnownFunctions(
        _load_contracts(contracts), {**found.timeouts, **_parse_timeouts(timeouts)}, parse_resolver(resolve)
    )
    results = {
        one.name: check_definition(one.definition, known, is_express=one.is_express) for one in found.definitions
    }
    if as_json:
        print_json(_to_json(results, found))
    else:
        _print_report(str(file), results, found)
    is_fine = any(result.checked for result in results.values()) and not found.diagnostics
    sys.exit(ExitStatus.DONE if is_fine and not any(each.findings for each in results.values()) else ExitStatus.NO)


def _read_file(file: Path, stage: str | None, parameters: Mapping[str, str]) -> DefinitionFile:
    if find_spec("yaml") is None:
        raise InputError("reading a definition needs PyYAML: pip install 'lambdachain[local]'")
    # Imported after the check above: reading templates needs PyYAML.
    from lambdachain._lambda_api.aws_location import AwsLocation
    from lambdachain._templates.context import TemplateContext
    from lambdachain._templates.diagnostics import TemplateError
    from lambdachain.stepfunctions._checks.files import read_definition_file

    try:
        location = AwsLocation(ANY_ACCOUNT, ANY_REGION)
        return read_definition_file(
            file, TemplateContext(location, stage=stage, parameters=parameters, environment=os.environ)
        )
    except TemplateError as exc:
        raise InputError(str(exc.to_diagnostic())) from None


def _load_contracts(names: Sequence[str]) -> list[Contract[Any, Any]]:
    from ._target_argument import load_contract, load_contracts_of

    return [
        contract for name in names for contract in ([load_contract(name)] if ":" in name else load_contracts_of(name))
    ]


def _parse_timeouts(values: Mapping[str, str]) -> dict[str, float]:
    try:
        return {name: float(value) for name, value in values.items()}
    except ValueError as exc:
        raise InputError(f"--timeout: {exc}") from None


def _print_report(source: str, results: Mapping[str, CheckResult], found: DefinitionFile) -> None:
    for name, result in results.items():
        for finding in result.findings:
            kind = click.style(str(finding.kind), fg="red", bold=True)
            echo(f"{source}: {_join(name, finding.path)}: {kind}: {finding.reason}: {finding.remedy}")
        for skipped in result.skipped:
            echo(f"note: {source}: {_join(name, skipped)}: not checked", file=sys.stderr)
    print_unresolved(found.diagnostics)
    count = sum(len(result.findings) for result in results.values())
    checked = sum(result.checked for result in results.values())
    tasks = f"{checked} task{'' if checked == 1 else 's'} checked"
    summary = f"{count} finding{'' if count == 1 else 's'}" if count else "they fit their contracts"
    echo(f"{source}: {tasks}: {summary if checked else 'pass the contracts of its functions'}", file=sys.stderr)


def _join(name: str, path: str) -> str:
    return f"{name}.{path}" if name else path


def _to_json(results: Mapping[str, CheckResult], found: DefinitionFile) -> dict[str, Any]:
    findings = [
        {"kind": str(one.kind), "path": _join(name, one.path), "reason": one.reason, "remedy": one.remedy}
        for name, result in results.items()
        for one in result.findings
    ]
    skipped = [_join(name, one) for name, result in results.items() for one in result.skipped]
    checked = sum(result.checked for result in results.values())
    unresolved = [str(one) for one in found.diagnostics]
    return {"findings": findings, "checked": checked, "skipped": skipped, "unresolved": unresolved}
