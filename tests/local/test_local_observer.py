"""Invocations that an endpoint reports, and functions that are replaced while it runs."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from lambdachain.local import LocalEndpoint, LocalFunction, LocalInvocation

FUNCTIONS = Path(__file__).parent / "functions"


def function(name, handler=None, **options):
    """Declare a function of the tests."""
    return LocalFunction(name, handler or f"app.{name}", **{"directory": FUNCTIONS, "timeout": 30, **options})


@pytest.fixture
def reported():
    """Collect the invocations that an endpoint reports."""
    return []


def test_calls_are_reported(client_of, reported):
    """Each call with its version, outcome, duration, and whether a process was started."""
    functions = [function("echo"), function("fail"), function("parked", "app.echo", reserved_concurrency=0)]
    with LocalEndpoint(functions, observer=reported.append) as endpoint:
        client = client_of(endpoint)
        first = client.invoke(FunctionName="echo")["ResponseMetadata"]["RequestId"]
        client.invoke(FunctionName="echo")
        client.invoke(FunctionName="fail", Payload=b"{}")
        client.invoke(FunctionName="echo", InvocationType="DryRun")
        with pytest.raises(ClientError):
            client.invoke(FunctionName="parked")

    seen = [(t.function, t.version, str(t.invocation_type), t.status, t.error, t.cold) for t in reported]
    assert [
        ("echo", "$LATEST", "RequestResponse", 200, None, True),
        ("echo", "$LATEST", "RequestResponse", 200, None, False),
        ("fail", "$LATEST", "RequestResponse", 200, "LookupError", True),
        ("echo", None, "DryRun", 204, None, False),
        ("parked", None, "RequestResponse", 429, "TooManyRequestsException", False),
    ] == seen
    assert first == reported[0].request_id
    assert reported[0].init > 0
    assert 0 < reported[0].duration < 30


def test_callers_are_reported(client_of, reported, eventually, tmp_path):
    """A caller that signs with a function's credentials is that function; any other has no name."""
    functions = [function("relay"), function("echo"), function("note")]
    with LocalEndpoint(functions, observer=reported.append) as endpoint:
        client = client_of(endpoint)
        client.invoke(FunctionName="relay", Payload=b'{"function": "echo", "payload": 1}')
        event = json.dumps({"path": str(tmp_path / "note.json")})
        client.invoke(FunctionName="note", InvocationType="Event", Payload=event)
        eventually(lambda: len(reported) == 3)

    assert {("echo", "relay"), ("relay", None), ("note", None)} == {(each.function, each.caller) for each in reported}


def test_values_without_payloads(client_of, reported):
    """A reported invocation is a value without a payload."""
    with LocalEndpoint([function("fail")], observer=reported.append) as endpoint:
        client_of(endpoint).invoke(FunctionName="fail", Payload=b'{"message": "canary-33ab"}')

    assert isinstance(reported[0], LocalInvocation)
    assert "canary-33ab" not in repr(reported[0])


def test_replaced(client_of, tmp_path, is_running):
    """After a replacement, calls run the new function in a new process; the old process has ended."""
    old, new = tmp_path / "old", tmp_path / "new"
    for directory in (old, new):
        directory.mkdir()
        text = f"import os\ndef handler(event, context):\n    return [{directory.name!r}, os.getpid()]\n"
        (directory / "app.py").write_text(text)
    with LocalEndpoint([function("orders", "app.handler", directory=old)]) as endpoint:
        client = client_of(endpoint)
        before, pid = json.load(client.invoke(FunctionName="orders")["Payload"])
        endpoint.replace(function("orders", "app.handler", directory=new))
        after, other = json.load(client.invoke(FunctionName="orders")["Payload"])

        assert ("old", "new") == (before, after)
        assert (False, True) == (is_running(pid), is_running(other))


def test_replaced_during_a_call(client_of, tmp_path, eventually, is_running):
    """A call in flight finishes in its old process, which then ends too."""
    with LocalEndpoint([function("meet")]) as endpoint, ThreadPoolExecutor(1) as thread:
        client = client_of(endpoint)
        event = json.dumps({"directory": str(tmp_path), "number": 2})
        call = thread.submit(client.invoke, FunctionName="meet", Payload=event)
        eventually(lambda: list(tmp_path.iterdir()))
        endpoint.replace(function("meet", "app.echo"))
        during = json.load(client.invoke(FunctionName="meet", Payload=b"1")["Payload"])
        (tmp_path / "other").touch()
        response = call.result()
        pid = json.load(response["Payload"])

        assert (1, None) == (during, response.get("FunctionError"))
        eventually(lambda: not is_running(pid))


def test_replaced_before_the_start(client_of):
    """An endpoint that is not running yet serves the replacement from the start."""
    endpoint = LocalEndpoint([function("orders", "app.fail")])
    endpoint.replace(function("orders", "app.echo"))
    with endpoint:
        assert b"7" == client_of(endpoint).invoke(FunctionName="orders", Payload=b"7")["Payload"].read()


def test_invalid_replacement(client_of, tmp_path):
    """A replacement that cannot be served leaves the old function unchanged."""
    with LocalEndpoint([function("echo")]) as endpoint:
        with pytest.raises(ValueError, match=r"directory .* does not exist"):
            endpoint.replace(function("echo", directory=tmp_path / "gone"))
        with pytest.raises(KeyError, match=r"cannot replace function .other.: there is no function of this name"):
            endpoint.replace(function("other", "app.echo"))

        assert b"7" == client_of(endpoint).invoke(FunctionName="echo", Payload=b"7")["Payload"].read()


def test_an_observer_cannot_wait_for_its_own_thread(client_of, eventually):
    """An observer that waits for the endpoint's thread, in which it runs, gets an error instead of a deadlock."""
    words = []

    def replace(invocation):
        with pytest.raises(RuntimeError) as caught:
            endpoint.replace(function("echo"))
        words.append(str(caught.value))

    with LocalEndpoint([function("echo")], observer=replace) as endpoint:
        client_of(endpoint).invoke(FunctionName="echo")
        eventually(lambda: words)

    assert words[0].startswith("this would deadlock: it waits for the endpoint's thread")
