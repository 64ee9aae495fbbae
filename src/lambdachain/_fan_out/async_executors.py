"""The executor of one map in an event loop: a task for each job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from lambdachain._calling.async_attempts import AsyncHook, send_hedged, send_with_retries
from lambdachain._calling.response import CallResponse
from lambdachain._core.invocation import AsyncTransport
from lambdachain._transports.async_adapter import in_thread
from lambdachain._transports.transport_override import responds_immediately

from .scheduler import DeferredCall, FinishedJob, Job, MapResult, RequeuePolicy, to_map_result


class TaskExecutor:
    """Runs each job in a task of its own. Used in one event loop only.

    Args:
        transport: The transport.
        hooks: The client's hooks, which run around each attempt.
        on_finished: Called with each job that has finished.
    """

    def __init__(
        self, transport: AsyncTransport, hooks: Sequence[AsyncHook], on_finished: Callable[[FinishedJob], object]
    ) -> None:
        self._transport = transport
        self._hooks = hooks
        self._on_finished = on_finished
        self._tasks: dict[Job, asyncio.Task[None]] = {}

    def start(self, job: Job) -> None:
        """Start a job."""
        # A requeued job goes on in another task; its interceptors are left in the context that they were entered in.
        context = None if job.scope is None else job.scope.context
        task = asyncio.get_running_loop().create_task(self._work(job), context=context)
        if not task.done():  # an eager task factory may have run it to its end
            self._tasks[job] = task

    def cancel(self) -> None:
        """Cancel the jobs in flight."""
        for task in self._tasks.values():
            task.cancel()

    async def wait(self) -> None:
        """Wait until every task has ended."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _work(self, job: Job) -> None:
        result: CallResponse | MapResult | BaseException
        try:
            result = await self._call(job)
        except asyncio.CancelledError as exc:  # not only by us: a hook may await a task that was cancelled elsewhere
            self._finish(FinishedJob(job, exc))
            raise
        except BaseException as exc:  # noqa: BLE001 - it is a result, or raised again where the map is consumed
            result = exc
        self._finish(FinishedJob(job, result))

    def _call(self, job: Job) -> Coroutine[Any, Any, CallResponse | MapResult]:
        if job.deferred is None:
            return self._send(job)
        if job.scope is None:
            return self._run_deferred(job, job.deferred)
        return job.scope.run_async(partial(self._run_deferred, job, job.deferred))

    def _send(self, job: Job) -> Coroutine[Any, Any, CallResponse]:
        send = send_with_retries if job.call.compiled.hedge_after is None else send_hedged
        return send(self._transport, job.call, self._hooks, RequeuePolicy(job).check)

    async def _run_deferred(self, job: Job, deferred: DeferredCall) -> MapResult:
        """Run a deferred call. Where preparing and decoding it may wait for S3, each runs in a thread.

        Over a test's transport that responds immediately, neither does: jobs run one after the other, in order.
        """
        if not deferred.blocks or responds_immediately(self._transport):
            return to_map_result(job.read(await self._send(job)))
        await in_thread(lambda: job.call)
        response = await self._send(job)
        return await in_thread(lambda: to_map_result(job.read(response)))

    def _finish(self, finished: FinishedJob) -> None:
        self._tasks.pop(finished.job, None)
        self._on_finished(finished)
