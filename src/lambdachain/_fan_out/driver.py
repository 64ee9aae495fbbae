"""A map as its consumer drives it: payloads are taken, and results given, in the consumer's own thread, on demand."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final

from lambdachain._calling.prepared_call import Plan
from lambdachain._core import clock as _clock
from lambdachain._core.process_copies import check_process

from .concurrency_limit import Ticket
from .executors import Crew
from .options import OnProgress
from .scheduler import Batch, Job, Slow

# Seconds that a source of payloads may take before answers are looked for.
_TURN: Final = 0.01

Prepare = Callable[[Any, float | None], Plan | Slow]
"""Makes a payload ready, given how many seconds the map has left; raises if it cannot be sent."""


def fan_out(
    batch: Batch,
    crew: Crew,
    payloads: Iterator[Any],
    prepare: Prepare,
    on_progress: OnProgress | None,
) -> Generator[Any, None, None]:
    """Give the results of a batch; closed early, start nothing more and wait for what is under way.

    Raises:
        BaseException: The failure that the batch ends with.
    """
    process = os.getpid()
    try:
        while True:
            check_process(process, "map")
            _settle(batch, crew, timeout=0)
            may_go_on = feed(batch, crew.start, payloads, prepare)
            result = batch.pop()
            if on_progress is not None:
                on_progress(batch.progress())
            if result is not None:
                yield result.value
            elif batch.is_over:
                break
            elif not may_go_on:
                _wait(batch, crew)
    except (KeyboardInterrupt, SystemExit):
        _let_go(batch, crew)
        raise
    except BaseException:
        _finish(batch, crew, process)
        raise
    _finish(batch, crew, process)
    if batch.ending is not None:
        raise batch.ending


class NotYetError(Exception):
    """The next payload is not there yet; raised by a source that would not block."""


def feed(batch: Batch, start: Callable[[Job], None], payloads: Iterator[Any], prepare: Prepare) -> bool:
    """Start as many calls as may start.

    Returns:
        Whether more may: a source that takes its time is left for answers that may have come meanwhile.
    """
    began = now = _clock.monotonic()
    batch.drop_late(now)
    while (ticket := batch.admit(now)) is not None:
        try:
            job = batch.again(ticket) or _new(batch, ticket, payloads, prepare)
            if job is not None:
                start(job)
        except NotYetError:
            batch.unused(ticket)
            return False
        except BaseException:
            batch.unused(ticket)
            raise
        now = _clock.monotonic()
        if now - began > _TURN:
            return True
    return False


def _new(batch: Batch, ticket: Ticket, payloads: Iterator[Any], prepare: Prepare) -> Job | None:
    try:
        payload = next(payloads)
    except StopIteration:
        batch.exhausted(ticket)
    except NotYetError:
        raise
    except Exception as exc:  # noqa: BLE001 - it is raised again behind the results of the payloads before it
        batch.exhausted(ticket, exc)
    else:
        try:
            left = None if batch.deadline is None else batch.deadline - _clock.monotonic()
            return batch.new(prepare(payload, left), ticket)
        except Exception as exc:  # noqa: BLE001 - it is a result, or raised again where the map is consumed
            batch.refused(exc, ticket)
    return None


def _wait(batch: Batch, crew: Crew) -> None:
    """Wait until something may go on: a call has ended, or the time has passed that Lambda asked for."""
    timeout = batch.wait(_clock.monotonic())
    if batch.under_way:
        _settle(batch, crew, timeout=timeout)
    elif timeout:
        crew.pause(timeout)


def _settle(batch: Batch, crew: Crew, *, timeout: float | None) -> None:
    now = _clock.monotonic
    for done in crew.ended(timeout=timeout):
        batch.finished(done, now())


def _finish(batch: Batch, crew: Crew, process: int) -> None:
    """Wait for what is under way; whoever interrupts that, lets go of it."""
    if process != os.getpid():
        return
    if crew.works_here:  # the collector may drop a map in any thread, and none can wait for itself
        _let_go(batch, crew)
        return
    try:
        while batch.under_way:
            _settle(batch, crew, timeout=None)
    except BaseException:
        _let_go(batch, crew)
        raise
    crew.dismiss(wait=True)


def _let_go(batch: Batch, crew: Crew) -> None:
    batch.abandon()
    crew.dismiss(wait=False)
