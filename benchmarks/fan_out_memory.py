"""A million payloads through ``map``, over a transport that answers at once: memory stays flat."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from lambdachain import AsyncLambdaClient, Contract, Invocation, LambdaClient, Outcome

echo = Contract("echo", request=int, response=int)


class InlineAdapter:
    """Gives each payload back."""

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ARG002 - as Transport
        """Answer."""
        return Outcome(200, invocation.payload, executed_version="1")

    def close(self) -> None:
        """Do nothing."""


class AwaitedAtOnce:
    """Gives each payload back, to a coroutine."""

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ARG002, ASYNC109 - as AsyncTransport
        """Answer."""
        return Outcome(200, invocation.payload, executed_version="1")

    async def close(self) -> None:
        """Do nothing."""


def held() -> int:
    """Tell how many bytes this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class Report:
    """What is held at every tenth of the way, in MB."""

    def __init__(self, total: int) -> None:
        self.held: list[float] = []
        self._every = total // 10

    def note(self, done: int) -> None:
        """Take note that *done* payloads are through."""
        if done % self._every == 0:
            self.held.append(held() / 1e6)


def numbers(total: int) -> Iterator[int]:
    """Give payloads that nobody holds."""
    yield from range(total)


async def awaited(total: int) -> list[float]:
    """Do it in an event loop."""
    report, done = Report(total), 0
    results: AsyncIterator[Any] = AsyncLambdaClient(AwaitedAtOnce()).map(echo, numbers(total))
    async for _ in results:
        done += 1
        report.note(done)
    return report.held


def blocking(total: int) -> list[float]:
    """Do it in threads."""
    report = Report(total)
    for done, _ in enumerate(LambdaClient(InlineAdapter()).map(echo, numbers(total), max_concurrency=4), start=1):
        report.note(done)
    return report.held


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payloads", type=int, default=1_000_000)
    total = parser.parse_args().payloads
    print(json.dumps({"async map": asyncio.run(awaited(total)), "map": blocking(total)}))
