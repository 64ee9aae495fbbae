"""Responses recorded from AWS, as on the wire, and what a caller gets for each.

The bodies are those of LocalStack's AWS-validated snapshots and of public issues, the header names those that the
Step Functions snapshots keep. Responses of functions of the several runtimes are in ``test_recorded_function_errors``.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

import lambdachain as lc
from lambdachain import Contract, Execution, LambdaClient
from tests.support.responses import http_response

REQUEST_ID = "7f3c1f6e-5a0b-4c53-9d3e-2f1b8a4c6d70"
NEVER, SAFE = (False, False), (True, True)
RATE = "ReservedFunctionConcurrentInvocationLimitExceeded"
FUNCTION = "arn:aws:lambda:eu-west-1:111111111111:function"
NAME_RULE = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
BAD_NAME = (
    "1 validation error detected: Value '{}' at 'functionName' failed to satisfy constraint: Member must satisfy "
    f"regular expression pattern: {NAME_RULE}"
)
BAD_UTF8 = (
    "Could not parse request body into json: Could not parse payload into json: Invalid UTF-8 start byte 0x87\n at {}"
)
BAD_CHARACTER = (
    "Could not parse request body into json: Could not parse payload into json: Unexpected character ((CTRL-CHAR, "
    "code 153)): expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
)
DENIED = (
    "User: arn:aws:sts::111111111111:assumed-role/orders-role/orders is not authorized to perform: "
    "lambda:InvokeFunction on resource: arn:aws:lambda:eu-west-1:111111111111:function:billing because no "
    "identity-based policy allows the lambda:InvokeFunction action"
)


@dataclass(frozen=True)
class Recorded:
    """A response: status line, headers in addition to the common ones, body."""

    status: str
    body: bytes = b""
    headers: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Failing:
    """The error a caller gets; ``retryable`` for a contract that is not idempotent, and for one that is."""

    error: type[lc.CallError]
    retryable: tuple[bool, bool] = NEVER
    execution: Execution = Execution.NOT_EXECUTED
    message: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


def error_response(status: str, error_type: str, body: bytes = b"", **headers: str) -> Recorded:
    """Return an error response of the service."""
    return Recorded(
        status, body, {"x-amzn-ErrorType": error_type, **{k.replace("_", "-"): headers[k] for k in headers}}
    )


def throttle_response(body: bytes, **headers: str) -> Recorded:
    """Return a throttle response."""
    return error_response("429 Too Many Requests", "TooManyRequestsException", body, **headers)


def throttle(reason: str | None, retry_after: float | None = None, message: str = "") -> Failing:
    """Return the expected error for a throttle."""
    fields = {"reason": reason, "retry_after": retry_after}
    return Failing(lc.ThrottledError, SAFE, Execution.NOT_EXECUTED, message, fields)


REFUSALS = [
    pytest.param(
        throttle_response(
            b'{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}'
        ),
        throttle(RATE, None, f"TooManyRequestsException: Rate Exceeded. ({RATE})"),
        id="throttled by reserved concurrency",
    ),
    pytest.param(
        throttle_response(b'{"Reason":"CallerRateLimitExceeded","Type":"User","message":"Rate exceeded"}'),
        throttle("CallerRateLimitExceeded", None, "TooManyRequestsException: Rate exceeded (CallerRateLimitExceeded)"),
        id="throttled by the caller's rate",
    ),
    *(
        pytest.param(
            throttle_response(b'{"Type":"User","message":"Rate Exceeded.","Reason":"%s"}' % reason.encode()),
            throttle(reason),
            id=f"throttled: {reason}",
        )
        for reason in (
            "ConcurrentInvocationLimitExceeded",
            "FunctionInvocationRateLimitExceeded",
            "ReservedFunctionInvocationRateLimitExceeded",
            "ConcurrentSnapshotCreateLimitExceeded",
            "AReasonOfNextYear",
        )
    ),
    pytest.param(
        throttle_response(b'{"Type":"User","message":"Rate exceeded"}'),
        throttle(None, None, "TooManyRequestsException: Rate exceeded"),
        id="throttled without a reason",
    ),
    pytest.param(Recorded("429 Too Many Requests"), throttle(None, None, "429"), id="429 with no body"),
    pytest.param(throttle_response(b"", Retry_After="2"), throttle(None, 2.0), id="Retry-After: 2"),
    pytest.param(throttle_response(b"", Retry_After="0"), throttle(None, 0.0), id="Retry-After: 0"),
    pytest.param(throttle_response(b"", Retry_After="86400"), throttle(None, 86400.0), id="Retry-After: a day"),
    pytest.param(throttle_response(b"", Retry_After="soon"), throttle(None), id="Retry-After: garbage"),
    pytest.param(throttle_response(b"", Retry_After="-1"), throttle(None), id="Retry-After: negative"),
    pytest.param(
        throttle_response(b"", Retry_After="Tue, 25 Nov 2025 12:00:05 GMT"),
        throttle(None, 5.0),
        id="Retry-After: a date",
    ),
    pytest.param(
        throttle_response(b"", x_amz_retry_after="1500"), throttle(None, 1.5), id="x-amz-retry-after: 1500 ms"
    ),
    pytest.param(
        throttle_response(b"", x_amz_retry_after="250", Retry_After="2"),
        throttle(None, 0.25),
        id="both: the finer one counts",
    ),
    pytest.param(
        error_response(
            "404 Not Found",
            "ResourceNotFoundException",
            b'{"Message":"Function not found: arn:aws:lambda:eu-west-1:111111111111:function:doesnotexist:$LATEST",'
            b'"Type":"User"}',
        ),
        Failing(
            lc.FunctionNotFoundError,
            message=f"ResourceNotFoundException: Function not found: {FUNCTION}:doesnotexist:$LATEST",
        ),
        id="unknown function",
    ),
    pytest.param(
        error_response(
            "404 Not Found",
            "ResourceNotFoundException",
            b'{"Message":"Function not found: arn:aws:lambda:eu-west-1:111111111111:function:doesnotexist",'
            b'"Type":"User"}',
        ),
        Failing(
            lc.FunctionNotFoundError,
            message=f"ResourceNotFoundException: Function not found: {FUNCTION}:doesnotexist",
        ),
        id="unknown function in 2023",
    ),
    pytest.param(
        error_response(
            "404 Not Found",
            "ResourceNotFoundException",
            b'{"Type":"User","Message":'
            b"\"Functions from 'us-east-2' are not reachable in this region ('eu-west-1')\"}",
        ),
        Failing(
            lc.FunctionNotFoundError,
            message="ResourceNotFoundException: Functions from 'us-east-2' are not reachable in this region "
            "('eu-west-1')",
        ),
        id="an ARN of another region",
    ),
    pytest.param(
        error_response(
            "400 Bad Request",
            "InvalidRequestContentException",
            b'{"Type":"User","message":"Could not parse request body into json: Could not parse payload into json: '
            b"Invalid UTF-8 start byte 0x87\\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` "
            b'disabled); line: 1, column: 3]"}',
        ),
        Failing(
            lc.InvalidRequestError,
            message="InvalidRequestContentException: " + BAD_UTF8.format("(withheld)"),
        ),
        id="payload with bad UTF-8",
    ),
    pytest.param(
        error_response(
            "400 Bad Request",
            "InvalidRequestContentException",
            b'{"Type":"User","message":"Could not parse request body into json: Could not parse payload into json: '
            b"Unexpected character ((CTRL-CHAR, code 153)): expected a valid value (JSON String, Number, Array, Object "
            b"or token 'null', 'true' or 'false')\"}",
        ),
        Failing(lc.InvalidRequestError, message="InvalidRequestContentException: " + BAD_CHARACTER),
        id="payload that is not JSON",
    ),
    pytest.param(
        error_response(
            "400 Bad Request",
            "ValidationException",
            b'{"message":"1 validation error detected: Value \'arn:aws:lambda:eu-west-1:123400000000@function:myfn\' '
            b"at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: "
            b"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\\\d{1}:)?(\\\\d{12}:)?"
            b'(function:)?([a-zA-Z0-9-_\\\\.]+)(:(\\\\$LATEST(\\\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"}',
        ),
        Failing(lc.InvalidRequestError, message="ValidationException: " + BAD_NAME.replace("'{}'", "(withheld)")),
        id="an invalid name",
    ),
    pytest.param(
        error_response(
            "400 Bad Request",
            "InvalidParameterValueException",
            b'{"Type":"User","message":"The derived qualifier from the function name does not match the specified '
            b'qualifier."}',
        ),
        Failing(
            lc.InvalidRequestError,
            message="InvalidParameterValueException: The derived qualifier from the function name does not match the "
            "specified qualifier.",
        ),
        id="two qualifiers",
    ),
    pytest.param(
        error_response(
            "413 Request Entity Too Large",
            "RequestEntityTooLargeException",
            b'{"Type":"User","message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}',
        ),
        Failing(
            lc.RequestTooLargeError,
            message="RequestEntityTooLargeException: Request must be smaller than 6291456 bytes for the "
            "InvokeFunction operation",
        ),
        id="too large for a call",
    ),
    pytest.param(
        error_response(
            "413 Request Entity Too Large",
            "RequestEntityTooLargeException",
            b'{"Type":"User","message":"1148576 byte payload is too large for the Event invocation type (limit 1048576 '
            b'bytes)"}',
        ),
        Failing(
            lc.RequestTooLargeError,
            message="RequestEntityTooLargeException: 1148576 byte payload is too large for the Event invocation type "
            "(limit 1048576 bytes)",
        ),
        id="too large for an event",
    ),
    pytest.param(
        error_response(
            "403 Forbidden",
            "AccessDeniedException",
            b'{"Message":"User: arn:aws:sts::111111111111:assumed-role/orders-role/orders is not authorized to '
            b"perform: "
            b"lambda:InvokeFunction on resource: arn:aws:lambda:eu-west-1:111111111111:function:billing because no "
            b'identity-based policy allows the lambda:InvokeFunction action"}',
        ),
        Failing(lc.AccessDeniedError, message="AccessDeniedException: " + DENIED),
        id="no permission",
    ),
    pytest.param(
        error_response(
            "403 Forbidden",
            "ExpiredTokenException",
            b'{"message":"The security token included in the request is expired"}',
        ),
        Failing(
            lc.CredentialsError,
            SAFE,
            message="ExpiredTokenException: The security token included in the request is expired",
        ),
        id="credentials expired",
    ),
    pytest.param(
        error_response(
            "403 Forbidden",
            "UnrecognizedClientException",
            b'{"message":"The security token included in the request is invalid."}',
        ),
        Failing(
            lc.CredentialsError,
            message="UnrecognizedClientException: The security token included in the request is invalid.",
        ),
        id="credentials unknown",
    ),
]


@pytest.mark.parametrize("send", ["call", "fire"])
@pytest.mark.parametrize("idempotent", [False, True], ids=["", "idempotent"])
@pytest.mark.parametrize(("recorded", "failing"), REFUSALS)
def test_an_error_of_lambda_becomes_the_documented_error(
    *,
    recorded: Recorded,
    failing: Failing,
    idempotent: bool,
    send: str,
    server: Any,
    client: LambdaClient,
) -> None:
    """Class, execution, retryable, message and fields are those of the table, for call and fire."""
    server.respond(http_response(recorded.status, recorded.body, recorded.headers))
    contract = Contract("billing", request=dict[str, int], response=int, idempotent=idempotent, qualifier="live")

    with pytest.raises(lc.CallError) as caught:
        getattr(client, send)(contract, {"cents": 5})

    error = caught.value
    assert failing.error is type(error)
    assert (failing.execution, failing.retryable[idempotent]) == (error.execution, error.retryable)
    assert ("billing:live", REQUEST_ID) == (error.function, error.request_id)
    assert failing.message in ("", error.args[0])
    assert failing.fields == {name: getattr(error, name) for name in failing.fields}
    status = int(recorded.status.split()[0])
    assert [(failing.error.__name__, status, REQUEST_ID)] == [(a.error, a.status, a.request_id) for a in error.attempts]
    assert len(server.requests) == 1


def success(body: bytes, version: str = "$LATEST", **headers: str) -> Recorded:
    """Return a response of a function."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return Recorded("200 OK", body, {"X-Amz-Executed-Version": version, **more})


