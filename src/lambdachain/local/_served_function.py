"""A function that an endpoint serves: its reserved concurrency, and a pool of sandboxes for each version."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from random import Random

from lambdachain._lambda_api.aws_location import LATEST
from lambdachain._lambda_api.configuration import Description
from lambdachain._lambda_api.delivery import Delivery, InvocationResult
from lambdachain._lambda_api.routing import choose_version

from ._concurrency_limit import semaphore_for
from ._function_config import LocalFunction
from ._runtimes import runtime_for
from ._sandbox import SandboxResources, Sink
from ._sandbox_pool import SandboxPool


class ServedFunction:
    """A function and the sandbox pools of its versions."""

    def __init__(self, function: LocalFunction, resources: SandboxResources, random: Random) -> None:
        self.function = function
        self._resources = resources
        self._random = random
        self._deployed_at = time.time()
        self._reserved_concurrency = semaphore_for(function.reserved_concurrency)
        self._pools = {
            version: SandboxPool(function.as_published(version), version, resources)
            for version in (LATEST, *function.versions)
        }

    @property
    def is_throttled(self) -> bool:
        """Whether the function's reserved concurrency is used up."""
        return isinstance(self._reserved_concurrency, asyncio.Semaphore) and self._reserved_concurrency.locked()

    @property
    def is_queueing(self) -> bool:
        """Whether its calls wait for a free process instead of being throttled."""
        return self.function.max_sandboxes is not None

    @property
    def is_empty(self) -> bool:
        """Whether it has no sandboxes left."""
        return all(pool.is_empty for pool in self._pools.values())

    def choose_version(self, qualifier: str | None) -> str:
        """Choose the version for a call with this qualifier; an alias with routing chooses at random."""
        # $LATEST and published versions have pools; everything else is an alias, as the registry has checked.
        if qualifier is None or qualifier in self._pools:
            return qualifier or LATEST
        alias = self.function.alias(qualifier)
        return choose_version(alias.version, alias.routing, self._random.random())

    async def run(
        self, delivery: Delivery, version: str, *, log_tail: bool, sink: Sink | None = None
    ) -> InvocationResult:
        """Run one invocation on a version to its end.

        Raises:
            OSError: A new sandbox was needed and could not be started.
            ApiError: The endpoint has no room for one more invocation.
        """
        async with self._reserved_concurrency:
            return await self._pools[version].run(delivery, log_tail=log_tail, sink=sink)

    async def retire(self) -> None:
        """Stop idle sandboxes now, and busy ones after their current invocation."""
        await asyncio.gather(*(pool.retire() for pool in self._pools.values()))

    async def close(self) -> None:
        """Kill every sandbox."""
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))

    def describe(self, qualifier: str | None) -> Description:
        """Describe the configuration of a version or alias; of an alias, that of its main version."""
        is_alias = qualifier in self.function.aliases
        version = self.function.alias(str(qualifier)).version if is_alias else qualifier or LATEST
        function = self.function.as_published(version)
        return Description(
            name=function.name,
            arn=str(self._resources.location.arn(function.name, qualifier)),
            version=version,
            runtime=runtime_for(function).identifier(function),
            handler=function.handler,
            timeout=function.timeout,
            memory=function.memory,
            deployed_at=self._deployed_at,
            account_id=self._resources.location.account_id,
            environment=function.environment,
            dead_letter=function.events.dead_letter,
            tenant_isolation=function.tenant_isolation,
            reserved_concurrency=function.reserved_concurrency,
        )


@dataclass(frozen=True, slots=True)
class AcceptedInvocation:
    """An accepted invocation, and the version that runs it."""

    served: ServedFunction
    version: str
    delivery: Delivery

    async def run(self, *, log_tail: bool = False, sink: Sink | None = None) -> InvocationResult:
        """Run it to its end; see `ServedFunction.run`."""
        return await self.served.run(self.delivery, self.version, log_tail=log_tail, sink=sink)
