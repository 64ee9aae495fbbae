"""The executor of one map in an event loop: a task for each call in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from lambdachain._calling.async_attempts import AsyncHook, send_hedged, send_with_retries
from lambdachain._core import clock
from lambdachain._core.invocation import AsyncTransport
from lambdachain._transports.async_adapter import in_thread
from lambdachain._transports.transport_override import responds_immediately

from .scheduler import Job, JobSteps, MapResult, MapScheduler, RequeuePolicy


class TaskExecutor:
    """Runs jobs in tasks. A task that has finished a job takes the next. Used in one event loop only.

    Args:
        scheduler: The scheduler.
        steps: What to do with each payload.
        transport: The transport.
        hooks: The client's hooks, which run around each attempt.
        on_finished: Called when a job has finished.
    """

    def __init__(
        self,
        scheduler: MapScheduler,
        steps: JobSteps,
        transport: AsyncTransport,
        hooks: Sequence[AsyncHook],
        on_finished: Callable[[], object],
    ) -> None:
        self._scheduler = scheduler
        self._steps = steps
        self._transport = transport
        self._hooks = hooks
        self._on_finished = on_finished
        self._tasks: set[asyncio.Task[None]] = set()
        # A test's transport that responds immediately runs jobs one after the other, in order: no task may take the
        # next one before the others have begun.
        self._keeps_order = responds_immediately(transport)

    def start(self, job: Job) -> None:
        """Start a job."""
        # A requeued job goes on in another task; its interceptors are left in the context that they were entered in.
        context = None if job.scope is None else job.scope.context
        task = asyncio.get_running_loop().create_task(self._work(job), context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self) -> None:
        """Cancel the jobs in flight."""
        for task in self._tasks:
            task.cancel()

    async def wait(self) -> None:
        """Wait until every task has ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, first: Job) -> None:
        job: Job | None = first
        while job is not None:
            try:
                result = await (self._call(job) if job.scope is None else job.scope.run_async(partial(self._call, job)))
            except asyncio.CancelledError as exc:  # not only by us: a hook may await a task that was cancelled
                self._finish(job, exc)
                raise
            except BaseException as exc:  # noqa: BLE001 - it is a result, or raised again where the map is consumed
                job = self._finish(job, exc)
            else:
                job = self._finish(job, result)

    def _finish(self, job: Job, result: MapResult | BaseException) -> Job | None:
        """Hand a result to the scheduler; return the job that the task goes on with, if any."""
        now = clock.monotonic()
        self._scheduler.finish(job, result, now)
        self._on_finished()
        following = None if isinstance(result, asyncio.CancelledError) else self._scheduler.next_job(now)
        if following is not None and (following.scope is not None or self._keeps_order):
            self.start(following)
            return None
        return following

    async def _call(self, job: Job) -> MapResult:
        # In a thread where it may wait for S3; but not over a test's transport, where jobs run in order.
        steps, in_threads = self._steps, self._steps.blocks and not self._keeps_order
        call = await in_thread(partial(steps.prepare_once, job)) if in_threads else steps.prepare_once(job)
        send = send_with_retries if call.compiled.hedge_after is None else send_hedged
        response = await send(self._transport, call, self._hooks, RequeuePolicy(job.permit, call).check)
        return MapResult(
            await in_thread(partial(steps.read, call, response)) if in_threads else steps.read(call, response)
        )
