"""A blocking transport for an event loop: each call in a thread of its own, for what has no twin of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TypeVar

from ._invocation import Invocation, Outcome, Transport

T = TypeVar("T")


class InThreads:
    """Sends over *transport*, which blocks, so that a loop can await it.

    No pool of threads: functions that run in this process call each other, and would wait for each other's threads. A
    call that is cancelled is let go of at once, and its thread ends by itself.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as AsyncTransport
        """Send *invocation* once; see ``AsyncTransport.send``."""
        return await in_thread(partial(self._transport.send, invocation, timeout=timeout))

    async def close(self) -> None:
        """Close the transport; that does not wait for anything."""
        self._transport.close()

    def __repr__(self) -> str:
        return repr(self._transport)


async def in_thread(work: Callable[[], T]) -> T:
    """Do *work* in a thread of its own, in a copy of this context."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()
    context = copy_context()

    def run() -> None:
        try:
            tell = partial(_settle, ended, result=context.run(work))
        except BaseException as exc:  # noqa: BLE001 - it is raised again where the call was made
            tell = partial(_settle, ended, error=exc)
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=run, name="lambdachain-call", daemon=True).start()
    return await ended


def _settle(ended: asyncio.Future[T], *, result: T | None = None, error: BaseException | None = None) -> None:
    if ended.done():
        return
    if error is not None:
        ended.set_exception(error)
    else:
        ended.set_result(result)  # type: ignore[arg-type]
