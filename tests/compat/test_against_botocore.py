"""The same requests through boto3 and through ``compat``: the server sees the same, and the caller gets the same."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError, ParamValidationError

import lambdachain as lc
from lambdachain import compat
from lambdachain._calling.error_table import SERVICE_ERRORS
from tests.compat.conftest import KEYS, create_single_attempt_client
from tests.support import faults
from tests.support.laboratory import Laboratory, Request
from tests.support.responses import http_response

VERSION = {"X-Amz-Executed-Version": "$LATEST"}
OK = http_response("200 OK", b'{"charge_id": "c-1"}', VERSION)
CONTEXT = base64.b64encode(b'{"custom": {"user": "u-1"}, "env": {"stage": "test"}}').decode()
DIFFERS = (
    "amz-sdk-invocation-id",
    "authorization",
    "x-amz-date",
    "amz-sdk-request",
    "x-amz-client-context",
    "user-agent",
)


@pytest.fixture(scope="module")
def server() -> Iterator[Laboratory]:
    """One server, and the two clients below, for all tests of the module: a client takes long to create."""
    with Laboratory() as running:
        yield running


@pytest.fixture(scope="module")
def theirs(server: Laboratory) -> Iterator[Any]:
    """boto3's own client, whose requests are sent once."""
    client = create_single_attempt_client(server.url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def ours(server: Laboratory) -> Iterator[Any]:
    """The client of ``compat``; what fails is sent once, too."""
    client: Any = compat.client("lambda", endpoint_url=server.url, retry=lc.RetryPolicy.never(), **KEYS)
    yield client
    client.close()


@cache
def operation(name: str) -> Any:
    """Return botocore's model of an operation."""
    return botocore.session.get_session().get_service_model("lambda").operation_model(name)


def seen(request: Request) -> Any:
    """Return what the server saw, without what differs from one request to the next."""
    headers = {name: value for name, value in request.headers.items() if name not in DIFFERS}
    return request.method, request.path, headers, request.body


def read(answer: Any) -> Any:
    """Return an answer with its payload read."""
    return {name: value.read() if name == "Payload" else value for name, value in answer.items()}


def outcome(call: Callable[..., Any], **parameters: Any) -> Any:
    """Return the answer, or the exception, of a call."""
    try:
        return read(call(**parameters))
    except ClientError as exc:
        return exc


def compare(server: Laboratory, theirs: Any, ours: Any, response: bytes, **parameters: Any) -> tuple[Any, Any]:
    """Send the same through both clients; the requests are the same. Return both outcomes."""
    outcomes = []
    for client in (theirs, ours):
        server.respond(response)
        outcomes.append(outcome(client.invoke, **parameters))
        server.settle()
        outcomes.append(seen(server.requests[0]))
    assert outcomes[1] == outcomes[3]
    return outcomes[0], outcomes[2]


PARAMETERS: list[dict[str, Any]] = [
    {},
    {"InvocationType": "RequestResponse"},
    {"InvocationType": "Event", "Payload": "{}"},
    {"InvocationType": "DryRun"},
    {"LogType": "Tail"},
    {"LogType": "None"},
    {"Qualifier": "live"},
    {"TenantId": "tenant-1"},
    {"DurableExecutionName": "run-1"},
    {"Payload": '{"a": "ä"}'},
    {"Payload": b'{"a": 1}'},
    {"Payload": bytearray(b'{"a": 1}')},
    {"Payload": b""},
    {"ClientContext": CONTEXT},
    {"ClientContext": "not base64"},
    {"FunctionName": "arn:aws:lambda:eu-west-1:123456789012:function:price"},
    {"FunctionName": "arn:aws:lambda:eu-west-1:123456789012:function:price:live"},
    {"FunctionName": "123456789012:price"},
    {"FunctionName": "price:live"},
    {"FunctionName": "not a name"},
    {"FunctionName": "price:live", "Qualifier": "other"},
]


def test_every_parameter_of_the_service_model_is_compared():
    """A parameter of a newer botocore fails here until it has a row."""
    compared = {name for parameters in PARAMETERS for name in parameters} | {"FunctionName"}

    assert set(operation("Invoke").input_shape.members) <= compared


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_a_request_and_its_answer_are_those_of_boto3(
    server: Laboratory, theirs: Any, ours: Any, parameters: dict[str, Any]
):
    """The server sees the same request but for the ClientContext, and the caller the same answer, field by field."""
    known = operation("Invoke").input_shape.members
    if not set(parameters) <= set(known):
        pytest.skip("this botocore does not know the parameter")
    status = {"Event": "202 Accepted", "DryRun": "204 No Content"}.get(parameters.get("InvocationType", ""), "200 OK")
    body = b'{"charge_id": "c-1"}' if status == "200 OK" else b""
    response = http_response(status, body, {**VERSION, "X-Amz-Log-Result": "TE9H", "X-Amz-Durable-Execution-Arn": "a"})

    expected, got = compare(server, theirs, ours, response, **{"FunctionName": "price", **parameters})

    assert got == expected
    assert list(got) == list(expected)


def test_a_file_is_sent_from_its_position(server: Laboratory, theirs: Any, ours: Any):
    """A payload may be a file."""
    bodies = []
    for client in (theirs, ours):
        file = io.BytesIO(b'...{"a": 1}')
        file.seek(3)
        server.respond(OK)
        client.invoke(FunctionName="price", Payload=file)
        bodies.append(server.requests[0].body)

    assert bodies == [b'{"a": 1}'] * 2


FAILED = {**VERSION, "X-Amz-Function-Error": "Unhandled", "X-Amz-Log-Result": "TE9H"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"errorMessage": "boom", "errorType": "ValueError", "requestId": "r", "stackTrace": []}',
        b'{"errorType": "Sandbox.Timedout", "errorMessage": "Error: Task timed out after 1.00 seconds"}',
        b'{"errorType": "Runtime.ExitError", "errorMessage": "Error: Runtime exited"}',
        b'{"errorType": "Sandbox.Failure"}',
        b'{"errorType": "Runtime.ImportModuleError"}',
        b"not JSON",
        b"",
    ],
)
def test_a_function_that_fails_is_an_answer(server: Laboratory, theirs: Any, ours: Any, body: bytes):
    """As in boto3: ``FunctionError`` is in the answer, nothing is raised, and the function runs once."""
    expected, got = compare(server, theirs, ours, http_response("200 OK", body, FAILED), FunctionName="price")

    assert got == expected
    assert got["FunctionError"] == "Unhandled"
    assert len(server.requests) == 1


