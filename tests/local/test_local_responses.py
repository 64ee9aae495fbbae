"""Refusals and failures on the wire, compared with recordings of AWS; `test_local_conformance` has the clients."""

from __future__ import annotations

import base64
import json
import re
import socket
from urllib.parse import urlsplit

import pytest

from lambdachain.local import LocalEndpoint, LocalFunction
from tests.local.recorded_cases import ARN, BROKEN, FAILED, NOT_JSON, TIMEOUT


@pytest.mark.parametrize("invocation_type", ["RequestResponse", "Event", "DryRun"])
@pytest.mark.parametrize(("payload", "reason"), NOT_JSON)
def test_payload_that_is_not_json(post, payload, reason, invocation_type):
    """An invalid payload is refused before any function sees it, with a message in AWS's format."""
    reply = post("echo", payload, {"X-Amz-Invocation-Type": invocation_type})

    assert (400, "InvalidRequestContentException") == (reply.status, reply.headers["x-amzn-errortype"])
    assert reply.json["message"].startswith(
        f"Could not parse request body into json: Could not parse payload into json: {reason}\n at [Source: REDACTED "
    )


@pytest.mark.parametrize(
    ("function", "body"),
    [
        pytest.param(
            "no-such", '{"Type":"User","Message":"Function not found: ' + ARN + ':no-such:$LATEST"}', id="404"
        ),
        pytest.param(
            "parked",
            '{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}',
            id="429",
        ),
    ],
)
def test_refusal_on_the_wire(post, function, body):
    """A refusal has its class in a header, a request id, and exactly AWS's JSON."""
    reply = post(function)

    assert body == reply.body.decode()
    assert "application/json" == reply.headers["content-type"]
    assert {"x-amzn-errortype", "x-amzn-requestid"} <= reply.headers.keys()


