"""``lambdachain policy``: least-privilege IAM policies for the calls in your code."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from ._baseline import Baseline, baseline_options, issue_to_line, unresolved_to_line
from ._code_options import (
    ANY_ACCOUNT,
    ANY_REGION,
    RESOLVE,
    Code,
    code_options,
    find_callers,
    parse_resolver,
    print_json,
    print_unresolved,
    read_code,
    read_templates,
    survey_code,
    template_options,
    unresolved_to_dicts,
)
from ._deployed_code import DeployedCode, find_function_calls
from ._exit_status import ExitStatus, InputError, echo
from ._help import CommandWithExamples
from ._target_options import AS_JSON

if TYPE_CHECKING:
    from lambdachain._analysis.permissions.compare_grants import PolicyIssue
    from lambdachain._analysis.permissions.required_permissions import (
        FunctionResource,
        RequiredPermission,
        RequiredPermissions,
        Stack,
    )
    from lambdachain._analysis.survey.results import CodeUnit, Survey
    from lambdachain._calling.target import Resolver
    from lambdachain._templates.deployment import DeployedFunction, TemplateDeployment

    _Starts: TypeAlias = Mapping[str, Sequence[CodeUnit]]
    """The code with which each function of a template starts."""

_FORMATS: Final = ("iam", "sam", "serverless", "cdk", "terraform")


@dataclass(frozen=True, slots=True)
class _PolicyRequest:
    """The options of a run."""

    code: Code
    environment: Mapping[str, str]
    resolve: Resolver | None
    stack: Stack
    output_format: str
    as_json: bool
    baseline: Baseline


@click.command(
    "policy",
    cls=CommandWithExamples,
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
    help="Only the calls of this function, by its name or its handler setting; repeatable.",
)
@click.option(
    "--as", "output_format", type=click.Choice(_FORMATS), default="iam", show_default=True, help="Output format."
)
@click.option("--account-id", metavar="ID", help="Account of the called functions, if the code does not name one.")
@click.option(
    "--region", help="Region of the called functions, if the code does not name one; --as iam defaults to AWS_REGION."
)
@click.option("--partition", help="Partition, by default that of the region.")
@RESOLVE
@click.option(
    "--check",
    "templates",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Compare the calls with the permissions that this template grants; repeatable.",
)
@template_options
@baseline_options
@click.option("--callee", metavar="FUNCTION", help="Print this function's resource-based policy: who may call it.")
@click.option("--principal", help="With --callee: caller's account, role ARN, or service such as s3.amazonaws.com.")
@click.option("--organization", metavar="o-...", help="With --callee: organization of the caller's account.")
@click.option("--source-arn", metavar="ARN", help="With --callee: ARN of the resource for which a service calls.")
@click.option("--source-account", metavar="ID", help="With --callee: account of that resource.")
@AS_JSON
def command(
    *,
    code: tuple[Path, ...],
    python: Path | None,
    tests: bool,
    environment: dict[str, str],
    no_cache: bool,
    callers: tuple[str, ...],
    output_format: str,
    account_id: str | None,
    region: str | None,
    partition: str | None,
    resolve: tuple[str, ...],
    templates: tuple[Path, ...],
    stage: str | None,
    parameters: dict[str, str],
    baseline: Path | None,
    write_baseline: bool,
    callee: str | None,
    as_json: bool,
    **caller: str | None,
) -> None:
    """Print the least-privilege IAM policy for the calls in your code.

    CODE is directories or Python files, by default the current directory. The code is parsed, never imported or run.

    Calls that cannot be resolved, such as to a function whose name is computed at run time, are listed with file and
    line, and the exit status is 1.
    """
    from lambdachain._analysis.permissions.required_permissions import Stack

    _check_combination(callee, caller, templates, has_baseline=baseline is not None or write_baseline)
    known = Baseline(baseline, is_written=write_baseline)
    # Only these need a region now. The other formats refer to the region of the stack, which may be deployed elsewhere.
    if output_format == "iam" or templates:
        region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    stack = _check_arn_parts(Stack(partition, region, account_id))
    if callee is not None:
        _print_resource_policy(callee, stack, parse_resolver(resolve), output_format, as_json=as_json, **caller)
        return
    deployments: list[TemplateDeployment] = []
    if templates:
        # Placeholders are good enough: the calls and the template's ARNs are resolved with the same ones.
        account_id, region = account_id or ANY_ACCOUNT, region or ANY_REGION
        deployments = read_templates(templates, account_id, region, stage, parameters)
        stack = Stack(partition, region, account_id)
    read = read_code(code, tests=tests, python=python, deployments=deployments, is_cached=not no_cache)
    request = _PolicyRequest(read, environment, parse_resolver(resolve), stack, output_format, as_json, known)
    if deployments:
        from lambdachain._templates.deployment import merge_deployments

        sys.exit(_check_template(request, merge_deployments(deployments), callers))
    sys.exit(_print_policy(request, callers))


def _check_combination(
    callee: str | None, caller: Mapping[str, str | None], templates: tuple[Path, ...], *, has_baseline: bool
) -> None:
    if (callee is not None) != any(caller.values()):
        raise InputError("--callee requires --principal or --organization, and these require --callee")
    if not templates and has_baseline:
        raise InputError("--baseline requires --check: it has the findings of a check")


def _check_arn_parts(stack: Stack) -> Stack:
    """Raise for an account, region or partition that is not valid in an ARN."""
    from lambdachain._core.arn import FunctionArn, partition_for
    from lambdachain._core.errors import InvalidArnError

    region = stack.region or ANY_REGION
    try:
        FunctionArn(stack.partition or partition_for(region), region, stack.account_id or ANY_ACCOUNT, "x")
    except InvalidArnError as exc:
        raise InputError(f"--account-id, --region or --partition is not valid in an ARN: {exc}") from None
    return stack


def _survey(request: _PolicyRequest, callers: Sequence[str], environment: Mapping[str, str]) -> Survey:
    found = survey_code(request.code, environment)
    return found.reachable_from(find_callers(found, callers)) if callers else found


def _print_policy(request: _PolicyRequest, callers: Sequence[str]) -> ExitStatus:
    from lambdachain._analysis.permissions.required_permissions import find_required_permissions

    survey = _survey(request, callers, request.environment)
    needs = find_required_permissions(survey, request.resolve)
    names = ", ".join(callers) or "this code"
    if request.as_json:
        print_json(_policy_to_dict(needs, request))
    else:
        print_unresolved(needs.unresolved)
        _print_offload_notes(needs)
        if not needs.each:
            summary = f"{names} calls no functions, so it needs no permissions"
            if needs.unresolved:
                summary = f"{names}: no policy, because none of the calls above could be resolved"
            echo(summary, file=sys.stderr)
            return ExitStatus.NO
        echo(_render_policy(needs.each, request, names))
    return ExitStatus.NO if needs.unresolved or not needs.each else ExitStatus.DONE


def _render_policy(needs: Sequence[RequiredPermission], request: _PolicyRequest, caller: str) -> str:
    from lambdachain._analysis.permissions.identity_policy import WRITERS
    from lambdachain._core.errors import InvalidArnError

    try:
        return WRITERS[request.output_format](needs, request.stack, caller)
    except InvalidArnError as exc:
        raise InputError(f"{exc}: pass --region and --account-id, or --as sam, whose stack knows both") from None


def _policy_to_dict(needs: RequiredPermissions, request: _PolicyRequest) -> dict[str, Any]:
    from lambdachain._analysis.permissions.identity_policy import build_policy
    from lambdachain._core.errors import InvalidArnError

    try:
        policy = build_policy(needs.each, request.stack)
    except InvalidArnError:
        policy = None  # the account or region is unknown; the calls are printed nevertheless
    calls = [
        {
            "action": need.action,
            "function": need.target.name,
            "qualifier": need.target.qualifier,
            "account_id": need.target.account_id,
            "region": need.target.region,
            "verbs": list(need.methods),
            "modes": sorted({str(call.mode) for call in need.calls}),
            "places": sorted({str(call.location) for call in need.calls}),
        }
        for need in needs.each
    ]
    return {"calls": calls, "policy": policy, "undecided": unresolved_to_dicts(needs.unresolved)}


def _print_offload_notes(needs: RequiredPermissions) -> None:
    for need in needs.each:
        if any(call.contract is not None and call.contract.offloads for call in need.calls):
            reason = "s3:PutObject, s3:PutObjectTagging and s3:GetObject on its bucket are required too"
            echo(f"note: large payloads of {need.target.address} go through S3: {reason}", file=sys.stderr)


def _print_resource_policy(
    callee: str,
    stack: Stack,
    resolve: Resolver | None,
    output_format: str,
    *,
    as_json: bool,
    **caller_options: str | None,
) -> None:
    from lambdachain._analysis.permissions.required_permissions import parse_resources
    from lambdachain._analysis.permissions.resource_policy import WRITERS, Caller, build_add_permission_request
    from lambdachain._core.errors import ContractError, InvalidArnError

    try:
        target: FunctionResource = parse_resources([callee], resolve)[0]
        # With --organization alone, any principal of the organization may call.
        principal = caller_options.pop("principal") or "*"
        caller = Caller(principal, **caller_options)
        if as_json:
            print_json(build_add_permission_request(target, caller, stack))
        else:
            echo(WRITERS[output_format](target, caller, stack))
    except (ContractError, InvalidArnError) as exc:
        raise InputError(str(exc)) from None


def _check_template(request: _PolicyRequest, deployment: TemplateDeployment, callers: Sequence[str]) -> ExitStatus:
    survey = survey_code(request.code, request.environment)
    code = DeployedCode(survey)
    starts = {function.name: code.find_entry_points(function) for function in deployment.functions}
    chosen = _choose_functions(deployment, starts, survey, callers)
    needs = _find_needs(request, deployment, starts, survey)
    found = [
        finding
        for function, findings in _compare(deployment, needs, request.stack)
        if function in chosen
        for finding in findings
    ]
    undecided = [*deployment.diagnostics, *_find_undecided(chosen, needs)]
    undecided = request.baseline.select_new(undecided, unresolved_to_line)
    found = request.baseline.select_new(found, issue_to_line)
    if note := request.baseline.save():
        echo(f"note: {note}", file=sys.stderr)
    checked = sum(function.name in needs for function in chosen)
    known = request.baseline.known
    _print_findings(found, undecided, deployment.source, checked, known, as_json=request.as_json)
    # A check in CI must not pass because nothing was checked.
    return ExitStatus.NO if found or undecided or not checked else ExitStatus.DONE


def _choose_functions(
    deployment: TemplateDeployment, starts: _Starts, survey: Survey, callers: Sequence[str]
) -> list[DeployedFunction]:
    """Return the functions that --function names, or all.

    Raises:
        InputError: The template has none of them.
    """
    if not callers:
        return list(deployment.functions)
    chosen = [one for one in deployment.functions if _is_requested(one, starts[one.name], survey, callers)]
    if not chosen:
        names = ", ".join(function.name for function in deployment.functions) or "none"
        raise InputError(f"{deployment.source} has no function {', '.join(map(repr, callers))}; it has {names}")
    return chosen


def _find_needs(
    request: _PolicyRequest, deployment: TemplateDeployment, starts: _Starts, survey: Survey
) -> dict[str, RequiredPermissions]:
    """Return what each function needs whose code was read."""
    from lambdachain._analysis.permissions.required_permissions import find_required_permissions

    return {
        one.name: find_required_permissions(
            find_function_calls(one, starts[one.name], survey, request.environment), request.resolve
        )
        for one in deployment.functions
        if starts[one.name]
    }


def _find_undecided(functions: Sequence[DeployedFunction], needs: Mapping[str, RequiredPermissions]) -> list[Any]:
    """Return the unresolved calls of the functions, and print a note for each whose code was not read."""
    from lambdachain._analysis.survey.results import merge_by_site

    undecided: list[Any] = []
    for function in functions:
        if function.name in needs:
            undecided += needs[function.name].unresolved
        else:
            reason = f"not checked: the code of {function.name} is not among the files read"
            echo(f"note: {function.location}: {reason}", file=sys.stderr)
    # Several functions may reach the same code, for reasons of their own: an unresolved call is reported once.
    return list(merge_by_site(undecided))


def _is_requested(
    function: DeployedFunction, units: Sequence[CodeUnit], survey: Survey, callers: Sequence[str]
) -> bool:
    """Check whether --caller names a function, by its name, its handler setting or its contract's name."""
    contracts = (handler.contract.function for handler in survey.handlers if handler.unit in units)
    return not {function.name, function.handler, *contracts}.isdisjoint(callers)