ANSWERS = {
    "no version": http_response("200 OK", b"{}"),
    "empty": http_response("200 OK", b"", VERSION),
    "not Lambda's": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "another status": http_response("202 Accepted", b"{}", VERSION),
    "not JSON": http_response("200 OK", b"Simple Lambda happy path OK", VERSION),
    "chunked": http_response(
        "200 OK", b"2\r\n{}\r\n0\r\n\r\n", {**VERSION, "Content-Length": None, "Transfer-Encoding": "chunked"}
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_boto3_accepts_is_accepted(server: Laboratory, theirs: Any, ours: Any, name: str):
    """Emulators leave headers out; code that works with them goes on working."""
    expected, got = compare(server, theirs, ours, ANSWERS[name], FunctionName="price")

    assert got == expected


def error_shapes() -> list[Any]:
    """Return the errors that botocore declares for Invoke, and others that AWS documents."""
    declared = [(shape.name, shape) for shape in operation("Invoke").error_shapes]
    return [*declared, *((code, None) for code in SERVICE_ERRORS if code not in dict(declared))]


@pytest.mark.parametrize(("code", "shape"), error_shapes(), ids=str)
def test_every_error_of_the_service_model_is_both(server: Laboratory, theirs: Any, ours: Any, code: str, shape: Any):
    """It is of boto3's class, with the same response and text, and of lambdachain's class from the table."""
    members = {
        name: f"the {name}" for name in (shape.members if shape else ("message",)) if name != "retryAfterSeconds"
    }
    status = (shape.metadata.get("error", {}).get("httpStatusCode") if shape else None) or 400
    response = http_response(
        f"{status} Failed", json.dumps(members).encode(), {"x-amzn-ErrorType": code, "Retry-After": "3"}
    )

    expected, got = compare(server, theirs, ours, response, FunctionName="price")

    assert isinstance(got, type(expected))
    assert isinstance(got, SERVICE_ERRORS[code].error)
    assert type(got).__name__ == type(expected).__name__
    assert isinstance(got, getattr(ours.exceptions, shape.name if shape else "ClientError"))
    assert got.response == expected.response
    assert (str(got), repr(got), got.args) == (str(expected), repr(expected), expected.args)
    assert got.operation_name == expected.operation_name
    assert (got.function, got.execution) == ("price", SERVICE_ERRORS[code].execution)
    assert [attempt.status for attempt in got.attempts] == [status]


INVALID: list[dict[str, Any]] = [
    {},
    {"FunctionName": 5},
    {"FunctionName": ""},
    {"FunctionName": "price", "Payload": {"a": 1}},
    {"FunctionName": "price", "Payload": 5},
    {"FunctionName": "price", "functionname": "x"},
    {"FunctionName": "price", "InvocationType": 5},
    {"FunctionName": "price", "Qualifier": ""},
    {"FunctionName": "price", "LogType": None},
    {"FunctionName": "price", "ClientContext": {"custom": {}}},
]


@pytest.mark.parametrize("parameters", INVALID, ids=str)
def test_wrong_parameters_are_rejected_as_by_boto3(server: Laboratory, theirs: Any, ours: Any, parameters: Any):
    """With botocore's exception, unchanged, before anything is sent."""
    server.play(faults.SUCCESS)
    texts = []
    for client in (theirs, ours):
        with pytest.raises(ParamValidationError) as caught:
            client.invoke(**parameters)
        texts.append((type(caught.value), str(caught.value)))

    assert texts[0] == texts[1]
    assert server.requests == []


def test_positional_arguments_are_rejected_as_by_boto3(theirs: Any, ours: Any):
    """boto3's methods have keyword arguments only."""
    texts = []
    for client in (theirs, ours):
        with pytest.raises(TypeError) as caught:
            client.invoke("price")
        texts.append(str(caught.value))

    assert texts[0] == texts[1]


def test_an_unknown_invocation_type_is_for_lambda_to_reject(server: Laboratory, theirs: Any, ours: Any):
    """Botocore does not check the values of an enumeration."""
    response = http_response(
        "400 Bad Request", b'{"message": "no such type"}', {"x-amzn-ErrorType": "ValidationException"}
    )
    expected, got = compare(server, theirs, ours, response, FunctionName="price", InvocationType="Sometimes")

    assert (str(got), got.response) == (str(expected), expected.response)
    assert isinstance(got, lc.InvalidRequestError)


def test_invoke_async_is_that_of_boto3(server: Laboratory, theirs: Any, ours: Any):
    """The deprecated operation, which some old code still has."""
    found = []
    for client in (theirs, ours):
        server.respond(http_response("202 Accepted"))
        found.append(client.invoke_async(FunctionName="price", InvokeArgs=b"{}"))
        server.settle()
        found.append(seen(server.requests[0]))

    assert found[:2] == found[2:]
