"""Tasks of an event loop that carry out the calls of one map."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from lambdachain._calling.async_attempts import AsyncHook, send_hedged, send_with_retries
from lambdachain._calling.response import CallResponse as Answer
from lambdachain._core.invocation import AsyncTransport, Invocation, Outcome
from lambdachain._transports.async_adapter import in_thread
from lambdachain._transports.transport_override import answers_at_once

from .scheduler import Done, FirstRefusal, Job, Result


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
        self._tasks: dict[Job, asyncio.Task[None]] = {}

    def start(self, job: Job) -> None:
        """Begin a job."""
        task = asyncio.get_running_loop().create_task(self._work(job))
        if not task.done():  # as those of an eager factory may be
            self._tasks[job] = task

    def cancel(self) -> None:
        """Cancel what is under way."""
        for task in self._tasks.values():
            task.cancel()

    async def gone(self) -> None:
        """Wait until every task has ended."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _work(self, job: Job) -> None:
        result: Answer | Result | BaseException
        try:
            result = await (self._perform(job) if job.slow is None else self._perform_slowly(job))
        except asyncio.CancelledError as exc:  # by whomever: a hook may await what somebody else has cancelled
            self._ended(Done(job, exc))
            raise
        except BaseException as exc:  # noqa: BLE001 - it is a result, or raised again where the map is consumed
            result = exc
        self._ended(Done(job, result))

    def _perform(self, job: Job) -> Coroutine[Any, Any, Answer]:
        carry_out = send_with_retries if job.plan.hedge_after is None else send_hedged
        return carry_out(AsyncThrottleAwareTransport(self._transport, job), job.plan, self._hooks)

    async def _perform_slowly(self, job: Job) -> Answer | Result:
        """Run it, with what may wait for S3 in threads; over a test's transport, one job after the other."""
        if answers_at_once(self._transport):
            return job.read(await self._perform(job))
        await in_thread(lambda: job.plan)
        answer = await self._perform(job)
        return await in_thread(lambda: job.read(answer))

    def _ended(self, done: Done) -> None:
        self._tasks.pop(done.job, None)
        self._tell(done)


class AsyncThrottleAwareTransport(FirstRefusal):
    """A transport, as the attempts of one job see it; see ``ThrottleAwareTransport``."""

    def __init__(self, transport: AsyncTransport, job: Job) -> None:
        super().__init__(job)
        self._transport = transport

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as AsyncTransport
        """Send once; see ``AsyncTransport.send``."""
        self.sending()
        return self.check(await self._transport.send(invocation, timeout=timeout))

    async def close(self) -> None:
        """No-op: the transport is not this one's."""

    def __getattr__(self, name: str) -> Any:  # such as ``pause``, which a test's transport has
        return getattr(self._transport, name)
