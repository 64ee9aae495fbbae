"""The attempts of one call, awaited: ``CallState`` decides, as it does for threads; here is who sends and sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Any, cast

from lambdachain._core import clock
from lambdachain._core.errors import CallError, ContractError
from lambdachain._core.invocation import AsyncTransport, Invocation, NoAnswerError, Outcome

from .attempts import AttemptRequest, CallState, PendingAttempt, Reply
from .hedging import settled
from .prepared_call import PreparedCall
from .response import Answer

AsyncHook = Callable[[Invocation, Callable[[], Awaitable[Outcome]]], Awaitable[Outcome]]
"""What stands around every attempt of an ``AsyncLambdaClient``: ``async def hook(invocation, proceed)`` awaits
``proceed()`` and gives its outcome; all else is as with ``Hook``.
"""


async def send_with_retries(transport: AsyncTransport, plan: PreparedCall, hooks: Sequence[AsyncHook] = ()) -> Answer:
    """Send a planned call until it succeeds, or may not be sent again.

    Raises:
        CallError: Whatever kept the call from succeeding.
    """
    course = CallState(plan, clock.monotonic())
    while True:
        going = AsyncAttemptRunner(transport, course, course.next(clock.monotonic()))
        try:
            outcome = await (going.through(hooks) if hooks else going.proceed())
        except CallError as exc:
            error = exc
        else:
            return course.succeeded(outcome, going, clock.monotonic())
        await pause(transport, course.failed(error, going, clock.monotonic()))


async def send_hedged(transport: AsyncTransport, plan: PreparedCall, hooks: Sequence[AsyncHook] = ()) -> Answer:
    """Send a planned call, beside itself where it is late, until an attempt succeeds or there may be no other.

    What is still under way when an answer has come is let go of; at Lambda it runs to its end.

    Raises:
        CallError: Whatever kept the call from succeeding.
    """
    course = CallState(plan, clock.monotonic())
    under_way: dict[asyncio.Task[Outcome], AsyncAttemptRunner] = {}
    try:
        while True:
            now = clock.monotonic()
            if not under_way or course.may_hedge(now):
                going = AsyncAttemptRunner(transport, course, course.next(now))
                under_way[asyncio.create_task(going.through(hooks))] = going
            for ended in await _ended(under_way, plan.hedge_after if course.may_hedge(now) else None):
                going = under_way.pop(ended)
                answer = settled(course, going, _result(ended), alone=not under_way)
                if isinstance(answer, Answer):
                    return answer
                await pause(transport, answer)
    finally:
        await _let_go(under_way)


async def pause(transport: object, seconds: float) -> None:
    """Wait before the next attempt; a transport that is not real lets the time pass without."""
    skip: Callable[[float], None] | None = getattr(transport, "pause", None)
    if skip is not None:
        skip(seconds)
    elif seconds > 0:
        await asyncio.sleep(seconds)


class AsyncAttemptRunner(PendingAttempt):
    """An attempt that a coroutine waits for."""

    def __init__(self, transport: AsyncTransport, course: CallState, send: AttemptRequest) -> None:
        super().__init__(course, send)
        self._transport = transport

    async def through(self, hooks: Sequence[AsyncHook]) -> Outcome:
        """Send the attempt inside *hooks*, once, and take its success; see ``Hook`` for what may be raised."""
        if not hooks:
            return await self.proceed()
        inside: Any = hooks[0](self.send.invocation, partial(self.through, hooks[1:]))
        if not isinstance(inside, Awaitable):
            raise ContractError(
                f"{hooks[0]!r} is no hook for an AsyncLambdaClient: it needs async def, and await proceed()"
            )
        return cast("Outcome", await inside)

    async def proceed(self) -> Outcome:
        """Send the attempt, with no hooks around it."""
        self.begin()
        try:
            reply: Reply = await self._transport.send(self.send.invocation, timeout=self.send.timeout)
        except NoAnswerError as exc:
            reply = exc
        return self.judged(reply)


async def _ended(tasks: Collection[asyncio.Task[Outcome]], patience: float | None) -> set[asyncio.Task[Outcome]]:
    done, _ = await asyncio.wait(tasks, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    return done


def _result(ended: asyncio.Task[Outcome]) -> Outcome | BaseException:
    return ended.exception() or ended.result()


async def _let_go(tasks: Collection[asyncio.Task[Outcome]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
