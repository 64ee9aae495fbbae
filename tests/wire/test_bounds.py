"""Responses longer than any of Lambda's are not read, with or without a length."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

import lambdachain as lc
from lambdachain._client import stream as _streams
from lambdachain._core.event_stream import encode_message
from lambdachain._transports.invoke_response import MAX_RESPONSE_BYTES
from tests.support.responses import http_response

_VERSION = "X-Amz-Executed-Version: $LATEST\r\nx-amzn-RequestId: id-1\r\n"
_BLOCK = b"a" * 65_536


def chunk(data: bytes) -> bytes:
    """Encode a chunk of HTTP."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def piece(data: bytes) -> bytes:
    """Encode an event with a part of the response."""
    return encode_message({":message-type": "event", ":event-type": "PayloadChunk"}, data)


def complete() -> bytes:
    """Encode the last event."""
    return encode_message({":message-type": "event", ":event-type": "InvokeComplete"}, b"{}")


def _ever(block: bytes) -> Iterator[bytes]:
    while True:
        yield block


def _respond_in_blocks(status: str, headers: str, blocks: Iterator[bytes]) -> Any:
    """Respond with blocks for as long as the client reads."""

    def script(connection: Any) -> None:
        connection.read_request()
        connection.send(f"HTTP/1.1 {status}\r\n{headers}\r\n".encode())
        for block in blocks:
            connection.send(block)
        connection.hang()

    return script


