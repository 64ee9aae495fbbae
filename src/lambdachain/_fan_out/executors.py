"""Executors run the calls of one map over a blocking transport: in threads, or in the consumer's own thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

from lambdachain._calling.attempts import Hook, pause, send_with_retries
from lambdachain._calling.response import CallResponse
from lambdachain._core.invocation import Transport

from .scheduler import FinishedJob, Job, MapResult, RequeuePolicy, to_map_result


class Executor(Protocol):
    """Runs jobs, and returns them as they finish, in any order."""

    def start(self, job: Job) -> None:
        """Start a job."""
        ...

    def collect(self, *, timeout: float | None) -> list[FinishedJob]:
        """Return the jobs that have finished since the last call.

        Args:
            timeout: Seconds to wait for one if none has; 0 not to wait, ``None`` to wait for as long as it takes.
        """
        ...

    def pause(self, seconds: float) -> None:
        """Wait while nothing is in flight."""
        ...

    def shutdown(self, *, wait: bool) -> None:
        """End the workers. With *wait*, which is only for when nothing is in flight, wait until they have ended."""
        ...

    @property
    def runs_in_this_thread(self) -> bool:
        """Whether the current thread is one of the workers."""
        ...


class ThreadExecutor:
    """Runs jobs in threads, and starts another one if all are busy.

    Args:
        transport: The transport.
        hooks: The client's hooks, which run around each attempt.
    """

    def __init__(self, transport: Transport, hooks: Sequence[Hook]) -> None:
        self._transport = transport
        self._hooks = hooks
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._finished: SimpleQueue[FinishedJob] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._in_flight = 0

    def start(self, job: Job) -> None:
        """Start a job."""
        self._jobs.put(job)
        self._in_flight += 1
        if self._in_flight > len(self._threads):
            self._start_thread()

    def collect(self, *, timeout: float | None) -> list[FinishedJob]:
        """Return the jobs that have finished; see ``Executor.collect``."""
        found: list[FinishedJob] = []
        try:
            if timeout != 0:
                found.append(self._finished.get(timeout=timeout))
            while True:
                found.append(self._finished.get_nowait())
        except Empty:
            self._in_flight -= len(found)
            return found

    def pause(self, seconds: float) -> None:
        """Wait, as the transport does between two attempts."""
        pause(self._transport, seconds)

    def shutdown(self, *, wait: bool) -> None:
        """End the threads; see ``Executor.shutdown``."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    @property
    def runs_in_this_thread(self) -> bool:
        """Whether the current thread is one of the executor's."""
        return threading.current_thread() in self._threads

    def _start_thread(self) -> None:
        # Each thread gets the context of the consumer: the current invocation, with its deadline, and trace context.
        work = partial(copy_context().run, self._work)
        thread = threading.Thread(target=work, name="lambdachain-map", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads: those that have started do all the work
            if not self._threads:
                raise
        else:
            self._threads.append(thread)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._finished.put(_run(job, self._transport, self._hooks))


class InlineExecutor:
    """Runs jobs in the consumer's thread, over a transport that responds immediately: calls are in payload order.

    Args:
        transport: The transport.
        hooks: The client's hooks, which run around each attempt.
    """

    runs_in_this_thread = False

    def __init__(self, transport: Transport, hooks: Sequence[Hook]) -> None:
        self._transport = transport
        self._hooks = hooks
        self._jobs: list[Job] = []

    def start(self, job: Job) -> None:
        """Queue a job for ``collect``."""
        self._jobs.append(job)

    def collect(self, *, timeout: float | None) -> list[FinishedJob]:  # noqa: ARG002 - as Executor
        """Run the queued jobs; see ``Executor.collect``."""
        jobs, self._jobs = self._jobs, []
        return [_run(job, self._transport, self._hooks) for job in jobs]

    def pause(self, seconds: float) -> None:
        """Wait, as the transport does between two attempts."""
        pause(self._transport, seconds)

    def shutdown(self, *, wait: bool) -> None:
        """No-op: there are no workers."""


def _run(job: Job, transport: Transport, hooks: Sequence[Hook]) -> FinishedJob:
    try:
        if job.scope is None:
            return FinishedJob(job, _call(job, transport, hooks))
        return FinishedJob(job, job.scope.run(lambda: to_map_result(_call(job, transport, hooks))))
    except BaseException as exc:  # noqa: BLE001 - it is a result, or raised again where the map is consumed
        return FinishedJob(job, exc)


def _call(job: Job, transport: Transport, hooks: Sequence[Hook]) -> CallResponse | MapResult:
    return job.read(_send(job, transport, hooks))


def _send(job: Job, transport: Transport, hooks: Sequence[Hook]) -> CallResponse:
    requeue = RequeuePolicy(job).check
    if job.call.compiled.hedge_after is None:
        return send_with_retries(transport, job.call, hooks, requeue)
    from lambdachain._calling.hedging import send_hedged

    return send_hedged(transport, job.call, hooks, requeue)
