"""Run a map for a blocking consumer: payloads are taken and results yielded on demand, in the consumer's own thread.

Between two results, workers start the calls of the payloads that have been taken: they do not wait for the consumer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final

from lambdachain._core import clock
from lambdachain._core.fork_hooks import check_process

from .executors import Executor
from .options import OnProgress
from .scheduler import Job, JobScope, MapScheduler

# Seconds of taking payloads from a slow iterator after which finished calls are looked for.
_MAX_TAKING_SECONDS: Final = 0.01

Enter = Callable[[Any], JobScope | None]
"""Returns what stands around the call of a payload; see ``JobSteps``."""


def fan_out(
    scheduler: MapScheduler,
    executor: Executor,
    payloads: Iterator[Any],
    enter: Enter,
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
            can_take_more = start_calls(scheduler, executor.start, payloads, enter)
            result = scheduler.pop()
            if on_progress is not None:
                on_progress(scheduler.progress())
            if result is not None:
                # No payload is taken until the consumer asks for the next result: backpressure.
                yield result.value
            elif scheduler.is_done:
                break
            elif not can_take_more:
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


def start_calls(scheduler: MapScheduler, start: Callable[[Job], None], payloads: Iterator[Any], enter: Enter) -> bool:
    """Start as many calls as may start now, and take payloads for those that may start next.

    Returns:
        Whether there is more to take: a slow iterator of payloads is interrupted to look for finished calls.
    """
    now = clock.monotonic()
    seconds_taking = 0.0
    scheduler.expire_requeued(now)
    while True:
        while (job := scheduler.next_job(now)) is not None:
            try:
                start(job)
            except Exception as exc:
                scheduler.finish(job, exc, now)
                raise
        if seconds_taking > _MAX_TAKING_SECONDS:
            return True
        if not scheduler.wants_payload(now):
            return False
        before = clock.monotonic()
        try:
            payload = next(payloads)
        except StopIteration:
            scheduler.end_source()
        except PayloadNotReadyError:
            return False
        except Exception as exc:  # noqa: BLE001 - it is raised again after the results of the payloads before it
            scheduler.end_source(exc)
        else:
            scheduler.offer(payload, enter(payload))
        now = clock.monotonic()
        seconds_taking += now - before


def _wait(scheduler: MapScheduler, executor: Executor) -> None:
    """Wait until a call has ended, or the pause is over that Lambda asked for."""
    timeout = scheduler.seconds_to_wait(clock.monotonic())
    if scheduler.in_flight:
        executor.wait(timeout)
    elif timeout:
        executor.pause(timeout)


def _finish(scheduler: MapScheduler, executor: Executor, process: int) -> None:
    """Wait for the calls in flight; if that is interrupted, abandon them."""
    if process != os.getpid():  # a fork has a copy of the generator: the calls in flight are the parent's
        return
    # The collector may close a map in any thread, and none can wait for itself; or when the interpreter ends, and no
    # other thread runs any more.
    if executor.runs_in_this_thread or sys.is_finalizing():
        _abandon(scheduler, executor)
        return
    scheduler.stop()
    try:
        while scheduler.in_flight:
            executor.wait(None)
    except BaseException:
        _abandon(scheduler, executor)
        raise
    executor.shutdown(wait=True)
    scheduler.drop_requeued()


def _abandon(scheduler: MapScheduler, executor: Executor) -> None:
    scheduler.abandon()
    executor.shutdown(wait=False)
    scheduler.drop_requeued()
