"""Trying handlers in the background, while the endpoint serves already."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

from lambdachain._lambda_api.aws_location import AwsLocation
from lambdachain.local import LocalFunction
from lambdachain.local._handler_check import try_handlers


class Trials:
    """Loads handlers once each, in a thread, and tells of those that do not load.

    Args:
        place: The account and region.
        url: The endpoint's address.
        tell: Called in that thread with a function and why its handler does not load.
    """

    def __init__(self, place: AwsLocation, url: str, tell: Callable[[LocalFunction, str], None]) -> None:
        self._place = place
        self._url = url
        self._tell = tell
        self._begun = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._running: set[asyncio.Future[None]] = set()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._until_stopped()), name="lambdachain.trials", daemon=True
        )
        self._thread.start()
        self._begun.wait()

    def start(self, functions: Sequence[LocalFunction]) -> None:
        """Begin to try functions."""
        if functions and self._loop is not None:
            self._loop.call_soon_threadsafe(self._try, functions)

    def stop(self) -> None:
        """End what is being tried."""
        if self._loop is not None and self._end is not None:
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _try(self, functions: Sequence[LocalFunction]) -> None:
        trial = asyncio.ensure_future(try_handlers(functions, self._place, self._url, self._tell))
        self._running.add(trial)
        trial.add_done_callback(self._running.discard)

    async def _until_stopped(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._begun.set()
        await self._end.wait()
        for trial in self._running:
            trial.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
