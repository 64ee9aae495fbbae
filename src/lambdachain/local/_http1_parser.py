"""HTTP/1.1 requests, parsed by llhttp (``httptools``) as they arrive over a connection."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from multidict import CIMultiDict

from lambdachain._lambda_api.limits import MAX_HEADERS

# Bytes of a head, or of trailers. What exceeds Lambda's limit but not this can be refused with a response.
MAX_HEAD: Final = 4 * MAX_HEADERS


class ProtocolError(Exception):
    """The client sent something that is not valid HTTP, or stopped in the middle of a request."""


class Request(NamedTuple):
    """The head of a request.

    Attributes:
        method: Such as ``POST``.
        target: The path and query, as the client sent them.
        headers: All of them, without regard to case.
        is_last: Whether the client closes the connection after it.
        version: Of HTTP: ``1.1`` or ``1.0``.
    """

    method: str
    target: str
    headers: CIMultiDict[str]
    is_last: bool = False
    version: str = "1.1"


class IncomingBody:
    """The body of a request as far as it has arrived and has not been read, and then its trailers."""

    def __init__(self) -> None:
        self.pieces: deque[bytes] = deque()
        self.is_complete = False
        self.trailers: dict[str, str] = {}


class RequestParser:
    """Splits what arrives into requests: *requests* holds those whose heads are complete, until they are taken."""

    def __init__(self) -> None:
        self.requests: deque[tuple[Request, IncomingBody]] = deque()
        self.failure: ProtocolError | None = None
        self._parser = HttpRequestParser(self)
        self._target = b""
        self._fields: list[tuple[str, str]] = []
        self._body: IncomingBody | None = None
        self._is_between_requests = True
        self._unparsed = 0

    def feed(self, content: bytes) -> None:
        """Parse what has arrived; what is not valid HTTP sets *failure*, and ends the parsing."""
        if self.failure is not None:
            return
        self._unparsed += len(content)
        try:
            self._parser.feed_data(content)
        except (HttpParserError, HttpParserUpgrade) as exc:  # the second after a request for another protocol, the last
            self.failure = ProtocolError(f"not a valid HTTP request: {exc}")
        if self._unparsed > MAX_HEAD:
            self.failure = ProtocolError(f"the headers exceed {MAX_HEAD} bytes")

    def feed_eof(self) -> None:
        """Set *failure* if the client has stopped in the middle of a request."""
        if self.failure is None and not self._is_between_requests:
            self.failure = ProtocolError("the request is incomplete")

    # The parser calls the methods below.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._target, self._fields, self._body = b"", [], None
        self._is_between_requests = False

    def on_url(self, part: bytes) -> None:
        """Append a part of the target."""
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header, or after the body a trailer."""
        if self._body is None:
            self._fields.append((name.decode("latin-1"), value.decode("latin-1")))
        else:
            self._body.trailers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Add the request to *requests*."""
        self._unparsed = 0
        self._body = IncomingBody()
        version = self._parser.get_http_version()
        request = Request(
            self._parser.get_method().decode(),
            self._target.decode("latin-1"),
            CIMultiDict(self._fields),
            # A request for another protocol is answered in this one; what the client sends next may be in that one.
            is_last=version != "1.1" or not self._parser.should_keep_alive() or self._parser.should_upgrade(),
            version=version,
        )
        self.requests.append((request, self._body))

    def on_body(self, piece: bytes) -> None:
        """Add a piece to the body."""
        self._unparsed = 0
        if self._body is not None:
            self._body.pieces.append(piece)

    def on_message_complete(self) -> None:
        """Complete the body."""
        self._unparsed = 0
        self._is_between_requests = True
        if self._body is not None:
            self._body.is_complete = True
