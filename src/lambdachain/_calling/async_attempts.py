"""The attempts of one call, awaited: ``CallState`` decides, as it does for threads; this module sends and sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Any, cast

from lambdachain._core import clock
from lambdachain._core.errors import CallError, ContractError
from lambdachain._core.invocation import AsyncTransport, Invocation, NoAnswerError, Outcome

from .attempts import AttemptRequest, CallState, PendingAttempt, Reply, Requeue
from .hedging import process_result
from .prepared_call import PreparedCall
from .response import CallResponse

AsyncHook = Callable[[Invocation, Callable[[], Awaitable[Outcome]]], Awaitable[Outcome]]
"""A coroutine function around every attempt of an ``AsyncLambdaClient``: ``async def hook(invocation, proceed)`` awaits
``proceed()`` and returns its outcome; everything else is as for ``Hook``.
"""


async def send_with_retries(
    transport: AsyncTransport, call: PreparedCall, hooks: Sequence[AsyncHook] = (), requeue: Requeue | None = None
) -> CallResponse:
    """Send a prepared call until it succeeds, or no other attempt is allowed.

    Raises:
        CallError: The failure that ended the call.
    """
    now = clock.monotonic()
    state = CallState(call, now, requeue)
    while True:
        attempt = AsyncAttemptRunner(transport, state, state.start_attempt(now))
        try:
            # One coroutine less for the usual call, which has no hooks.
            outcome = await (attempt.run(hooks) if hooks else attempt.proceed())
        except CallError as exc:
            error = exc
        else:
            return state.record_success(outcome, attempt, clock.monotonic())
        await pause(transport, state.record_failure(error, attempt, clock.monotonic()))
        now = clock.monotonic()


async def send_hedged(
    transport: AsyncTransport, call: PreparedCall, hooks: Sequence[AsyncHook] = (), requeue: Requeue | None = None
) -> CallResponse:
    """Send a prepared call, and duplicates of it if it is late, until one succeeds or no other attempt is allowed.

    Attempts still in flight after the first success are cancelled here; at Lambda, they run to their end.

    Raises:
        CallError: The failure that ended the call.
    """
    state = CallState(call, clock.monotonic(), requeue)
    in_flight: dict[asyncio.Task[Outcome], AsyncAttemptRunner] = {}
    try:
        while True:
            now = clock.monotonic()
            if not in_flight or state.may_hedge(now):
                attempt = AsyncAttemptRunner(transport, state, state.start_attempt(now))
                in_flight[asyncio.create_task(attempt.run(hooks))] = attempt
            for task in await _wait_for_first(in_flight, call.compiled.hedge_after if state.may_hedge(now) else None):
                attempt = in_flight.pop(task)
                result = process_result(state, attempt, _result_of_task(task), is_last=not in_flight)
                if isinstance(result, CallResponse):
                    return result
                await pause(transport, result)
    finally:
        await _cancel(in_flight)


async def pause(transport: object, seconds: float) -> None:
    """Wait before the next attempt; a transport of a test may let the time pass without waiting."""
    skip: Callable[[float], None] | None = getattr(transport, "pause", None)
    if skip is not None:
        skip(seconds)
    elif seconds > 0:
        await asyncio.sleep(seconds)


class AsyncAttemptRunner(PendingAttempt):
    """An attempt that a coroutine waits for."""

    def __init__(self, transport: AsyncTransport, state: CallState, request: AttemptRequest) -> None:
        super().__init__(state, request)
        self._transport = transport

    async def run(self, hooks: Sequence[AsyncHook]) -> Outcome:
        """Send the attempt inside *hooks*, once, and return its success; see ``Hook`` for what may be raised."""
        if not hooks:
            return await self.proceed()
        running: Any = hooks[0](self.request.invocation, partial(self.run, hooks[1:]))
        if not isinstance(running, Awaitable):
            raise ContractError(
                f"{hooks[0]!r} is not a hook for AsyncLambdaClient: it must be async def, and await proceed()"
            )
        return await cast("Awaitable[Outcome]", running)

    async def proceed(self) -> Outcome:
        """Send the attempt, with no hooks around it."""
        self.begin()
        try:
            reply: Reply = await self._transport.send(self.request.invocation, timeout=self.request.timeout)
        except NoAnswerError as exc:
            reply = exc
        return self.raise_for_failure(reply)


async def _wait_for_first(
    tasks: Collection[asyncio.Task[Outcome]], seconds: float | None
) -> set[asyncio.Task[Outcome]]:
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    return done


def _result_of_task(task: asyncio.Task[Outcome]) -> Outcome | BaseException:
    return task.exception() or task.result()


async def _cancel(tasks: Collection[asyncio.Task[Outcome]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
