"""A million payloads through ``map``, over a transport that answers at once: memory stays flat."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from lambdachain import AsyncLambdaClient, Contract, Invocation, LambdaClient, Outcome

echo = Contract("echo", request=int, response=int)


class AtOnce:
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


def report(done: int, total: int, began: float) -> None:
    """Print what is held at every tenth of the way."""
    if done % (total // 10) == 0:
        print(
            f"{done:>9,} payloads: {held() / 1e6:6.1f} MB, {done / (time.perf_counter() - began):,.0f} a second",
            flush=True,
        )


def numbers(total: int) -> Iterator[int]:
    """Give payloads that nobody holds."""
    yield from range(total)


async def awaited(total: int) -> None:
    """Do it in an event loop."""
    began, done = time.perf_counter(), 0
    results: AsyncIterator[Any] = AsyncLambdaClient(AwaitedAtOnce()).map(echo, numbers(total))
    async for _ in results:
        done += 1
        report(done, total, began)


def blocking(total: int) -> None:
    """Do it in threads."""
    began = time.perf_counter()
    for done, _ in enumerate(LambdaClient(AtOnce()).map(echo, numbers(total), max_concurrency=4), start=1):
        report(done, total, began)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payloads", type=int, default=1_000_000)
    total = parser.parse_args().payloads
    print("awaited")
    asyncio.run(awaited(total))
    print("in threads")
    blocking(total)
