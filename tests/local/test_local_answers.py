"""Refusals and failures, against what was recorded from AWS."""

from __future__ import annotations

import base64
import json
import re

import pytest
from botocore.exceptions import ClientError

from lambdachain.local import LocalEndpoint, LocalFunction

ARN = "arn:aws:lambda:us-east-1:123456789012:function"
NAME_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
CONSTRAINT = "failed to satisfy constraint: Member must satisfy"

REFUSED = [
    pytest.param(
        {"FunctionName": "doesnotexist"},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": f"Function not found: {ARN}:doesnotexist:$LATEST"},
        id="unknown function",
    ),
    pytest.param(
        {"FunctionName": "doesnotexist", "InvocationType": "Event"},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": f"Function not found: {ARN}:doesnotexist:$LATEST"},
        id="unknown function, event",
    ),
    pytest.param(
        {"FunctionName": "doesnotexist", "InvocationType": "DryRun"},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": f"Function not found: {ARN}:doesnotexist:$LATEST"},
        id="unknown function, dry run",
    ),
    pytest.param(
        {"FunctionName": "echo", "Qualifier": "non-existent-alias"},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": f"Function not found: {ARN}:echo:non-existent-alias"},
        id="unknown alias",
    ),
    pytest.param(
        {"FunctionName": f"{ARN}:echo:7"},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": f"Function not found: {ARN}:echo:7"},
        id="unknown version in ARN",
    ),
    pytest.param(
        {"FunctionName": "arn:aws:lambda:eu-west-1:123456789012:function:echo"},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"},
        id="other region",
    ),
    pytest.param(
        {"FunctionName": "arn:aws:lambda:us-east-1:210987654321:function:echo"},
        403,
        "AccessDeniedException",
        {
            "Message": "User: arn:aws:iam::123456789012:root is not authorized to perform: lambda:InvokeFunction "
            "on resource: arn:aws:lambda:us-east-1:210987654321:function:echo "
            "because no resource-based policy allows the lambda:InvokeFunction action"
        },
        id="other account",
    ),
    pytest.param(
        {"FunctionName": "arn:aws:lambda:us-east-1:123400000000@function:myfn"},
        400,
        "ValidationException",
        {
            "message": "1 validation error detected: Value 'arn:aws:lambda:us-east-1:123400000000@function:myfn' "
            f"at 'functionName' {CONSTRAINT} regular expression pattern: {NAME_PATTERN}"
        },
        id="bad name",
    ),
    pytest.param(
        {"FunctionName": "echo", "Qualifier": "invalid-qualifier-with-?-char"},
        400,
        "ValidationException",
        {
            "message": "1 validation error detected: Value 'invalid-qualifier-with-?-char' "
            rf"at 'qualifier' {CONSTRAINT} regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
        },
        id="bad qualifier",
    ),
    pytest.param(
        {"FunctionName": "echo:live", "Qualifier": "test"},
        400,
        "InvalidParameterValueException",
        {
            "Type": "User",
            "message": "The derived qualifier from the function name does not match the specified qualifier.",
        },
        id="two qualifiers",
    ),
    pytest.param(
        {"FunctionName": "echo", "InvocationType": "Later"},
        400,
        "ValidationException",
        {
            "message": "1 validation error detected: Value 'Later' "
            f"at 'invocationType' {CONSTRAINT} enum value set: [RequestResponse, Event, DryRun]"
        },
        id="bad invocation type",
    ),
    pytest.param(
        {"FunctionName": "echo", "LogType": "Head"},
        400,
        "ValidationException",
        {
            "message": "1 validation error detected: Value 'Head' "
            f"at 'logType' {CONSTRAINT} enum value set: [None, Tail]"
        },
        id="bad log type",
    ),
    pytest.param(
        {"FunctionName": "echo", "TenantId": "tenant;1"},
        400,
        "ValidationException",
        {
            "message": "1 validation error detected: Value 'tenant;1' "
            rf"at 'tenantId' {CONSTRAINT} regular expression pattern: [a-zA-Z0-9\._:\/=+\-@ ]+"
        },
        id="bad tenant",
    ),
    pytest.param(
        {"FunctionName": "tenants"},
        400,
        "InvalidParameterValueException",
        {
            "Type": "User",
            "message": "The invoked function is enabled with tenancy configuration. "
            "Add a valid tenant ID in your request and try again.",
        },
        id="no tenant where tenants are kept apart",
    ),
    pytest.param(
        {"FunctionName": "echo", "TenantId": "a", "InvocationType": "Event"},
        400,
        "InvalidParameterValueException",
        {
            "Type": "User",
            "message": "The invoked function is not enabled with tenancy configuration. "
            "Remove the tenant ID from your request and try again.",
        },
        id="tenant where none is wanted",
    ),
    pytest.param(
        {"FunctionName": "parked"},
        429,
        "TooManyRequestsException",
        {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User", "message": "Rate Exceeded."},
        id="reserved concurrency 0",
    ),
    pytest.param(
        {"FunctionName": "echo", "Payload": b"x" * 6_291_457},
        413,
        "RequestEntityTooLargeException",
        {"Type": "User", "message": "Request must be smaller than 6291456 bytes for the InvokeFunction operation"},
        id="request too large",
    ),
    pytest.param(
        {"FunctionName": "echo", "InvocationType": "Event", "Payload": b"1" * 1_048_577},
        413,
        "RequestEntityTooLargeException",
        {
            "Type": "User",
            "message": "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
        },
        id="event too large",
    ),
    pytest.param(
        {"FunctionName": "echo", "InvocationType": "Event", "Payload": b"x" * 7_000_000},
        413,
        "RequestEntityTooLargeException",
        {
            "Type": "User",
            "message": "7000000 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
        },
        id="event far too large",
    ),
    pytest.param(
        {"FunctionName": "echo", "ClientContext": "A" * 3_584},
        400,
        "InvalidRequestContentException",
        {"Type": "User", "message": "Client context must be no more than 3583 bytes when base64-encoded."},
        id="client context too large",
    ),
    pytest.param(
        {"FunctionName": "echo", "ClientContext": "{}"},
        400,
        "InvalidRequestContentException",
        {"Type": "User", "message": "Client context must be a valid Base64-encoded JSON object."},
        id="client context not base64",
    ),
    pytest.param(
        {"FunctionName": "echo", "DurableExecutionName": "order-1"},
        400,
        "InvalidParameterValueException",
        {"Type": "User", "message": "DurableExecutionName is only valid for a durable function."},
        id="durable execution",
    ),
]


@pytest.mark.parametrize(("options", "status", "code", "body"), REFUSED)
def test_refusal(client, options, status, code, body):
    """A request that AWS refuses is refused with the same status, class and words."""
    with pytest.raises(ClientError) as caught:
        client.invoke(**{"Payload": b"{}", **options})

    response = caught.value.response
    assert (status, code) == (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"])
    assert (body.get("message") or body["Message"]) == response["Error"]["Message"]
    assert body.get("Reason") == response.get("Reason")


NOT_JSON = [
    pytest.param(b"\x87{}", "Invalid UTF-8 start byte 0x87", id="not UTF-8"),
    pytest.param(b"{not json", "Expecting property name enclosed in double quotes", id="not JSON"),
    pytest.param(b'{"a": 1} trailing', "Extra data", id="trailing text"),
    pytest.param(b'{"a": NaN}', "Non-standard token 'NaN'", id="NaN"),
    pytest.param(b"[-Infinity]", "Non-standard token '-Infinity'", id="infinity"),
    pytest.param(b"[" * 100_000, "Document nesting depth exceeds the maximum allowed", id="too deep"),
    pytest.param(b"1" * 5_000, "Number value length exceeds the maximum allowed", id="number too long"),
]


@pytest.mark.parametrize("invocation_type", ["RequestResponse", "Event", "DryRun"])
@pytest.mark.parametrize(("payload", "reason"), NOT_JSON)
def test_payload_that_is_no_json(post, payload, reason, invocation_type):
    """A payload that is no JSON is refused before any function sees it, in AWS's frame of words."""
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
    """A refusal carries its class in a header, a request id, and exactly AWS's JSON."""
    reply = post(function)

    assert body == reply.body.decode()
    assert "application/json" == reply.headers["content-type"]
    assert {"x-amzn-errortype", "x-amzn-requestid"} <= reply.headers.keys()


@pytest.mark.parametrize(
    "path",
    ["/", "/2015-03-31/functions", "/2015-03-31/functions/a/b/invocations", "/2014-11-13/functions/a/invoke-async"],
)
def test_other_operations(post, path):
    """Whatever is not Invoke is answered with what there is instead."""
    reply = post("", path=path)

    assert (404, "UnknownOperationException") == (reply.status, reply.headers["x-amzn-errortype"])
    assert "here: only Invoke, InvokeWithResponseStream, GetFunction, " in reply.json["message"]


EXIT = "RequestId: {request_id} Error: Runtime exited with error: "
NO_REASON = "RequestId: {request_id} Error: Runtime exited without providing a reason"
FAILED = [
    pytest.param("end", {"sys_exit": 0}, "Runtime.ExitError", NO_REASON),
    pytest.param("end", {"sys_exit": 1}, "Runtime.ExitError", EXIT + "exit status 1"),
    pytest.param("end", {"os_exit": 127}, "Runtime.ExitError", EXIT + "exit status 127"),
    pytest.param("end", {"signal": 9}, "Runtime.ExitError", EXIT + "signal: killed"),
    pytest.param("end", {"signal": 11}, "Runtime.ExitError", EXIT + "signal: segmentation fault"),
    pytest.param("end", {"signal": 15}, "Runtime.ExitError", EXIT + "signal: terminated"),
    pytest.param("end", {"interrupt": 1}, "Runtime.ExitError", EXIT + "signal: interrupt"),
    pytest.param("exits", {}, "Runtime.ExitError", NO_REASON),
    pytest.param("exits_with_7", {}, "Runtime.ExitError", EXIT + "exit status 7"),
    pytest.param(
        "hasty", {"seconds": 60}, "Sandbox.Timedout", "RequestId: {request_id} Error: Task timed out after 1.00 seconds"
    ),
    pytest.param("slow", {}, "Sandbox.Timedout", "RequestId: {request_id} Error: Task timed out after 1.00 seconds"),
]


@pytest.mark.parametrize(("function", "event", "error_type", "message"), FAILED)
def test_failure_that_the_platform_words(post, function, event, error_type, message):
    """A process that ends or takes too long is a function error in exactly AWS's JSON."""
    reply = post(function, json.dumps(event).encode())

    expected = {"errorType": error_type, "errorMessage": message.format(request_id=reply.headers["x-amzn-requestid"])}
    assert json.dumps(expected, separators=(",", ":")).encode() == reply.body
    assert (200, "Unhandled") == (reply.status, reply.headers["x-amz-function-error"])
    assert "$LATEST" == reply.headers["x-amz-executed-version"]


def test_module_that_loads_longer_than_the_timeout(client):
    """Loading has ten seconds of its own, as on Lambda: a function with a short timeout may import much."""
    response = client.invoke(FunctionName="leisurely", Payload=b"{}")

    assert (None, b'"loaded"') == (response.get("FunctionError"), response["Payload"].read())


def test_exception_of_the_handler(client):
    """A raised exception is a function error as the runtime words it."""
    response = client.invoke(FunctionName="fail", Payload=b"{}")

    error = json.load(response["Payload"])
    assert (200, "Unhandled") == (response["StatusCode"], response["FunctionError"])
    assert ("LookupError", "no such order") == (error["errorType"], error["errorMessage"])
    assert response["ResponseMetadata"]["RequestId"] == error["requestId"]
    assert "in fail\n    raise LookupError" in error["stackTrace"][0]


def test_exception_with_a_long_trace(result):
    """The runtime's diagnostic header of a deep stack, of hundreds of kilobytes, is no obstacle."""
    error = result("fail", {"deep": 800})

    assert ("LookupError", "deep down") == (error["errorType"], error["errorMessage"])


def test_result_that_is_no_json(result):
    """A result that cannot be JSON is the runtime's own function error."""
    error = result("unserialisable", {})

    assert "Runtime.MarshalError" == error["errorType"]
    assert "Unable to marshal response: Object of type set is not JSON serializable" == error["errorMessage"]


BROKEN = [
    pytest.param("raises", "RuntimeError", "no configuration", id="exception"),
    pytest.param(
        "bad_import",
        "Runtime.ImportModuleError",
        "Unable to import module 'bad_import': No module named 'no_such_module_anywhere'",
        id="import",
    ),
    pytest.param("bad_syntax", "Runtime.UserCodeSyntaxError", "Syntax error in module 'bad_syntax': ", id="syntax"),
    pytest.param(
        "no_handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'no_handler'", id="no handler"
    ),
]


@pytest.mark.parametrize(("function", "error_type", "message"), BROKEN)
def test_module_that_cannot_be_loaded(client, function, error_type, message):
    """A module that fails to load is a function error without a request id, at every call anew."""
    for _ in range(2):
        response = client.invoke(FunctionName=function, Payload=b"{}")

        error = json.load(response["Payload"])
        assert (200, "Unhandled") == (response["StatusCode"], response["FunctionError"])
        assert (error_type, "") == (error["errorType"], error["requestId"])
        assert error["errorMessage"].startswith(message)


def test_module_that_loads_at_last(client_of, tmp_path):
    """A function whose module failed to load works as soon as the module does."""
    module = tmp_path / "late.py"
    module.write_text("raise RuntimeError('not yet')")
    with LocalEndpoint([LocalFunction("late", "late.handler", directory=tmp_path)]) as endpoint:
        first = client_of(endpoint).invoke(FunctionName="late", Payload=b"{}")
        module.write_text("def handler(event, context):\n    return 'at last, and written longer'\n")
        second = client_of(endpoint).invoke(FunctionName="late", Payload=b"{}")

    assert "not yet" == json.load(first["Payload"])["errorMessage"]
    assert "at last, and written longer" == json.load(second["Payload"])


def test_largest_response(client):
    """A response of 6 MiB and 100 bytes comes through whole."""
    response = client.invoke(FunctionName="sized", Payload=b'{"bytes": 6291556}')

    assert (6_291_556, None) == (len(response["Payload"].read()), response.get("FunctionError"))


def test_response_too_large(client):
    """A response of one byte more is a function error in exactly AWS's JSON."""
    response = client.invoke(FunctionName="sized", Payload=b'{"bytes": 6291557}')

    assert (
        b'{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",'
        b'"errorType":"Function.ResponseSizeTooLarge"}'
    ) == response["Payload"].read()
    assert "Unhandled" == response["FunctionError"]


def test_largest_request(client):
    """A synchronous request of 6 MiB is delivered whole."""
    response = client.invoke(FunctionName="measure", Payload=b'"' + b"x" * (6_291_456 - 2) + b'"')

    assert b"6291454" == response["Payload"].read()


def test_log_tail_of_an_exit(client):
    """The log of a process that ended tells what it printed last and how it ended."""
    response = client.invoke(FunctionName="end", Payload=b'{"os_exit": 42}', LogType="Tail")

    request_id = response["ResponseMetadata"]["RequestId"]
    log = base64.b64decode(response["LogResult"]).decode()
    assert re.search(
        rf"START RequestId: {request_id} Version: \$LATEST\nthe end is near\n"
        rf"RequestId: {request_id} Error: Runtime exited with error: exit status 42\nRuntime\.ExitError\n"
        rf"END RequestId: {request_id}\nREPORT RequestId: {request_id}\t",
        log,
    )
