"""A million payloads through ``map``, over a transport that responds immediately: memory stays constant."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from lambdachain import AsyncLambdaClient, Contract, Invocation, LambdaClient, Outcome

echo = Contract("echo", request=int, response=int)


class EchoTransport:
    """Returns each payload as the response."""

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ARG002 - as Transport
        """Return the payload."""
        return Outcome(200, invocation.payload, executed_version="1")

    def close(self) -> None:
        """No-op."""


class AsyncEchoTransport:
    """Returns each payload as the response, to a coroutine."""

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ARG002, ASYNC109 - as AsyncTransport
        """Return the payload."""
        return Outcome(200, invocation.payload, executed_version="1")

    async def close(self) -> None:
        """No-op."""


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class Report:
    """The memory at every tenth of the payloads, in MB."""

    def __init__(self, total: int) -> None:
        self.resident_bytes: list[float] = []
        self._every = total // 10

    def note(self, done: int) -> None:
        """Record the memory after *done* payloads."""
        if done % self._every == 0:
            self.resident_bytes.append(resident_bytes() / 1e6)


def numbers(total: int) -> Iterator[int]:
    """Generate payloads without keeping them."""
    yield from range(total)


async def map_in_loop(total: int) -> list[float]:
    """Map in an event loop."""
    report, done = Report(total), 0
    results: AsyncIterator[Any] = AsyncLambdaClient(AsyncEchoTransport()).map(echo, numbers(total))
    async for _ in results:
        done += 1
        report.note(done)
    return report.resident_bytes


def map_in_threads(total: int) -> list[float]:
    """Map in threads."""
    report = Report(total)
    for done, _ in enumerate(LambdaClient(EchoTransport()).map(echo, numbers(total), max_concurrency=4), start=1):
        report.note(done)
    return report.resident_bytes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payloads", type=int, default=1_000_000)
    total = parser.parse_args().payloads
    print(json.dumps({"async map": asyncio.run(map_in_loop(total)), "map": map_in_threads(total)}))
