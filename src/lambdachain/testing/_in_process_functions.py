"""The functions of a system in one process: where each is deployed, and how many invocations it takes at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from lambdachain._contracts.contract import HasContract
from lambdachain._core import clock
from lambdachain._core.arn import Address, FunctionArn, parse_target
from lambdachain._core.errors import ContractError, InvalidArnError
from lambdachain._lambda_api import responses as answers
from lambdachain._lambda_api.aws_location import LATEST, AwsLocation

from ._addresses import Deployment, deployment, version_of
from ._runtime import Handler, Settings

Target = HasContract[Any, Any] | Address

# An account has it to begin with, says Lambda's page of quotas; functions with a reserve of their own take none of it.
ACCOUNT_CONCURRENCY: Final = 1_000


class Concurrency:
    """How many invocations may run at a time; a place taken is free again when its time is over, at the latest."""

    def __init__(self, limit: int, reason: str) -> None:
        self._limit = limit
        self._reason = reason
        self._ends: dict[object, float] = {}
        self._changed = threading.Condition()

    def enter(self, timeout: float, *, waits: bool) -> Callable[[], None]:
        """Accept a place for *timeout* seconds, and give what gives it back.

        Args:
            timeout: Seconds.
            waits: Wait for a place, as the queue of events does; where there never is one, nothing waits.

        Raises:
            RefusedError: There is no place.
        """
        place = object()
        with self._changed:
            while not self._has_room():
                if not waits or self._limit == 0:
                    raise answers.throttled(self._reason)
                self._changed.wait(min(self._ends.values()) - clock.System.monotonic())
            self._ends[place] = clock.System.monotonic() + timeout
        return partial(self._leave, place)

    def _has_room(self) -> bool:
        now = clock.System.monotonic()
        self._ends = {place: end for place, end in self._ends.items() if end > now}
        return len(self._ends) < self._limit

    def _leave(self, place: object) -> None:
        with self._changed:
            self._ends.pop(place, None)
            self._changed.notify_all()


@dataclass(slots=True, eq=False)
class Function:
    """A handler, as it is deployed: *timeout* in seconds, *memory* in MB."""

    deployed: Deployment
    handler: Handler
    timeout: float
    memory: int
    concurrency: Concurrency
    tenant_isolation: bool = False
    answers_to_lose: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """The function's name, without its place and qualifier."""
        return self.deployed.function.name

    @property
    def qualifier(self) -> str:
        """The version or alias that it is."""
        return self.deployed.qualifier or LATEST

    def settings(self, invoked_arn: str) -> Settings:
        """Return how the version that *invoked_arn* leads to is deployed."""
        return Settings(self.name, self.timeout, self.memory, version_of(parse_target(invoked_arn).qualifier))

    def loses_answer(self) -> bool:
        """Check whether the answer just made is to be lost."""
        with self._lock:
            is_lost = self.answers_to_lose > 0
            self.answers_to_lose -= is_lost
            return is_lost


class Deployments:
    """The functions there are."""

    def __init__(self) -> None:
        self._functions: list[Function] = []
        self._unreserved = Concurrency(ACCOUNT_CONCURRENCY, "ConcurrentInvocationLimitExceeded")

    def add(
        self,
        target: Target,
        handler: Handler,
        *,
        timeout: float,
        memory: int,
        reserved_concurrency: int | None,
        tenant_isolation: bool,
    ) -> None:
        """Deploy a handler; see ``InProcessTransport.add``."""
        deployed = deployment(target)
        if any(deployed == function.deployed for function in self._functions):
            raise ContractError(f"{deployed} has a handler already")
        concurrency = self._concurrency(reserved_concurrency)
        self._functions.append(Function(deployed, handler, timeout, memory, concurrency, tenant_isolation))

    def find(self, target: Target) -> Function:
        """Return the function that was deployed at *target*.

        Raises:
            ContractError: There is none.
        """
        wanted = deployment(target)
        for function in self._functions:
            if wanted.has(function.deployed.function) and wanted.qualifier in (None, function.deployed.qualifier):
                return function
        raise ContractError(f"there is no function {wanted}; {self}")

    def at(self, name: str, place: AwsLocation) -> list[Function]:
        """Return the versions and aliases of the function that a call of *name* at *place* is for.

        A function deployed at that very place goes before one that is deployed wherever its callers look for it.
        """
        try:
            called = place.arn(parse_target(name).name)
        except InvalidArnError:  # Lambda's own answer to it is to be given
            return []
        found = [function for function in self._functions if function.deployed.has(called)]
        return sorted(found, key=lambda function: not isinstance(function.deployed.function, FunctionArn))

    def __str__(self) -> str:
        return f"functions: {', '.join(str(function.deployed) for function in self._functions) or 'none'}"

    def _concurrency(self, reserved: int | None) -> Concurrency:
        if reserved is None:
            return self._unreserved
        return Concurrency(reserved, "ReservedFunctionConcurrentInvocationLimitExceeded")


def chosen(functions: list[Function], invoked_arn: str) -> Function:
    """Choose the version or alias that was called; without a qualifier, and none deployed without, the last."""
    qualifier = parse_target(invoked_arn).qualifier or LATEST
    return next((function for function in functions if function.qualifier == qualifier), functions[-1])
