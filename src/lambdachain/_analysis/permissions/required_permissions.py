"""The permissions that a caller requires: one for each function and qualifier that its code calls, as deployed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from lambdachain._analysis.survey.results import (
    CallMode,
    CallSite,
    Survey,
    UnresolvedCall,
    UnresolvedError,
    merge_by_site,
)
from lambdachain._calling.target import Resolver, resolve_function
from lambdachain._contracts.contract import split_qualifier
from lambdachain._core.arn import FunctionArn, parse_target, partition_for
from lambdachain._core.errors import InvalidArnError, LambdaChainError

# What Invoke (with any InvocationType) and InvokeWithResponseStream require, according to botocore's service model.
ACTION: Final = "lambda:InvokeFunction"
# What ``fire`` requires of a contract that has a route to an SQS queue.
SEND_ACTION: Final = "sqs:SendMessage"
# As lambdachain.sqs reads it, which is not imported here: with it comes the code that handles batches.
_QUEUE_REGION: Final = re.compile(r"(?:^|\.)sqs(?:-fips)?\.([a-z0-9-]+)\.|^([a-z0-9-]+)\.queue\.")


@dataclass(frozen=True, slots=True)
class Stack:
    """Where a policy is deployed; what is ``None`` is filled in by the deployment tool."""

    partition: str | None = None
    region: str | None = None
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class FunctionResource:
    """The resource of an IAM statement: a function, or one of its versions or aliases.

    Attributes:
        name: The function's name.
        qualifier: The version or alias; ``None`` for the unqualified function only.
        account_id: Its account, if the code names one.
        region: Its region, if the code names one.
        partition: Its partition, if the code names one.
    """

    name: str
    qualifier: str | None = None
    account_id: str | None = None
    region: str | None = None
    partition: str | None = None

    @property
    def address(self) -> str:
        """The function name with its qualifier."""
        return f"{self.name}:{self.qualifier}" if self.qualifier else self.name

    def format_address(self) -> str:
        """Return the name, or the ARN if the code names the region and the account."""
        if self.region is None or self.account_id is None:
            return self.address
        return self.arn_for(Stack())

    def format_arn(self, partition: str, region: str, account_id: str) -> str:
        """Return the ARN; the arguments replace parts that the code does not name. They may be placeholders."""
        prefix = ("arn", self.partition or partition, "lambda", self.region or region, self.account_id or account_id)
        return ":".join([*prefix, "function", self.address])

    def arn_for(self, stack: Stack) -> str:
        """Return the ARN for a known region and account.

        Raises:
            InvalidArnError: A part is missing or malformed.
        """
        region, account_id = self.region or stack.region, self.account_id or stack.account_id
        if region is None or account_id is None:
            raise InvalidArnError(f"unknown region or account of {self.address}")
        partition = self.partition or stack.partition or partition_for(region)
        return str(FunctionArn(partition, region, account_id, self.name, self.qualifier))


@dataclass(frozen=True, slots=True)
class QueueResource:
    """The resource of an IAM statement: an SQS queue.

    Attributes:
        name: The queue's name.
        account_id: Its account, if its URL has one.
        region: Its region, if its URL has one.
    """

    name: str
    account_id: str | None = None
    region: str | None = None
    qualifier: None = None

    @property
    def address(self) -> str:
        """What messages call it."""
        return f"the queue {self.name}"

    def format_arn(self, partition: str, region: str, account_id: str) -> str:
        """Return the ARN; the arguments replace parts that the URL does not have. They may be placeholders."""
        if self.region is not None:
            partition = partition_for(self.region)
        return f"arn:{partition}:sqs:{self.region or region}:{self.account_id or account_id}:{self.name}"

    def arn_for(self, stack: Stack) -> str:
        """Return the ARN for a known region and account.

        Raises:
            InvalidArnError: A part is missing.
        """
        region, account_id = self.region or stack.region, self.account_id or stack.account_id
        if region is None or account_id is None:
            raise InvalidArnError(f"unknown region or account of {self.address}")
        return self.format_arn(stack.partition or partition_for(region), region, account_id)


@dataclass(frozen=True, slots=True)
class RequiredPermission:
    """A function that may be called, or a queue that events go to, with the calls that require it."""

    target: FunctionResource | QueueResource
    calls: tuple[CallSite, ...]

    @property
    def action(self) -> str:
        """The action of IAM that is required."""
        return SEND_ACTION if isinstance(self.target, QueueResource) else ACTION

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that call it, each once."""
        return tuple(sorted({call.method for call in self.calls}))


