"""Measure how often one call runs a function that must run once, for each fault: plain boto3 and lambdachain.

The faults are those of the laboratory in ``tests/support``, over real sockets. Prints a Markdown table; with
``--write FILE`` it replaces what stands in that file between ``<!-- reliability:begin -->`` and
``<!-- reliability:end -->``.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import botocore
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from marked_sections import replace
from urllib3.exceptions import HTTPError

from lambdachain import BotoTransport, CallError, Contract, LambdaClient
from tests.support import faults
from tests.support.faults import bare_status, function_error, service_error
from tests.support.laboratory import Fault, Laboratory

PATIENCE, AMPLE = 2.0, 30.0
Call = Callable[[], str]
Maker = Callable[[str, float], Call]

_KNOWN = {
    fault.name: fault
    for fault in (*faults.CONNECTION_FAULTS, *faults.HEADER_FAULTS, *faults.BODY_FAULTS, *faults.UNUSABLE_RESPONSES)
}
_SLOW_HEADERS = faults.trickle(b"HTTP/1.1 200 OK\r\n", b"X-Slow: " + b"a" * 300)

FAULTS: dict[str, Fault] = {
    "none": faults.SUCCESS,
    "the connection is closed during the request": _KNOWN["closed in the request"],
    "the connection is reset after the request": _KNOWN["reset after the request"],
    "the connection is closed after the request": _KNOWN["closed after the request"],
    "no response in time": faults.SILENT,
    "the response trickles in": Fault("trickled headers", _SLOW_HEADERS, runs=True, endless=True),
    "the response's headers are cut": _KNOWN["headers cut before the version"],
    "the response's body is cut": _KNOWN["body cut"],
    "the response's body is cut, without Content-Length": _KNOWN["no length, and cut"],
    "500 ServiceException": service_error("ServiceException", 500, runs=True),
    "502 from a proxy": bare_status(502, b"<html>", runs=True),
    "503 without a body": bare_status(503, runs=True),
    "429, no concurrency left": service_error("TooManyRequestsException", 429),
    "502, the function's key is disabled": service_error("KMSDisabledException", 502),
    "the function raises": function_error("raises", {"errorType": "KeyError", "errorMessage": "'cents'"}),
    "the function times out": function_error("timeout", {"errorType": "Sandbox.Timedout", "errorMessage": "..."}),
}


class Measured(NamedTuple):
    """The result of one call: how often the function ran, what its caller got, and after how many seconds."""

    runs: int
    outcome: str
    elapsed: float

    def __str__(self) -> str:
        return self.outcome if self.elapsed < PATIENCE * 1.5 else f"{self.outcome} after {self.elapsed:.0f} s"


def _session() -> Any:
    session: Any = botocore.session.Session()
    session.set_credentials("AKIATESTTESTTESTTEST", "none")
    return session


def _plain_boto(retries: Any) -> Maker:
    """Call with boto3: with its defaults, except for the read timeout and the given retry mode."""

    def make(url: str, patience: float) -> Call:
        config = Config(read_timeout=patience, retries=retries)
        client = _session().create_client("lambda", region_name="eu-west-1", endpoint_url=url, config=config)

        def call() -> str:
            try:
                response = client.invoke(FunctionName="billing-charge", Payload=b"{}")
                json.loads(response["Payload"].read())
            except (BotoCoreError, ClientError, HTTPError, ValueError) as exc:
                return f"`{type(exc).__name__}`"
            return "nothing: the response has a `FunctionError`" if "FunctionError" in response else "nothing"

        return call

    return make


def _lambdachain(url: str, patience: float) -> Call:
    # Every measurement has a function, and so a budget of retries, of its own.
    contract = Contract(f"billing-{url.rpartition(':')[2]}", request=dict[str, Any], response=dict[str, str])
    client = LambdaClient(BotoTransport(session=_session(), region="eu-west-1", endpoint_url=url))

    def call() -> str:
        try:
            client.call(contract, {}, timeout=patience)
        except CallError as exc:
            return f"`{type(exc).__name__}`, {exc.execution}"
        return "nothing"

    return call


def _measure(fault: Fault, make: Maker) -> Measured:
    with Laboratory() as laboratory:
        call = make(laboratory.url, PATIENCE if fault.endless else AMPLE)
        laboratory.play(faults.SUCCESS)
        call()
        laboratory.play(fault)
        began = time.monotonic()
        outcome = call()
        elapsed = time.monotonic() - began
        laboratory.settle()
        return Measured(laboratory.executions, outcome, elapsed)


def measure() -> dict[tuple[str, str], Measured]:
    """Measure every fault with every client."""
    variants = {"default": _plain_boto(None), "legacy": _plain_boto({"mode": "legacy"}), "lambdachain": _lambdachain}
    cells = list(product(FAULTS, variants))
    with ThreadPoolExecutor(12) as pool:
        measured = pool.map(lambda cell: _measure(FAULTS[cell[0]], variants[cell[1]]), cells)
        return dict(zip(cells, measured, strict=True))


def table(measured: dict[tuple[str, str], Measured]) -> Iterable[str]:
    """Format the results as a Markdown table."""
    yield "| fault at every attempt | boto3 | `legacy` | lambdachain | boto3 raises | lambdachain raises |"
    yield "|---|---|---|---|---|---|"
    for name in FAULTS:
        default, legacy, ours = (measured[name, variant] for variant in ("default", "legacy", "lambdachain"))
        counts = (_bold_if_repeated(cell.runs) for cell in (default, legacy, ours))
        yield f"| {name} | {' | '.join(counts)} | {default} | {ours} |"


def _bold_if_repeated(runs: int) -> str:
    return str(runs) if runs <= 1 else f"**{runs}**"


def section(measured: dict[tuple[str, str], Measured]) -> str:
    """Format the section of the README."""
    lines = [
        "How often one call runs a function that is not declared idempotent, if the same fault occurs at every",
        f"attempt: boto3 on botocore {botocore.__version__} with its defaults and in its `legacy` mode (the default",
        "before 1.44), and lambdachain. Measured by `make reliability` on a server that counts. Without a response,",
        f"boto3's read timeout and lambdachain's timeout are {PATIENCE:g} s. The errors are those of boto3's defaults.",
        "",
        *table(measured),
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write if requested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE", help="the file whose marked section to replace")
    options = parser.parse_args()
    logging.disable()

    written = section(measure())

    print(written)
    if options.write is not None:
        replace(options.write, "reliability", written)


if __name__ == "__main__":
    main()
