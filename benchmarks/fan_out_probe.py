"""One variant of many calls, measured in a process of its own: calls per second, CPU per call, peak memory.

Started with the name of the variant, how many calls may be in flight, and how many rounds of 1,000 calls there are. It
prints JSON: the first round, which opens the connections but for one, and the best of the others.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any, Final

CALLS: Final = 1000
_PAYLOAD: Final = {"order_id": "o-1", "cents": 500}

Round = Callable[[int], int]
"""Makes so many calls, and returns how many succeeded."""


def boto3_threads(in_flight: int) -> Round:
    """Call with boto3 in a pool of threads, with as many connections."""
    import boto3
    from botocore.config import Config

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
    client = LambdaClient(HttpTransport())
    return lambda calls: sum(1 for _ in client.map(charge, iter([payload] * calls), max_concurrency=in_flight))


def lambdachain_async_map(in_flight: int) -> Round:
    """Call with ``AsyncLambdaClient.map`` over ``AsyncHttpTransport``."""
    from lambdachain import AsyncHttpTransport, AsyncLambdaClient

    charge, payload = _contract()
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


def measure(variant: str, in_flight: int, rounds: int) -> dict[str, float]:
    """Make rounds of calls, and return the figures."""
    round_ = VARIANTS[variant](in_flight)
    round_(1)  # what is imported and built at the first call is another measurement's
    taken = [_time_round(round_) for _ in range(rounds)]
    wall, cpu = min(taken[1:])
    return {
        "new": CALLS / taken[0][0],
        "warm": CALLS / wall,
        "cpu": cpu / CALLS,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _time_round(round_: Round) -> tuple[float, float]:
    began, cpu = time.perf_counter(), time.process_time()
    if round_(CALLS) != CALLS:
        raise RuntimeError("calls were lost")
    return time.perf_counter() - began, time.process_time() - cpu


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))), flush=True)
    os._exit(0)  # what it has opened is of no interest any more
