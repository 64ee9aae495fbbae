"""Each client gets AWS's responses: boto3, the AWS CLI, and the AWS SDK for JavaScript."""

from __future__ import annotations

import base64
import json
import re
import sys
from dataclasses import replace

import pytest

from tests.local.endpoint_clients import CLIENTS, Answer, JavaScript
from tests.local.recorded_cases import BROKEN, DESCRIBED, FAILED, NOT_JSON, REFUSED, RESULTS

ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.fixture(name="client", scope="module", params=CLIENTS)
def _client(request, endpoint, tmp_path_factory):
    """Call the endpoint through one of the clients."""
    kind = CLIENTS[request.param]
    if kind.missing:
        pytest.skip(kind.missing)
    client = kind(endpoint.url, tmp_path_factory.mktemp("client"))
    yield client
    client.close()


@pytest.mark.parametrize(("options", "status", "code", "body"), REFUSED)
def test_refusal(client, options, status, code, body):
    """A request that AWS refuses is refused with the same status, class and message."""
    response = client.invoke(**{"Payload": b"{}", **options})

    assert client.reports(Answer(status, code, body.get("message") or body["Message"], body.get("Reason"))) == response


@pytest.mark.parametrize(("payload", "reason"), NOT_JSON)
def test_payload_that_is_not_json(client, payload, reason):
    """It is refused with a message in AWS's format."""
    response = client.invoke(FunctionName="echo", Payload=payload)

    words = f"Could not parse request body into json: Could not parse payload into json: {reason}"
    assert response.message.startswith(f"{words}\n at [Source: REDACTED ")
    assert client.reports(Answer(400, "InvalidRequestContentException", words)) == replace(response, message=words)


@pytest.mark.parametrize(("function", "event", "error_type", "message"), FAILED)
def test_failure_reported_by_the_platform(client, function, event, error_type, message):
    """A process that exits or times out is a function error in exactly AWS's JSON."""
    response = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())

    error = {"errorType": error_type, "errorMessage": message.format(request_id="ID")}
    payload = json.dumps(error, separators=(",", ":")).encode()
    expected = Answer(200, payload=payload, function_error="Unhandled", version="$LATEST")
    assert expected == replace(response, payload=ID.sub(b"ID", response.payload))


@pytest.mark.parametrize(
    ("function", "error_type", "message"),
    [
        *BROKEN,
        pytest.param("fail", "LookupError", "no such order", id="handler"),
        pytest.param(
            "unserialisable",
            "Runtime.MarshalError",
            "Unable to marshal response: Object of type set is not JSON serializable",
            id="result",
        ),
    ],
)
def test_failure_reported_by_the_runtime(client, function, error_type, message):
    """An exception, a module that does not load, a result that cannot be serialized."""
    response = client.invoke(FunctionName=function, Payload=b"{}")

    error = json.loads(response.payload)
    assert Answer(200, function_error="Unhandled", version="$LATEST") == replace(response, payload=b"")
    assert error_type == error["errorType"]
    assert error["errorMessage"].startswith(message)


def test_response_too_large(client):
    """A response over 6 MiB and 100 bytes is a function error in exactly AWS's JSON; the largest arrives completely."""
    most = client.invoke(FunctionName="sized", Payload=b'{"bytes": 6291556}')
    over = client.invoke(FunctionName="sized", Payload=b'{"bytes": 6291557}')

    error = (
        b'{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",'
        b'"errorType":"Function.ResponseSizeTooLarge"}'
    )
    assert (6_291_556, None) == (len(most.payload), most.function_error)
    assert Answer(200, payload=error, function_error="Unhandled", version="$LATEST") == over


@pytest.mark.parametrize(("function", "event", "payload"), RESULTS)
def test_result(client, function, event, payload):
    """A result arrives as the function returned it."""
    assert Answer(200, payload=payload, version="$LATEST") == client.invoke(FunctionName=function, Payload=event)


def test_absent_payload(client):
    """A call without a payload passes an empty object to the function."""
    assert b"{}" == client.invoke(FunctionName="echo").payload


@pytest.mark.parametrize(("options", "version", "arn"), DESCRIBED)
def test_address(client, options, version, arn):
    """Every form of an address reaches the function; its ARN has a qualifier only if the caller sent one."""
    response = client.invoke(Payload=b'{"order": 1}', **options)

    seen = json.loads(response.payload)
    assert Answer(200, version=version) == replace(response, payload=b"")
    assert ({"order": 1}, arn, version) == (seen["event"], seen["invoked_function_arn"], seen["function_version"])