@pytest.mark.parametrize(
    ("recorded", "response", "value", "version"),
    [
        pytest.param(success(b"null"), int | None, None, "$LATEST", id="a function that returns nothing"),
        pytest.param(success(b"null"), None, None, "$LATEST", id="a contract that answers None"),
        pytest.param(success(b'{"charge_id": "c-1"}'), dict[str, str], {"charge_id": "c-1"}, "$LATEST", id="an object"),
        pytest.param(success(b"1", "1"), int, 1, "1", id="a version"),
        pytest.param(success(b'"h\\u00e9llo"', "1"), str, "héllo", "1", id="an alias, which leads to a version"),
        pytest.param(success('"h\u00e9llo"'.encode()), str, "héllo", "$LATEST", id="UTF-8, as Python 3.12 sends it"),
        pytest.param(success(b'"%s"' % (b"x" * 6 * 1024 * 1024)), str, "x" * 6 * 1024 * 1024, "$LATEST", id="6 MiB"),
    ],
)
def test_a_success_is_decoded(
    *,
    recorded: Recorded,
    response: Any,
    value: object,
    version: str,
    server: Any,
    client: LambdaClient,
) -> None:
    """The value is typed, with the executed version and Lambda's request id."""
    server.respond(http_response(recorded.status, recorded.body, recorded.headers))

    result = client.invoke("billing", None, response=response)

    assert value == result.value
    assert (version, REQUEST_ID, None) == (result.executed_version, result.request_id, result.log_tail)
    assert [(None, 200, REQUEST_ID)] == [(a.error, a.status, a.request_id) for a in result.attempts]


