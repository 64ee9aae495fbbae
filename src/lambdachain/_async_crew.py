"""Tasks of an event loop that carry out the calls of one map."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ._answer import Answer
from ._async_attempts import AsyncHook, perform, perform_hedged
from ._batch import Done, FirstRefusal, Job
from ._invocation import AsyncTransport, Invocation, Outcome


class Tasks:
    """A task for each job that is under way; to be used in one loop only.

    Args:
        transport: What sends.
        hooks: What stands around each attempt.
        tell: Is told of each job that has ended.
    """

    def __init__(self, transport: AsyncTransport, hooks: Sequence[AsyncHook], tell: Callable[[Done], object]) -> None:
        self._transport = transport
        self._hooks = hooks
        self._tell = tell
        self._tasks = set[asyncio.Task[None]]()

    def start(self, job: Job) -> None:
        """Begin a job."""
        task = asyncio.create_task(self._work(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self) -> None:
        """Cancel what is under way."""
        for task in self._tasks:
            task.cancel()

    async def gone(self) -> None:
        """Wait until every task has ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, job: Job) -> None:
        try:
            self._tell(Done(job, await self._result(job)))
        except asyncio.CancelledError as exc:  # by whomever: a hook may await what somebody else has cancelled
            self._tell(Done(job, exc))
            raise

    async def _result(self, job: Job) -> Answer | BaseException:
        carry_out = perform if job.plan.hedge_after is None else perform_hedged
        try:
            return await carry_out(AsyncPaced(self._transport, job), job.plan, self._hooks)
        except asyncio.CancelledError:
            raise
        except BaseException as exc:  # noqa: BLE001 - it is a result, or raised again where the map is consumed
            return exc


class AsyncPaced:
    """A transport, as the attempts of one job see it; see ``Paced``."""

    def __init__(self, transport: AsyncTransport, job: Job) -> None:
        self._transport = transport
        self._refusal = FirstRefusal(job)
        pause: Callable[[float], None] | None = getattr(transport, "pause", None)
        if pause is not None:
            self.pause = pause

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as AsyncTransport
        """Send once; see ``AsyncTransport.send``."""
        self._refusal.sending()
        return self._refusal.check(await self._transport.send(invocation, timeout=timeout))

    async def close(self) -> None:
        """Do nothing: the transport is not this one's."""