def test_client_context_and_tenant(client):
    """Values in headers reach the function."""
    context = base64.b64encode('{"custom": {"who": "käthe"}}'.encode()).decode()
    custom = json.loads(client.invoke(FunctionName="describe", Payload=b"{}", ClientContext=context).payload)
    tenant = json.loads(client.invoke(FunctionName="tenants", Payload=b"{}", TenantId="tenant 1/a").payload)

    assert ({"who": "käthe"}, "tenant 1/a") == (custom["custom"], tenant["tenant_id"])


def test_log_tail(client):
    """The end of the log is returned if it is requested, and only then."""
    response = client.invoke(FunctionName="speak", Payload=b'{"lines": ["one"]}', LogType="Tail")
    not_asked = client.invoke(FunctionName="speak", Payload=b'{"lines": ["one"]}', LogType="None")

    assert re.search(
        rb"START RequestId: ID Version: \$LATEST\none\nto standard error\nEND RequestId: ID\n"
        rb"REPORT RequestId: ID\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t",
        ID.sub(b"ID", response.log),
    )
    assert not_asked.log is None


@pytest.mark.parametrize(
    ("function", "kind", "status"), [("echo", "Event", 202), ("parked", "Event", 202), ("echo", "DryRun", 204)]
)
def test_types_that_run_nothing_now(client, function, kind, status):
    """An event is accepted, of a throttled function too, and a dry run permitted; the response is empty."""
    assert Answer(status) == client.invoke(FunctionName=function, Payload=b"{}", InvocationType=kind)


# ── What the SDK for JavaScript has beyond a call ────────────────────────────────────────────────────────────────────


@pytest.fixture(name="send")
def _send(endpoint, tmp_path):
    """Send a command through the SDK for JavaScript."""
    if JavaScript.missing:
        pytest.skip(JavaScript.missing)
    client = JavaScript(endpoint.url, tmp_path)
    yield client.send
    client.close()


def test_javascript_reads_a_stream(send):
    """The parts, and at the end the error in mid-stream."""
    whole = send("InvokeWithResponseStreamCommand", FunctionName="stream", Payload=b'{"parts": ["one, ", "two"]}')
    half = send(
        "InvokeWithResponseStreamCommand", FunctionName="stream", Payload=b'{"parts": ["one, "], "error": "TypeError"}'
    )

    assert (200, "$LATEST") == (whole["StatusCode"], whole["ExecutedVersion"])
    assert (b"one, two", {}) == _read(whole["EventStream"])
    part, end = _read(half["EventStream"])
    assert (b"one, ", "Unhandled") == (part, end["ErrorCode"])
    assert "TypeError" == json.loads(end["ErrorDetails"])["errorType"]


def _read(events):
    *parts, end = events
    return b"".join(part["PayloadChunk"]["Payload"] for part in parts), end["InvokeComplete"]


def test_javascript_is_refused_a_stream(send):
    """As an exception of the SDK's own class, before any part."""
    response = send("InvokeWithResponseStreamCommand", FunctionName="nope", Payload=b"{}")

    assert ("ResourceNotFoundException", 404) == (response["refused"]["typed"], response["$metadata"]["httpStatusCode"])


def test_javascript_reads_descriptions(send):
    """Of one function, and of all."""
    one = send("GetFunctionCommand", FunctionName="published", Qualifier="live")["Configuration"]
    all_of_them = send("ListFunctionsCommand")["Functions"]

    assert ("1", "python{}.{}".format(*sys.version_info)) == (one["Version"], one["Runtime"])
    assert "echo" in [each["FunctionName"] for each in all_of_them]


@pytest.mark.parametrize(
    ("options", "typed"),
    [
        ({"FunctionName": "nope"}, "ResourceNotFoundException"),
        ({"FunctionName": "parked"}, "TooManyRequestsException"),
        ({"FunctionName": "tenants"}, "InvalidParameterValueException"),
        ({"FunctionName": "echo", "Payload": b"{"}, "InvalidRequestContentException"),
    ],
)
def test_javascript_raises_its_own_classes(send, options, typed):
    """So that ``instanceof`` finds them."""
    assert typed == send("InvokeCommand", **options)["refused"]["typed"]
