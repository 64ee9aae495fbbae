"""What to do about a change that breaks somebody."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from .incompatibility import Incompatibility, Reason
from .payload_schemas import Who

_ORDER: Final = {
    frozenset[Who]({"old callers"}): "Deploy the callers first.",
    frozenset[Who]({"new callers"}): "Deploy the callee first.",
}
_ABSENT: Final = frozenset({Reason.MISSING, Reason.OPTIONAL})


def get_deployment_order(who: Collection[Who]) -> str:
    """Report in which order to deploy, if any is safe."""
    sides = {one for one in who if one != "other callers"}
    if sides == {"old callers"}:
        return 'Deploy every caller first, then the callee: assert_compatible(..., first="caller") checks that order.'
    if sides == {"new callers"}:
        return 'Deploy the callee first, then the callers: assert_compatible(..., first="callee") checks that order.'
    return "No order of deployment is safe for all of it: make two changes of it, and deploy one after the other."


def address_remedy(path: str) -> str:
    """Describe what to do about a change of the address."""
    if path == "function":
        return "Deploy it under both names, until nobody calls the old one."
    return f'If the function has both, allow=["{path}"].'


def promise_remedy(path: str, who: Who) -> str:
    """Describe what to do about a change of what is promised beside the types."""
    if path == "envelope" and who == "old callers":
        return "Deploy the callers first, and the callee when no event of theirs is queued any more."
    return _in_order((who,), "")


def message_remedy(path: str, gaps: Collection[tuple[Who, Incompatibility]], renamed: str | None) -> str:
    """Describe what to do about a change of a message.

    Args:
        path: Where it is.
        gaps: What was found there, and whom it breaks.
        renamed: What the field seems to have been called before.
    """
    if not any(gap.certain for _, gap in gaps):
        return f'Look at it; if it is fine, allow=["{path}"].'
    if renamed is not None:
        name = path.rsplit(".", 1)[-1]
        return (
            f'If it is "{renamed}" renamed, read both names first: '
            f'Field(validation_alias=AliasChoices("{name}", "{renamed}")).'
        )
    who: list[Who] = [one for one, _ in gaps]
    is_request = path.startswith("request")
    asked_by = "old callers" if is_request else "new callers"
    is_new = any(gap.reason in _ABSENT and one == asked_by for one, gap in gaps)
    return _in_order(who, "Give it a default, or " if is_new else "", is_request=is_request)


def _in_order(who: Collection[Who], instead: str, *, is_request: bool = True) -> str:
    order = _ORDER.get(frozenset(one for one in who if one != "other callers"))
    if order is not None:
        return instead + (order[0].lower() + order[1:] if instead else order)
    if "old callers" not in who:
        return "Keep it for callers that lambdachain did not make, or tell them."
    reader, writer = ("callee", "callers") if is_request else ("callers", "callee")
    return f"Let the {reader} take both first, deploy {'it' if is_request else 'them'}, then change the {writer}."
