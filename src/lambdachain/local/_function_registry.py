"""The functions of an endpoint: look them up, accept or reject invocations, add and replace functions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random

from lambdachain._core.arn import parse_target
from lambdachain._lambda_api import recursion_detection, responses
from lambdachain._lambda_api.aws_location import LATEST
from lambdachain._lambda_api.configuration import Description
from lambdachain._lambda_api.delivery import Delivery
from lambdachain._lambda_api.invoke_api import check_tenant

from ._function_config import LocalFunction
from ._sandbox import SandboxResources
from ._served_function import AcceptedInvocation, ServedFunction


class FunctionRegistry:
    """The functions, inside ``async with``, whose exit leaves no process behind."""

    def __init__(self, functions: Mapping[str, LocalFunction], resources: SandboxResources, random: Random) -> None:
        self._resources = resources
        self._random = random
        self._served = {name: ServedFunction(function, resources, random) for name, function in functions.items()}
        self._retired: list[ServedFunction] = []
        # The names of the functions, each with its versions and aliases.
        self.qualifiers = {name: function.qualifiers for name, function in functions.items()}

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.gather(*(each.close() for each in (*self._served.values(), *self._retired)))

    def function(self, name: str) -> LocalFunction:
        """Return the current declaration of a function.

        Raises:
            KeyError: There is no function of that name.
        """
        return self._served[name].function

    def check(self, delivery: Delivery) -> None:
        """Check that the function and qualifier of an invocation exist, and that it names a tenant if it must.

        Raises:
            ApiError: Lambda would reject it.
        """
        target = parse_target(delivery.invoked_arn)
        function = self.function(target.name)
        qualifier = target.qualifier or LATEST
        if qualifier not in function.qualifiers:
            raise responses.function_not_found(str(self._resources.location.arn(target.name, qualifier)))
        check_tenant(delivery.tenant_id, isolated=function.tenant_isolation)

    def accept(self, delivery: Delivery) -> AcceptedInvocation:
        """Accept an invocation, and choose the version that runs it.

        Raises:
            ApiError: Lambda would reject it: a recursive loop, or throttling.
        """
        self.check(delivery)
        target = parse_target(delivery.invoked_arn)
        served = self._served[target.name]
        function = served.function
        arn = str(self._resources.location.arn(target.name))
        if function.recursive_loop == "Terminate" and recursion_detection.is_recursive_loop(delivery.trace_id, arn):
            raise responses.looped(delivery.invoked_arn)
        if served.is_throttled:
            raise responses.throttled()
        # Calls of a function with max_sandboxes wait for one of its sandboxes instead, in the pool.
        if self._resources.execution_limit.locked() and not served.is_queueing:
            raise responses.throttled("ConcurrentInvocationLimitExceeded")
        version = served.choose_version(target.qualifier)
        delivery = replace(delivery, trace_id=recursion_detection.count_invocation(delivery.trace_id, arn))
        return AcceptedInvocation(served, version, delivery)

    async def add(self, function: LocalFunction) -> None:
        """Serve one more function; see `LocalEndpoint.add`."""
        self._served[function.name] = ServedFunction(function, self._resources, self._random)
        self.qualifiers[function.name] = function.qualifiers

    async def replace(self, function: LocalFunction) -> None:
        """Replace a function; see `LocalEndpoint.replace`."""
        old = self._served[function.name]
        self._served[function.name] = ServedFunction(function, self._resources, self._random)
        self.qualifiers[function.name] = function.qualifiers
        # What the old function runs is finished in its old sandboxes; remember them so that closing kills them too.
        self._retired = [each for each in (*self._retired, old) if not each.is_empty]
        await old.retire()

    def describe(self, name: str, qualifier: str | None) -> Description:
        """Describe a function, version or alias."""
        return self._served[name].describe(qualifier)

    def describe_all(self, *, versions: bool) -> Iterable[Description]:
        """Describe every function, and with *versions* its published versions too."""
        for name, served in self._served.items():
            yield self.describe(name, None)
            if versions:
                yield from (self.describe(name, version) for version in (LATEST, *served.function.versions))
