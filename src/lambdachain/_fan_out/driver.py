"""Run a map for a blocking consumer: payloads are taken and results yielded on demand, in the consumer's own thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final

from lambdachain._calling.prepared_call import PreparedCall
from lambdachain._core import clock
from lambdachain._core.fork_hooks import check_process

from .concurrency_limit import Permit
from .executors import Executor
from .options import OnProgress
from .scheduler import DeferredCall, Job, MapScheduler

# Seconds of taking payloads from a slow iterator after which finished calls are looked for.
_MAX_START_SECONDS: Final = 0.01

Prepare = Callable[[Any, float | None], PreparedCall | DeferredCall]
"""Prepares the call of a payload, given how many seconds the map has left; raises if it cannot be sent."""


def fan_out(
    scheduler: MapScheduler,
    executor: Executor,
    payloads: Iterator[Any],
    prepare: Prepare,
    on_progress: OnProgress | None,
) -> Generator[Any, None, None]:
    """Yield the results of a map. If closed early, start nothing more and wait for the calls in flight.

    Raises:
        BaseException: The error that ends the map.
    """
    process = os.getpid()
    try:
        while True:
            check_process(process, "map")
            _collect(scheduler, executor, timeout=0)
            can_start_more = start_calls(scheduler, executor.start, payloads, prepare)
            result = scheduler.pop()
            if on_progress is not None:
                on_progress(scheduler.progress())
            if result is not None:
                # No call is started until the consumer asks for the next result: backpressure.
                yield result.value
            elif scheduler.is_done:
                break
            elif not can_start_more:
                _wait(scheduler, executor)
    except (KeyboardInterrupt, SystemExit):
        # The program is to end now, so do not wait for calls that may take minutes.
        _abandon(scheduler, executor)
        raise
    except BaseException:
        _finish(scheduler, executor, process)
        raise
    _finish(scheduler, executor, process)
    if scheduler.error is not None:
        raise scheduler.error


class PayloadNotReadyError(Exception):
    """The next payload is not there yet. Raised by an iterator that does not block."""


def start_calls(
    scheduler: MapScheduler, start: Callable[[Job], None], payloads: Iterator[Any], prepare: Prepare
) -> bool:
    """Start as many calls as may start now.

    Returns:
        Whether more may start: a slow iterator of payloads is interrupted to look for finished calls.
    """
    began = now = clock.monotonic()
    scheduler.expire_requeued(now)
    while (permit := scheduler.acquire(now)) is not None:
        try:
            job = scheduler.pop_requeued(permit) or _create_job(scheduler, permit, payloads, prepare)
            if job is not None:
                start(job)
        except PayloadNotReadyError:
            scheduler.release(permit)
            return False
        except BaseException:
            scheduler.release(permit)
            raise
        now = clock.monotonic()
        if now - began > _MAX_START_SECONDS:
            return True
    return False


def _create_job(scheduler: MapScheduler, permit: Permit, payloads: Iterator[Any], prepare: Prepare) -> Job | None:
    try:
        payload = next(payloads)
    except StopIteration:
        scheduler.source_done(permit)
    except PayloadNotReadyError:
        raise
    except Exception as exc:  # noqa: BLE001 - it is raised again after the results of the payloads before it
        scheduler.source_done(permit, exc)
    else:
        try:
            left = None if scheduler.deadline is None else scheduler.deadline - clock.monotonic()
            return scheduler.create_job(prepare(payload, left), permit)
        except Exception as exc:  # noqa: BLE001 - it is a result, or raised again where the map is consumed
            scheduler.reject(exc, permit)
    return None


def _wait(scheduler: MapScheduler, executor: Executor) -> None:
    """Wait until a call has ended, or the pause is over that Lambda asked for."""
    timeout = scheduler.seconds_to_wait(clock.monotonic())
    if scheduler.in_flight:
        _collect(scheduler, executor, timeout=timeout)
    elif timeout:
        executor.pause(timeout)


def _collect(scheduler: MapScheduler, executor: Executor, *, timeout: float | None) -> None:
    now = clock.monotonic
    for finished in executor.collect(timeout=timeout):
        scheduler.complete(finished, now())


def _finish(scheduler: MapScheduler, executor: Executor, process: int) -> None:
    """Wait for the calls in flight; if that is interrupted, abandon them."""
    if process != os.getpid():  # a fork has a copy of the generator: the calls in flight are the parent's
        return
    if executor.runs_in_this_thread:  # the collector may close a map in any thread, and none can wait for itself
        _abandon(scheduler, executor)
        return
    try:
        while scheduler.in_flight:
            _collect(scheduler, executor, timeout=None)
    except BaseException:
        _abandon(scheduler, executor)
        raise
    executor.shutdown(wait=True)
    scheduler.drop_requeued()


def _abandon(scheduler: MapScheduler, executor: Executor) -> None:
    scheduler.abandon()
    executor.shutdown(wait=False)
    scheduler.drop_requeued()
