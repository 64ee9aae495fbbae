"""A strict parser of HTTP/1.1 responses: fed in pieces of any size, and no truncation goes unnoticed.

Without I/O: the caller feeds what arrives on a connection, so the blocking and the asyncio transport share it.
RFC 9112 defines responses; where it lets a reader be tolerant, this one is strict, because a response that breaks off,
or two that run into each other, could be taken for another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from lambdachain._transports.invoke_response import (
    MAX_RESPONSE_BYTES,
    MalformedResponseError,
    OversizedResponseError,
    is_from_lambda,
    oversized_message,
)

MAX_HEAD: Final = 64 * 1024
MAX_FIELDS: Final = 100
MAX_INTERIMS: Final = 10
_MAX_CHUNK_LINE: Final = 1024
_STATUS_LINE: Final = re.compile(r"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\x00-\x08\x0a-\x1f\x7f]*)?")
_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_MALFORMED_HEAD: Final = "the status line or a header is not valid"
_WITHOUT_BODY: Final = (204, 304)


class Response(NamedTuple):
    """A response: header names in lower case, the first value of each; and whether its connection can be reused.

    It is *complete* if it says itself where its body ends, and not only the end of the connection does.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    reusable: bool
    complete: bool = True

    def __repr__(self) -> str:
        return f"Response(status={self.status}, {len(self.body)} bytes)"


