"""The response parser: fed in all pieces, cut off at all places, and compared with ``http.client`` as oracle."""

from __future__ import annotations

import gc
import http.client
import io
import re
import tracemalloc
import weakref
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdachain._transports.http import response
from lambdachain._transports.http.response import MAX_FIELDS, MAX_HEAD, Response, ResponseReader
from lambdachain._transports.invoke_response import MalformedResponseError, OversizedResponseError

HEAD = b"HTTP/1.1 200 OK\r\nDate: Tue, 25 Nov 2025 12:00:00 GMT\r\nX-Amz-Executed-Version: $LATEST\r\n"
COUNTED = HEAD + b"Content-Length: 20\r\n\r\n" + b'{"charge_id": "c-1"}'
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b'c\r\n{"charge_id"\r\n8;x=y\r\n: "c-1"}\r\n0\r\n\r\n'
TRAILED = CHUNKED[:-2] + b"X-Checksum: 1\r\nX-More: 2\r\n\r\n"
EMPTY = HEAD.replace(b"200 OK", b"202 Accepted") + b"Content-Length: 0\r\n\r\n"
BODILESS = HEAD.replace(b"200 OK", b"204 No Content") + b"\r\n"
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\n" + HINT + COUNTED
REFUSAL = b"HTTP/1.1 429 \r\nContent-Length: 2\r\nx-amzn-ErrorType:TooManyRequestsException\r\n\r\n{}"
UNTIL_END = HEAD + b"\r\n" + b'{"charge_id": "c-1"}'
FRAMED = {
    "counted": COUNTED,
    "chunked": CHUNKED,
    "with trailers": TRAILED,
    "empty": EMPTY,
    "bodiless": BODILESS,
    "after interim answers": CONTINUED,
    "refusal": REFUSAL,
}


def read(pieces: Iterable[bytes], *, closed: bool = True) -> Response | None:
    """Parse a response in *pieces*; ``None`` if it is incomplete, and may still be completed."""
    reader = ResponseReader()
    for piece in pieces:
        if piece and reader.feed(piece):
            return reader.response
    if not closed:
        return None
    reader.end()
    return reader.response


@pytest.mark.parametrize("answer", [*FRAMED.values(), UNTIL_END], ids=[*FRAMED, "until the end"])
def test_a_response_is_parsed_as_by_http_client(answer: bytes) -> None:
    """Status, headers and body."""
    known = answer.replace(HINT, b"")  # http.client takes a 103 for the answer itself
    sock: Any = type("Socket", (), {"makefile": lambda *_: io.BytesIO(known)})()
    oracle = http.client.HTTPResponse(sock)
    oracle.begin()

    ours = read([answer])

    assert ours is not None
    assert (oracle.status, oracle.read()) == (ours.status, ours.body)
    assert {name.lower(): value for name, value in oracle.headers.items()} == ours.headers


@pytest.mark.parametrize("answer", [*FRAMED.values(), UNTIL_END], ids=[*FRAMED, "until the end"])
def test_a_response_byte_by_byte_is_the_same(answer: bytes) -> None:
    """TCP has no message boundaries."""
    assert read([answer]) == read(answer[at : at + 1] for at in range(len(answer)))


@given(
    answer=st.sampled_from([*FRAMED.values(), UNTIL_END]),
    cuts=st.lists(st.integers(0, 400), max_size=8).map(sorted),
)
def test_a_response_in_any_pieces_is_the_same(answer: bytes, cuts: list[int]) -> None:
    """Wherever the network splits it."""
    pieces = [answer[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True)]

    assert read([answer]) == read(pieces)


@pytest.mark.parametrize("answer", FRAMED.values(), ids=FRAMED.keys())
def test_a_truncated_response_is_an_error(answer: bytes) -> None:
    """A connection that closes after any byte but the last one is an error, and until then more is awaited."""
    for length in range(len(answer)):
        assert read([answer[:length]], closed=False) is None
        with pytest.raises(MalformedResponseError):
            read([answer[:length]])


@pytest.mark.parametrize("answer", [*FRAMED.values(), UNTIL_END], ids=[*FRAMED, "until the end"])
def test_a_success_has_begun_when_its_status_line_has_arrived(answer: bytes) -> None:
    """From then on it is known that the function ran; for an error response, never."""
    final = answer.index(b"HTTP/1.1 20") if b"HTTP/1.1 20" in answer else len(answer)
    known = answer.find(b"\r\n", final) + 2

    for length in range(len(answer)):
        reader = ResponseReader()
        reader.feed(answer[:length])
        assert (length >= known > 1) is reader.has_begun, answer[:length]


