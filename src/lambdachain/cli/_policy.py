"""``lambdachain policy``: permissions that allow exactly the calls that code makes."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ._code_options import (
    ANY_ACCOUNT,
    ANY_REGION,
    code_options,
    print_json,
    read_project,
    read_template,
    resolver_of,
    starts_of,
    tell_undecided,
    template_options,
    undecided_objects,
)
from ._exit_status import Refusal, Status, echo
from ._help import Command
from ._target_options import AS_JSON

if TYPE_CHECKING:
    from lambdachain._analysis.permissions.check import Finding
    from lambdachain._analysis.permissions.required import RequiredPermission, RequiredPermissions, Stack, Target
    from lambdachain._analysis.survey.found import CodeUnit, Survey
    from lambdachain._analysis.survey.project import Project
    from lambdachain._calling.target import Resolver
    from lambdachain._templates.deployment import DeployedFunction, Deployment

_FORMATS: Final = ("iam", "sam", "serverless", "cdk", "terraform")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the options say."""

    project: Project
    environment: Mapping[str, str]
    resolve: Resolver | None
    stack: Stack
    written_as: str
    as_json: bool


@click.command(
    "policy",
    cls=Command,
    examples=[
        "lambdachain policy src --account-id 123456789012 --region eu-west-1",
        "lambdachain policy src --caller orders-place --as sam",
        "lambdachain policy src --caller app.handler --as terraform --resolve prefix=prod-",
        "lambdachain policy src --check template.yaml",
        "lambdachain policy --callee billing-charge:live --principal 111122223333 --as sam",
    ],
)
@code_options
@click.option(
    "--caller",
    "callers",
    metavar="FUNCTION",
    multiple=True,
    help="Only what this function's code may call: its name, or its handler setting.",
)
@click.option(
    "--as", "written_as", type=click.Choice(_FORMATS), default="iam", show_default=True, help="What to write."
)
@click.option("--account-id", metavar="ID", help="The account of the functions, where the code names none.")
@click.option("--region", help="Their region, where the code names none; of the environment for --as iam.")
@click.option("--partition", help="Their partition; that of the region without it.")
@click.option(
    "--resolve",
    "resolve",
    metavar="prefix=TEXT|NAME=DEPLOYED",
    multiple=True,
    help="From contracts' names to deployed ones, in place of the clients' own resolvers.",
)
@click.option("--check", "template", type=click.Path(path_type=Path), help="Compare with what this template grants.")
@template_options
@click.option("--callee", metavar="FUNCTION", help="The callee's side: who may call this function, in its own policy.")
@click.option("--principal", help="With --callee: an account, a role's ARN, or a service such as s3.amazonaws.com.")
@click.option("--organization", metavar="o-...", help="With --callee: the organization of the caller's account.")
@click.option("--source-arn", metavar="ARN", help="With --callee: the resource on whose behalf a service calls.")
@click.option("--source-account", metavar="ID", help="With --callee: that resource's account.")
@AS_JSON
def command(
    *,
    code: tuple[Path, ...],
    tests: bool,
    environment: dict[str, str],
    callers: tuple[str, ...],
    written_as: str,
    account_id: str | None,
    region: str | None,
    partition: str | None,
    resolve: tuple[str, ...],
    template: Path | None,
    stage: str | None,
    parameters: dict[str, str],
    callee: str | None,
    as_json: bool,
    **caller: str | None,
) -> None:
    """Print the policy that allows exactly the calls that code makes.

    CODE is directories or Python files; the current directory without any. Nothing of it is imported or run. What its
    text does not tell, such as a name that is worked out at run time, is listed with file and line; then the status
    is 1.
    """
    from lambdachain._analysis.permissions.required import Stack

    if (callee is not None) != any(caller.values()):
        raise Refusal("--callee goes with --principal or --organization, and these with --callee")
    if written_as == "iam" or template is not None:
        region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    where = _checked(Stack(partition, region, account_id))
    if callee is not None:
        _print_callee_side(callee, where, resolver_of(resolve), written_as, as_json=as_json, **caller)
        return
    project = read_project(code, tests=tests)
    asked = _Asked(project, environment, resolver_of(resolve), where, written_as, as_json)
    if template is not None:
        sys.exit(_check(asked, template, stage, parameters, callers))
    sys.exit(_print(asked, callers))


