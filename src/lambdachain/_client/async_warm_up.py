"""``AsyncLambdaClient.warm_up()``: as ``warm_up``, in an event loop, to which the connections belong."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Iterable
from functools import partial
from typing import Any

from lambdachain._transports.transport_override import WARM_UP

from .async_invoker import AsyncInvoker
from .warm_up import DEFAULT_REGION, WARM_UP_TIMEOUT, compile_targets, log, remember


async def warm_up(invoker: AsyncInvoker, targets: tuple[object, ...]) -> None:
    """Compile *targets*, and open a connection for each of their regions; without targets, for the default region."""
    regions = compile_targets(invoker, targets)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError as exc:  # trio's, in which a transport to AWS cannot connect
        log(DEFAULT_REGION, exc, time.monotonic())
        return
    remember(invoker, regions, partial(_reconnect, weakref.ref(loop)))
    await _connect_all(invoker, regions)


async def _connect_all(invoker: AsyncInvoker, regions: Iterable[str | None]) -> None:
    deadline = time.monotonic() + WARM_UP_TIMEOUT
    tasks = [asyncio.ensure_future(_connect(invoker, region, deadline)) for region in regions]
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=WARM_UP_TIMEOUT)
    finally:
        for task in tasks:
            task.cancel()


async def _connect(invoker: AsyncInvoker, region: str | None, deadline: float) -> None:
    began = time.monotonic()
    error: BaseException | None = None
    try:
        connect: Any = getattr(invoker.get_transport(WARM_UP), "warm_up", None)
        if connect is not None:
            await connect(region, timeout=max(deadline - began, 0.0))
    except asyncio.CancelledError as exc:
        error = exc
        raise
    except Exception as exc:  # noqa: BLE001 - logged: the first call raises it, unless it has passed by then
        error = exc
    finally:
        log(region or DEFAULT_REGION, error, began)


def _reconnect(
    loop_reference: weakref.ref[asyncio.AbstractEventLoop], invoker: AsyncInvoker, regions: Iterable[str | None]
) -> None:
    """Connect again in the same loop, if it is kept and does not run now; calls in another one have to connect."""
    loop = loop_reference()
    if loop is not None and not loop.is_closed() and not loop.is_running():
        loop.run_until_complete(_connect_all(invoker, regions))
