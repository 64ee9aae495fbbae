"""What a template grants, against what the code calls: missing, unused, too wide."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .required_permissions import ACTION, RequiredPermission, Stack

_WILDCARDS: Final = ("*", "?")


class IssueKind(StrEnum):
    """What is wrong with a grant."""

    MISSING = "missing"
    DENIED = "denied"
    UNUSED = "unused"
    WILDCARD = "wildcard"


@dataclass(frozen=True, slots=True)
class Grant:
    """One resource of one statement of a role, worked out.

    Attributes:
        actions: The patterns of its actions.
        resource: The pattern of its resource.
        spot: Where it stands.
        source: What it comes from, where the statement itself is written elsewhere: a policy template of SAM's, a
            managed policy.
        allows: Whether it allows or denies.
    """

    actions: tuple[str, ...]
    resource: str
    spot: str
    source: str = ""
    allows: bool = True


@dataclass(frozen=True, slots=True)
class PolicyIssue:
    """One fault."""

    kind: IssueKind
    caller: str
    spot: str
    text: str

    def __str__(self) -> str:
        return f"{self.spot}: {self.kind}: {self.text}"


def compare_grants(
    caller: str, spot: str, needs: Sequence[RequiredPermission], grants: Sequence[Grant], stack: Stack
) -> list[PolicyIssue]:
    """Compare what *caller*, which is declared at *spot*, may call with what it calls."""
    found = [PolicyIssue(fault, caller, where, text) for fault, where, text in _compared(spot, needs, grants, stack)]
    return list(dict.fromkeys(found))


def _compared(
    spot: str, needs: Sequence[RequiredPermission], grants: Sequence[Grant], stack: Stack
) -> Iterator[tuple[IssueKind, str, str]]:
    called = {need.target.arn_for(stack): need for need in needs}
    concerned = [grant for grant in grants if concerns_calls(grant.actions)]
    for arn, need in called.items():
        yield from _of_need(arn, need, concerned, spot)
    for grant in concerned:
        if grant.allows:
            yield from _of_grant(grant, called)


def _of_need(
    arn: str, need: RequiredPermission, grants: Iterable[Grant], spot: str
) -> Iterator[tuple[IssueKind, str, str]]:
    fitting = [grant for grant in grants if matches(grant.resource, arn)]
    place = need.calls[0].location if need.calls else "?"
    if denied := next((grant for grant in fitting if not grant.allows), None):
        yield IssueKind.DENIED, denied.spot, f"{need.target.address} is called at {place}, and denied here"
    elif not fitting:
        yield (
            IssueKind.MISSING,
            spot,
            f"{need.target.address} is called at {place}, and nothing allows {ACTION} on {arn}",
        )


def _of_grant(grant: Grant, called: Iterable[str]) -> Iterator[tuple[IssueKind, str, str]]:
    wide = [pattern for pattern in (*grant.actions, grant.resource) if any(one in pattern for one in _WILDCARDS)]
    through = f" ({grant.source})" if grant.source else ""
    used = [arn for arn in called if matches(grant.resource, arn)]
    if wide:
        instead = f"; the code calls {', '.join(sorted(used))}" if used else ", and the code calls nothing of it"
        yield IssueKind.WILDCARD, grant.spot, f"{' and '.join(wide)} allows more than is called{through}{instead}"
    elif not used:
        yield IssueKind.UNUSED, grant.spot, f"{grant.resource} is allowed{through}, and the code does not call it"


def concerns_calls(actions: Iterable[str]) -> bool:
    """Check whether calls are among what patterns of actions mean."""
    return any(matches(action, ACTION, ignore_case=True) for action in actions)


def matches(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Check whether IAM would match *text*: ``*`` stands for any characters, ``?`` for one.

    >>> matches("arn:aws:lambda:*:*:function:orders-*", "arn:aws:lambda:eu-west-1:123456789012:function:orders-a")
    True
    >>> matches("lambda:invoke*", "lambda:InvokeFunction", ignore_case=True)
    True
    """
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.IGNORECASE if ignore_case else 0) is not None