class ResponseReader:
    r"""Parses one response.

    Args:
        streamed: Whether the body of a success is taken in pieces (``take_body``), of any length; any other body
            is kept until it is complete, and its length is limited.
    >>> reader = ResponseReader()
    >>> reader.feed(b"HTTP/1.1 200 OK\r\nContent-Le"), reader.feed(b"ngth: 4\r\n\r\nnull")
    (False, True)
    >>> reader.response.body
    b'null'
    """

    __slots__ = (
        "_body",
        "_buffer",
        "_head",
        "_headers",
        "_interims",
        "_parse",
        "_position",
        "_remaining",
        "_reusable",
        "_space_left",
        "_status",
        "_streamed",
    )

    def __init__(self, *, streamed: bool = False) -> None:
        self._status = 0
        self._streamed = streamed
        self._space_left = MAX_RESPONSE_BYTES
        self._headers: dict[str, str] = {}
        self._reusable = False
        self._head = b""
        self._interims = 0
        self._position = 0
        self._buffer = bytearray()
        self._remaining = 0
        self._body: list[bytes] = []
        # The parser's state: the method for the next bytes. Not bound, because a bound method would keep
        # its own reader alive until the garbage collector runs.
        self._parse: Callable[[ResponseReader, bytes], bool] = ResponseReader._parse_head

    @property
    def response(self) -> Response:
        """The response, once it is complete."""
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        complete = self._parse is not ResponseReader._parse_until_close
        return Response(self._status, self._headers, body, self._reusable, complete)

    @property
    def status(self) -> int:
        """The status, once the headers have arrived; 0 before."""
        return self._status

    @property
    def has_head(self) -> bool:
        """Whether the headers have arrived."""
        return self._status > 0

    def take_body(self) -> bytes:
        """Return the part of the body that has arrived since the last call, and drop it."""
        parts, self._body = self._body, []
        return b"".join(parts)

    @property
    def has_begun(self) -> bool:
        """Whether a success of Lambda has begun to arrive: the function ran, even if the rest never arrives."""
        if self._status:
            return self._status < 300 and is_from_lambda(self._headers)
        return 200 <= self._status_so_far() < 300

    @property
    def request_id(self) -> str | None:
        """The service's id of the request, if it has arrived."""
        return self._headers.get("x-amzn-requestid")

    def feed(self, data: bytes) -> bool:
        """Parse the bytes that arrived next, at least one; return whether the response is complete.

        Raises:
            MalformedResponseError: It is not a valid response.
        """
        return self._parse(self, data)

    def end(self) -> None:
        """Record the end of the connection, which completes a response without a length.

        Raises:
            MalformedResponseError: The response is not complete.
        """
        if self._parse is not ResponseReader._parse_until_close:
            raise MalformedResponseError("the connection was closed before the end of the response")

    def _status_so_far(self) -> int:
        line, end, _ = self._head.partition(b"\r\n")
        match = _STATUS_LINE.fullmatch(line.decode("latin-1")) if end else None
        return int(match[2]) if match else 0

    def _parse_head(self, data: bytes) -> bool:
        # The blank line may be split between this piece and the last one.
        start = max(len(self._head) - 3, 0)
        self._head += data
        end = self._head.find(b"\r\n\r\n", start)
        if end > MAX_HEAD or (end < 0 and len(self._head) > MAX_HEAD):
            raise MalformedResponseError(f"the headers are longer than {MAX_HEAD} bytes")
        if end < 0:
            # Something else than HTTP, such as TLS, may never send a blank line: rejected by its first bytes.
            if not b"HTTP/1.".startswith(self._head[:7]):
                raise MalformedResponseError("the response is not HTTP/1.1")
            return False
        line, *lines = self._head[:end].decode("latin-1").split("\r\n")
        minor, status = _parse_status_line(line)
        fields = _parse_fields(lines)
        rest = self._head[end + 4 :]
        self._headers, self._head = fields, b""
        if status < 200:
            return self._skip_interim(status, rest)
        self._status = status
        self._reusable = minor == "1" and "close" not in fields.get("connection", "").lower()
        return self._begin_body(rest)

    def _skip_interim(self, status: int, rest: bytes) -> bool:
        if status == 101:
            raise MalformedResponseError("the server switched protocols (101), which the request did not ask for")
        self._headers = {}
        self._interims += 1
        if self._interims > MAX_INTERIMS:
            raise MalformedResponseError(f"there are more than {MAX_INTERIMS} interim responses (1xx)")
        return self._parse_head(rest) if rest else False

    def _begin_body(self, rest: bytes) -> bool:
        headers = self._headers
        length = headers.get("content-length")
        if self._status in _WITHOUT_BODY:
            self._reusable = self._reusable and not rest
            return True
        if "transfer-encoding" in headers:
            if headers["transfer-encoding"].lower() != "chunked":
                raise MalformedResponseError("Transfer-Encoding is not chunked")
            # RFC 9112 6.3: a message with both is a sign of request smuggling; its connection is not used again.
            self._reusable = self._reusable and length is None
            self._parse = ResponseReader._parse_chunks
            return self._parse_chunks(rest)
        if length is None:
            self._reusable = False
            self._parse = ResponseReader._parse_until_close
            return self._parse_until_close(rest)
        # isdigit() alone accepts digits of other scripts; int() raises beyond 4,300 digits.
        if not (length.isascii() and length.isdigit() and len(length) < 16):
            raise MalformedResponseError("Content-Length is not a number")
        self._remaining = int(length)
        if self._is_limited and self._remaining > MAX_RESPONSE_BYTES:
            raise OversizedResponseError(oversized_message(MAX_RESPONSE_BYTES, self._remaining))
        self._parse = ResponseReader._parse_counted
        return self._parse_counted(rest)

    def _parse_counted(self, data: bytes) -> bool:
        remaining = self._remaining = self._remaining - len(data)
        if remaining < 0:  # bytes after the response, which nobody asked for
            data = data[:remaining]
            self._reusable = False
        self._body.append(data)
        return remaining <= 0

    @property
    def _is_limited(self) -> bool:
        """Whether the whole body is kept here, and not taken in pieces."""
        return not self._streamed or self._status >= 300

    def _append_body(self, piece: bytes) -> None:
        """Keep a part of a body whose length is not known yet."""
        self._space_left -= len(piece)
        if self._space_left < 0 and self._is_limited:
            raise OversizedResponseError(oversized_message(MAX_RESPONSE_BYTES))
        self._body.append(piece)

    def _parse_until_close(self, data: bytes) -> bool:
        self._append_body(data)
        return False

    def _parse_chunks(self, data: bytes) -> bool:
        """Keep what has arrived of each chunk, however long it claims to be."""
        self._buffer += data
        chunks: list[bytes] = []
        last = False
        while not last:
            self._parse_chunk_data(chunks)
            size = None if self._remaining else self._next_chunk()
            if size is None:
                break
            last = size == 0
            self._remaining = size + 2 if size else 0
        # Once for all chunks in this piece: a body of a million small chunks takes linear time.
        del self._buffer[: self._position]
        self._position = 0
        self._append_body(b"".join(chunks))
        if not last:
            return False
        self._parse = ResponseReader._parse_trailers
        return self._parse_trailers(b"")

    def _parse_chunk_data(self, chunks: list[bytes]) -> None:
        """Consume what has arrived of a chunk, with *_remaining* bytes to come, including its line break."""
        buffer, at = self._buffer, self._position
        piece = bytes(buffer[at : at + max(self._remaining - 2, 0)])
        chunks.append(piece)
        at, remaining = at + len(piece), self._remaining - len(piece)
        if 0 < remaining <= 2:
            end = buffer[at : at + remaining]
            if not b"\r\n"[2 - remaining :].startswith(end):
                raise MalformedResponseError("a chunk is longer than its stated length")
            at, remaining = at + len(end), remaining - len(end)
        self._position, self._remaining = at, remaining

    def _next_chunk(self) -> int | None:
        """Parse the length of the next chunk, once its line is complete."""
        end = self._buffer.find(b"\r\n", self._position, self._position + _MAX_CHUNK_LINE)
        if end < 0:
            if len(self._buffer) - self._position > _MAX_CHUNK_LINE:
                raise MalformedResponseError("the length of a chunk is not terminated")
            return None
        size = _parse_chunk_size(self._buffer[self._position : end])
        if self._is_limited and size > MAX_RESPONSE_BYTES:
            raise OversizedResponseError(oversized_message(MAX_RESPONSE_BYTES, size))
        self._position = end + 2
        return size

    def _parse_trailers(self, data: bytes) -> bool:
        buffer = self._buffer
        buffer += data
        # Trailers are skipped; without any, the line break of the last chunk is followed by another one.
        end = 2 if buffer.startswith(b"\r\n") else buffer.find(b"\r\n\r\n") + 4
        if end == 3:
            if len(buffer) > MAX_HEAD:
                raise MalformedResponseError(f"the trailers are longer than {MAX_HEAD} bytes")
            return False
        self._reusable = self._reusable and end == len(buffer)
        return True


