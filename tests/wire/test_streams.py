"""Streams on real sockets over every transport: pieces as they arrive, all kinds of ends, and released connections."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

import lambdachain as lc
from lambdachain import Contract, Execution, LambdaClient, RemoteError, RetryPolicy
from lambdachain._core.event_stream import encode_message

HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: application/vnd.amazon.eventstream\r\n"
    b"x-amzn-RequestId: 7f3c1f6e-5a0b-4c53-9d3e-2f1b8a4c6d70\r\n"
    b"X-Amz-Executed-Version: $LATEST\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
LAST = b"0\r\n\r\n"


class Declined(RemoteError):
    reason: str


story = Contract("story", request=dict[str, int], response=str, errors=[Declined], idempotent=True)


def chunk(data: bytes) -> bytes:
    """Encode a chunk of HTTP."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def piece(data: bytes) -> bytes:
    """Encode an event with a piece of the response."""
    headers = {":message-type": "event", ":event-type": "PayloadChunk", ":content-type": "application/octet-stream"}
    return chunk(encode_message(headers, data))


def complete(**members: str) -> bytes:
    """Encode the last event."""
    headers = {":message-type": "event", ":event-type": "InvokeComplete", ":content-type": "application/json"}
    return chunk(encode_message(headers, json.dumps(members).encode()))


def encode_failure(error_type: str, message: str) -> bytes:
    """Encode the last event of a function that fails."""
    details = json.dumps({"errorType": error_type, "errorMessage": message, "trace": ["at handler"]})
    return complete(ErrorCode="Unhandled", ErrorDetails=details)


def service_error(code: str) -> bytes:
    """Encode an error of the service in the middle of a response."""
    headers = {":message-type": "exception", ":exception-type": code, ":content-type": "application/json"}
    return chunk(encode_message(headers, b'{"message": "no"}'))


def fail(client: LambdaClient, **options: Any) -> tuple[list[bytes], lc.CallError]:
    """Read a stream that fails; return the pieces and the error."""
    came = list[bytes]()
    with pytest.raises(lc.CallError) as caught:
        came.extend(client.stream(story, {"n": 1}, timeout=10, **options))
    return came, caught.value


def test_pieces_are_delivered_as_they_are_sent(server: Any, client: LambdaClient):
    """The second one is sent only after the first one was read."""
    read = threading.Event()

    def script(connection: Any) -> None:
        connection.read_request()
        connection.send(HEAD + piece(b"once upon "))
        assert read.wait(20)
        connection.send(piece(b"a time") + complete() + LAST)
        connection.hang()

    server.play(script)
    stream = client.stream(story, {"n": 1}, timeout=10)

    assert next(stream) == b"once upon "
    read.set()
    assert list(stream) == [b"a time"]


def test_the_request_is_invoke_with_response_stream(server: Any, client: LambdaClient):
    """With everything else as in a call."""
    server.respond(HEAD + piece(b"x") + complete() + LAST)
    list(client.stream(story, {"n": 1}, qualifier="live", log_tail=True, tenant_id="t-1"))
    request = server.requests[0]

    assert (request.method, request.path) == (
        "POST",
        "/2021-11-15/functions/story/response-streaming-invocations?Qualifier=live",
    )
    assert request.body == b'{"n":1}'
    assert request.headers["x-amz-log-type"] == "Tail"
    assert request.headers["x-amz-tenant-id"] == "t-1"
    assert "x-amz-invocation-type" not in request.headers  # Lambda's default is the right one
    assert "lc-depth" in json.dumps(_client_context(request))


def _client_context(request: Any) -> Any:
    return json.loads(base64.b64decode(request.headers["x-amz-client-context"]))


def test_a_stream_read_to_its_end_releases_its_connection(server: Any, client: LambdaClient):
    """Twenty streams use one connection."""
    server.respond(HEAD + piece(b"a") + piece(b"b") + complete() + LAST)
    for _ in range(20):
        assert list(client.stream(story, {"n": 1})) == [b"a", b"b"]

    assert server.connections == 1


def test_a_stream_closed_early_closes_its_connection(server: Any, client: LambdaClient):
    """The server notices, and the next call uses another connection."""

    def script(connection: Any) -> None:
        connection.read_request()
        connection.send(HEAD + piece(b"a"))
        connection.hang()  # until the client goes

    server.play(script)
    with closing(client.stream(story, {"n": 1})) as stream:
        assert next(stream) == b"a"
    server.settle()
    server.respond(HEAD + piece(b"b") + complete() + LAST)

    assert list(client.stream(story, {"n": 2})) == [b"b"]


