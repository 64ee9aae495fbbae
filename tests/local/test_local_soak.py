"""Many calls with mixed outcomes, 16 at a time: every response is right, and nothing leaks.

Short here; ``make soak-local`` makes 50,000 calls and prints what it measures.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from botocore.eventstream import EventStreamBuffer

FUNCTIONS = Path(__file__).parent / "functions"
CALLS = int(os.environ.get("LAMBDACHAIN_SOAK_CALLS", "600"))
AT_A_TIME = 16

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc/self/fd")

ENDPOINT = """
import sys
from lambdachain.local import LocalEndpoint, LocalFunction

def function(name, **options):
    return LocalFunction(name, "soak.work", directory={functions!r}, **options)

functions = [function("work", timeout=60), function("hasty", timeout=0.5), function("parked", reserved_concurrency=0)]
with LocalEndpoint(functions, clock="virtual") as endpoint:
    print(endpoint.url, flush=True)
    for _ in sys.stdin:
        print(endpoint.advance(0), flush=True)
"""

INVOKE = "/2015-03-31/functions/{}/invocations"
STREAM = "/2021-11-15/functions/{}/response-streaming-invocations"
_local = threading.local()


class Left(NamedTuple):
    """The resources of a process: memory in MB, and numbers of descriptors, threads and children."""

    memory: float
    descriptors: int
    threads: int
    children: int


def measure_resources(pid: int) -> Left:
    """Measure the resources of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    memory, threads = (int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("VmRSS", "Threads"))
    children = sum(len(path.read_text().split()) for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return Left(memory / 1024, len(list(Path(f"/proc/{pid}/fd").iterdir())), threads, children)


def post(path, body, **headers):
    """Send a request over this thread's connection."""
    _local.connection.request("POST", path, body, headers)
    response = _local.connection.getresponse()
    return response.status, response.headers, response.read()


def echo(number):
    """A result."""
    status, _, body = post(INVOKE.format("work"), json.dumps({"number": number}))
    return (status, json.loads(body)) == (200, {"number": number})


def fail(number):
    """An exception."""
    status, headers, body = post(INVOKE.format("work"), json.dumps({"fail": str(number)}))
    error = json.loads(body)
    return (status, headers["X-Amz-Function-Error"], error["errorMessage"]) == (200, "Unhandled", str(number))


def leave(number):
    """A process that ends."""
    _, _, body = post(INVOKE.format("work"), '{"exit": 3}')
    return json.loads(body)["errorType"] == "Runtime.ExitError"


def overrun(number):
    """A timeout."""
    _, _, body = post(INVOKE.format("hasty"), '{"sleep": 60}')
    return json.loads(body)["errorType"] == "Sandbox.Timedout"


def miss(number):
    """An unknown function."""
    return post(INVOKE.format(f"nope-{number}"), "{}")[0] == 404


def mumble(number):
    """A payload that is not JSON."""
    return post(INVOKE.format("work"), "{")[0] == 400


def crowd(number):
    """A function that is throttled."""
    return post(INVOKE.format("parked"), "{}")[0] == 429


def fire(number):
    """An event."""
    event = json.dumps({"number": number})
    return post(INVOKE.format("work"), event, **{"X-Amz-Invocation-Type": "Event"})[0] == 202


def stream(number):
    """A response stream."""
    _, _, body = post(STREAM.format("work"), json.dumps({"number": number}))
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    return [json.loads(event.payload) for event in buffer] == [{"number": number}, {}]


OUTCOMES = {echo: 800, fail: 80, miss: 30, mumble: 30, crowd: 20, fire: 20, stream: 10, leave: 6, overrun: 4}


def soak(address, calls, seed):
    """Make calls; return the numbers of wrong responses, by what was expected."""
    outcomes = Random(seed).choices(list(OUTCOMES), weights=list(OUTCOMES.values()), k=calls)

    def call(number):
        return outcomes[number](number)

    connections = []

    def connect():
        _local.connection = http.client.HTTPConnection(address, timeout=120)
        connections.append(_local.connection)

    with ThreadPoolExecutor(AT_A_TIME, initializer=connect) as threads:
        right = list(threads.map(call, range(calls)))
    for connection in connections:
        connection.close()
    return [outcome.__doc__ for outcome, is_right in zip(outcomes, right, strict=True) if not is_right]


def settle(endpoint):
    """Empty the queue of events, give connections and killed processes their time, and measure what is left."""
    endpoint.stdin.write("settle\n")
    endpoint.stdin.flush()
    endpoint.stdout.readline()
    time.sleep(0.5)
    return measure_resources(endpoint.pid)


@pytest.mark.timeout(0 if CALLS > 1_000 else 120)
def test_soak(capsys):
    """After a first tenth, which warms up, neither memory nor descriptors, threads or processes grow."""
    script = ENDPOINT.format(functions=str(FUNCTIONS))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], **pipes) as endpoint:
        address = endpoint.stdout.readline().strip().removeprefix("http://")
        wrong = soak(address, CALLS // 10, seed=1)
        warm = settle(endpoint)
        began = time.monotonic()
        wrong += soak(address, CALLS, seed=2)
        seconds = time.monotonic() - began
        at_the_end = settle(endpoint)
        endpoint.stdin.close()
    with capsys.disabled():
        if CALLS > 1_000:
            print(f"\n{CALLS} calls in {seconds:.0f} s\nwarm:       {warm}\nat the end: {at_the_end}")

    assert [] == wrong
    assert 0 == endpoint.returncode
    # 16 at a time may need up to 16 processes of each function, of which few are there after the first tenth.
    assert at_the_end.children <= 2 * AT_A_TIME + 1
    assert at_the_end.descriptors - warm.descriptors <= 8 * max(0, at_the_end.children - warm.children)
    assert at_the_end.threads - warm.threads <= 4 + max(0, at_the_end.children - warm.children)
    assert at_the_end.memory - warm.memory < 20
