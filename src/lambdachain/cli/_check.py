"""``lambdachain check``: whether callers and callees of two versions of a contract understand each other."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from ._exit_status import Refusal, Status, echo
from ._help import Command
from ._target_options import AS_JSON

if TYPE_CHECKING:
    from lambdachain._analysis.compatibility.changes import Change
    from lambdachain._contracts.contract_schema import ContractSchema

First = Literal["callee", "caller"]

_DEPLOYED: Final = {
    None: "whichever side is deployed first",
    "callee": "if the callee is deployed first",
    "caller": "if the callers are deployed first",
}


@click.command(
    "check",
    cls=Command,
    examples=[
        "lambdachain check billing-charge.json billing_contracts:charge",
        "lambdachain check main:billing_contracts:charge billing_contracts:charge --first callee",
        "lambdachain check origin/main:billing-charge.json billing-charge.json --json",
    ],
)
@click.argument("old")
@click.argument("new")
@click.option(
    "--first", type=click.Choice(["callee", "caller"]), help="The side that is deployed first; else either may be."
)
@click.option("--other-callers", is_flag=True, help="Callers that lambdachain did not make must not break either.")
@click.option("--allow", metavar="PATH", multiple=True, help="Where a change breaks somebody, and shall.")
@AS_JSON
def check(
    *, old: str, new: str, first: First | None, other_callers: bool, allow: tuple[str, ...], as_json: bool
) -> None:
    """Check whether callers and callees of two versions of a contract understand each other.

    OLD is what is deployed, NEW what will be; each is a file that `lambdachain schema` has written, module:contract
    for the code that is here, or revision:module:contract or revision:file.json for a revision of the git repository.
    The status is 0 if they do, and 1 if somebody breaks or it cannot be told.
    """
    from lambdachain.testing import IncompatibleContractError, assert_compatible, compatibility

    before, after = _version(old), _version(new)
    changes = compatibility(before, after)
    broken: Collection[Change] = ()
    reason = ""
    try:
        assert_compatible(before, after, first=first, other_callers=other_callers, allow=allow)
    except IncompatibleContractError as exc:
        broken, reason = exc.changes, str(exc)
    if as_json:
        echo(json.dumps({"compatible": not reason, "changes": [_as_object(change) for change in changes]}))
    else:
        shown = changes if other_callers else [_without_others(change) for change in changes]
        for line in _told(after["function"], shown, broken, reason, _DEPLOYED[first]):
            echo(line)
    sys.exit(Status.NO if reason else Status.DONE)


def _version(text: str) -> ContractSchema:
    """Read a version of a contract, wherever it is.

    Raises:
        Refusal: There is none.
        ContractError: It is no schema of a contract.
    """
    from ._git_revision import file_at, schema_at
    from ._target_argument import contract_at

    if Path(text).is_file():
        return _schema_in(Path(text).read_bytes(), text)
    parts = text.split(":")
    if len(parts) == 2 and text.endswith(".json"):
        return _schema_in(file_at(*parts), text)
    if len(parts) == 3:
        return schema_at(*parts)
    if len(parts) == 2:
        return contract_at(text).schema()
    raise Refusal(f"there is no file {text}; else write module:contract or revision:module:contract")


def _schema_in(text: str | bytes, name: str) -> ContractSchema:
    from lambdachain._contracts.contract_schema import checked_schema
    from lambdachain._core.errors import ContractError

    try:
        return checked_schema(json.loads(text))
    except (ValueError, RecursionError, ContractError) as exc:
        words = "it is not JSON" if isinstance(exc, ValueError | RecursionError) else str(exc)
        raise Refusal(f"{name}: {words}") from None


def _told(
    function: str, changes: Collection[Change], broken: Collection[Change], reason: str, when: str
) -> Iterator[str]:
    """Report in words what has changed, whom it breaks, and what to do."""
    from lambdachain._analysis.compatibility.advice import order_of

    for change in changes:
        yield _in_words(change)
        yield ""
    if broken:
        order = order_of([one.who for change in broken for one in change.breaks])
        yield f"{function}: not compatible. {_for_options(order)}"
    elif reason:
        yield f"{function}: {_for_options(reason)}"
    elif changes:
        yield f"{function}: compatible, {when}"
    else:
        yield f"{function}: nothing has changed"


def _without_others(change: Change) -> Change:
    """Leave out callers that nobody asked about."""
    return replace(change, breaks=tuple(one for one in change.breaks if one.who != "other callers"))


def _in_words(change: Change) -> str:
    head, *rest = _for_options(str(change)).splitlines()
    colour = "red" if any(one.certain for one in change.breaks) else "yellow" if change.breaks else "green"
    return "\n".join([click.style(head, fg=colour), *rest])


def _for_options(text: str) -> str:
    """Name the options of this command where the library names its arguments.

    >>> _for_options('if it is fine, allow=["request.cents"].')
    'if it is fine, --allow request.cents.'
    >>> _for_options('assert_compatible(..., first="caller") checks that order.')
    '--first caller checks that order.'
    """
    text = re.sub(r'allow=\["([^"]+)"\]', r"--allow \1", text)
    text = re.sub(r'assert_compatible\(\.\.\., first="(\w+)"\)', r"--first \1", text)
    return re.sub(r"^allow names", "--allow names", text)


def _as_object(change: Change) -> dict[str, Any]:
    breaks = [{"who": one.who, "why": one.why, "certain": one.certain} for one in change.breaks]
    return {"path": change.path, "what": change.what, "breaks": breaks, "advice": _for_options(change.advice)}
