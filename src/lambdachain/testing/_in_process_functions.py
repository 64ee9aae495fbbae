"""The functions of an ``InProcessTransport``: their addresses, configuration and concurrency limits."""

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
from lambdachain._lambda_api import responses
from lambdachain._lambda_api.aws_location import LATEST, AwsLocation

from ._addresses import FunctionAddress, to_function_address, version_for
from ._runtime import FunctionConfig, Handler

Target = HasContract[Any, Any] | Address

# The default quota of an account; functions with reserved concurrency do not count against it here.
ACCOUNT_CONCURRENCY: Final = 1_000


class ConcurrencyQuota:
    """A limit of concurrent invocations; a slot is released after the function's timeout at the latest."""

    def __init__(self, limit: int, reason: str) -> None:
        self._limit = limit
        self._reason = reason
        self._ends: dict[object, float] = {}
        self._changed = threading.Condition()

    def acquire(self, timeout: float, *, waits: bool) -> Callable[[], None]:
        """Acquire a slot for *timeout* seconds, and return a function that releases it.

        Args:
            timeout: The function's timeout in seconds.
            waits: Wait for a slot, as the queue of events does; with a limit of 0 this raises, too.

        Raises:
            ApiError: The call is throttled.
        """
        slot = object()
        with self._changed:
            while not self._has_room():
                if not waits or self._limit == 0:
                    raise responses.throttled(self._reason)
                # A handler that runs into its timeout never releases its slot: wake up when the first one expires.
                self._changed.wait(min(self._ends.values()) - clock.SystemClock.monotonic())
            self._ends[slot] = clock.SystemClock.monotonic() + timeout
        return partial(self._release, slot)

    def _has_room(self) -> bool:
        now = clock.SystemClock.monotonic()
        self._ends = {slot: end for slot, end in self._ends.items() if end > now}
        return len(self._ends) < self._limit

    def _release(self, slot: object) -> None:
        with self._changed:
            self._ends.pop(slot, None)
            self._changed.notify_all()


@dataclass(slots=True, eq=False)
class InProcessFunction:
    """A deployed handler and its configuration: *timeout* in seconds, *memory* in MB."""

    address: FunctionAddress
    handler: Handler
    timeout: float
    memory: int
    concurrency: ConcurrencyQuota
    tenant_isolation: bool = False
    responses_to_lose: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """The function's name, without account, region and qualifier."""
        return self.address.function.name

    @property
    def qualifier(self) -> str:
        """The version or alias that the handler is deployed as."""
        return self.address.qualifier or LATEST

    def config_for(self, invoked_arn: str) -> FunctionConfig:
        """Return the configuration of the version that *invoked_arn* points to."""
        return FunctionConfig(self.name, self.timeout, self.memory, version_for(parse_target(invoked_arn).qualifier))

    def take_lost_response(self) -> bool:
        """Check whether to lose this response, and count it."""
        with self._lock:
            is_lost = self.responses_to_lose > 0
            self.responses_to_lose -= is_lost
            return is_lost


class InProcessFunctions:
    """The deployed functions."""

    def __init__(self) -> None:
        self._functions: list[InProcessFunction] = []
        # Shared by all functions without reserved concurrency, as on an account.
        self._unreserved = ConcurrencyQuota(ACCOUNT_CONCURRENCY, "ConcurrentInvocationLimitExceeded")

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
        address = to_function_address(target)
        if any(address == function.address for function in self._functions):
            raise ContractError(f"{address} already has a handler")
        concurrency = self._concurrency(reserved_concurrency)
        self._functions.append(InProcessFunction(address, handler, timeout, memory, concurrency, tenant_isolation))

    def find(self, target: Target) -> InProcessFunction:
        """Return the function that is deployed at *target*.

        Raises:
            ContractError: There is no such function.
        """
        address = to_function_address(target)
        for function in self._functions:
            if address.matches(function.address.function) and address.qualifier in (None, function.address.qualifier):
                return function
        raise ContractError(f"there is no function {address}; {self}")

    def find_versions(self, name: str, location: AwsLocation) -> list[InProcessFunction]:
        """Return the versions and aliases of the function that a call of *name* in *location* is for.

        A function deployed by an ARN of that location comes before one that was deployed by a name only.
        """
        try:
            called = location.arn(parse_target(name).name)
        except InvalidArnError:  # the check of the request responds as Lambda does
            return []
        found = [function for function in self._functions if function.address.matches(called)]
        # False sorts before True.
        return sorted(found, key=lambda function: not isinstance(function.address.function, FunctionArn))

    def __str__(self) -> str:
        return f"functions: {', '.join(str(function.address) for function in self._functions) or 'none'}"

    def _concurrency(self, reserved: int | None) -> ConcurrencyQuota:
        if reserved is None:
            return self._unreserved
        return ConcurrencyQuota(reserved, "ReservedFunctionConcurrentInvocationLimitExceeded")


def find_version(functions: list[InProcessFunction], invoked_arn: str) -> InProcessFunction:
    """Return the version or alias that was called; the last one if the call has no qualifier and every version has."""
    qualifier = parse_target(invoked_arn).qualifier or LATEST
    # A test that adds only "f:live" expects calls of "f" to reach it, although $LATEST would be another version on AWS.
    return next((function for function in functions if function.qualifier == qualifier), functions[-1])
