"""Checks in the background whether handlers load, while the endpoint already serves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

from lambdachain._lambda_api.aws_location import AwsLocation
from lambdachain.local import LocalFunction
from lambdachain.local._handler_check import check_handlers


class HandlerChecker:
    """Loads each handler once, in a thread, and reports those that fail to load.

    Args:
        location: The account and region.
        url: The endpoint's address.
        on_failure: Called in that thread with a function and the reason why its handler does not load.
    """

    def __init__(self, location: AwsLocation, url: str, on_failure: Callable[[LocalFunction, str], None]) -> None:
        self._location = location
        self._url = url
        self._on_failure = on_failure
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_requested: asyncio.Event | None = None
        self._running: set[asyncio.Future[None]] = set()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._until_stopped()), name="lambdachain.handler_checks", daemon=True
        )
        self._thread.start()
        # Until the loop exists: start() and stop() are called from another thread.
        self._started.wait()

    def start(self, functions: Sequence[LocalFunction]) -> None:
        """Start checking the handlers of functions."""
        if functions and self._loop is not None:
            self._loop.call_soon_threadsafe(self._check, functions)

    def stop(self) -> None:
        """Cancel the checks that are running, and wait for their processes to end."""
        if self._loop is not None and self._stop_requested is not None:
            self._loop.call_soon_threadsafe(self._stop_requested.set)
        self._thread.join()

    def _check(self, functions: Sequence[LocalFunction]) -> None:
        check = asyncio.ensure_future(check_handlers(functions, self._location, self._url, self._on_failure))
        self._running.add(check)
        check.add_done_callback(self._running.discard)

    async def _until_stopped(self) -> None:
        self._loop, self._stop_requested = asyncio.get_running_loop(), asyncio.Event()
        self._started.set()
        await self._stop_requested.wait()
        for check in self._running:
            check.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