def _checked(stack: Stack) -> Stack:
    """Refuse what no ARN can have."""
    from lambdachain._core.arn import FunctionArn, partition_of
    from lambdachain._core.errors import InvalidArnError

    region = stack.region or ANY_REGION
    try:
        FunctionArn(stack.partition or partition_of(region), region, stack.account_id or ANY_ACCOUNT, "x")
    except InvalidArnError as exc:
        raise Refusal(f"--account-id, --region and --partition need to fit into an ARN: {exc}") from None
    return stack


def _survey(asked: _Asked, callers: Sequence[str], environment: Mapping[str, str]) -> Survey:
    from lambdachain._analysis.survey.survey import survey_of

    found = survey_of(asked.project, environment)
    return found.within(starts_of(found, callers)) if callers else found


def _print(asked: _Asked, callers: Sequence[str]) -> Status:
    from lambdachain._analysis.permissions.required import required_permissions

    survey = _survey(asked, callers, asked.environment)
    needs = required_permissions(survey, asked.resolve)
    named = ", ".join(callers) or "this code"
    if asked.as_json:
        print_json(_object(needs, asked))
    else:
        tell_undecided(needs.undecided)
        _tell_offloads(needs)
        if not needs.each:
            echo(f"{named} calls no function: it needs no permission to", file=sys.stderr)
            return Status.NO
        echo(_written(needs.each, asked, named))
    return Status.NO if needs.undecided or not needs.each else Status.DONE


def _written(needs: Sequence[RequiredPermission], asked: _Asked, caller: str) -> str:
    from lambdachain._analysis.permissions.identity_policy import WRITERS
    from lambdachain._core.errors import InvalidArnError

    try:
        return WRITERS[asked.written_as](needs, asked.stack, caller)
    except InvalidArnError as exc:
        raise Refusal(f"{exc}: give --region and --account-id, or --as sam, which knows them by itself") from None


def _object(needs: RequiredPermissions, asked: _Asked) -> dict[str, Any]:
    from lambdachain._analysis.permissions.identity_policy import policy_of
    from lambdachain._core.errors import InvalidArnError

    try:
        policy = policy_of(needs.each, asked.stack)
    except InvalidArnError:
        policy = None  # the account is not known
    calls = [
        {
            "function": need.target.name,
            "qualifier": need.target.qualifier,
            "account_id": need.target.account_id,
            "region": need.target.region,
            "verbs": list(need.verbs),
            "places": sorted({str(call.place) for call in need.calls}),
        }
        for need in needs.each
    ]
    return {"calls": calls, "policy": policy, "undecided": undecided_objects(needs.undecided)}


def _tell_offloads(needs: RequiredPermissions) -> None:
    for need in needs.each:
        if any(call.contract is not None and call.contract.offloads for call in need.calls):
            told = "s3:PutObject, s3:PutObjectTagging and s3:GetObject on its bucket are needed besides"
            echo(f"note: large payloads of {need.target.address} go through S3: {told}", file=sys.stderr)


def _print_callee_side(
    callee: str, stack: Stack, resolve: Resolver | None, written_as: str, *, as_json: bool, **given: str | None
) -> None:
    from lambdachain._analysis.permissions.required import addresses
    from lambdachain._analysis.permissions.resource_policy import WRITERS, Caller, request_of
    from lambdachain._core.errors import ContractError, InvalidArnError

    try:
        target: Target = addresses([callee], resolve)[0]
        principal = given.pop("principal") or "*"
        caller = Caller(principal, **given)
        if as_json:
            print_json(request_of(target, caller, stack))
        else:
            echo(WRITERS[written_as](target, caller, stack))
    except (ContractError, InvalidArnError) as exc:
        raise Refusal(str(exc)) from None


