"""The advice for changes that break callers: in which order to deploy, and what to change."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from .incompatibility import Incompatibility, Reason
from .payload_schemas import Who

_ORDERS: Final = {
    frozenset[Who]({"old callers"}): "Deploy the callers first.",
    frozenset[Who]({"new callers"}): "Deploy the callee first.",
}
_ABSENT: Final = frozenset({Reason.MISSING, Reason.OPTIONAL})


def get_deployment_order(who: Collection[Who]) -> str:
    """Return the safe order of deployment, or the advice to split the change."""
    # Other callers are not deployed with this code, so they do not count for the order.
    sides = {one for one in who if one != "other callers"}
    if sides == {"old callers"}:
        return 'Deploy every caller first, then the callee: assert_compatible(..., first="caller") checks that order.'
    if sides == {"new callers"}:
        return 'Deploy the callee first, then the callers: assert_compatible(..., first="callee") checks that order.'
    return "No order of deployment is safe: split the change in two, and deploy one after the other."


def advise_on_address(path: str) -> str:
    """Return the advice for a change of the function or qualifier."""
    if path == "function":
        return "Deploy the function under both names until no caller uses the old one."
    return f'If the function has both, pass allow=["{path}"].'


def advise_on_promise(path: str, who: Who) -> str:
    """Return the advice for a change of what a contract promises besides its types."""
    if path == "envelope" and who == "old callers":
        return "Deploy the callers first, and the callee after the queued events of old callers have been processed."
    return _advise_on_order((who,), "")


def advise_on_payload(path: str, found: Collection[tuple[Who, Incompatibility]], renamed: str | None) -> str:
    """Return the advice for a change of a request, response or error.

    Args:
        path: The path of the change.
        found: The incompatibilities at that path, with the callers that each breaks.
        renamed: The name that the field seems to have had before.
    """
    if not any(one.certain for _, one in found):
        return f'Check this change by hand; if it is compatible, pass allow=["{path}"].'
    if renamed is not None:
        name = path.rsplit(".", 1)[-1]
        return (
            f'If this is "{renamed}" under a new name, accept both names first: '
            f'Field(validation_alias=AliasChoices("{name}", "{renamed}")).'
        )
    who: list[Who] = [one for one, _ in found]
    is_request = path.startswith("request")
    # A field that is new to one version, and required by it: a default would make both versions compatible.
    missed_by = "old callers" if is_request else "new callers"
    is_new = any(one.reason in _ABSENT and breaks == missed_by for breaks, one in found)
    return _advise_on_order(who, "Give it a default, or " if is_new else "", is_request=is_request)


def _advise_on_order(who: Collection[Who], instead: str, *, is_request: bool = True) -> str:
    order = _ORDERS.get(frozenset(one for one in who if one != "other callers"))
    if order is not None:
        return instead + (order[0].lower() + order[1:] if instead else order)
    if "old callers" not in who:
        return "Keep it for callers that do not use lambdachain, or notify them."
    reader, writer = ("callee", "callers") if is_request else ("callers", "callee")
    return f"Make the {reader} accept both and deploy {'it' if is_request else 'them'} first, then change the {writer}."
