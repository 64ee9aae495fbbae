"""Responses that are not Lambda's, or whose end is unknown: what a caller may conclude from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import JsonValue

import lambdachain as lc
from lambdachain import Contract, Execution, LambdaClient
from lambdachain._core.event_stream import encode_message
from tests.support.responses import http_response

PORTAL = b"<!DOCTYPE html><html><body>Sign in to the wireless network</body></html>"
LAMBDA = {"X-Amz-Executed-Version": "$LATEST"}
UNTIL_CLOSED = {**LAMBDA, "Content-Length": None, "Connection": "close"}
LATER = {"x-amzn-RequestId": None, "x-amzn-Remapped-Content-Length": None, "X-Amzn-Trace-Id": None}

ANYTHING: Contract[Any, Any] = Contract("billing", request=JsonValue, response=JsonValue)
HARMLESS: Contract[Any, Any] = Contract("billing", request=JsonValue, response=JsonValue, idempotent=True)

Verb = Callable[[LambdaClient], object]
VERBS: dict[str, Verb] = {
    "call": lambda client: client.call(ANYTHING, 1),
    "fire": lambda client: client.fire(ANYTHING, 1),
    "can_invoke": lambda client: client.can_invoke(ANYTHING),
    "stream": lambda client: list(client.stream(ANYTHING, 1)),
}


@pytest.fixture(params=VERBS)
def verb(request: pytest.FixtureRequest) -> Verb:
    """Each kind of invocation in turn."""
    return VERBS[request.param]


def closing(answer: bytes) -> Callable[[Any], None]:
    """Respond to a request, and close the connection."""

    def script(connection: Any) -> None:
        connection.read_request()
        connection.send(answer)
        connection.close()

    return script


def failure(server: Any, answer: bytes, client: LambdaClient, verb: Verb) -> lc.CallError:
    """Return the error for a response."""
    server.play(closing(answer))
    with pytest.raises(lc.CallError) as caught:
        verb(client)
    return caught.value


@pytest.mark.parametrize("status", ["200 OK", "202 Accepted", "204 No Content", "201 Created"])
@pytest.mark.parametrize("length", [str(len(PORTAL)), None], ids=["counted", "until closed"])
def test_a_success_status_of_something_else_leaves_doubt(
    *, status: str, length: str | None, server: Any, client: LambdaClient, verb: Verb
) -> None:
    """A captive portal responds to every request, forwarded or not; its response is not a receipt either."""
    bodiless = status.startswith("204")
    headers = {**LATER, "Content-Type": "text/html", "Content-Length": None if bodiless else length}

    error = failure(server, http_response(status, b"" if bodiless else PORTAL, headers), client, verb)

    assert (lc.ResponseError, Execution.UNKNOWN, False) == (type(error), error.execution, error.retryable)
    assert "wireless" not in str(error)


@pytest.mark.parametrize("length", ["0", None], ids=["counted", "until closed"])
def test_an_empty_success_status_of_something_else_leaves_doubt(
    *, length: str | None, server: Any, client: LambdaClient, verb: Verb
) -> None:
    """Headers that are cut off do not say that the connection closes."""
    headers = {**LATER, "Content-Length": length, "Connection": "close"}

    error = failure(server, http_response("200 OK", b"", headers), client, verb)

    assert (Execution.UNKNOWN, False) == (error.execution, error.retryable)


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "307 Temporary", "400 No", "401 No", "403 Forbidden", "404 Not Found"]
)
def test_an_error_status_of_something_else_leaves_doubt(
    *, status: str, server: Any, client: LambdaClient, verb: Verb
) -> None:
    """Only AWS knows whether it allows a call or has the function."""
    headers = {**LATER, "Content-Type": "text/html", "Location": "https://portal.example/"}

    error = failure(server, http_response(status, PORTAL, headers), client, verb)

    assert lc.ServiceError is type(error)
    assert len(server.requests) == 1
    if verb is not VERBS["can_invoke"]:
        assert (Execution.UNKNOWN, False) == (error.execution, error.retryable)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("429 Too Many", lc.ThrottledError),
        ("413 Too Large", lc.RequestTooLargeError),
        ("407 Proxy", lc.InvalidRequestError),
        ("502 Bad Gateway", lc.ServiceError),
        ("503 Unavailable", lc.ServiceError),
    ],
)
@pytest.mark.parametrize("length", [str(len(PORTAL)), None], ids=["counted", "until closed"])
def test_an_error_of_lambda_is_recognized(
    *, status: str, error: type[lc.CallError], length: str | None, server: Any, client: LambdaClient
) -> None:
    """From any sender, and however the body ends."""
    answer = http_response(status, PORTAL, {**LATER, "Content-Type": "text/html", "Content-Length": length})

    assert error is type(failure(server, answer, client, VERBS["call"]))


@pytest.mark.parametrize("headers", [{"x-amzn-ErrorType": "ResourceNotFoundException"}, {}], ids=["header", "body"])
def test_the_error_type_is_enough_to_recognize_an_error(
    *, headers: dict[str, str], server: Any, client: LambdaClient
) -> None:
    """Emulators of Lambda send no request id."""
    body = b'{"__type": "ResourceNotFoundException", "message": "no"}'

    error = failure(server, http_response("404 Not Found", body, {**LATER, **headers}), client, VERBS["call"])

    assert (lc.FunctionNotFoundError, Execution.NOT_EXECUTED) == (type(error), error.execution)


def test_doubt_is_retried_for_an_idempotent_contract_only(server: Any, client: LambdaClient) -> None:
    """Like everything that may have run."""
    server.play(closing(http_response("200 OK", PORTAL, LATER)))

    with pytest.raises(lc.ResponseError) as caught:
        client.call(HARMLESS, 1)

    assert (Execution.UNKNOWN, True) == (caught.value.execution, caught.value.retryable)


def test_a_truncated_response_of_something_else_is_a_lost_connection(server: Any, client: LambdaClient) -> None:
    """What was received does not prove that the function ran."""
    answer = http_response("200 OK", PORTAL, {**LATER, "Content-Length": "999"})

    error = failure(server, answer, client, VERBS["call"])

    assert (lc.ConnectionLostError, Execution.UNKNOWN) == (type(error), error.execution)


@pytest.mark.parametrize("body", [b"123456", b"12", b'{"charge_id": "c-1"}', b"null", b"[1]", b'"text"', b"true", b"{"])
@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
@pytest.mark.parametrize("extra", [{}, {"Transfer-Encoding": "identity"}], ids=["no length", "identity"])
def test_a_response_without_a_known_end_is_an_error(
    *, body: bytes, version: bytes, extra: dict[str, str], server: Any, client: LambdaClient, over: str
) -> None:
    """A truncated number would be another number; the rule applies to all values."""
    answer = http_response("200 OK", body, {**UNTIL_CLOSED, **extra}).replace(b"HTTP/1.1", version, 1)

    error = failure(server, answer, client, VERBS["call"])

    assert (lc.ResponseError, Execution.EXECUTED, False) == (type(error), error.execution, error.retryable)
    assert error.request_id is not None
    assert over != "http" or extra or "Content-Length" in str(error)


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_a_response_with_a_known_end_may_close_the_connection(
    *, version: bytes, server: Any, client: LambdaClient
) -> None:
    """By its length, or its chunks."""
    counted = http_response("200 OK", b"123456", {**LAMBDA, "Connection": "close"}).replace(b"HTTP/1.1", version, 1)
    chunks = {**UNTIL_CLOSED, "Transfer-Encoding": "chunked"}
    chunked = http_response("200 OK", b"3\r\n123\r\n3\r\n456\r\n0\r\n\r\n", chunks)

    for answer in (counted, chunked):
        server.play(closing(answer))
        assert client.call(ANYTHING, 1) == 123456


def test_a_receipt_is_complete_without_a_body(server: Any, client: LambdaClient) -> None:
    """Lambda has queued the event by then."""
    server.play(closing(http_response("202 Accepted", b"", {"Content-Length": None, "Connection": "close"})))

    assert client.fire(ANYTHING, 1).request_id is not None


def test_a_truncated_function_error_is_a_function_error(server: Any, client: LambdaClient) -> None:
    """The header says that it ran and failed."""
    body = b'{"errorType": "KeyError", "errorMessage": "id"}'

    error = failure(
        server,
        http_response("200 OK", body, {**UNTIL_CLOSED, "X-Amz-Function-Error": "Unhandled"}),
        client,
        VERBS["call"],
    )

    assert isinstance(error, lc.FunctionError)
    assert error.error_type == "KeyError"


def test_the_last_event_marks_the_end_of_a_stream(server: Any, client: LambdaClient) -> None:
    """For any framing."""
    headers = {":message-type": "event", ":content-type": "application/json"}
    events = (
        encode_message({**headers, ":event-type": "PayloadChunk"}, b"12"),
        encode_message({**headers, ":event-type": "InvokeComplete"}, b"{}"),
    )
    stream = {**UNTIL_CLOSED, "Content-Type": "application/vnd.amazon.eventstream"}

    server.play(closing(http_response("200 OK", b"".join(events), stream)))
    assert list(client.stream(ANYTHING, 1)) == [b"12"]

    error = failure(server, http_response("200 OK", events[0], stream), client, VERBS["stream"])
    assert (lc.ResponseError, Execution.EXECUTED, 2) == (type(error), error.execution, error.received_bytes)
