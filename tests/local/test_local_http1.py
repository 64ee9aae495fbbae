"""Requests of runtime clients are parsed as h11 parses them, in pieces of any size."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdachain.local._http1_connection import HttpConnection
from lambdachain.local._http1_parser import MAX_HEAD, ProtocolError

NAMES = st.from_regex(r"\A[A-Za-z][A-Za-z0-9-]{0,20}\Z").filter(lambda name: name.lower() not in FRAMING)
FRAMING = {"content-length", "transfer-encoding", "connection", "expect", "host", "upgrade"}
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30)
FIELDS = st.dictionaries(NAMES, VALUES, max_size=4).map(
    lambda fields: {name.lower(): value for name, value in fields.items()}
)
PIECES = st.lists(st.binary(min_size=1, max_size=300), max_size=5)
REQUESTS = st.tuples(st.sampled_from(["GET", "POST"]), FIELDS, PIECES, st.booleans(), FIELDS)


def build_request(connection: Any, request: Any) -> bytes:
    """Build a request as h11's client does."""
    method, fields, pieces, chunked, trailers = request
    framing = ("transfer-encoding", "chunked") if chunked else ("content-length", str(len(b"".join(pieces))))
    headers = [("host", "127.0.0.1"), framing, *fields.items()]
    events = [h11.Request(method=method, target="/a/b?c=d", headers=headers), *(h11.Data(data=p) for p in pieces)]
    events.append(h11.EndOfMessage(headers=list(trailers.items()) if chunked else []))
    return b"".join(connection.send(event) for event in events)


class Answers(asyncio.Transport):
    """Collects the responses, as the transport of a connection."""

    def __init__(self):
        super().__init__()
        self.content = b""
        self.is_paused = False

    def write(self, content):
        self.content += content

    def is_closing(self):
        return False

    def pause_reading(self):
        self.is_paused = True

    def resume_reading(self):
        self.is_paused = False


async def read(content: bytes, cuts: list[int] | None = None) -> tuple[list[Any], Answers]:
    """Read every request from *content*, which arrives in pieces, and respond to each."""
    connection, answers = HttpConnection(lambda _: None), Answers()
    connection.connection_made(answers)
    requests = []

    async def serve():
        while (request := await connection.next_request()) is not None:
            body = await connection.read_body(1 << 20)
            requests.append((request, body.content, dict(connection.trailers)))
            await connection.respond(200, b"ok", {"Lambda-Runtime-Aws-Request-Id": "1"})

    serving = asyncio.ensure_future(serve())
    for begin, end in zip([0, *(cuts or [])], [*(cuts or []), len(content)], strict=True):
        connection.data_received(content[begin:end])
        await asyncio.sleep(0)
    connection.eof_received()
    await serving
    return requests, answers


@given(st.lists(REQUESTS, min_size=1, max_size=3), st.data())
def test_requests_are_parsed_as_by_h11(requests, data):
    """Several over one connection, with length or in chunks, with trailers; h11 reads the responses."""
    client = h11.Connection(h11.CLIENT)
    content = b""
    for request in requests:
        content += build_request(client, request)
        client.receive_data(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        while not isinstance(client.next_event(), h11.EndOfMessage):
            pass
        client.start_next_cycle()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=6)))
    read_ones, answers = asyncio.run(read(content, cuts))

    for (method, fields, pieces, chunked, trailers), (request, body, read_trailers) in zip(
        requests, read_ones, strict=True
    ):
        assert (method, "/a/b?c=d", b"".join(pieces)) == (request.method, request.target, body)
        assert fields == {name: request.headers[name] for name in fields}
        assert (trailers if chunked else {}) == read_trailers
    assert [200] * len(requests) == [status for status, _ in parse_responses(answers.content, len(requests))]


def parse_responses(content: bytes, number: int):
    """Parse responses as h11's client does."""
    client = h11.Connection(h11.CLIENT)
    client.receive_data(content)
    for _ in range(number):
        client.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
        client.send(h11.EndOfMessage())
        response = client.next_event()
        assert b"ok" == client.next_event().data
        assert isinstance(client.next_event(), h11.EndOfMessage)
        yield response.status_code, response.reason
        client.start_next_cycle()


