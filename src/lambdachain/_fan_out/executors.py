"""What carries out the calls of one map over a transport that blocks: threads, or its consumer's own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from lambdachain._calling.attempts import Hook, pause, send_with_retries
from lambdachain._calling.response import CallResponse as Answer
from lambdachain._core.invocation import Invocation, Outcome, Transport

from .scheduler import Done, FirstRefusal, Job


class Executor(Protocol):
    """What carries out jobs for a consumer that waits for none in particular."""

    def start(self, job: Job) -> None:
        """Begin a job."""
        ...

    def ended(self, *, timeout: float | None) -> list[Done]:
        """Return the jobs that have ended: wait for one, at most *timeout* seconds, or for ever."""
        ...

    def pause(self, seconds: float) -> None:
        """Let time pass while nothing is under way."""
        ...

    def shutdown(self, *, wait: bool) -> None:
        """Let go of the crew, and *wait* until it is gone; nothing is to be under way then."""
        ...

    @property
    def works_here(self) -> bool:
        """Whether this thread is one of the crew's."""
        ...


class ThreadExecutor:
    """A crew of threads; one more is hired where all are busy.

    Args:
        transport: What sends.
        hooks: What stands around each attempt.
    """

    def __init__(self, transport: Transport, hooks: Sequence[Hook]) -> None:
        self._transport = transport
        self._hooks = hooks
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._done: SimpleQueue[Done] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._under_way = 0

    def start(self, job: Job) -> None:
        """Begin a job."""
        self._jobs.put(job)
        self._under_way += 1
        if self._under_way > len(self._threads):
            self._start_thread()

    def ended(self, *, timeout: float | None) -> list[Done]:
        """Return the jobs that have ended; see ``Executor.ended``."""
        found: list[Done] = []
        try:
            if timeout != 0:
                found.append(self._done.get(timeout=timeout))
            while True:
                found.append(self._done.get_nowait())
        except Empty:
            self._under_way -= len(found)
            return found

    def pause(self, seconds: float) -> None:
        """Let time pass, as the transport does between two attempts."""
        pause(self._transport, seconds)

    def shutdown(self, *, wait: bool) -> None:
        """Let the threads end; see ``Executor.dismiss``."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    @property
    def works_here(self) -> bool:
        """Whether this thread is one of the crew's."""
        return threading.current_thread() in self._threads

    def _start_thread(self) -> None:
        work = partial(copy_context().run, self._work)
        thread = threading.Thread(target=work, name="lambdachain-map", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads: those that there are do it one after the other
            if not self._threads:
                raise
        else:
            self._threads.append(thread)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._done.put(_carried_out(job, self._transport, self._hooks))


class InlineExecutor:
    """No crew at all, for a transport that keeps nobody waiting: calls come in the order of their payloads.

    Args:
        transport: What sends.
        hooks: What stands around each attempt.
    """

    works_here = False

    def __init__(self, transport: Transport, hooks: Sequence[Hook]) -> None:
        self._transport = transport
        self._hooks = hooks
        self._jobs: list[Job] = []

    def start(self, job: Job) -> None:
        """Accept a job."""
        self._jobs.append(job)

    def ended(self, *, timeout: float | None) -> list[Done]:  # noqa: ARG002 - as Crew
        """Run the jobs; see ``Executor.ended``."""
        jobs, self._jobs = self._jobs, []
        return [_carried_out(job, self._transport, self._hooks) for job in jobs]

    def pause(self, seconds: float) -> None:
        """Let time pass, as the transport does between two attempts."""
        pause(self._transport, seconds)

    def shutdown(self, *, wait: bool) -> None:
        """No-op: there is nobody."""


def _carried_out(job: Job, transport: Transport, hooks: Sequence[Hook]) -> Done:
    try:
        return Done(job, job.read(_performed(job, ThrottleAwareTransport(transport, job), hooks)))
    except BaseException as exc:  # noqa: BLE001 - it is a result, or raised again where the map is consumed
        return Done(job, exc)


def _performed(job: Job, transport: ThrottleAwareTransport, hooks: Sequence[Hook]) -> Answer:
    if job.plan.hedge_after is None:
        return send_with_retries(transport, job.plan, hooks)
    from lambdachain._calling.hedging import send_hedged

    return send_hedged(transport, job.plan, hooks)


class ThrottleAwareTransport:
    """A transport, as the attempts of one job see it: what is throttled may be taken back by its map."""

    def __init__(self, transport: Transport, job: Job) -> None:
        self._transport = transport
        self._refusal: Final = FirstRefusal(job)

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Send once; see ``Transport.send``."""
        self._refusal.sending()
        return self._refusal.check(self._transport.send(invocation, timeout=timeout))

    def pause(self, seconds: float) -> None:
        """Wait between two attempts, as the transport does."""
        pause(self._transport, seconds)

    def close(self) -> None:
        """No-op: the transport is not this one's."""
