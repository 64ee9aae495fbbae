"""What a caller needs: the functions and qualifiers that its code calls, as they are deployed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from lambdachain._analysis.survey.found import CallSite, Survey, UnresolvedCall, UnresolvedError
from lambdachain._calling.target import Resolver, resolve_function
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
class Target:
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

    def arn_in(self, stack: Stack) -> str:
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

    target: Target
    calls: tuple[CallSite, ...]

    @property
    def verbs(self) -> tuple[str, ...]:
        """How it is called: the methods, each once."""
        return tuple(sorted({call.verb for call in self.calls}))


@dataclass(frozen=True, slots=True)
class RequiredPermissions:
    """All that a caller needs.

    Attributes:
        each: What is called, by name.
        undecided: What cannot be told from the code.
    """

    each: tuple[RequiredPermission, ...]
    undecided: tuple[UnresolvedCall, ...]


def required_permissions(survey: Survey, resolve: Resolver | None = None) -> RequiredPermissions:
    """Gather what is called, each function and qualifier once.

    Args:
        survey: The calls.
        resolve: From a contract's name to the deployed one, in place of what each client has.
    """
    by_target: dict[Target, list[CallSite]] = {}
    undecided = list(survey.undecided)
    for call in survey.calls:
        try:
            by_target.setdefault(target_of(call, resolve), []).append(call)
        except (UnresolvedError, LambdaChainError) as exc:
            undecided.append(UnresolvedCall(call.place, call.unit, str(exc)))
    needs = [RequiredPermission(target, tuple(calls)) for target, calls in by_target.items()]
    needs.sort(key=lambda need: (need.target.name, need.target.qualifier or "", need.target.account_id or ""))
    return RequiredPermissions(tuple(needs), tuple(sorted(set(undecided), key=lambda one: one.place)))


def target_of(call: CallSite, resolve: Resolver | None = None) -> Target:
    """Find what a call calls, by the rules that clients go by.

    Raises:
        UndecidedError: The text of the code does not tell how the name is resolved.
        InvalidArnError: It is nothing that Lambda accepts, or a qualifier is given twice.
    """
    own, stated = split_qualifier(call.function, None, InvalidArnError)
    address = call.function if call.is_address else resolve_function(own, resolve or call.resolution.resolve)
    name, named = split_qualifier(address, call.qualifier, InvalidArnError)
    declared = call.contract.qualifier if call.contract is not None else stated
    return _target(name, named or declared)


def addresses(functions: Iterable[str], resolve: Resolver | None = None) -> list[Target]:
    """Read functions that are named outside the code.

    Raises:
        InvalidArnError: One is nothing that Lambda accepts.
    """
    found: list[Target] = []
    for function in functions:
        name, qualifier = split_qualifier(function, None, InvalidArnError)
        found.append(_target(resolve_function(name, resolve), qualifier))
    return found


def _target(function: str, qualifier: str | None) -> Target:
    named = parse_target(function)
    text = None if qualifier is None else str(qualifier)
    return Target(named.name, text, named.account_id, named.region, named.partition)
