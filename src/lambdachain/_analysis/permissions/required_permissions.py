"""What a caller needs: the functions and qualifiers that its code calls, as they are deployed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from lambdachain._analysis.survey.results import CallSite, Survey, UnresolvedCall, UnresolvedError
from lambdachain._calling.target import Resolver, deployed
from lambdachain._contracts.contract import split_qualifier
from lambdachain._core.arn import FunctionArn, parse_target, partition_of
from lambdachain._core.errors import InvalidArnError, LambdaChainError

# The one action that Invoke (each invocation type) and InvokeWithResponseStream need, says botocore's service model.
ACTION: Final = "lambda:InvokeFunction"


@dataclass(frozen=True, slots=True)
class Stack:
    """Where a policy is deployed; ``None`` is what the tool that deploys it knows by itself."""

    partition: str | None = None
    region: str | None = None
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class FunctionResource:
    """A function, or one of its versions or aliases, as a policy names it.

    Attributes:
        name: The function's name.
        qualifier: The version or alias; ``None`` for the function itself, which is then the only thing it names.
        account_id: Its account, where the code names one.
        region: Its region, where the code names one.
        partition: Its partition, where the code names one.
    """

    name: str
    qualifier: str | None = None
    account_id: str | None = None
    region: str | None = None
    partition: str | None = None

    @property
    def address(self) -> str:
        """The function with its qualifier."""
        return f"{self.name}:{self.qualifier}" if self.qualifier else self.name

    def arn(self, partition: str, region: str, account_id: str) -> str:
        """Write the ARN; what the code does not name is given, or stands for what the deploying tool knows."""
        place = (self.partition or partition, "lambda", self.region or region, self.account_id or account_id)
        return ":".join(["arn", *place, "function", self.address])

    def arn_for(self, stack: Stack) -> str:
        """Write the ARN in a place that is known.

        Raises:
            InvalidArnError: A part is missing or malformed.
        """
        region, account_id = self.region or stack.region, self.account_id or stack.account_id
        if region is None or account_id is None:
            raise InvalidArnError(f"{self.address}: neither the code nor an option names its region and account")
        partition = self.partition or stack.partition or partition_of(region)
        return str(FunctionArn(partition, region, account_id, self.name, self.qualifier))


@dataclass(frozen=True, slots=True)
class RequiredPermission:
    """A function that is called, and where."""

    target: FunctionResource
    calls: tuple[CallSite, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        """How it is called: the methods, each once."""
        return tuple(sorted({call.method for call in self.calls}))


@dataclass(frozen=True, slots=True)
class RequiredPermissions:
    """All that a caller needs.

    Attributes:
        each: What is called, by name.
        unresolved: What cannot be told from the code.
    """

    each: tuple[RequiredPermission, ...]
    unresolved: tuple[UnresolvedCall, ...]


def required_permissions(survey: Survey, resolve: Resolver | None = None) -> RequiredPermissions:
    """Gather what is called, each function and qualifier once.

    Args:
        survey: The calls.
        resolve: From a contract's name to the deployed one, in place of what each client has.
    """
    by_target: dict[FunctionResource, list[CallSite]] = {}
    undecided = list(survey.unresolved)
    for call in survey.calls:
        try:
            by_target.setdefault(resolve_resource(call, resolve), []).append(call)
        except (UnresolvedError, LambdaChainError) as exc:
            undecided.append(UnresolvedCall(call.location, call.unit, str(exc)))
    needs = [RequiredPermission(target, tuple(calls)) for target, calls in by_target.items()]
    needs.sort(key=lambda need: (need.target.name, need.target.qualifier or "", need.target.account_id or ""))
    return RequiredPermissions(tuple(needs), tuple(sorted(set(undecided), key=lambda one: one.location)))


def resolve_resource(call: CallSite, resolve: Resolver | None = None) -> FunctionResource:
    """Find what a call calls, by the rules that clients go by.

    Raises:
        UnresolvedError: The text of the code does not tell how the name is resolved.
        InvalidArnError: It is nothing that Lambda accepts, or a qualifier is given twice.
    """
    own, stated = split_qualifier(call.function, None, InvalidArnError)
    address = call.function if call.is_explicit_address else deployed(own, resolve or call.resolution.resolve)
    name, named = split_qualifier(address, call.qualifier, InvalidArnError)
    declared = call.contract.qualifier if call.contract is not None else stated
    return _target(name, named or declared)


def parse_resources(functions: Iterable[str], resolve: Resolver | None = None) -> list[FunctionResource]:
    """Read functions that are named outside the code.

    Raises:
        InvalidArnError: One is nothing that Lambda accepts.
    """
    found: list[FunctionResource] = []
    for function in functions:
        name, qualifier = split_qualifier(function, None, InvalidArnError)
        found.append(_target(deployed(name, resolve), qualifier))
    return found


def _target(function: str, qualifier: str | None) -> FunctionResource:
    named = parse_target(function)
    text = None if qualifier is None else str(qualifier)
    return FunctionResource(named.name, text, named.account_id, named.region, named.partition)