@pytest.mark.parametrize(
    "answer",
    [
        b"\x00\xff garbage\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        b"HTTP/1.1 999 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200 O\nK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX : a blank\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
        HEAD + b"Content-Length: 20x\r\n\r\n",
        HEAD + b"Content-Length: -20\r\n\r\n",
        HEAD + b"Content-Length: +20\r\n\r\n",
        HEAD + b"Content-Length: \xb2\r\n\r\n",
        HEAD + b"Content-Length: 2, 2\r\n\r\n",
        HEAD + b"Content-Length: \r\n\r\n",
        HEAD + b"Content-Length: " + b"9" * 16 + b"\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 2000,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: x\r\n" * 20_000,
        HINT * 1000 + COUNTED,
        HEAD + b"X: x\r\n" * MAX_FIELDS + b"\r\n",
        HEAD + b"X: " + b"x" * MAX_HEAD,
        HEAD + b"X: " + b"x" * MAX_HEAD + b"\r\n\r\n",
    ],
)
def test_an_invalid_response_is_rejected_without_waiting_for_its_end(answer: bytes) -> None:
    """A tolerant parser might read anything in it."""
    with pytest.raises(MalformedResponseError):
        read([answer], closed=False)


@pytest.mark.parametrize(
    ("answer", "reusable"),
    [
        (COUNTED, True),
        (CHUNKED, True),
        (TRAILED, True),
        (EMPTY, True),
        (BODILESS, True),
        (CONTINUED, True),
        (COUNTED.replace(b"Date", b"Connection: close\r\nDate"), False),
        (COUNTED.replace(b"Date", b"Connection: Keep-Alive, Close\r\nDate"), False),
        (COUNTED.replace(b"HTTP/1.1", b"HTTP/1.0"), False),
        (UNTIL_END, False),
        (COUNTED + b"x", False),
        (CHUNKED + b"x", False),
        (BODILESS + b"{}", False),
        (CHUNKED.replace(b"Date", b"Content-Length: 20\r\nDate"), False),
    ],
)
def test_a_connection_is_reused_only_if_nothing_follows_the_response(answer: bytes, reusable: bool) -> None:
    """Any other data on it would be taken for the response to another call."""
    response = read([answer])

    assert response is not None
    assert reusable is response.reusable


# RFC 9112's grammar of a head, with obs-text and without line folding.
GRAMMAR = re.compile(
    rb"HTTP/1\.[01] [1-5][0-9]{2}(?: [^\x00-\x08\x0a-\x1f\x7f]*)?"
    rb"(?:\r\n[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\x00\r\n]*)*"
)
FRAGMENTS = [
    "x",
    "X-Y",
    ":",
    ": ",
    " ",
    "\t",
    "\r",
    "\n",
    "\r\n",
    "\0",
    "\x1f",
    "\x7f",
    "\x85",
    "\xe9",
    "a:b",
    "",
    "\u0130",
]


@given(
    line=st.sampled_from(["HTTP/1.1 200 OK", "HTTP/1.0 502", "HTTP/1.1 600 No", "HTTP/1.1 200 a\x01", "HTTP/1.1 20"]),
    fields=st.lists(st.lists(st.sampled_from(FRAGMENTS), max_size=4).map("".join), max_size=4),
)
def test_a_head_is_accepted_exactly_if_the_grammar_accepts_it(line: str, fields: list[str]) -> None:
    """And each header is its name in lower case, with its value without the blanks around it."""
    text = "\r\n".join([line, *fields, "\r\n"]).encode("latin-1", errors="replace")
    head = text[: text.index(b"\r\n\r\n")]
    reader = ResponseReader()
    if GRAMMAR.fullmatch(head) is None:
        with pytest.raises(MalformedResponseError):
            reader.feed(head + b"\r\n\r\n")
        return
    reader.feed(head + b"\r\n\r\n")
    pairs = [field.split(":", 1) for field in head.decode("latin-1").split("\r\n")[1:]]

    assert reader.response.headers == {name.lower(): value.strip(" \t") for name, value in reversed(pairs)}


def test_the_first_of_duplicate_headers_counts() -> None:
    """As in ``http.client``; two equal lengths count as one."""
    response = read([b"HTTP/1.1 200 OK\r\nX: 1\r\nx: 2\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n7"])

    assert response is not None
    assert ({"x": "1", "content-length": "1"}, b"7") == (response.headers, response.body)


def test_the_request_id_is_known_before_the_body() -> None:
    """To search the logs for a call that broke off, its id is needed."""
    reader = ResponseReader()

    reader.feed(b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: 8f5e\r\nContent-Length: 9\r\n\r\n1")

    assert "8f5e" == reader.request_id


@pytest.mark.parametrize("answer", FRAMED.values(), ids=FRAMED.keys())
def test_a_reader_makes_no_reference_cycles(answer: bytes) -> None:
    """Reference cycles, one for each call, would make the garbage collector run more often."""
    reader = type("WatchedReader", (ResponseReader,), {})()
    reader.feed(answer)
    gone: list[int] = []
    weakref.finalize(reader, gone.append, 1)

    gc.disable()
    try:
        del reader
    finally:
        gc.enable()

    assert gone == [1]


def test_a_response_in_a_million_chunks_needs_no_more_memory(monkeypatch: pytest.MonkeyPatch):
    """The limit applies to what is kept, not only to what is read."""
    monkeypatch.setattr(response, "MAX_RESPONSE_BYTES", 200_000)
    reader = ResponseReader()
    tracemalloc.start()
    try:
        reader.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            reader.feed(b"1\r\na\r\n" * 10_000)
        with pytest.raises(OversizedResponseError, match="at most 200,000 bytes"):
            reader.feed(b"1\r\na\r\n")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
