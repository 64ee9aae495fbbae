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
PERIOD = 0.15
"""Seconds, more than a period of the quota."""


def main(variant: str, group: str) -> None:
    """Initialize, enter the group, and make the calls."""
    if group:  # before anything is measured: to enter a group takes time of its own
        write(f"{group}/cgroup.procs", str(os.getpid()))
    order = Order.model_validate(make_order(3))
    contract = Contract(FUNCTION, request=Order, response=Order)
    client = LambdaClient(HttpTransport())
    pause = PERIOD if group else 0.0
    warming = timed(lambda: client.warm_up(contract), pause) if variant == "warm_up" else (0.0, 0.0)
    if group:
        limit(group)
    first, *warm = [timed(lambda: client.call(contract, order), pause) for _ in range(1 + WARM_CALLS)]
    figures = {"first": first, "warm": tuple(map(median, zip(*warm, strict=True))), "init": warming}
    clocks = ("wall", "cpu")
    print(
        json.dumps({f"{name}_{clock}": pair[at] for name, pair in figures.items() for at, clock in enumerate(clocks)})
    )


def limit(group: str) -> None:
    """Hold the group to ``QUOTA`` from now on."""
    name, _, quota = os.environ["FIRST_CALL_QUOTA"].partition("=")
    write(f"{group}/{name}", quota)


def write(path: str, text: str) -> None:
    """Write a setting of a group."""
    with open(path, "w") as file:  # noqa: PTH123 - pathlib would be loaded for it
        file.write(text)


def timed(work: Callable[[], Any], pause: float) -> tuple[float, float]:
    """Return the seconds that *work* takes, and those of CPU; after a pause, it has the whole quota of a period."""
    time.sleep(pause)
    passed, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - passed, time.process_time() - used


if __name__ == "__main__":
    main(*sys.argv[1:])
