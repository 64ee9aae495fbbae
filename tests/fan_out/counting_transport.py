"""A transport that counts the calls in flight, throttles beyond a capacity, and responds in any order."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

from lambdachain import Invocation, Outcome

PATIENCE = 20.0  # guards a hang; no test waits for it
THROTTLED = Outcome(429, error_code="TooManyRequestsException", error_message="Rate Exceeded.", request_id="r-429")


def answer(value: object) -> Outcome:
    """Return the response of a function that returns *value*."""
    return Outcome(200, json.dumps(value).encode(), executed_version="1", request_id="r-200")


class CountingTransport:
    """Returns twice the payload after *delay* seconds; throttles a call if *capacity* others are in flight."""

    def __init__(self, *, capacity: int = 1_000_000, delay: float = 0.0) -> None:
        self.capacity = capacity
        self.delay = delay
        self.reply: Callable[[int], Outcome] = lambda number: answer(number * 2)
        self.seen: list[int] = []
        self.throttled = 0
        self.peak = 0
        self.inside = 0
        self.closed = False
        self._lock = threading.Lock()

    def enter(self, invocation: Invocation) -> Outcome | int:
        """Start a call and return its payload, or throttle it."""
        with self._lock:
            if self.inside >= self.capacity:
                self.throttled += 1
                return THROTTLED
            self.inside += 1
            self.peak = max(self.peak, self.inside)
            number = json.loads(invocation.payload)
            self.seen.append(number)
            return number

    def leave(self, number: int) -> Outcome:
        """End a call, and return its response."""
        try:
            return self.reply(number)
        finally:
            with self._lock:
                self.inside -= 1

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Call the function; see ``Transport.send``."""
        entered = self.enter(invocation)
        if isinstance(entered, Outcome):
            return entered
        time.sleep(self.delay)
        return self.leave(entered)

    def close(self) -> None:
        """Record the call only."""
        self.closed = True
