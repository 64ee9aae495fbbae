"""Measure how much load retries add to a function that is down: plain boto3 and lambdachain.

A hundred threads call a function that answers nothing but an error, for some seconds; the laboratory counts what
reaches it. Prints a Markdown table of how many requests came for the calls that the program made.
"""

from __future__ import annotations

import argparse
import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lambdachain import BotoTransport, CallError, Contract, LambdaClient
from tests.support.faults import service_error
from tests.support.laboratory import Fault, Laboratory

CALLERS = 100
MOST_CALLS = 200
GOAL = 15.0
THINKING = 0.05

FAULTS = {
    "429, no concurrency left": service_error("TooManyRequestsException", 429),
    "500 ServiceException, the contract idempotent": service_error("ServiceException", 500, runs=True),
}

Call = Callable[[], object]


class Load(NamedTuple):
    """The calls of a program, and the requests that the function received."""

    calls: int
    requests: int

    @property
    def extra(self) -> float:
        """The load that retries added, in percent."""
        return 100.0 * (self.requests - self.calls) / self.calls


def _session() -> Any:
    session: Any = botocore.session.Session()
    session.set_credentials("AKIATESTTESTTESTTEST", "none")
    return session


def _plain_boto(retries: Any) -> Callable[[str], Call]:
    def make(url: str) -> Call:
        config = Config(retries=retries, max_pool_connections=CALLERS)
        client = _session().create_client("lambda", region_name="eu-west-1", endpoint_url=url, config=config)

        def call() -> None:
            with suppress(ClientError, BotoCoreError):
                client.invoke(FunctionName="billing-charge", Payload=b"{}")

        return call

    return make


def _lambdachain(url: str) -> Call:
    # Every measurement has a function, and so a budget, of its own.
    contract = Contract(f"billing-{url.rpartition(':')[2]}", request=dict[str, Any], response=Any, idempotent=True)
    transport = BotoTransport(
        session=_session(), region="eu-west-1", endpoint_url=url, config=Config(max_pool_connections=CALLERS)
    )
    client = LambdaClient(transport)

    def call() -> None:
        with suppress(CallError):
            client.call(contract, {})

    return call


VARIANTS: dict[str, Callable[[str], Call]] = {
    "boto3, its defaults": _plain_boto(None),
    "boto3, `legacy`": _plain_boto({"mode": "legacy"}),
    "lambdachain, its defaults": _lambdachain,
}


def _caller(call: Call, end: float, made: list[int]) -> None:
    calls = 0
    while calls < MOST_CALLS and time.monotonic() < end:
        call()
        calls += 1
        time.sleep(THINKING)
    made.append(calls)


def measure(fault: Fault, make: Callable[[str], Call], seconds: float) -> Load:
    """Call from a hundred threads for some seconds, and wait for the calls in flight."""
    made: list[int] = []
    with Laboratory() as laboratory:
        laboratory.play(fault)
        call = make(laboratory.url)
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=_caller, args=(call, end, made)) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return Load(sum(made), laboratory.received)


def report(seconds: float) -> Iterable[str]:
    """Measure everything, and generate the lines of a table."""
    yield f"| {CALLERS} callers, {seconds:g} s, every answer is | by | calls | requests | extra load |"
    yield "|---|---|---|---|---|"
    for name, fault in FAULTS.items():
        for variant, make in VARIANTS.items():
            load = measure(fault, make, seconds)
            yield f"| {name} | {variant} | {load.calls:,} | {load.requests:,} | {load.extra:.1f} % |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each measurement lasts")
    options = parser.parse_args()
    logging.disable()
    threading.stack_size(512 * 1024)

    for line in report(options.seconds):
        print(line, flush=True)
    print(f"\nThe goal for lambdachain is less than {GOAL:g} %.")


if __name__ == "__main__":
    main()
