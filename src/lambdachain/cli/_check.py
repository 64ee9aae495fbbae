"""``lambdachain check``: whether two versions of a contract are compatible."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from ._exit_status import ExitStatus, InputError, echo
from ._help import CommandWithExamples
from ._shell_completion import complete_contract_or_file
from ._target_options import AS_JSON

if TYPE_CHECKING:
    from lambdachain._analysis.compatibility.contract_changes import Change
    from lambdachain._contracts.contract_schema import ContractSchema

First = Literal["callee", "caller"]

_DEPLOYMENT_ORDER: Final = {
    None: "whichever side is deployed first",
    "callee": "if the callee is deployed first",
    "caller": "if the callers are deployed first",
}


@click.command(
    "check",
    cls=CommandWithExamples,
    examples=[
        "lambdachain check billing-charge.json billing_contracts:charge",
        "lambdachain check main:billing_contracts:charge billing_contracts:charge --first callee",
        "lambdachain check origin/main:billing-charge.json billing-charge.json --json",
    ],
)
@click.argument("old", shell_complete=complete_contract_or_file)
@click.argument("new", shell_complete=complete_contract_or_file)
@click.option(
    "--first",
    type=click.Choice(["callee", "caller"]),
    help="Side that you deploy first; by default either order must work.",
)
@click.option("--other-callers", is_flag=True, help="Also check callers that do not use lambdachain.")
@click.option(
    "--allow",
    metavar="PATH",
    multiple=True,
    help="Accept the breaking changes at this path, such as request.cents; repeatable.",
)
@AS_JSON
def check(
    *, old: str, new: str, first: First | None, other_callers: bool, allow: tuple[str, ...], as_json: bool
) -> None:
    """Check whether two versions of a contract are compatible.

    OLD is the deployed version, NEW the one to deploy. Each is a file written by `lambdachain schema`, module:contract
    in the working tree, or revision:module:contract or revision:file.json in a git revision.

    The exit status is 0 if callers and callees of the two versions understand each other, and 1 if one of them breaks
    or compatibility cannot be determined.
    """
    from lambdachain.testing import IncompatibleContractError, assert_compatible, compatibility

    before, after = _load_version(old), _load_version(new)
    # All changes are listed, even if only some of them break something.
    changes = compatibility(before, after)
    breaking: Collection[Change] = ()
    reason = ""
    try:
        assert_compatible(before, after, first=first, other_callers=other_callers, allow=allow)
    except IncompatibleContractError as exc:
        breaking, reason = exc.changes, str(exc)
    if as_json:
        echo(json.dumps({"compatible": not reason, "changes": [_change_to_dict(change) for change in changes]}))
    else:
        shown = changes if other_callers else [_without_other_callers(change) for change in changes]
        for line in _render_report(after["function"], shown, breaking, reason, _DEPLOYMENT_ORDER[first]):
            echo(line)
    sys.exit(ExitStatus.NO if reason else ExitStatus.DONE)


def _load_version(text: str) -> ContractSchema:
    """Load a version of a contract from a file, a module or a git revision.

    Raises:
        InputError: There is no such file, revision or contract.
        ContractError: The contract has no schema.
    """
    from ._git_revision import load_schema_at_revision, read_file_at_revision
    from ._target_argument import load_contract

    if Path(text).is_file():
        return _parse_schema(Path(text).read_bytes(), text)
    # A file first: its name may contain colons.
    parts = text.split(":")
    if len(parts) == 2 and text.endswith(".json"):
        return _parse_schema(read_file_at_revision(*parts), text)
    if len(parts) == 3:
        return load_schema_at_revision(*parts)
    if len(parts) == 2:
        return load_contract(text).schema()
    raise InputError(f"no such file: {text}; a contract is written as module:contract or revision:module:contract")


def _parse_schema(text: str | bytes, name: str) -> ContractSchema:
    from lambdachain._contracts.contract_schema import parse_contract_schema
    from lambdachain._core.errors import ContractError

    try:
        return parse_contract_schema(json.loads(text))
    except (ValueError, RecursionError, ContractError) as exc:
        reason = "not valid JSON" if isinstance(exc, ValueError | RecursionError) else str(exc)
        raise InputError(f"{name}: {reason}") from None


def _render_report(
    function: str, changes: Collection[Change], breaking: Collection[Change], reason: str, when: str
) -> Iterator[str]:
    """Yield lines about what has changed, which side it breaks, and what to do."""
    from lambdachain._analysis.compatibility.advice import get_deployment_order

    for change in changes:
        yield _render_change(change)
        yield ""
    if breaking:
        order = get_deployment_order([one.who for change in breaking for one in change.breaks])
        yield f"{function}: not compatible. {_to_option_names(order)}"
    elif reason:
        yield f"{function}: {_to_option_names(reason)}"
    elif changes:
        yield f"{function}: compatible, {when}"
    else:
        yield f"{function}: no changes"


def _without_other_callers(change: Change) -> Change:
    """Leave out breaks of other callers, which --other-callers would check."""
    return replace(change, breaks=tuple(one for one in change.breaks if one.who != "other callers"))


def _render_change(change: Change) -> str:
    head, *rest = _to_option_names(str(change)).splitlines()
    color = "red" if any(one.certain for one in change.breaks) else "yellow" if change.breaks else "green"
    return "\n".join([click.style(head, fg=color), *rest])


def _to_option_names(text: str) -> str:
    """Replace the library's argument names in a text by this command's options.

    >>> _to_option_names('if it is fine, allow=["request.cents"].')
    'if it is fine, --allow request.cents.'
    >>> _to_option_names('assert_compatible(..., first="caller") checks that order.')
    '--first caller checks that order.'
    """
    text = re.sub(r'allow=\["([^"]+)"\]', r"--allow \1", text)
    text = re.sub(r'assert_compatible\(\.\.\., first="(\w+)"\)', r"--first \1", text)
    return re.sub(r"^allow has", "--allow has", text)


def _change_to_dict(change: Change) -> dict[str, Any]:
    breaks = [{"who": one.who, "why": one.why, "certain": one.certain} for one in change.breaks]
    return {"path": change.path, "what": change.what, "breaks": breaks, "advice": _to_option_names(change.advice)}
