"""One variant of many calls, measured in a process of its own: calls per second, CPU per call, peak memory.

Started with the name of the variant, how many calls may be in flight, and how many calls there are at least. It prints
JSON: the first round, which opens the connections but for one, and the best of the others.

The first round has 1,000 calls. The others have ten times as many as are in flight, and no fewer than 1,000: with 500
in flight, 1,000 calls are two waves, and a client is idle before the first response and after the last request.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

NEW: Final = 1000
_LEAST_ROUNDS: Final = 3
_PAYLOAD: Final = {"order_id": "o-1", "cents": 500}

Round = Callable[[int], int]
"""Makes so many calls, and returns how many succeeded."""


def boto3_threads(in_flight: int) -> Round:
    """Call with boto3 in a pool of threads, with as many connections."""
    import boto3
    from botocore.config import Config

    _note_imported()
    client: Any = boto3.client("lambda", config=Config(max_pool_connections=in_flight))
    threads = ThreadPoolExecutor(in_flight)

    def call(payload: dict[str, Any]) -> Any:
        response = client.invoke(FunctionName="charge", Payload=json.dumps(payload).encode())
        return json.loads(response["Payload"].read())

    return lambda calls: sum(1 for _ in threads.map(call, [_PAYLOAD] * calls))


def aiobotocore(in_flight: int) -> Round:
    """Call with aiobotocore, and a semaphore."""
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    _note_imported()
    runner, stack = asyncio.Runner(), AsyncExitStack()
    opening = get_session().create_client("lambda", config=AioConfig(max_pool_connections=in_flight))
    client: Any = runner.run(stack.enter_async_context(opening))

    async def all_calls(calls: int) -> int:
        free = asyncio.Semaphore(in_flight)

        async def call(payload: dict[str, Any]) -> Any:
            async with free:
                response = await client.invoke(FunctionName="charge", Payload=json.dumps(payload).encode())
                return json.loads(await response["Payload"].read())

        return len(await asyncio.gather(*[call(_PAYLOAD) for _ in range(calls)]))

    return lambda calls: runner.run(all_calls(calls))


def lambdachain_map(in_flight: int) -> Round:
    """Call with ``LambdaClient.map`` over ``HttpTransport``."""
    from lambdachain import HttpTransport, LambdaClient

    charge, payload = _contract()
    _note_imported()
    client = LambdaClient(HttpTransport())
    return lambda calls: sum(1 for _ in client.map(charge, iter([payload] * calls), max_concurrency=in_flight))


def lambdachain_async_map(in_flight: int) -> Round:
    """Call with ``AsyncLambdaClient.map`` over ``AsyncHttpTransport``."""
    from lambdachain import AsyncHttpTransport, AsyncLambdaClient

    charge, payload = _contract()
    _note_imported()
    client, runner = AsyncLambdaClient(AsyncHttpTransport()), asyncio.Runner()

    async def all_calls(calls: int) -> int:
        return len([done async for done in client.map(charge, iter([payload] * calls), max_concurrency=in_flight)])

    return lambda calls: runner.run(all_calls(calls))


def _contract() -> Any:
    """Return the contract, with pydantic models for request and response."""
    from pydantic import BaseModel

    from lambdachain import Contract

    request = type("Charge", (BaseModel,), {"__annotations__": {"order_id": str, "cents": int}})
    response = type("Charged", (BaseModel,), {"__annotations__": {"charge_id": str}})
    return Contract("charge", request=request, response=response), request(**_PAYLOAD)


VARIANTS: Final[dict[str, Callable[[int], Round]]] = {
    "boto3, threads": boto3_threads,
    "aiobotocore": aiobotocore,
    "map": lambdachain_map,
    "async map": lambdachain_async_map,
}


def measure(variant: str, in_flight: int, least_calls: int) -> dict[str, float]:
    """Make rounds of calls, and return the figures."""
    round_ = VARIANTS[variant](in_flight)
    round_(1)  # what is imported and built at the first call is another measurement's
    new, _ = _time_round(round_, NEW)
    calls = max(NEW, 10 * in_flight)
    wall, cpu = min(_time_round(round_, calls) for _ in range(max(_LEAST_ROUNDS, least_calls // calls)))
    return {
        "new": NEW / new,
        "warm": calls / wall,
        "cpu": cpu / calls,
        "memory": _peak_memory(),
        "used": _peak_memory() - _imported[0],
    }


_imported: Final[list[float]] = []


def _note_imported() -> None:
    """Record the memory once everything is imported, and nothing is created."""
    _imported.append(_peak_memory())


def _peak_memory() -> float:
    """Return the most memory that this program has held, in MB; ``ru_maxrss`` begins at that of the parent process."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _time_round(round_: Round, calls: int) -> tuple[float, float]:
    began, cpu = time.perf_counter(), time.process_time()
    if round_(calls) != calls:
        raise RuntimeError("calls were lost")
    return time.perf_counter() - began, time.process_time() - cpu


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))), flush=True)
    os._exit(0)  # what it has opened is of no interest any more
