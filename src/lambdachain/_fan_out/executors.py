"""Executors run the calls of one map over a blocking transport: in threads, or in the consumer's own thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

from lambdachain._calling.attempts import Hook, pause, send_with_retries
from lambdachain._core import clock
from lambdachain._core.invocation import Transport

from .scheduler import Job, JobSteps, MapResult, MapScheduler


class Executor(Protocol):
    """Runs jobs, and hands their results to the scheduler."""

    def start(self, job: Job) -> None:
        """Start a job."""
        ...

    def wait(self, timeout: float | None) -> None:
        """Wait until a job has finished since the last call, at most *timeout* seconds."""
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


def wait_for_news(news: SimpleQueue[None], timeout: float | None) -> None:
    """Wait for an item, at most *timeout* seconds, and take all that are there: they say the same."""
    with suppress(Empty):
        news.get(timeout=timeout)
        while True:
            news.get_nowait()


class ThreadExecutor:
    """Runs jobs in threads, and starts another one if all are busy. A thread that has finished a job takes the next.

    Args:
        scheduler: The scheduler.
        steps: What to do with each payload.
        transport: The transport.
        hooks: The client's hooks, which run around each attempt.
    """

    def __init__(self, scheduler: MapScheduler, steps: JobSteps, transport: Transport, hooks: Sequence[Hook]) -> None:
        self._scheduler = scheduler
        self._transport = transport
        self._run_job = partial(_run, steps=steps, transport=transport, hooks=hooks)
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        # One item for each job that has finished.
        self._finished: SimpleQueue[None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self, job: Job) -> None:
        """Start a job."""
        self._jobs.put(job)
        if self._scheduler.in_flight > len(self._threads):
            self._start_thread()

    def wait(self, timeout: float | None) -> None:
        """Wait until a job has finished; see ``Executor.wait``."""
        wait_for_news(self._finished, timeout)

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
            result = self._run_job(job)
            now = clock.monotonic()
            self._scheduler.finish(job, result, now)
            if (following := self._scheduler.next_job(now)) is not None:
                self._jobs.put(following)  # behind the jobs that wait for a thread already
            self._finished.put(None)


class InlineExecutor:
    """Runs jobs in the consumer's thread, over a transport that responds immediately: calls are in payload order.

    Args:
        scheduler: The scheduler.
        steps: What to do with each payload.
        transport: The transport.
        hooks: The client's hooks, which run around each attempt.
    """

    runs_in_this_thread = False

    def __init__(self, scheduler: MapScheduler, steps: JobSteps, transport: Transport, hooks: Sequence[Hook]) -> None:
        self._scheduler = scheduler
        self._transport = transport
        self._run_job = partial(_run, steps=steps, transport=transport, hooks=hooks)
        self._jobs: list[Job] = []

    def start(self, job: Job) -> None:
        """Queue a job for ``wait``."""
        self._jobs.append(job)

    def wait(self, timeout: float | None) -> None:  # noqa: ARG002 - as Executor
        """Run the queued jobs; see ``Executor.wait``."""
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            self._scheduler.finish(job, self._run_job(job), clock.monotonic())

    def pause(self, seconds: float) -> None:
        """Wait, as the transport does between two attempts."""
        pause(self._transport, seconds)

    def shutdown(self, *, wait: bool) -> None:
        """No-op: there are no workers."""


def _run(job: Job, steps: JobSteps, transport: Transport, hooks: Sequence[Hook]) -> MapResult | BaseException:
    try:
        if job.scope is None:
            return _call(job, steps, transport, hooks)
        return job.scope.run(lambda: _call(job, steps, transport, hooks))
    except BaseException as exc:  # noqa: BLE001 - it is a result, or raised again where the map is consumed
        return exc


def _call(job: Job, steps: JobSteps, transport: Transport, hooks: Sequence[Hook]) -> MapResult:
    call = steps.prepare_once(job)
    if call.compiled.hedge_after is None:
        return MapResult(steps.read(call, send_with_retries(transport, call, hooks, job.check_throttle)))
    from lambdachain._calling.hedging import send_hedged

    return MapResult(steps.read(call, send_hedged(transport, call, hooks, job.check_throttle)))
