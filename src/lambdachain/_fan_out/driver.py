"""A map as its consumer drives it: payloads are taken, and results given, in the consumer's own thread, on demand."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final

from lambdachain._calling.prepared_call import PreparedCall
from lambdachain._core import clock
from lambdachain._core.process_copies import check_process

from .concurrency_limit import Permit
from .executors import Executor
from .options import OnProgress
from .scheduler import DeferredCall, Job, MapScheduler

# Seconds that a source of payloads may take before answers are looked for.
_TURN: Final = 0.01

Prepare = Callable[[Any, float | None], PreparedCall | DeferredCall]
"""Makes a payload ready, given how many seconds the map has left; raises if it cannot be sent."""


def fan_out(
    scheduler: MapScheduler,
    executor: Executor,
    payloads: Iterator[Any],
    prepare: Prepare,
    on_progress: OnProgress | None,
) -> Generator[Any, None, None]:
    """Yield the results of a batch; closed early, start nothing more and wait for what is under way.

    Raises:
        BaseException: The failure that the batch ends with.
    """
    process = os.getpid()
    try:
        while True:
            check_process(process, "map")
            _settle(scheduler, executor, timeout=0)
            may_go_on = feed(scheduler, executor.start, payloads, prepare)
            result = scheduler.pop()
            if on_progress is not None:
                on_progress(scheduler.progress())
            if result is not None:
                yield result.value
            elif scheduler.is_over:
                break
            elif not may_go_on:
                _wait(scheduler, executor)
    except (KeyboardInterrupt, SystemExit):
        _let_go(scheduler, executor)
        raise
    except BaseException:
        _finish(scheduler, executor, process)
        raise
    _finish(scheduler, executor, process)
    if scheduler.ending is not None:
        raise scheduler.ending


class NotYetError(Exception):
    """The next payload is not there yet; raised by a source that would not block."""


def feed(scheduler: MapScheduler, start: Callable[[Job], None], payloads: Iterator[Any], prepare: Prepare) -> bool:
    """Start as many calls as may start.

    Returns:
        Whether more may: a source that takes its time is left for answers that may have come meanwhile.
    """
    began = now = clock.monotonic()
    scheduler.drop_late(now)
    while (permit := scheduler.admit(now)) is not None:
        try:
            job = scheduler.again(permit) or _new(scheduler, permit, payloads, prepare)
            if job is not None:
                start(job)
        except NotYetError:
            scheduler.unused(permit)
            return False
        except BaseException:
            scheduler.unused(permit)
            raise
        now = clock.monotonic()
        if now - began > _TURN:
            return True
    return False


def _new(scheduler: MapScheduler, permit: Permit, payloads: Iterator[Any], prepare: Prepare) -> Job | None:
    try:
        payload = next(payloads)
    except StopIteration:
        scheduler.exhausted(permit)
    except NotYetError:
        raise
    except Exception as exc:  # noqa: BLE001 - it is raised again behind the results of the payloads before it
        scheduler.exhausted(permit, exc)
    else:
        try:
            left = None if scheduler.deadline is None else scheduler.deadline - clock.monotonic()
            return scheduler.new(prepare(payload, left), permit)
        except Exception as exc:  # noqa: BLE001 - it is a result, or raised again where the map is consumed
            scheduler.refused(exc, permit)
    return None


def _wait(scheduler: MapScheduler, executor: Executor) -> None:
    """Wait until something may go on: a call has ended, or the time has passed that Lambda asked for."""
    timeout = scheduler.wait(clock.monotonic())
    if scheduler.under_way:
        _settle(scheduler, executor, timeout=timeout)
    elif timeout:
        executor.pause(timeout)


def _settle(scheduler: MapScheduler, executor: Executor, *, timeout: float | None) -> None:
    now = clock.monotonic
    for done in executor.ended(timeout=timeout):
        scheduler.finished(done, now())


def _finish(scheduler: MapScheduler, executor: Executor, process: int) -> None:
    """Wait for what is under way; whoever interrupts that, lets go of it."""
    if process != os.getpid():
        return
    if executor.works_here:  # the collector may drop a map in any thread, and none can wait for itself
        _let_go(scheduler, executor)
        return
    try:
        while scheduler.under_way:
            _settle(scheduler, executor, timeout=None)
    except BaseException:
        _let_go(scheduler, executor)
        raise
    executor.shutdown(wait=True)


def _let_go(scheduler: MapScheduler, executor: Executor) -> None:
    scheduler.abandon()
    executor.shutdown(wait=False)