def _compare(
    deployment: TemplateDeployment, needs: Mapping[str, RequiredPermissions], stack: Stack
) -> list[tuple[DeployedFunction, list[PolicyIssue]]]:
    """Compare the calls and the grants of each function whose code is here.

    A grant in a role that several functions share is reported as unused only if none of them uses it. It is never if
    one of them has an unresolved call, or code that is not here: either may use it.
    """
    from lambdachain._analysis.permissions.compare_grants import IssueKind, compare_grants

    functions = [function for function in deployment.functions if function.name in needs]
    found = [
        (
            one,
            compare_grants(
                one.name,
                one.location.file_and_line,
                needs[one.name].each,
                one.grants,
                stack,
                is_complete=not needs[one.name].unresolved,
            ),
        )
        for one in functions
    ]
    unused = Counter((one.location, one.text) for _, each in found for one in each if one.kind is IssueKind.UNUSED)
    holders = Counter(location for one in deployment.functions for location in {grant.location for grant in one.grants})

    # A shared grant is found once for each function that does not use it: unused by all is as often as it is held.
    def is_reported(one: PolicyIssue) -> bool:
        return one.kind is not IssueKind.UNUSED or unused[one.location, one.text] == holders[one.location]

    return [(function, list(filter(is_reported, each))) for function, each in found]


def _print_findings(
    found: Sequence[PolicyIssue], undecided: Sequence[Any], source: str, checked: int, known: int, *, as_json: bool
) -> None:
    if as_json:
        findings = [
            {"fault": str(one.kind), "caller": one.caller, "at": one.location, "text": one.text} for one in found
        ]
        print_json({"findings": findings, "undecided": [str(one) for one in undecided]})
        return
    for one in found:
        echo(f"{one.location}: {click.style(str(one.kind), fg='red', bold=True)}: {one.caller}: {one.text}")
    print_unresolved(undecided)
    functions = f"{checked} function{'' if checked == 1 else 's'} checked"
    echo(f"{source}: {functions}: {_summarize(found, undecided, checked, known)}", file=sys.stderr)


def _summarize(found: Sequence[PolicyIssue], undecided: Sequence[Any], checked: int, known: int) -> str:
    if found:
        return f"{len(found)} finding{'' if len(found) == 1 else 's'}"
    if not checked:
        return "pass the directories of their code"
    if undecided:
        return "no findings, but not every call could be resolved"
    return "no new findings" if known else "grants match the calls"
