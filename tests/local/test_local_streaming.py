"""InvokeWithResponseStream: parts as they arrive, and the end of the stream, read by botocore."""

from __future__ import annotations

import base64
import json
import shutil
import threading
from contextlib import closing
from pathlib import Path

import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from lambdachain._lambda_api.stream_events import invoke_complete, payload_chunk
from lambdachain.local import LocalEndpoint, LocalFunction, LocalVersion

FUNCTIONS = Path(__file__).parent / "functions"


def _read_all(response):
    """Read a stream to its end; botocore leaves its connection open."""
    with closing(response["EventStream"]) as events:
        return list(events)


@pytest.fixture(scope="module")
def reported():
    """Collect the invocations that the endpoint reports."""
    return []


@pytest.fixture(scope="module")
def streaming(reported):
    """Serve a function that streams, and some that do not."""
    stream = FUNCTIONS / "streaming"
    functions = [
        LocalFunction(
            "stream", "any", runtime="provided", directory=stream, timeout=20, versions={"1": LocalVersion(memory=256)}
        ),
        LocalFunction("hasty", "any", runtime="provided", directory=stream, timeout=3),
        LocalFunction("parked", "any", runtime="provided", directory=stream, reserved_concurrency=0),
        *(
            LocalFunction(name, f"app.{name}", directory=FUNCTIONS, timeout=20)
            for name in ("echo", "fail", "end", "sized")
        ),
    ]
    with LocalEndpoint(functions, observer=reported.append) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def client(streaming, client_of):
    """Create a client of this module's endpoint."""
    return client_of(streaming)


@pytest.fixture(scope="module")
def stream(client):
    """Invoke with a response stream; return the response, the payloads and the end of the stream."""

    def invoke(function, event, **options):
        response = client.invoke_with_response_stream(FunctionName=function, Payload=json.dumps(event), **options)
        events = _read_all(response)
        payloads = [each["PayloadChunk"]["Payload"] for each in events if "PayloadChunk" in each]
        assert ["InvokeComplete"] == list(events[-1])
        return response, payloads, events[-1]["InvokeComplete"]

    return invoke


def test_stream(stream):
    """A streamed response arrives completely, with the headers of a response stream."""
    response, payloads, complete = stream("stream", {"parts": ["one, ", "two, ", "zwölf"]})

    assert "one, two, zwölf" == b"".join(payloads).decode()
    assert (200, "$LATEST", {}) == (response["StatusCode"], response["ExecutedVersion"], complete)
    assert "application/vnd.amazon.eventstream" == response["ResponseStreamContentType"]


def test_parts_arrive_as_they_are_written(client, tmp_path):
    """The first part arrives while the function is working on the next, which it sends when the first was read."""
    response = client.invoke_with_response_stream(
        FunctionName="stream", Payload=json.dumps({"parts": ["first", "second"], "gates": str(tmp_path)})
    )
    with closing(response["EventStream"]):
        events = iter(response["EventStream"])
        first = next(events)["PayloadChunk"]["Payload"]
        (tmp_path / "1").touch()
        second = next(events)["PayloadChunk"]["Payload"]

        assert ([b"first", b"second"], [{"InvokeComplete": {}}]) == ([first, second], list(events))


def test_error_in_mid_stream(stream):
    """The parts before an error arrive, and the error ends the stream."""
    _, payloads, complete = stream("stream", {"parts": ["one, "], "error": "TypeError"})

    assert [b"one, "] == payloads
    assert "Unhandled" == complete["ErrorCode"]
    assert {"errorType": "TypeError", "errorMessage": "in the middle of the stream", "trace": []} == json.loads(
        complete["ErrorDetails"]
    )


def test_exit_in_mid_stream(stream):
    """A process that exits is reported with Lambda's message; the next call has a new one."""
    _, payloads, complete = stream("stream", {"parts": ["one, "], "exit": 3})
    _, again, _ = stream("stream", {"parts": ["whole"]})

    assert ([b"one, "], [b"whole"]) == (payloads, again)
    assert "Runtime exited with error: exit status 3" in json.loads(complete["ErrorDetails"])["errorMessage"]


def test_timeout_in_mid_stream(stream):
    """A function that takes too long is stopped in the middle of its response."""
    _, payloads, complete = stream("hasty", {"parts": ["one, ", "two"], "pause": 60})

    assert [b"one, "] == payloads
    assert "Sandbox.Timedout" == json.loads(complete["ErrorDetails"])["errorType"]


def test_log_of_a_stream(stream):
    """The end of the log comes with the end of the stream, if it is requested."""
    _, _, complete = stream("stream", {"parts": []}, LogType="Tail")

    assert b"END RequestId: " in base64.b64decode(complete["LogResult"])


def test_version(stream):
    """A response stream names the version that ran."""
    response, _, _ = stream("stream:1", {"parts": []})

    assert "1" == response["ExecutedVersion"]


