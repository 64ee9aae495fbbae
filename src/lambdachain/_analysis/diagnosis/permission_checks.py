"""Check by DryRun whether the functions that the code calls may be invoked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from lambdachain._analysis.permissions.identity_policy import build_policy_for_arns
from lambdachain._analysis.permissions.required_permissions import (
    ACTION,
    SEND_ACTION,
    FunctionResource,
    QueueResource,
    Stack,
)
from lambdachain._calling.retry import RetryPolicy
from lambdachain._core.arn import FunctionArn, FunctionName
from lambdachain._core.errors import CallError, CredentialsError, InvalidArnError
from lambdachain._core.receipts import Permission, PermissionReason

from .report import Finding, Level

if TYPE_CHECKING:
    from lambdachain._client.client import LambdaClient

_ON_RESOURCE: Final = re.compile(r"on resource: (arn:aws[a-z-]*:lambda:[^\s]+)")
_TIMEOUT: Final = 10.0


def check_permissions(
    client: LambdaClient, targets: Iterable[FunctionResource], region: str | None
) -> Iterator[Finding]:
    """Yield a finding for each function, without running any.

    Args:
        client: The client that sends the requests.
        targets: The functions.
        region: The region for a policy, if the target and Lambda's response do not name one.
    """
    for target in dict.fromkeys(targets):
        yield _check_permission(client, target, region)


def describe_queue(queue: QueueResource) -> Finding:
    """Return the finding for a queue, which cannot be checked without sending a message."""
    text = f"not checked: SQS has no dry run of {SEND_ACTION}"
    return Finding(f"queue {queue.name}", Level.NOTE, text, "compare the template with lambdachain policy --check")


def _check_permission(client: LambdaClient, target: FunctionResource, region: str | None) -> Finding:
    try:
        # One attempt with a short timeout: a retry would only hide what is wrong.
        permission = client.can_invoke(to_address(target), timeout=_TIMEOUT, retry=RetryPolicy.never())
    except CredentialsError as exc:
        return Finding(target.address, Level.FAULT, f"no response: {exc}", "see credentials above")
    except (CallError, InvalidArnError) as exc:
        return Finding(target.address, Level.FAULT, f"no response: {type(exc).__name__}: {exc}", "see endpoint above")
    return describe_permission(target, permission, region)


def to_address(target: FunctionResource) -> FunctionArn | FunctionName:
    """Return the address for a call."""
    if target.partition is not None and target.region is not None and target.account_id is not None:
        return FunctionArn(target.partition, target.region, target.account_id, target.name, target.qualifier)
    return FunctionName(target.name, target.qualifier, target.account_id, target.region)


def describe_permission(target: FunctionResource, permission: Permission, region: str | None) -> Finding:
    """Return a finding for Lambda's response, with what to do about a denial."""
    if permission:
        return Finding(target.address, Level.OK, "may be invoked")
    message = f" ({permission.message})" if permission.message else ""
    text = f"{permission.reason}{message}"
    if permission.reason is PermissionReason.DENIED:
        arn = parse_denied_resource(permission.message) or _format_arn(target, region)
        remedy = f"allow {ACTION} on {arn} for this caller; a function of another account needs its own policy, too"
        return Finding(target.address, Level.FAULT, text, remedy, build_policy_for_arns([arn]))
    if permission.reason is PermissionReason.NO_SUCH_QUALIFIER:
        remedy = f"publish {target.qualifier}, or use another version or alias"
    else:
        remedy = "deploy it, or check its deployed name: the client's resolve=, the region, the account"
    return Finding(target.address, Level.FAULT, text, remedy)


def parse_denied_resource(message: str) -> str | None:
    """Return the ARN in the message of an AccessDeniedException, or ``None``.

    It is more precise than the address in the code: AWS has resolved region and account.

    >>> parse_denied_resource("User: arn:aws:sts::1:x is not authorized to perform: lambda:InvokeFunction on resource: "
    ...     "arn:aws:lambda:eu-west-1:123456789012:function:orders because no identity-based policy allows it")
    'arn:aws:lambda:eu-west-1:123456789012:function:orders'
    """
    found = _ON_RESOURCE.search(message)
    return found[1] if found else None


def _format_arn(target: FunctionResource, region: str | None) -> str:
    """Return the ARN of a function, with placeholders for unknown parts."""
    try:
        return target.arn_for(Stack(region=region))
    except InvalidArnError:
        return target.format_arn("aws", region or "REGION", "ACCOUNT")
