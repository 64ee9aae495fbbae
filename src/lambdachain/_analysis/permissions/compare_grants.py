"""Compare what a template grants with what the code calls: missing, denied, unused and too wide grants."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lambdachain._analysis.survey.results import describe_location

from .required_permissions import ACTION, SEND_ACTION, RequiredPermission, Stack

_WILDCARDS: Final = ("*", "?")


class IssueKind(StrEnum):
    """What is wrong with a grant."""

    MISSING = "missing"
    DENIED = "denied"
    UNUSED = "unused"
    WILDCARD = "wildcard"


@dataclass(frozen=True, slots=True)
class Grant:
    """One resource of one IAM statement, with all variables of the template resolved.

    Attributes:
        actions: The patterns of its actions.
        resource: The pattern of its resource.
        location: The file and line of the statement.
        source: Where the statement comes from if it is not in the template: a SAM policy template, a managed policy.
        allows: Whether its effect is Allow; otherwise it is Deny.
        destinations: The ARNs that it allows and that Lambda sends the function's events to after it ran: without a
            call in the code, the statement is needed all the same.
        is_unknown: Whether the resource, or the whole role, cannot be read here: it may allow any call.
        is_for_others: Whether others than Lambda functions may use it, too: a state machine with the same role.
    """

    actions: tuple[str, ...]
    resource: str
    location: str
    source: str = ""
    allows: bool = True
    destinations: tuple[str, ...] = ()
    is_unknown: bool = False
    is_for_others: bool = False


@dataclass(frozen=True, slots=True)
class PolicyIssue:
    """One thing that is wrong with the grants of a caller."""

    kind: IssueKind
    caller: str
    location: str
    text: str

    def __str__(self) -> str:
        return f"{self.location}: {self.kind}: {self.text}"


def compare_grants(
    caller: str,
    location: str,
    permissions: Sequence[RequiredPermission],
    grants: Sequence[Grant],
    stack: Stack,
    *,
    is_complete: bool = True,
) -> list[PolicyIssue]:
    """Return what is wrong with the grants of a caller.

    Args:
        caller: Its name.
        location: Where the template declares it.
        permissions: What its calls require.
        grants: What its role grants.
        stack: Where the template is deployed.
        is_complete: Whether all calls are resolved. An unresolved one may use any grant, so none is unused.
    """
    found = _compare(location, permissions, grants, stack, is_complete=is_complete)
    # Several calls of a function, or grants of a statement, may lead to the same issue.
    return list(dict.fromkeys(PolicyIssue(kind, caller, where, text) for kind, where, text in found))


def _compare(
    location: str,
    permissions: Sequence[RequiredPermission],
    grants: Sequence[Grant],
    stack: Stack,
    *,
    is_complete: bool,
) -> Iterator[tuple[IssueKind, str, str]]:
    for permission in permissions:
        concerned = [grant for grant in grants if concerns(grant.actions, permission.action)]
        yield from _check_permission(permission.target.arn_for(stack), permission, concerned, location)
    # A queue's other grants are not judged: boto3 may use them, and this reads calls of functions only.
    called = {one.target.arn_for(stack): one for one in permissions if one.action == ACTION}
    relevant = [grant for grant in grants if concerns_calls(grant.actions)]
    known = [grant for grant in relevant if grant.allows and not grant.is_unknown]
    allowed = {grant.resource for grant in known}
    for grant in known:
        if not _is_used_as_pair(grant.resource, allowed, called):
            yield from _check_grant(grant, called, is_complete=is_complete)


def _is_used_as_pair(resource: str, allowed: Container[str], called: Iterable[str]) -> bool:
    """Check whether a resource is a function or all of its versions, where both are allowed and one is called.

    CDK's ``grant_invoke`` always allows both; whoever uses it cannot leave out one of them.
    """
    function = resource.removesuffix(":*")
    versions = f"{function}:*"
    return (
        function in allowed and versions in allowed and any(arn == function or matches(versions, arn) for arn in called)
    )


def _check_permission(
    arn: str, permission: RequiredPermission, grants: Sequence[Grant], location: str
) -> Iterator[tuple[IssueKind, str, str]]:
    known = (grant for grant in grants if not grant.is_unknown)
    matching = [grant for grant in known if matches(grant.resource, arn)]
    where = describe_location(permission.calls[0]) if permission.calls else "?"
    verb = "gets events" if permission.action == SEND_ACTION else "is called"
    called = f"{permission.target.address} {verb} at {where}"
    # An explicit Deny overrides every Allow.
    if denied := next((grant for grant in matching if not grant.allows), None):
        yield IssueKind.DENIED, denied.location, f"{called}, but this statement denies it"
    elif not matching and not any(grant.is_unknown for grant in grants):
        yield IssueKind.MISSING, location, f"{called}, but no statement allows {permission.action} on {arn}"


def _check_grant(grant: Grant, called: Iterable[str], *, is_complete: bool) -> Iterator[tuple[IssueKind, str, str]]:
    wide = [pattern for pattern in (*grant.actions, grant.resource) if any(one in pattern for one in _WILDCARDS)]
    through = f" ({grant.source})" if grant.source else ""
    used = [arn for arn in called if matches(grant.resource, arn)]
    if wide:
        used_only = f"only {', '.join(sorted(used))}" if used else "nothing that it matches"
        if not is_complete:
            used_only = f"{', '.join(sorted(used)) or 'nothing that it matches'}, as far as its calls are resolved"
        text = f"{' and '.join(wide)} allows more than is called{through}: the code calls {used_only}"
        text += f", and its events go to {', '.join(grant.destinations)}" if grant.destinations else ""
        yield IssueKind.WILDCARD, grant.location, text
    elif not used and not grant.destinations and not grant.is_for_others and is_complete:
        yield IssueKind.UNUSED, grant.location, f"{grant.resource} is allowed{through}, but the code does not call it"


def concerns_calls(actions: Iterable[str]) -> bool:
    """Check whether one of the patterns of actions matches ``lambda:InvokeFunction``."""
    return concerns(actions, ACTION)


def concerns(actions: Iterable[str], required: str) -> bool:
    """Check whether one of the patterns of actions matches a required action."""
    return any(matches(action, required, ignore_case=True) for action in actions)


def matches(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Check whether an IAM pattern matches *text*: ``*`` matches any characters, ``?`` one.

    IAM compares resources with their case, actions without.

    >>> matches("arn:aws:lambda:*:*:function:orders-*", "arn:aws:lambda:eu-west-1:123456789012:function:orders-a")
    True
    >>> matches("lambda:invoke*", "lambda:InvokeFunction", ignore_case=True)
    True
    """
    # Not fnmatch: IAM patterns have no character sets.
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.IGNORECASE if ignore_case else 0) is not None