@dataclass(frozen=True, slots=True)
class RequiredPermissions:
    """All permissions that a caller requires.

    Attributes:
        each: The permissions, by function name.
        unresolved: Calls whose target is unresolved.
    """

    each: tuple[RequiredPermission, ...]
    unresolved: tuple[UnresolvedCall, ...]

    @property
    def functions(self) -> tuple[FunctionResource, ...]:
        """The functions that are called."""
        return tuple(one.target for one in self.each if isinstance(one.target, FunctionResource))

    @property
    def queues(self) -> tuple[QueueResource, ...]:
        """The queues that events go to."""
        return tuple(one.target for one in self.each if isinstance(one.target, QueueResource))


def find_required_permissions(survey: Survey, resolve: Resolver | None = None) -> RequiredPermissions:
    """Return the permissions that calls require, one for each function and qualifier.

    Args:
        survey: The calls.
        resolve: Returns the deployed name of a contract's name; replaces the resolvers of the clients.
    """
    by_target: dict[FunctionResource | QueueResource, list[CallSite]] = {}
    unresolved = list(survey.unresolved)
    for call in survey.calls:
        try:
            queues = resolve_queues(call)
            for target in queues or (resolve_resource(call, resolve),):
                by_target.setdefault(target, []).append(call)
        except (UnresolvedError, LambdaChainError) as exc:
            unresolved.append(UnresolvedCall(call.location, call.unit, str(exc)))
    permissions = [RequiredPermission(target, tuple(calls)) for target, calls in by_target.items()]
    permissions.sort(
        key=lambda permission: (
            permission.target.name,
            permission.target.qualifier or "",
            permission.target.account_id or "",
        )
    )
    return RequiredPermissions(tuple(permissions), merge_by_site(unresolved))


def resolve_queues(call: CallSite) -> tuple[QueueResource, ...]:
    """Return the queues that a ``fire`` may send its event to; none if it goes to Lambda.

    Raises:
        UnresolvedError: The code does not determine the queue.
    """
    if call.mode is not CallMode.EVENT:
        return ()  # a route is of events only
    name = parse_target(split_qualifier(call.function, None, InvalidArnError)[0]).name
    routes = [one for one in call.resolution.queues if one.function == "" or parse_target(one.function).name == name]
    found: dict[QueueResource, None] = {}
    for route in routes:
        queue = None if route.url is None else _parse_queue_url(route.url)
        if queue is None or route.function == "":
            why = route.why or ("its URL is not the URL of a queue" if queue is None else "a contract is unresolved")
            raise UnresolvedError(
                f"cannot resolve the queue of {call.method}({name}, ...): {why}. Pass --env with the URL, or allow "
                f"{SEND_ACTION} on it by hand"
            )
        found[queue] = None
    return tuple(found)


def _parse_queue_url(url: str) -> QueueResource | None:
    split = urlsplit(url)
    parts = split.path.strip("/").split("/")
    if len(parts) != 2 or not all(parts) or not split.hostname:
        return None
    account, name = parts
    region = _QUEUE_REGION.search(split.hostname)
    return QueueResource(name, account, (region[1] or region[2]) if region else None)


def resolve_resource(call: CallSite, resolve: Resolver | None = None) -> FunctionResource:
    """Return the function that a call sends its request to, by the same rules as the clients.

    Raises:
        UnresolvedError: The code does not determine the deployed name.
        InvalidArnError: Lambda does not accept the address, or it has two qualifiers.
    """
    own, stated = split_qualifier(call.function, None, InvalidArnError)
    # A resolver changes the names of contracts, not an address that replaces one.
    address = call.function if call.is_explicit_address else resolve_function(own, resolve or call.resolution.resolve)
    # From most to least specific: the call's qualifier, that of the resolved address, the contract's.
    name, named = split_qualifier(address, call.qualifier, InvalidArnError)
    declared = call.contract.qualifier if call.contract is not None else stated
    return _make_resource(name, named or declared)


def parse_resources(functions: Iterable[str], resolve: Resolver | None = None) -> list[FunctionResource]:
    """Parse names and ARNs of functions that are not in the code.

    Raises:
        InvalidArnError: Lambda does not accept one of them.
    """
    found: list[FunctionResource] = []
    for function in functions:
        name, qualifier = split_qualifier(function, None, InvalidArnError)
        found.append(_make_resource(resolve_function(name, resolve), qualifier))
    return found


def _make_resource(function: str, qualifier: str | None) -> FunctionResource:
    named = parse_target(function)
    text = None if qualifier is None else str(qualifier)
    return FunctionResource(named.name, text, named.account_id, named.region, named.partition)