def test_text_is_decoded_across_pieces(server: Any, client: LambdaClient):
    """A character may be split."""
    data = "für €".encode()
    server.respond(HEAD + b"".join(piece(data[at : at + 1]) for at in range(len(data))) + complete() + LAST)

    assert "".join(client.stream(story, {"n": 1}, text=True)) == "für €"


@pytest.mark.parametrize("data", [b"\xff", b"\xe2\x82"])
def test_invalid_utf_8_is_a_response_error(server: Any, client: LambdaClient, data: bytes):
    """If text was requested."""
    server.respond(HEAD + piece(data) + complete() + LAST)
    with pytest.raises(lc.ResponseError, match="UTF-8"):
        list(client.stream(story, {"n": 1}, text=True))


def test_an_empty_stream_has_no_pieces(server: Any, client: LambdaClient):
    """It is a success."""
    server.respond(HEAD + complete() + LAST)

    assert list(client.stream(story, {"n": 1})) == []


def test_unknown_events_are_skipped(server: Any, client: LambdaClient, over: str):
    """Lambda may add new ones."""
    unknown = chunk(encode_message({":message-type": "event", ":event-type": "Heartbeat"}, b"{}"))
    server.respond(HEAD + piece(b"a") + unknown + piece(b"b") + complete() + LAST)

    assert list(client.stream(story, {"n": 1})) == [b"a", b"b"]


def test_a_failure_in_a_stream_is_a_function_error(server: Any, client: LambdaClient):
    """With the callee's details and the number of bytes received; it is not retried."""
    server.respond(HEAD + piece(b"12345") + encode_failure("KeyError", "id") + LAST)
    came, error = fail(client, retry=RetryPolicy(initial_delay=0))

    assert came == [b"12345"]
    assert isinstance(error, lc.FunctionError)
    assert (error.error_type, error.error_message, error.stack_trace) == ("KeyError", "id", ("at handler",))
    assert (error.received_bytes, error.execution, len(error.attempts)) == (5, Execution.EXECUTED, 1)
    assert len(server.requests) == 1


def test_a_declared_error_in_a_stream_is_raised_as_its_class(server: Any, client: LambdaClient):
    """As in a call."""
    server.respond(HEAD + piece(b"1") + encode_failure("Declined", '{"reason": "limit"}') + LAST)

    assert fail(client) == ([b"1"], Declined(reason="limit"))


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (
            complete(ErrorCode="Sandbox.Timedout", ErrorDetails="Task timed out after 3.00 seconds"),
            lc.FunctionTimeoutError,
        ),
        (complete(ErrorCode="Runtime.ExitError", ErrorDetails=""), lc.FunctionCrashedError),
        (complete(ErrorCode="Function.ResponseSizeTooLarge"), lc.ResponseTooLargeError),
        (complete(ErrorCode="Unhandled", ErrorDetails="no JSON"), lc.FunctionError),
        (complete(ErrorCode="Unhandled", ErrorDetails="[1]"), lc.FunctionError),
    ],
)
def test_a_platform_error_in_a_stream_is_the_error_of_a_call(
    server: Any, client: LambdaClient, end: bytes, expected: type
):
    """By its code, if the details are not a report of a runtime."""
    server.respond(HEAD + piece(b"1") + end + LAST)
    _, error = fail(client)

    assert type(error) is expected
    assert error.received_bytes == 1


def test_the_log_is_in_the_error(server: Any, client: LambdaClient):
    """It is in the last event of the stream."""
    server.respond(HEAD + piece(b"1") + complete(ErrorCode="Unhandled", LogResult="U1RBUlQ=") + LAST)
    _, error = fail(client, log_tail=True)

    assert isinstance(error, lc.FunctionError)
    assert error.log_tail == "START"


def breaks_off(*sent: bytes, act: str = "close") -> Callable[[Any], None]:
    """Send, and then close or reset the connection."""

    def script(connection: Any) -> None:
        connection.read_request()
        for data in sent:
            connection.send(data)
        getattr(connection, act)()

    return script


@pytest.mark.parametrize(
    "rest",
    [
        [],
        [piece(b"67890")[:20]],
        [LAST],
        [chunk(encode_message({":message-type": "event", ":event-type": "PayloadChunk"}, b"6")[:-1]), LAST],
        [chunk(b"no event at all"), LAST],
        [piece(b"6666").replace(b"6666", b"6766"), LAST],
        [service_error("ServiceException"), LAST],
    ],
    ids=["cut", "cut in a piece", "no end", "cut in a message", "no event", "damaged", "error of the service"],
)
def test_a_truncated_stream_is_an_error(server: Any, client: LambdaClient, rest: list[bytes]):
    """It is never a success, and the number of bytes received is known."""
    server.play(breaks_off(HEAD, piece(b"12345"), *rest))
    came, error = fail(client)

    assert came == [b"12345"]
    assert type(error) is lc.ResponseError
    assert (error.received_bytes, error.execution) == (5, Execution.EXECUTED)
    assert error.request_id == "7f3c1f6e-5a0b-4c53-9d3e-2f1b8a4c6d70"


