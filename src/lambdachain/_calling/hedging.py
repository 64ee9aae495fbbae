"""Hedging: a duplicate request is sent if there is no response after ``hedge_after`` seconds; the first success counts.

After gRPC's proposal A6. It costs a thread for each attempt, so only calls whose policy asks for it are sent this way.
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

from .attempts import AttemptRunner, CallState, Hook, PendingAttempt, Requeue, pause
from .prepared_call import PreparedCall
from .response import CallResponse


class _FinishedAttempt(NamedTuple):
    attempt: AttemptRunner
    result: Outcome | BaseException


def send_hedged(
    transport: Transport, call: PreparedCall, hooks: Sequence[Hook] = (), requeue: Requeue | None = None
) -> CallResponse:
    """Send a prepared call, and duplicates of it if it is late, until one succeeds or no other attempt is allowed.

    Attempts still in flight after the first success end by themselves, by the deadline of the call at the latest.

    Raises:
        CallError: The failure that ended the call.
    """
    state = CallState(call, clock.monotonic(), requeue)
    finished: SimpleQueue[_FinishedAttempt] = SimpleQueue()
    in_flight = 0
    while True:
        now = clock.monotonic()
        if not in_flight or state.may_hedge(now):
            _start_thread(AttemptRunner(transport, state, state.start_attempt(now)), hooks, finished)
            in_flight += 1
        # Without another hedge to send there is nothing to do before an attempt ends.
        done = _wait(finished, call.compiled.hedge_after if state.may_hedge(now) else None)
        while done is not None:
            in_flight -= 1
            response = _process(transport, state, done, is_last=not in_flight)
            if response is not None:
                return response
            done = _wait(finished, call.compiled.hedge_after) if in_flight else None


def _start_thread(attempt: AttemptRunner, hooks: Sequence[Hook], finished: SimpleQueue[_FinishedAttempt]) -> None:
    # A daemon: an attempt whose response nobody waits for must not keep the process from exiting.
    # The hooks and the transport see the context variables of the caller, such as the current invocation.
    threading.Thread(target=copy_context().run, args=(_run, attempt, hooks, finished), daemon=True).start()


def _run(attempt: AttemptRunner, hooks: Sequence[Hook], finished: SimpleQueue[_FinishedAttempt]) -> None:
    try:
        finished.put(_FinishedAttempt(attempt, attempt.run(hooks)))
    except BaseException as exc:  # noqa: BLE001 - it is raised again where the call was made
        finished.put(_FinishedAttempt(attempt, exc))


def _wait(finished: SimpleQueue[_FinishedAttempt], timeout: float | None) -> _FinishedAttempt | None:
    try:
        return finished.get(timeout=timeout)
    except Empty:
        return None


def process_result(
    state: CallState, attempt: PendingAttempt, result: Outcome | BaseException, *, is_last: bool
) -> CallResponse | float:
    """Record the result of an attempt; return the response, or the seconds to wait before the next attempt.

    Args:
        state: The call.
        attempt: The attempt that ended.
        result: What it ended with.
        is_last: Whether no other attempt is in flight.

    Raises:
        CallError: No other attempt is allowed.
        BaseException: An exception of a hook.
    """
    now = clock.monotonic()
    if isinstance(result, Outcome):
        return state.record_success(result, attempt, now)
    if not isinstance(result, CallError):
        raise result
    if is_last:
        return state.record_failure(result, attempt, now)
    state.record_hedged_failure(result, attempt, now)
    return 0.0


def _process(transport: Transport, state: CallState, done: _FinishedAttempt, *, is_last: bool) -> CallResponse | None:
    result = process_result(state, done.attempt, done.result, is_last=is_last)
    if isinstance(result, CallResponse):
        return result
    if is_last:
        pause(transport, result)
    return None
