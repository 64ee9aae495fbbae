"""The process that ``first_call`` measures: ``first_call_probe VARIANT GROUP``. It prints its figures as JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from cost.models import Order
from cost.orders import FUNCTION, make_order

from lambdachain import Contract, HttpTransport, LambdaClient

WARM_CALLS = 30


def main(variant: str, group: str) -> None:
    """Initialize, enter the group, and make the calls."""
    order = Order.model_validate(make_order(3))
    contract = Contract(FUNCTION, request=Order, response=Order)
    client = LambdaClient(HttpTransport())
    warming = timed(lambda: client.warm_up(contract)) if variant == "warm_up" else (0.0, 0.0)
    if group:
        with open(f"{group}/cgroup.procs", "w") as processes:  # noqa: PTH123 - pathlib would be loaded for it
            processes.write(str(os.getpid()))
    first, *warm = [timed(lambda: client.call(contract, order)) for _ in range(1 + WARM_CALLS)]
    figures = {"first": first, "warm": tuple(map(median, zip(*warm, strict=True))), "init": warming}
    clocks = ("wall", "cpu")
    print(
        json.dumps({f"{name}_{clock}": pair[at] for name, pair in figures.items() for at, clock in enumerate(clocks)})
    )


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Return the seconds that *work* takes, and those of CPU; it begins with the whole quota of a period."""
    time.sleep(0.15)
    passed, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - passed, time.process_time() - used


if __name__ == "__main__":
    main(*sys.argv[1:])
