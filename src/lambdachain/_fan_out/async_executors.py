"""The executor of one map in an event loop: a task for each call in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

from lambdachain._calling.async_attempts import AsyncHook, send_hedged, send_with_retries
from lambdachain._calling.prepared_call import PreparedCall
from lambdachain._calling.response import CallResponse
from lambdachain._core import clock
from lambdachain._core.invocation import AsyncTransport
from lambdachain._transports.async_adapter import in_thread
from lambdachain._transports.transport_override import responds_immediately

from .scheduler import Job, JobSteps, MapResult, MapScheduler

# The loop that they arrive in ends with them, as with those of any task.
_INTERRUPTS: Final = (KeyboardInterrupt, SystemExit)
# Jobs in a turn. The collector runs after so many new objects, less those freed since it last ran. A longer turn frees
# many calls before it creates as many: the collector then walks all calls in flight more often, and frees nothing.
MAX_TURN: Final = 128


class TaskExecutor:
    """Runs jobs in tasks, and starts the next ones when calls end. Used in one event loop only.

    Each step is done for several calls that have ended, one after the other: read the responses, prepare the next
    calls, send them. Call by call, they take a tenth more time, because the processor's caches hold one step.

    Args:
        scheduler: The scheduler.
        steps: What to do with each payload.
        transport: The transport.
        hooks: The client's hooks, which run around each attempt.
        on_finished: Called when jobs have finished, once for several.
        loop: The event loop.
    """

    def __init__(
        self,
        scheduler: MapScheduler,
        steps: JobSteps,
        transport: AsyncTransport,
        hooks: Sequence[AsyncHook],
        on_finished: Callable[[], object],
        *,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._scheduler = scheduler
        self._steps = steps
        self._transport = transport
        self._hooks = hooks
        self._on_finished = on_finished
        self._loop = loop
        self._tasks: dict[Job, asyncio.Task[None]] = {}
        self._ended: list[tuple[Job, CallResponse | MapResult | BaseException]] = []
        # Over a test's transport that responds immediately, time may pass in a call, and the next one begins after it.
        self._keeps_order = responds_immediately(transport)

    def start(self, job: Job) -> None:
        """Start a job."""
        if job.scope is not None:
            # A requeued job goes on in another task; its interceptors are left in the context they were entered in.
            work = job.scope.run_async(partial(self._run_all_steps, job))
            task = self._loop.create_task(self._work(job, work), context=job.scope.context)
        elif self._steps.blocks or self._keeps_order:
            task = self._loop.create_task(self._work(job, self._run_all_steps(job)))
        else:
            try:
                call = self._steps.prepare_once(job)
            except _INTERRUPTS:
                raise
            except BaseException as exc:  # noqa: BLE001 - it is a result, or raised again where the map is consumed
                self._end(job, exc)
                return
            task = self._loop.create_task(self._work(job, self._send(job, call)))
        if not task.done():  # an eager task factory may have run it to its end
            self._tasks[job] = task

    def cancel(self) -> None:
        """Cancel the jobs in flight."""
        for task in self._tasks.values():
            task.cancel()

    async def wait(self) -> None:
        """Wait until every task has ended, and hand their results to the scheduler."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        while self._ended:
            self._take_turn()

    async def _work(self, job: Job, work: Awaitable[CallResponse | MapResult]) -> None:
        result: CallResponse | MapResult | BaseException
        try:
            result = await work
        except asyncio.CancelledError as exc:  # not only by us: a hook may await a task that was cancelled elsewhere
            self._end(job, exc)
            raise
        except BaseException as exc:  # noqa: BLE001 - as above
            result = exc
        self._end(job, result)

    def _end(self, job: Job, result: CallResponse | MapResult | BaseException) -> None:
        self._tasks.pop(job, None)
        if not self._ended:
            self._loop.call_soon(self._take_turn)
        self._ended.append((job, result))

    def _take_turn(self) -> None:
        """Hand the results of jobs that have ended to the scheduler, and start the next ones."""
        if not self._ended:
            return
        ended, self._ended = self._ended[:MAX_TURN], self._ended[MAX_TURN:]
        if self._ended:
            self._loop.call_soon(self._take_turn)
        for job, result in ended:
            finished = self._read(job, result) if isinstance(result, CallResponse) else result
            self._scheduler.finish(job, finished, clock.monotonic())
        now = clock.monotonic()
        while (following := self._scheduler.next_job(now)) is not None:
            self.start(following)
        self._on_finished()

    def _read(self, job: Job, response: CallResponse) -> MapResult | BaseException:
        try:
            return MapResult(self._steps.read(self._steps.prepare_once(job), response))
        except _INTERRUPTS:
            raise
        except BaseException as exc:  # noqa: BLE001 - as above
            return exc

    def _send(self, job: Job, call: PreparedCall) -> Coroutine[Any, Any, CallResponse]:
        send = send_with_retries if call.compiled.hedge_after is None else send_hedged
        return send(self._transport, call, self._hooks, job.check_throttle)

    async def _run_all_steps(self, job: Job) -> MapResult:
        """Prepare, send and read: in a thread where that may wait for S3, but not over a test's transport."""
        steps, in_threads = self._steps, self._steps.blocks and not self._keeps_order
        call = await in_thread(partial(steps.prepare_once, job)) if in_threads else steps.prepare_once(job)
        response = await self._send(job, call)
        read = partial(steps.read, call, response)
        return MapResult(await in_thread(read) if in_threads else read())
