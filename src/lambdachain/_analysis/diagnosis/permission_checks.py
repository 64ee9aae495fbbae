"""A DryRun of each function that the code calls, with what would mend a refusal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from lambdachain._analysis.permissions.identity_policy import build_policy_for_arns
from lambdachain._analysis.permissions.required_permissions import ACTION, FunctionResource, Stack
from lambdachain._calling.retry import RetryPolicy
from lambdachain._core.arn import FunctionArn, FunctionName
from lambdachain._core.errors import CallError, CredentialsError, InvalidArnError
from lambdachain._core.receipts import Permission, PermissionReason

from .report import Finding, Level

if TYPE_CHECKING:
    from lambdachain._client.client import LambdaClient

_ON_RESOURCE: Final = re.compile(r"on resource: (arn:aws[a-z-]*:lambda:[^\s]+)")
_PATIENCE: Final = 10.0


def permissions(client: LambdaClient, targets: Iterable[FunctionResource], region: str | None) -> Iterator[Finding]:
    """Ask Lambda about each target, without running any.

    Args:
        client: What asks.
        targets: The functions.
        region: The region that a statement is for, where nothing else tells.
    """
    for target in dict.fromkeys(targets):
        yield _asked(client, target, region)


def _asked(client: LambdaClient, target: FunctionResource, region: str | None) -> Finding:
    try:
        permission = client.can_invoke(address_of(target), timeout=_PATIENCE, retry=RetryPolicy.never())
    except CredentialsError as exc:
        return Finding(target.address, Level.FAULT, f"no answer: {exc}", "see credentials above")
    except (CallError, InvalidArnError) as exc:
        return Finding(target.address, Level.FAULT, f"no answer: {type(exc).__name__}: {exc}", "see endpoint above")
    return told(target, permission, region)


def address_of(target: FunctionResource) -> FunctionArn | FunctionName:
    """Return what a call is addressed to."""
    if target.partition is not None and target.region is not None and target.account_id is not None:
        return FunctionArn(target.partition, target.region, target.account_id, target.name, target.qualifier)
    return FunctionName(target.name, target.qualifier, target.account_id, target.region)


def told(target: FunctionResource, permission: Permission, region: str | None) -> Finding:
    """Describe what Lambda's answer means, and what to do about it."""
    if permission:
        return Finding(target.address, Level.OK, "may be invoked")
    said = f" ({permission.message})" if permission.message else ""
    text = f"{permission.reason}{said}"
    if permission.reason is PermissionReason.DENIED:
        arn = resource_in(permission.message) or _arn(target, region)
        remedy = f"allow {ACTION} on {arn} to this caller; for a function of another account, its own policy, too"
        return Finding(target.address, Level.FAULT, text, remedy, build_policy_for_arns([arn]))
    if permission.reason is PermissionReason.NO_SUCH_QUALIFIER:
        remedy = f"publish {target.qualifier}, or name another version or alias"
    else:
        remedy = "deploy it, or name it as it is deployed: the client's resolve=, the region, the account"
    return Finding(target.address, Level.FAULT, text, remedy)


def resource_in(message: str) -> str | None:
    """Find the ARN in what AWS says of a denial.

    >>> resource_in("User: arn:aws:sts::1:x is not authorized to perform: lambda:InvokeFunction on resource: "
    ...     "arn:aws:lambda:eu-west-1:123456789012:function:orders because no identity-based policy allows it")
    'arn:aws:lambda:eu-west-1:123456789012:function:orders'
    """
    found = _ON_RESOURCE.search(message)
    return found[1] if found else None


def _arn(target: FunctionResource, region: str | None) -> str:
    """Write an ARN; with what nothing tells left for the reader to fill in."""
    try:
        return target.arn_for(Stack(region=region))
    except InvalidArnError:
        return target.format_arn("aws", region or "REGION", "ACCOUNT")
