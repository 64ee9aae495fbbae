"""Handlers behave in a test's process as they do at the endpoint, under the real runtime client."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from lambdachain import Invocation
from lambdachain.local import LocalEndpoint, LocalFunction
from lambdachain.testing import InProcessTransport
from tests.support.modules import import_file

FUNCTIONS = Path(__file__).parent / "functions"
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CASES = [
    *((name, None) for name in (
        "half_a_character", "half_in_a_group", "half_in_an_answer", "half_in_a_key", "outside", "generator_exit",
        "cancelled", "base_group", "no_text", "takes_none", "takes_three", "takes_a_keyword", "instance",
    )),
    *(("exits", code) for code in (None, 0, 3, -1, 256, True, 1.5, "text", [1], 2**40, 2**70)),
]  # fmt: skip
LOOPS = ["loop", "closed_loop", "loop_of_a_library", "same_loop"]


@pytest.fixture(name="odd", scope="module")
def _odd():
    return import_file(FUNCTIONS / "odd.py")


@pytest.fixture(name="endpoint", scope="module")
def _endpoint(client_of):
    names = sorted({name for name, _ in CASES} | set(LOOPS))
    with LocalEndpoint(
        [LocalFunction(name, f"odd.{name}", directory=FUNCTIONS, timeout=30) for name in names]
    ) as running:
        yield client_of(running)


def at_the_endpoint(client: Any, name: str, event: Any) -> tuple[str | None, str]:
    """Run a handler under the real runtime client."""
    response = client.invoke(FunctionName=name, Payload=json.dumps(event))
    return response.get("FunctionError"), ID.sub("ID", response["Payload"].read().decode())


def in_process(transport: InProcessTransport, name: str, event: Any) -> tuple[str | None, str]:
    """Run the same handler in this process."""
    outcome = transport.send(Invocation(name, payload=json.dumps(event).encode()), timeout=30)
    return outcome.function_error, ID.sub("ID", outcome.payload.decode())


@pytest.mark.parametrize(("name", "event"), CASES)
def test_an_unusual_end_has_the_same_response(endpoint, odd, name, event):
    """The response is identical."""
    transport = InProcessTransport({name: getattr(odd, name)})

    assert in_process(transport, name, event) == at_the_endpoint(endpoint, name, event)


@pytest.mark.filterwarnings("ignore:There is no current event loop:DeprecationWarning")
@pytest.mark.skipif(sys.version_info >= (3, 14), reason="there, no thread has a loop that nobody made")
@pytest.mark.parametrize("name", LOOPS)
def test_the_threads_event_loop(endpoint, odd, name):
    """There is one, and it is kept between invocations."""
    transport = InProcessTransport({name: getattr(odd, name)})
    for _ in range(2):
        ours, theirs = in_process(transport, name, 7), at_the_endpoint(endpoint, name, 7)

        assert ours == theirs
        assert ours[0] is None