def test_large_stream(stream):
    """A stream may be larger than any response."""
    _, payloads, complete = stream("stream", {"parts": ["x" * 1_000_000], "times": 8})

    assert (8_000_000, {}) == (sum(map(len, payloads)), complete)


def test_function_that_does_not_stream(stream):
    """A response that is returned as a whole arrives as one chunk."""
    _, payloads, complete = stream("echo", {"order": 1})

    assert ([{"order": 1}], {}) == ([json.loads(payload) for payload in payloads], complete)


def test_function_that_does_not_stream_fails(stream):
    """Its error ends the stream; there are no parts."""
    _, payloads, complete = stream("fail", {"message": "sold out"})

    assert ([], "Unhandled") == (payloads, complete["ErrorCode"])
    assert ("LookupError", "sold out") == tuple(
        json.loads(complete["ErrorDetails"])[name] for name in ("errorType", "errorMessage")
    )


def test_plain_invocation_of_a_function_that_streams(client):
    """Invoke returns a streamed response completely, and its error as a function error."""
    good = client.invoke(FunctionName="stream", Payload=json.dumps({"parts": ['["one", ', '"two"]']}))
    bad = client.invoke(FunctionName="stream", Payload=json.dumps({"parts": ["one"], "error": "TypeError"}))

    assert (["one", "two"], None) == (json.load(good["Payload"]), good.get("FunctionError"))
    assert ("TypeError", "Unhandled") == (json.load(bad["Payload"])["errorType"], bad["FunctionError"])


@pytest.mark.parametrize(
    ("options", "code"),
    [
        pytest.param({"FunctionName": "nope"}, "ResourceNotFoundException", id="unknown"),
        pytest.param({"FunctionName": "parked"}, "TooManyRequestsException", id="throttled"),
        pytest.param({"FunctionName": "echo", "InvocationType": "Event"}, "ValidationException", id="event"),
        pytest.param({"FunctionName": "echo", "Payload": b"{"}, "InvalidRequestContentException", id="no JSON"),
    ],
)
def test_refusal(client, options, code):
    """A refusal is as for Invoke, before any stream starts."""
    with pytest.raises(ClientError) as caught:
        client.invoke_with_response_stream(**{"Payload": b"{}", **options})

    assert code == caught.value.response["Error"]["Code"]


def test_client_that_disconnects(client, reported, eventually):
    """The function keeps running, as on Lambda; the process is reused."""
    response = client.invoke_with_response_stream(
        FunctionName="stream", Payload=json.dumps({"parts": ["one"] * 10, "pause": 0.05})
    )
    next(iter(response["EventStream"]))
    response["EventStream"].close()

    def endings():
        request_id = response["ResponseMetadata"]["RequestId"]
        return [(each.status, each.error) for each in reported if each.request_id == request_id]

    eventually(endings)
    assert [(200, None)] == endings()


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_node(client_of):
    """A handler that AWS's Node.js runtime would stream is streamed, and its late error is reported."""
    function = LocalFunction("node", "app.handler", runtime="nodejs", directory=FUNCTIONS / "nodestream", timeout=20)
    with LocalEndpoint([function]) as endpoint:
        client = client_of(endpoint)
        ends = []
        for event in ({"parts": ["one, ", "two"]}, {"parts": ["one, "], "error": "too late"}):
            response = client.invoke_with_response_stream(FunctionName="node", Payload=json.dumps(event))
            *parts, end = _read_all(response)
            ends.append((b"".join(part["PayloadChunk"]["Payload"] for part in parts), end["InvokeComplete"]))

    (whole, good), (half, bad) = ends
    assert (b"one, two", {}, b"one, ", "Unhandled") == (whole, good, half, bad["ErrorCode"])
    error = json.loads(bad["ErrorDetails"])
    assert ("TypeError", "too late") == (error["errorType"], error["errorMessage"])


@given(st.lists(st.binary(max_size=2_000)), st.integers(1, 100))
def test_encoding(payloads, cut):
    """Botocore decodes the stream, however it is split into pieces."""
    written = b"".join(map(payload_chunk, payloads)) + invoke_complete("Unhandled", "zwölf", b"log")
    buffer = EventStreamBuffer()
    for start in range(0, len(written), cut):
        buffer.add_data(written[start : start + cut])
    *parts, end = list(buffer)

    assert payloads == [part.payload for part in parts]
    assert {"PayloadChunk"} >= {part.headers[":event-type"] for part in parts}
    assert {
        "ErrorCode": "Unhandled",
        "ErrorDetails": "zwölf",
        "LogResult": base64.b64encode(b"log").decode(),
    } == json.loads(end.payload)


def test_many_streams_at_a_time(client):
    """Concurrent streams do not mix."""
    found = {}

    def read(number):
        response = client.invoke_with_response_stream(
            FunctionName="stream", Payload=json.dumps({"parts": [str(number)] * 20, "pause": 0.001})
        )
        parts = [each["PayloadChunk"]["Payload"] for each in _read_all(response) if "PayloadChunk" in each]
        found[number] = b"".join(parts).decode()

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {number: str(number) * 20 for number in range(4)} == found