def test_the_log_tail_is_decoded(server: Any, client: LambdaClient) -> None:
    """``log_tail=True`` requests the log, and its lines are str."""
    tail = (
        f"START RequestId: {REQUEST_ID} Version: $LATEST\nhéllo\nEND RequestId: {REQUEST_ID}\nREPORT RequestId: "
        f"{REQUEST_ID}\tDuration: 1.52 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 37 MB\t\n"
    )
    log = {"X-Amz-Log-Result": base64.b64encode(tail.encode()).decode(), "X-Amz-Executed-Version": "$LATEST"}
    server.respond(http_response("200 OK", b"null", log))

    result = client.invoke("billing", None, log_tail=True)

    assert tail == result.log_tail


@pytest.mark.parametrize("log", ["a", "\xe9\xe9\xe9\xe9", "====", ""])
def test_an_invalid_log_tail_is_ignored(log: str, server: Any, client: LambdaClient) -> None:
    """A log that is not base64 does not invalidate the response."""
    server.respond(http_response("200 OK", b"1", {"X-Amz-Log-Result": log, "X-Amz-Executed-Version": "1"}))

    result = client.invoke("billing", None, log_tail=True)

    assert (1, True) == (result.value, not result.log_tail)


@pytest.mark.parametrize("body", [b"", b'{"a": 1}'], ids=["as AWS sends it", "with a body, as stand-ins send it"])
def test_a_queued_event_returns_a_receipt(body: bytes, server: Any, client: LambdaClient) -> None:
    """202 has no ExecutedVersion; the receipt has the id that is in the function's log."""
    server.respond(http_response("202 Accepted", body))

    receipt = client.fire("billing", {"cents": 5})

    assert REQUEST_ID == receipt.request_id
    assert [(None, 202)] == [(attempt.error, attempt.status) for attempt in receipt.attempts]
