"""The sandboxes of one function: idle ones are used again, new ones are started as calls overlap."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext

from lambdachain._service.delivery import Delivery, Ending

from ._function import LocalFunction
from ._sandbox import Sandbox, SandboxGoneError, Surroundings


class SandboxPool:
    """Runs the invocations of one function, each in a sandbox that does nothing else meanwhile."""

    def __init__(self, function: LocalFunction, around: Surroundings) -> None:
        self.function = function
        self._around = around
        self._all: set[Sandbox] = set()
        self._idle: list[Sandbox] = []
        self._reserved = _slots(function.reserved_concurrency)
        self._places = _slots(function.max_sandboxes)

    @property
    def throttles(self) -> bool:
        """Whether all of the function's reserved concurrency is taken."""
        return isinstance(self._reserved, asyncio.Semaphore) and self._reserved.locked()

    async def run(self, delivery: Delivery, *, log_tail: bool) -> Ending:
        """Run one invocation to its end; wait for a free sandbox where the function may have no more.

        Raises:
            OSError: A new sandbox was needed and could not be started.
        """
        async with self._reserved, self._places:
            while True:
                sandbox = await self._take_idle(delivery.tenant_id) or await self._launch(delivery.tenant_id)
                try:
                    return await sandbox.invoke(delivery, log_tail=log_tail)
                except SandboxGoneError:
                    continue
                finally:
                    self._put_back(sandbox)

    async def close(self) -> None:
        """Kill every sandbox."""
        sandboxes = list(self._all)
        self._all.clear()
        self._idle.clear()
        await asyncio.gather(*(sandbox.stop() for sandbox in sandboxes))

    async def _take_idle(self, tenant_id: str | None) -> Sandbox | None:
        """Take the sandbox used last; those of other tenants are none of this one's."""
        for sandbox in [sandbox for sandbox in reversed(self._idle) if sandbox.tenant_id == tenant_id]:
            self._idle.remove(sandbox)
            if sandbox.alive:
                return sandbox
            await self._discard(sandbox)
        return None

    async def _launch(self, tenant_id: str | None) -> Sandbox:
        if self._idle and len(self._all) == self.function.max_sandboxes:
            await self._discard(self._idle.pop(0))
        sandbox = Sandbox(self.function, tenant_id, self._around)
        self._all.add(sandbox)
        try:
            await sandbox.start()
        except OSError:
            await self._discard(sandbox)
            raise
        return sandbox

    def _put_back(self, sandbox: Sandbox) -> None:
        if sandbox.alive:
            self._idle.append(sandbox)
        else:
            self._all.discard(sandbox)

    async def _discard(self, sandbox: Sandbox) -> None:
        self._all.discard(sandbox)
        await sandbox.stop()


def _slots(limit: int | None) -> asyncio.Semaphore | AbstractAsyncContextManager[None]:
    return nullcontext() if limit is None else asyncio.Semaphore(limit)