@given(REQUESTS, st.data())
def test_an_incomplete_request_is_refused(request, data):
    """Wherever it is cut, it does not count as complete."""
    content = build_request(h11.Connection(h11.CLIENT), request)
    cut = data.draw(st.integers(1, len(content) - 1))

    with pytest.raises(ProtocolError):
        asyncio.run(read(content[:cut]))


def test_a_client_that_disconnects_is_done():
    """There is no next request."""
    assert [] == asyncio.run(read(b""))[0]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", id="close"),
        pytest.param(b"GET / HTTP/1.0\r\n\r\n", id="HTTP/1.0"),
    ],
)
def test_the_last_request_of_a_connection(content):
    """Anything after the last request is not read."""
    requests, _ = asyncio.run(read(content + b"GET /more HTTP/1.1\r\n\r\n"))

    assert ["/"] == [request.target for request, _, _ in requests]


def test_an_extra_empty_line_is_skipped():
    """As some clients send it after a body."""
    requests, _ = asyncio.run(read(b"POST /1 HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi\r\nGET /2 HTTP/1.1\r\n\r\n"))

    assert [("/1", b"hi"), ("/2", b"")] == [(request.target, body) for request, body, _ in requests]


def test_a_client_that_waits_gets_100_continue():
    """``Expect: 100-continue``, as curl sends it with large bodies."""
    requests, answers = asyncio.run(read(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"))

    assert [b"hi"] == [body for _, body, _ in requests]
    assert answers.content.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"hello\r\n\r\n", id="no HTTP"),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD, id="headers too large"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", id="length no number"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", id="length negative"),
        pytest.param(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", id="chunk no number"),
        pytest.param(
            b"POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="two lengths"
        ),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", id="lengths that differ"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", id="folded header"),
    ],
)
def test_invalid_http_is_refused(content):
    """Always by the same error."""
    with pytest.raises(ProtocolError):
        asyncio.run(read(content))


def test_a_request_for_another_protocol_is_answered_in_this_one():
    """As curl --http2 sends it: the client goes on without the upgrade."""
    requests, answers = asyncio.run(read(b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"))

    assert ["/"] == [request.target for request, _, _ in requests]
    assert answers.content.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_response_to_head_has_no_body():
    """A client would take it for the next response."""
    _, answers = asyncio.run(read(b"HEAD / HTTP/1.1\r\n\r\n"))

    assert answers.content.endswith(b"Content-Length: 2\r\n\r\n")


@pytest.mark.parametrize(("version", "body"), [("1.1", b"2\r\nhi\r\n0\r\n\r\n"), ("1.0", b"hi")])
def test_a_stream_is_framed_as_the_client_understands_it(version, body):
    """HTTP/1.0 knows no chunks: the stream ends with the connection."""

    async def stream():
        connection, answers = HttpConnection(lambda _: None), Answers()
        connection.connection_made(answers)
        connection.data_received(f"GET / HTTP/{version}\r\n\r\n".encode())
        await connection.next_request()
        await connection.start_stream({})
        await connection.send_part(b"hi")
        await connection.end_stream()
        return answers.content.partition(b"\r\n\r\n")

    head, _, content = asyncio.run(stream())
    assert body == content
    assert (version == "1.0") == (b"Connection: close" in head)


def test_a_client_that_sends_ahead_is_slowed_down():
    """While its request is handled; nothing is lost."""

    async def send_ahead():
        connection, answers = HttpConnection(lambda _: None), Answers()
        connection.connection_made(answers)
        connection.data_received(b"GET /1 HTTP/1.1\r\n\r\n")
        first = await connection.next_request()
        connection.data_received(b"GET /2 HTTP/1.1\r\n\r\n")
        was_paused = answers.is_paused
        second = await connection.next_request()
        return first.target, was_paused, second.target, answers.is_paused

    assert asyncio.run(send_ahead()) == ("/1", True, "/2", False)
