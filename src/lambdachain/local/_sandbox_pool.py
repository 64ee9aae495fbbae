"""The sandboxes of one version of a function: idle ones are reused, and new ones start when calls overlap."""

from __future__ import annotations

import asyncio

from lambdachain._lambda_api import responses
from lambdachain._lambda_api.delivery import Delivery, InvocationResult

from ._concurrency_limit import semaphore_for
from ._function_config import LocalFunction
from ._sandbox import Sandbox, SandboxGoneError, SandboxResources, Sink


class SandboxPool:
    """Runs the invocations of one version, each in a sandbox that runs nothing else at the same time."""

    def __init__(self, function: LocalFunction, version: str, resources: SandboxResources) -> None:
        self._function = function
        self._version = version
        self._resources = resources
        self._all: set[Sandbox] = set()
        self._idle: list[Sandbox] = []
        self._sandbox_limit = semaphore_for(function.max_sandboxes)
        self._retired = False

    @property
    def is_empty(self) -> bool:
        """Whether it has no sandboxes."""
        return not self._all

    async def run(self, delivery: Delivery, *, log_tail: bool, sink: Sink | None = None) -> InvocationResult:
        """Run one invocation to its end; with ``max_sandboxes``, wait for a free sandbox first.

        Raises:
            OSError: A new sandbox was needed and could not be started.
            ApiError: The endpoint's limit of concurrent invocations is reached. One of them may be the caller, so
                waiting could deadlock.
        """
        async with self._sandbox_limit:
            # Checked again: other functions may have taken the last permits while this call waited for a sandbox.
            if self._resources.execution_limit.locked():
                raise responses.throttled("ConcurrentInvocationLimitExceeded")
            return await self._run(delivery, log_tail=log_tail, sink=sink)

    async def _run(self, delivery: Delivery, *, log_tail: bool, sink: Sink | None) -> InvocationResult:
        async with self._resources.execution_limit:
            while True:
                sandbox = await self._take_idle(delivery.tenant_id) or await self._start_sandbox(delivery.tenant_id)
                try:
                    return await sandbox.invoke(delivery, log_tail=log_tail, sink=sink)
                except SandboxGoneError:
                    continue  # the idle process had ended and saw nothing of the event: try another
                finally:
                    await self._release(sandbox)

    async def retire(self) -> None:
        """Stop idle sandboxes now, and busy ones after their current invocation."""
        self._retired = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*map(self._discard, idle))

    async def close(self) -> None:
        """Kill every sandbox."""
        sandboxes = list(self._all)
        self._all.clear()
        self._idle.clear()
        await asyncio.gather(*(sandbox.stop() for sandbox in sandboxes))

    async def _take_idle(self, tenant_id: str | None) -> Sandbox | None:
        """Acquire the most recently used idle sandbox of this tenant; sandboxes are never shared between tenants."""
        for sandbox in [sandbox for sandbox in reversed(self._idle) if sandbox.tenant_id == tenant_id]:
            self._idle.remove(sandbox)
            if sandbox.is_alive:
                return sandbox
            await self._discard(sandbox)
        return None

    async def _start_sandbox(self, tenant_id: str | None) -> Sandbox:
        # The limit is reached, and all idle sandboxes belong to other tenants: the oldest makes room.
        if self._idle and len(self._all) == self._function.max_sandboxes:
            await self._discard(self._idle.pop(0))
        sandbox = Sandbox(self._function, self._version, tenant_id, self._resources)
        self._all.add(sandbox)
        try:
            await sandbox.start()
        except BaseException:  # a cancellation too, which would leave a port open
            await self._discard(sandbox)
            raise
        return sandbox

    async def _release(self, sandbox: Sandbox) -> None:
        if sandbox.is_alive and not self._retired:
            self._idle.append(sandbox)
        else:
            await self._discard(sandbox)

    async def _discard(self, sandbox: Sandbox) -> None:
        self._all.discard(sandbox)
        await sandbox.stop()