def test_client_that_waits_before_it_sends_the_payload(endpoint):
    """``Expect: 100-continue``, which curl sends for large payloads, gets its response before the payload arrives."""
    address = urlsplit(endpoint.url)
    head = (
        "POST /2015-03-31/functions/echo/invocations HTTP/1.1\r\nHost: localhost\r\n"
        "Expect: 100-continue\r\nContent-Length: 2\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
        response = connection.recv(1_000)
        connection.sendall(b"{}")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert b"HTTP/1.1 100 Continue\r\n\r\n" == response
    assert (b"HTTP/1.1 200 OK", b"{}") == (answer.partition(b"\r\n")[0], answer.rpartition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    "path",
    ["/", "/2015-03-31/functions", "/2015-03-31/functions/a/b/invocations", "/2014-11-13/functions/a/invoke-async"],
)
def test_other_operations(post, path):
    """The response to any operation that is not served lists those that are."""
    reply = post("", path=path)

    assert (404, "UnknownOperationException") == (reply.status, reply.headers["x-amzn-errortype"])
    assert ": only Invoke, InvokeWithResponseStream, GetFunction, " in reply.json["message"]


@pytest.mark.parametrize(
    ("function", "event", "error_type", "message"), [*FAILED, pytest.param("slow", {}, "Sandbox.Timedout", TIMEOUT)]
)
def test_failure_reported_by_the_platform(post, function, event, error_type, message):
    """A process that exits or times out is a function error in exactly AWS's JSON."""
    reply = post(function, json.dumps(event).encode())

    expected = {"errorType": error_type, "errorMessage": message.format(request_id=reply.headers["x-amzn-requestid"])}
    assert json.dumps(expected, separators=(",", ":")).encode() == reply.body
    assert (200, "Unhandled") == (reply.status, reply.headers["x-amz-function-error"])
    assert "$LATEST" == reply.headers["x-amz-executed-version"]


def test_module_that_loads_longer_than_the_timeout(client):
    """Loading has its own limit of ten seconds, as on Lambda: a function with a short timeout may import much."""
    response = client.invoke(FunctionName="leisurely", Payload=b"{}")

    assert (None, b'"loaded"') == (response.get("FunctionError"), response["Payload"].read())


def test_exception_of_the_handler(client):
    """A raised exception is a function error as the runtime reports it."""
    response = client.invoke(FunctionName="fail", Payload=b"{}")

    error = json.load(response["Payload"])
    assert (200, "Unhandled") == (response["StatusCode"], response["FunctionError"])
    assert ("LookupError", "no such order") == (error["errorType"], error["errorMessage"])
    assert response["ResponseMetadata"]["RequestId"] == error["requestId"]
    assert "in fail\n    raise LookupError" in error["stackTrace"][0]


def test_exception_with_a_long_trace(result):
    """The runtime's diagnostic header for a deep stack, of hundreds of kilobytes, is accepted."""
    error = result("fail", {"deep": 800})

    assert ("LookupError", "deep down") == (error["errorType"], error["errorMessage"])


def test_result_that_is_not_json(result):
    """A result that cannot be serialized is the runtime's own function error."""
    error = result("unserialisable", {})

    assert "Runtime.MarshalError" == error["errorType"]
    assert "Unable to marshal response: Object of type set is not JSON serializable" == error["errorMessage"]


@pytest.mark.parametrize(("function", "error_type", "message"), BROKEN)
def test_module_that_cannot_be_loaded(client, function, error_type, message):
    """A module that fails to load is a function error without a request id, at every call again."""
    for _ in range(2):
        response = client.invoke(FunctionName=function, Payload=b"{}")

        error = json.load(response["Payload"])
        assert (200, "Unhandled") == (response["StatusCode"], response["FunctionError"])
        assert (error_type, "") == (error["errorType"], error["requestId"])
        assert error["errorMessage"].startswith(message)


def test_module_that_loads_later(client_of, tmp_path):
    """A function whose module failed to load works as soon as the module loads."""
    module = tmp_path / "late.py"
    module.write_text("raise RuntimeError('not yet')")
    with LocalEndpoint([LocalFunction("late", "late.handler", directory=tmp_path)]) as endpoint:
        first = client_of(endpoint).invoke(FunctionName="late", Payload=b"{}")
        module.write_text("def handler(event, context):\n    return 'at last, and written longer'\n")
        second = client_of(endpoint).invoke(FunctionName="late", Payload=b"{}")

    assert "not yet" == json.load(first["Payload"])["errorMessage"]
    assert "at last, and written longer" == json.load(second["Payload"])


def test_largest_response(client):
    """A response of 6 MiB and 100 bytes arrives completely."""
    response = client.invoke(FunctionName="sized", Payload=b'{"bytes": 6291556}')

    assert (6_291_556, None) == (len(response["Payload"].read()), response.get("FunctionError"))


def test_response_too_large(client):
    """One byte more is a function error in exactly AWS's JSON."""
    response = client.invoke(FunctionName="sized", Payload=b'{"bytes": 6291557}')

    assert (
        b'{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",'
        b'"errorType":"Function.ResponseSizeTooLarge"}'
    ) == response["Payload"].read()
    assert "Unhandled" == response["FunctionError"]


def test_largest_request(client):
    """A synchronous request of 6 MiB is delivered completely."""
    response = client.invoke(FunctionName="measure", Payload=b'"' + b"x" * (6_291_456 - 2) + b'"')

    assert b"6291454" == response["Payload"].read()


def test_log_tail_of_an_exit(client):
    """The log of a process that exited has its last output and how it ended."""
    response = client.invoke(FunctionName="end", Payload=b'{"os_exit": 42}', LogType="Tail")

    request_id = response["ResponseMetadata"]["RequestId"]
    log = base64.b64decode(response["LogResult"]).decode()
    assert re.search(
        rf"START RequestId: {request_id} Version: \$LATEST\nthe end is near\n"
        rf"RequestId: {request_id} Error: Runtime exited with error: exit status 42\nRuntime\.ExitError\n"
        rf"END RequestId: {request_id}\nREPORT RequestId: {request_id}\t",
        log,
    )
