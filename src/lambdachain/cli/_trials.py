"""Trying handlers in the background, while the endpoint serves already."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

from lambdachain._service.place import Place
from lambdachain.local import LocalFunction
from lambdachain.local._trial import try_handlers


class Trials:
    """Loads handlers once each, in a thread, and tells of those that do not load.

    Args:
        place: The account and region.
        url: The endpoint's address.
        tell: Called in that thread with a function and why its handler does not load.
    """

    def __init__(self, place: Place, url: str, tell: Callable[[LocalFunction, str], None]) -> None:
        self._place = place
        self._url = url
        self._tell = tell
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lambdachain.trials", daemon=True)
        self._running: set[asyncio.Future[None]] = set()

    def start(self, functions: Sequence[LocalFunction]) -> None:
        """Begin to try functions."""
        if not functions:
            return
        if not self._thread.is_alive():
            self._thread.start()
        self._loop.call_soon_threadsafe(self._begin, functions)

    def stop(self) -> None:
        """End what is being tried."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._cancel(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def _begin(self, functions: Sequence[LocalFunction]) -> None:
        trial = asyncio.ensure_future(try_handlers(functions, self._place, self._url, self._tell))
        self._running.add(trial)
        trial.add_done_callback(self._running.discard)

    async def _cancel(self) -> None:
        for trial in self._running:
            trial.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