def _check(
    asked: _Asked, template: Path, stage: str | None, parameters: Mapping[str, str], callers: Sequence[str]
) -> Status:
    from lambdachain._analysis.permissions.required import Stack
    from lambdachain._analysis.survey.survey import survey_of

    account_id, region = asked.stack.account_id or ANY_ACCOUNT, asked.stack.region or ANY_REGION
    deployment = read_template(template, account_id, region, stage, parameters)
    there = Stack(asked.stack.partition, region, account_id)
    known = survey_of(asked.project, asked.environment)
    starts = {function.name: _starts(function, known) for function in deployment.functions}
    chosen = [one for one in deployment.functions if not callers or _is_asked(one, starts[one.name], known, callers)]
    if callers and not chosen:
        names = ", ".join(function.name for function in deployment.functions) or "none"
        raise Refusal(f"{deployment.source} has no function {', '.join(map(repr, callers))}; there are {names}")
    needs = {
        one.name: _needs_of(asked, one, starts[one.name], known) for one in deployment.functions if starts[one.name]
    }
    found = [
        finding
        for function, findings in _compared(deployment, needs, there)
        if function in chosen
        for finding in findings
    ]
    undecided: list[Any] = list(deployment.problems)
    for function in chosen:
        if function.name in needs:
            undecided += needs[function.name].undecided
        else:
            told = f"the code of {function.name} is not among what is read: not checked"
            echo(f"note: {function.spot}: {told}", file=sys.stderr)
    undecided = list(dict.fromkeys(undecided))
    checked = sum(function.name in needs for function in chosen)
    _report(
        found,
        undecided,
        f"{deployment.source}: {checked} function{'' if checked == 1 else 's'} checked",
        as_json=asked.as_json,
    )
    return Status.NO if found or undecided or not checked else Status.DONE


def _starts(function: DeployedFunction, known: Survey) -> list[CodeUnit]:
    """Find the code of a deployed function: by its handler's file, or else by its name."""
    name = function.handler.rpartition(".")[2]
    units = [unit for unit in known.units if unit == (function.file, name)]
    return units or [handler.unit for handler in known.of_function(function.name)]


def _is_asked(function: DeployedFunction, units: Sequence[CodeUnit], known: Survey, callers: Sequence[str]) -> bool:
    """Check whether a function is asked about: by its name, its handler setting, or its contract's name."""
    contracts = (handler.contract.function for handler in known.handlers if handler.unit in units)
    return not {function.name, function.handler, *contracts}.isdisjoint(callers)


def _needs_of(
    asked: _Asked, function: DeployedFunction, units: Sequence[CodeUnit], known: Survey
) -> RequiredPermissions:
    """Find what a function's code calls; where that is not told, with the environment that the template gives it."""
    from lambdachain._analysis.permissions.required import required_permissions
    from lambdachain._analysis.survey.survey import survey_of

    needs = required_permissions(known.within(units), asked.resolve)
    if needs.undecided and function.environment:
        survey = survey_of(asked.project, {**function.environment, **asked.environment})
        needs = required_permissions(survey.within(units), asked.resolve)
    return needs


def _compared(
    deployment: Deployment, needs: Mapping[str, RequiredPermissions], stack: Stack
) -> list[tuple[DeployedFunction, list[Finding]]]:
    """Compare each function whose code is here; what one role grants to several is used if one of them calls it."""
    from lambdachain._analysis.permissions.check import Issue, findings

    functions = [function for function in deployment.functions if function.name in needs]
    found = [(one, findings(one.name, one.spot.place, needs[one.name].each, one.grants, stack)) for one in functions]
    unused = Counter((one.spot, one.text) for _, each in found for one in each if one.fault is Issue.UNUSED)
    holders = Counter(spot for one in functions for spot in {grant.spot for grant in one.grants})

    def counts(one: Finding) -> bool:
        return one.fault is not Issue.UNUSED or unused[one.spot, one.text] == holders[one.spot]

    return [(function, list(filter(counts, each))) for function, each in found]


def _report(found: Sequence[Finding], undecided: Sequence[Any], title: str, *, as_json: bool) -> None:
    if as_json:
        findings = [{"fault": str(one.fault), "caller": one.caller, "at": one.spot, "text": one.text} for one in found]
        print_json({"findings": findings, "undecided": [str(one) for one in undecided]})
        return
    for one in found:
        echo(f"{one.spot}: {click.style(str(one.fault), fg='red', bold=True)}: {one.caller}: {one.text}")
    tell_undecided(undecided)
    words = "no finding, but not all can be told" if undecided else "grants are what the code calls"
    words = f"{len(found)} finding{'' if len(found) == 1 else 's'}" if found else words
    echo(f"{title}: {words}", file=sys.stderr)
