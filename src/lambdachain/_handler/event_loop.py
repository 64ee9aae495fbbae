"""The event loop of coroutine handlers: one per thread, kept from one invocation to the next.

Sessions and connection pools that a handler opened in the loop stay usable while the execution environment is warm.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from lambdachain._core.errors import ContractError

T = TypeVar("T")

_kept = threading.local()


def run(start: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
    """Run a coroutine in this thread's loop and return its result.

    Raises:
        ContractError: A loop is running in this thread already.
    """
    if _is_loop_running():
        raise ContractError(
            "an async handler cannot be run inside an event loop: await handler.function(request) instead"
        )
    # In a copy of the context: what one invocation sets must not reach the next one.
    return _runner().run(start(*arguments), context=contextvars.copy_context())


def open() -> None:  # noqa: A001 - the opposite of close
    """Open this thread's loop before anything runs in it, so that ``asyncio.get_event_loop()`` finds it."""
    _runner().get_loop()


def _runner() -> asyncio.Runner:
    runner: asyncio.Runner | None = getattr(_kept, "runner", None)
    if runner is None or runner.get_loop().is_closed():  # a handler may close the loop that it finds in its thread
        close()
        runner = _kept.runner = asyncio.Runner()
        _kept.at_exit = atexit.register(partial(_close_if_idle, runner))
    return runner


def _close_if_idle(runner: asyncio.Runner) -> None:
    """Close a loop at exit, unless a thread still runs it: that loop ends with its thread."""
    if not runner.get_loop().is_running():
        # asyncio waits for the threads of its executor in a thread of its own, which CPython 3.12.0 and 3.12.1 do not
        # start at exit. They have ended by then, and the loop is closed in spite of it.
        with suppress(RuntimeError):
            _close(runner)


def close() -> None:
    """Close this thread's loop, if it has one, before the thread ends."""
    runner: asyncio.Runner | None = getattr(_kept, "runner", None)
    if runner is not None:
        atexit.unregister(_kept.at_exit)
        del _kept.runner, _kept.at_exit
        _close(runner)


def _close(runner: asyncio.Runner) -> None:
    """Close a runner, unless the handler has closed its loop: closing it again would raise."""
    if not runner.get_loop().is_closed():
        runner.close()


def _is_loop_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
