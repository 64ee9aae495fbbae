"""All functions of an endpoint, as they are now: which there are, who is let in, and what is replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random

from lambdachain._core.arn import parse_target
from lambdachain._lambda_api import recursion_detection as lineage
from lambdachain._lambda_api import responses as answers
from lambdachain._lambda_api.aws_location import LATEST
from lambdachain._lambda_api.configuration import Description
from lambdachain._lambda_api.delivery import Delivery
from lambdachain._lambda_api.invoke_api import check_tenant

from ._function_config import LocalFunction
from ._sandbox import Surroundings
from ._served_function import AcceptedInvocation, ServedFunction


class FunctionRegistry:
    """The functions, between ``async with`` and its end, which leaves no process behind."""

    def __init__(self, functions: Mapping[str, LocalFunction], around: Surroundings, random: Random) -> None:
        self._around = around
        self._random = random
        self._deployed = {name: ServedFunction(function, around, random) for name, function in functions.items()}
        self._retired: list[ServedFunction] = []
        # The names of the functions, each with its versions and aliases.
        self.qualifiers = {name: function.qualifiers for name, function in functions.items()}

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.gather(*(each.close() for each in (*self._deployed.values(), *self._retired)))

    def function(self, name: str) -> LocalFunction:
        """Return a function as it is now.

        Raises:
            KeyError: There is none of that name.
        """
        return self._deployed[name].function

    def check(self, delivery: Delivery) -> None:
        """Check that there is what an invocation is for, and that it names a tenant where one is wanted.

        Raises:
            RefusedError: Lambda would say so.
        """
        target = parse_target(delivery.invoked_arn)
        function = self.function(target.name)
        qualifier = target.qualifier or LATEST
        if qualifier not in function.qualifiers:
            raise answers.function_not_found(str(self._around.place.arn(target.name, qualifier)))
        check_tenant(delivery.tenant_id, isolated=function.tenant_isolation)

    def admit(self, delivery: Delivery) -> AcceptedInvocation:
        """Let an invocation in, and choose the version that runs it.

        Raises:
            RefusedError: Lambda would not let it in.
        """
        self.check(delivery)
        target = parse_target(delivery.invoked_arn)
        deployed = self._deployed[target.name]
        function = deployed.function
        arn = str(self._around.place.arn(target.name))
        if function.recursive_loop == "Terminate" and lineage.loops(delivery.trace_id, arn):
            raise answers.looped(delivery.invoked_arn)
        if deployed.throttles:
            raise answers.throttled()
        if self._around.executions.locked() and not deployed.queues:
            raise answers.throttled("ConcurrentInvocationLimitExceeded")
        version = deployed.version_of(target.qualifier)
        delivery = replace(delivery, trace_id=lineage.passed(delivery.trace_id, arn))
        return AcceptedInvocation(deployed, version, delivery)

    async def add(self, function: LocalFunction) -> None:
        """Serve one more function; see `LocalEndpoint.add`."""
        self._deployed[function.name] = ServedFunction(function, self._around, self._random)
        self.qualifiers[function.name] = function.qualifiers

    async def replace(self, function: LocalFunction) -> None:
        """Serve a function as it is given now; see `LocalEndpoint.replace`."""
        old = self._deployed[function.name]
        self._deployed[function.name] = ServedFunction(function, self._around, self._random)
        self.qualifiers[function.name] = function.qualifiers
        self._retired = [each for each in (*self._retired, old) if not each.empty]
        await old.retire()

    def describe(self, name: str, qualifier: str | None) -> Description:
        """Describe a function, version or alias."""
        return self._deployed[name].describe(qualifier)

    def describe_all(self, *, versions: bool) -> Iterable[Description]:
        """Describe every function, and its published *versions* too if asked for."""
        for name, deployed in self._deployed.items():
            yield self.describe(name, None)
            if versions:
                yield from (self.describe(name, version) for version in (LATEST, *deployed.function.versions))