def test_a_reset_in_a_stream_is_a_truncated_stream(server: Any, client: LambdaClient):
    """After the first piece was read."""
    came = threading.Event()

    def script(connection: Any) -> None:
        connection.read_request()
        connection.send(HEAD + piece(b"12345"))
        assert came.wait(20)
        connection.reset()

    server.play(script)
    stream = client.stream(story, {"n": 1}, timeout=10)

    assert next(stream) == b"12345"
    came.set()
    with pytest.raises(lc.ResponseError) as caught:
        next(stream)
    assert caught.value.received_bytes == 5


def test_a_stream_that_stalls_ends_at_the_deadline(server: Any, client: LambdaClient):
    """There is one deadline for the whole stream."""

    def script(connection: Any) -> None:
        connection.read_request()
        connection.send(HEAD + piece(b"1"))
        connection.hang()

    server.play(script)
    with pytest.raises(lc.CallTimeoutError) as caught:
        list(client.stream(story, {"n": 1}, timeout=0.5))

    assert (caught.value.execution, caught.value.received_bytes) == (Execution.EXECUTED, 1)


def test_a_stream_that_trickles_ends_at_the_deadline(server: Any, client: LambdaClient):
    """However regularly pieces arrive."""

    def script(connection: Any) -> None:
        connection.read_request()
        connection.send(HEAD)
        while not server.closing.wait(0.05):
            connection.send(piece(b"1"))

    server.play(script)
    with pytest.raises(lc.CallTimeoutError):
        list(client.stream(story, {"n": 1}, timeout=0.6))


def test_a_failure_before_the_first_piece_is_retried_like_a_call(server: Any, connect: Callable[..., LambdaClient]):
    """Nothing was delivered yet: a throttle, a lost connection, and with idempotency a failure of Lambda."""
    throttle = b"HTTP/1.1 429 No\r\nx-amzn-ErrorType: TooManyRequestsException\r\nContent-Length: 2\r\n\r\n{}"
    cut = HEAD + piece(b"1")[:9]
    server.respond(throttle, HEAD + piece(b"a") + complete() + LAST)

    assert list(connect().stream(story, {"n": 1}, retry=RetryPolicy(initial_delay=0))) == [b"a"]
    assert len(server.requests) == 2
    server.play(breaks_off(cut), breaks_off(HEAD + piece(b"b") + complete() + LAST))
    assert list(connect().stream(story, {"n": 1}, retry=RetryPolicy(initial_delay=0))) == [b"b"]


def test_an_error_response_is_the_error_of_a_call(server: Any, client: LambdaClient):
    """It is read to its end, and its connection is released."""
    body = b'{"Message": "Function not found: story", "Type": "User"}'
    head = b"HTTP/1.1 404 No\r\nx-amzn-ErrorType: ResourceNotFoundException\r\nContent-Length: %d\r\n\r\n" % len(body)
    server.respond(head + body, HEAD + piece(b"a") + complete() + LAST)
    _, error = fail(client)

    assert type(error) is lc.FunctionNotFoundError
    assert list(client.stream(story, {"n": 1})) == [b"a"]
    assert server.connections == 1


def test_backpressure_reaches_the_server(server: Any, client: LambdaClient):
    """If the client does not read, the server waits, and nothing is buffered without limit."""
    sent = list[int]()

    def script(connection: Any) -> None:
        connection.read_request()
        connection.send(HEAD)
        for number in range(400):
            connection.send(piece(b"x" * 100_000))
            sent.append(number)
        connection.send(complete() + LAST)

    server.play(script)
    stream = client.stream(story, {"n": 1})
    next(stream)
    server.closing.wait(0.5)
    waiting = len(sent)

    assert waiting < 300
    assert sum(map(len, stream)) == 399 * 100_000


def test_nothing_is_sent_before_the_first_piece_is_requested(server: Any, client: LambdaClient):
    """A stream that is dropped unread sends nothing."""
    server.respond(HEAD + complete() + LAST)
    stream: Iterator[bytes] = client.stream(story, {"n": 1})
    del stream

    assert server.requests == []
