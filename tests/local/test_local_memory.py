"""A sandbox that exceeds its function's memory limit is killed."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from lambdachain.local import LocalEndpoint, LocalFunction

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not report memory")


@pytest.fixture(scope="module")
def hungry(client_of):
    """Serve a function that allocates memory."""
    function = LocalFunction(
        "hungry", "app.hungry", directory=Path(__file__).parent / "functions", memory=256, timeout=30
    )
    with LocalEndpoint([function]) as endpoint:
        yield client_of(endpoint)


def test_enough_memory(hungry):
    """A function within its memory limit survives."""
    response = hungry.invoke(FunctionName="hungry", Payload=b'{"mb": 100}')

    assert (100 << 20, None) == (json.load(response["Payload"]), response.get("FunctionError"))


@pytest.mark.parametrize("child", [False, True])
def test_too_much_memory(hungry, child):
    """One that exceeds it, or whose child does, is killed, with Lambda's message. The next call has a new process."""
    event = json.dumps({"mb": 400, "child": child})
    response = hungry.invoke(FunctionName="hungry", Payload=event, LogType="Tail")
    after = hungry.invoke(FunctionName="hungry", Payload=b'{"mb": 1}')

    request_id = response["ResponseMetadata"]["RequestId"]
    assert "Unhandled" == response["FunctionError"]
    assert {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {request_id} Error: Runtime exited with error: signal: killed",
    } == json.load(response["Payload"])
    assert b"signal: killed\nRuntime.ExitError\n" in base64.b64decode(response["LogResult"])
    assert 1 << 20 == json.load(after["Payload"])
