"""The sandboxes of one version of a function: idle ones are used again, new ones are started as calls overlap."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypeAlias

from lambdachain._lambda_api import responses
from lambdachain._lambda_api.delivery import Delivery, Ending

from ._function_config import LocalFunction
from ._sandbox import Sandbox, SandboxGoneError, SandboxResources, Sink

OptionalSemaphore: TypeAlias = asyncio.Semaphore | AbstractAsyncContextManager[None]


class SandboxPool:
    """Runs the invocations of one version, each in a sandbox that does nothing else meanwhile."""

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
        """Whether it has no sandbox."""
        return not self._all

    async def run(self, delivery: Delivery, *, log_tail: bool, sink: Sink | None = None) -> Ending:
        """Run one invocation to its end; wait for a free sandbox where the function may have no more.

        Raises:
            OSError: A new sandbox was needed and could not be started.
            RefusedError: As many invocations as the endpoint runs at a time are running: its caller may be one of them,
                so that waiting for their end could be for ever.
        """
        async with self._sandbox_limit:
            if self._resources.execution_limit.locked():
                raise responses.throttled("ConcurrentInvocationLimitExceeded")
            return await self._run(delivery, log_tail=log_tail, sink=sink)

    async def _run(self, delivery: Delivery, *, log_tail: bool, sink: Sink | None) -> Ending:
        async with self._resources.execution_limit:
            while True:
                sandbox = await self._take_idle(delivery.tenant_id) or await self._start_sandbox(delivery.tenant_id)
                try:
                    return await sandbox.invoke(delivery, log_tail=log_tail, sink=sink)
                except SandboxGoneError:
                    continue
                finally:
                    await self._release(sandbox)

    async def retire(self) -> None:
        """Let no sandbox serve twice from now on; those that are busy end with what they do."""
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
        """Accept the sandbox used last; those of other tenants are none of this one's."""
        for sandbox in [sandbox for sandbox in reversed(self._idle) if sandbox.tenant_id == tenant_id]:
            self._idle.remove(sandbox)
            if sandbox.is_alive:
                return sandbox
            await self._discard(sandbox)
        return None

    async def _start_sandbox(self, tenant_id: str | None) -> Sandbox:
        if self._idle and len(self._all) == self._function.max_sandboxes:
            await self._discard(self._idle.pop(0))
        sandbox = Sandbox(self._function, self._version, tenant_id, self._resources)
        self._all.add(sandbox)
        try:
            await sandbox.start()
        except BaseException:  # a cancellation too leaves a port behind
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


def semaphore_for(limit: int | None) -> OptionalSemaphore:
    """Return something to hold while something runs, of which *limit* may at a time."""
    return nullcontext() if limit is None else asyncio.Semaphore(limit)