# Cached, as are names: nearly all responses of a server have the same ones.
@lru_cache(maxsize=16)
def _parse_status_line(line: str) -> tuple[str, int]:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise MalformedResponseError(_MALFORMED_HEAD)
    return match[1], int(match[2])


def _parse_fields(lines: list[str]) -> dict[str, str]:
    """Parse header lines; the first of duplicates counts. Two lengths leave open where the response ends: an error."""
    if len(lines) > MAX_FIELDS:
        raise MalformedResponseError(f"there are more than {MAX_FIELDS} headers")
    text = "".join(lines)
    if "\r" in text or "\n" in text or "\0" in text:
        raise MalformedResponseError(_MALFORMED_HEAD)
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise MalformedResponseError(_MALFORMED_HEAD)
        name, value = _parse_name(name), value.strip(" \t")
        first = fields.setdefault(name, value)
        if first is not value and (name == "transfer-encoding" or (name == "content-length" and value != first)):
            raise MalformedResponseError(f"there are two {name} headers")
    return fields


@lru_cache(maxsize=64)
def _parse_name(name: str) -> str:
    if not name or not _TOKEN.issuperset(name):
        raise MalformedResponseError(_MALFORMED_HEAD)
    return name.lower()


def _parse_chunk_size(line: bytes | bytearray) -> int:
    digits = line.partition(b";")[0].rstrip(b" \t")
    if not 0 < len(digits) <= 8 or digits.strip(b"0123456789abcdefABCDEF"):
        raise MalformedResponseError("the length of a chunk is not a hexadecimal number")
    return int(digits, 16)
