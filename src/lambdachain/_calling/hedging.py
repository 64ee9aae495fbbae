"""Hedging: a call that may run twice is sent once more beside itself where its answer is late; the first one counts.

After gRPC's proposal A6. It costs a thread for each attempt, so only calls go this way whose policy asks for it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import NamedTuple

from lambdachain._core import clock
from lambdachain._core.errors import CallError
from lambdachain._core.invocation import Outcome, Transport

from .attempts import AttemptRunner, CallState, Hook, PendingAttempt, pause
from .prepared_call import PreparedCall
from .response import Answer


class _Done(NamedTuple):
    going: AttemptRunner
    result: Outcome | BaseException


def send_hedged(transport: Transport, plan: PreparedCall, hooks: Sequence[Hook] = ()) -> Answer:
    """Send a planned call, beside itself where it is late, until an attempt succeeds or there may be no other.

    What is still under way when an answer has come is left to end by itself, by the call's deadline at the latest.

    Raises:
        CallError: Whatever kept the call from succeeding.
    """
    course = CallState(plan, clock.monotonic())
    done: SimpleQueue[_Done] = SimpleQueue()
    under_way = 0
    while True:
        now = clock.monotonic()
        if not under_way or course.may_hedge(now):
            _launch(AttemptRunner(transport, course, course.next(now)), hooks, done)
            under_way += 1
        ended = _next(done, plan.hedge_after if course.may_hedge(now) else None)
        while ended is not None:
            under_way -= 1
            answer = _taken(transport, course, ended, alone=not under_way)
            if answer is not None:
                return answer
            ended = _next(done, plan.hedge_after) if under_way else None


def _launch(going: AttemptRunner, hooks: Sequence[Hook], done: SimpleQueue[_Done]) -> None:
    threading.Thread(target=copy_context().run, args=(_run, going, hooks, done), daemon=True).start()


def _run(going: AttemptRunner, hooks: Sequence[Hook], done: SimpleQueue[_Done]) -> None:
    try:
        done.put(_Done(going, going.through(hooks)))
    except BaseException as exc:  # noqa: BLE001 - it is raised again where the call was made
        done.put(_Done(going, exc))


def _next(done: SimpleQueue[_Done], patience: float | None) -> _Done | None:
    try:
        return done.get(timeout=patience)
    except Empty:
        return None


def settled(
    course: CallState, going: PendingAttempt, result: Outcome | BaseException, *, alone: bool
) -> Answer | float:
    """Process what came of an attempt: the answer, or how many seconds to wait before anything else is done.

    Raises:
        CallError: There shall be no other attempt.
        BaseException: A hook's own.
    """
    now = clock.monotonic()
    if isinstance(result, Outcome):
        return course.succeeded(result, going, now)
    if not isinstance(result, CallError):
        raise result
    if alone:
        return course.failed(result, going, now)
    course.failed_beside(result, going, now)
    return 0.0


def _taken(transport: Transport, course: CallState, ended: _Done, *, alone: bool) -> Answer | None:
    answer = settled(course, ended.going, ended.result, alone=alone)
    if isinstance(answer, Answer):
        return answer
    if alone:
        pause(transport, answer)
    return None