ENDLESS: dict[str, tuple[str, bytes]] = {
    "a length beyond": (f"Content-Length: {MAX_RESPONSE_BYTES + 1}\r\n", _BLOCK),
    "a length of terabytes": ("Content-Length: 9999999999999\r\n", _BLOCK),
    "chunks for ever": ("Transfer-Encoding: chunked\r\n", b"10000\r\n" + _BLOCK + b"\r\n"),
    "one chunk of gigabytes": ("Transfer-Encoding: chunked\r\n", b"ffffffff\r\n" + _BLOCK),
    "no length": ("Connection: close\r\n", _BLOCK),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_response_beyond_lambdas_limit_is_not_read(server: Any, client: lc.LambdaClient, kind: str):
    """With or without a length."""
    headers, block = ENDLESS[kind]
    server.play(_respond_in_blocks("200 OK", _VERSION + headers, _ever(block)))
    with pytest.raises(lc.ResponseError, match="too long") as caught:
        client.call("f", None)
    assert caught.value.execution is lc.Execution.EXECUTED
    assert caught.value.request_id == "id-1"


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_error_beyond_the_limit_is_not_read(server: Any, client: lc.LambdaClient, kind: str):
    """Whether the function ran is unknown then."""
    headers, block = ENDLESS[kind]
    server.play(_respond_in_blocks("500 Internal Server Error", headers, _ever(block)))
    with pytest.raises(lc.OutcomeUnknownError, match="too long"):
        client.call("f", None)


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_error_instead_of_a_stream_beyond_the_limit_is_not_read(server: Any, client: lc.LambdaClient, kind: str):
    """It is read as a whole, with the same limit."""
    headers, block = ENDLESS[kind]
    server.play(_respond_in_blocks("500 Internal Server Error", headers, _ever(block)))
    with pytest.raises(lc.OutcomeUnknownError, match="too long"):
        list(client.stream("f", None))


@pytest.mark.parametrize("headers", ["Content-Length: {}\r\n", "Transfer-Encoding: chunked\r\n"])
def test_the_longest_response_of_lambda_is_read(server: Any, client: lc.LambdaClient, headers: str):
    """Lambda has been observed to send that much."""
    body = b'"' + b"a" * (6_291_556 - 2) + b'"'
    sent = chunk(body) + b"0\r\n\r\n" if "chunked" in headers else body

    def script(connection: Any) -> None:
        connection.read_request()
        connection.send(f"HTTP/1.1 200 OK\r\n{_VERSION}{headers.format(len(body))}\r\n".encode() + sent)

    server.play(script)
    assert client.call("f", None) == "a" * (6_291_556 - 2)


def test_a_stream_ends_at_lambdas_quota(server: Any, client: lc.LambdaClient, monkeypatch: pytest.MonkeyPatch):
    """The pieces before it are delivered."""
    monkeypatch.setattr(_streams, "MAX_STREAM_BYTES", 100_000)
    headers = "Content-Type: application/vnd.amazon.eventstream\r\nTransfer-Encoding: chunked\r\n"
    server.play(_respond_in_blocks("200 OK", _VERSION + headers, _ever(chunk(piece(b"a" * 30_000)))))
    stream = client.stream("f", None)
    with pytest.raises(lc.ResponseError, match=r"too long: more, where Lambda sends at most 100,000 bytes") as caught:
        list(stream)
    assert caught.value.received_bytes == 90_000
    assert caught.value.request_id == "id-1"


def test_a_chunk_of_gigabytes_is_delivered_as_it_arrives(server: Any, client: lc.LambdaClient, over: str):
    """A server may put many events into one chunk."""
    if "boto3" in over:
        pytest.skip("it reads 64 KiB at a time, and waits for them")
    headers = "Content-Type: application/vnd.amazon.eventstream\r\nTransfer-Encoding: chunked\r\n"
    blocks = iter([b"ffffffff\r\n", piece(b"one"), piece(b"two")])
    server.play(_respond_in_blocks("200 OK", _VERSION + headers, blocks))
    stream = client.stream("f", None)
    assert [next(stream), next(stream)] == [b"one", b"two"]
    stream.close()


def test_an_event_of_gigabytes_is_rejected(server: Any, client: lc.LambdaClient):
    """Before its bytes are buffered."""
    lengths = struct.pack("!II", 0xFFFFFFF0, 0)
    prelude = lengths + struct.pack("!I", zlib.crc32(lengths))
    headers = "Content-Type: application/vnd.amazon.eventstream\r\nTransfer-Encoding: chunked\r\n"
    server.play(_respond_in_blocks("200 OK", _VERSION + headers, iter([chunk(prelude), *[chunk(_BLOCK)] * 3])))
    with pytest.raises(lc.ResponseError):
        list(client.stream("f", None))


def test_a_stream_within_the_limits_is_read_to_its_end(server: Any, client: lc.LambdaClient):
    """Unchanged."""
    body = piece(b"one") + piece(b"two") + complete()
    headers = f"Content-Type: application/vnd.amazon.eventstream\r\nContent-Length: {len(body)}\r\n"
    server.play(_respond_in_blocks("200 OK", _VERSION + headers, iter([body])))
    assert list(client.stream("f", None)) == [b"one", b"two"]


@pytest.mark.parametrize(
    ("trace", "sent"),
    [("Root=1-2-3;Lineage=" + "a" * 200, "Root=1-2-3;Lineage=" + "a" * 200), ("x" * 4097, None), ("x" * 140_000, None)],
    ids=["as Lambda's", "just too long", "absurd"],
)
@pytest.mark.parametrize("way", ["call", "fire", "can_invoke", "stream"])
def test_a_trace_header_longer_than_lambdas_is_not_sent(
    *, server: Any, client: lc.LambdaClient, monkeypatch: pytest.MonkeyPatch, way: str, trace: str, sent: str | None
):
    """A callee's runtime would crash over it."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
    status = {"fire": "202 Accepted", "can_invoke": "204 No Content"}.get(way, "200 OK")
    body = b"" if way in ("fire", "can_invoke") else b"1"
    if way == "stream":
        body = piece(b"1") + complete()
    server.respond(http_response(status, body, {"X-Amz-Executed-Version": "$LATEST"}))

    with suppress(lc.CallError):
        if way == "can_invoke":
            client.can_invoke("f")
        elif way == "stream":
            list(client.stream("f", None))
        else:
            getattr(client, way)("f", None)

    assert server.requests[0].headers.get("x-amzn-trace-id") == sent
