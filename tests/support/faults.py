"""The faults that the laboratory can play, as data: faults of the connection, the response, Lambda and the function."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from tests.support.laboratory import Connection, Fault, Request
from tests.support.responses import http_response

RESULT: Final = b'{"charge_id":"c-1"}'
_VERSION: Final = {"X-Amz-Executed-Version": "$LATEST"}
_CHUNKED: Final = {**_VERSION, "Content-Length": None, "Transfer-Encoding": "chunked"}
_FAILED: Final = {**_VERSION, "X-Amz-Function-Error": "Unhandled"}

SUCCESSFUL: Final = {
    "RequestResponse": http_response("200 OK", RESULT, _VERSION),
    "Event": http_response("202 Accepted"),
    "DryRun": http_response("204 No Content", headers={"Content-Length": None}),
}


def reset(connection: Connection) -> None:
    """Reset the connection as soon as it is accepted."""
    connection.reset()


def close(connection: Connection) -> None:
    """Close the connection as soon as it is accepted."""
    connection.close()


def read_some_and_reset(connection: Connection) -> None:
    """Reset the connection in the middle of the request."""
    # Less than the shortest request line and headers, so that a part of the request stays unread.
    connection.read(40)
    connection.reset()


def read_some_and_close(connection: Connection) -> None:
    """Close the connection in the middle of the request."""
    connection.read(40)
    connection.close()


def read_and_reset(connection: Connection) -> None:
    """Read the whole request, and reset the connection."""
    connection.read_request()
    connection.reset()


def succeed(connection: Connection) -> None:
    """Send the response of a successful invocation."""
    connection.send(SUCCESSFUL[connection.read_request().invocation_type])


def read_and_hang(connection: Connection) -> None:
    """Read the request, and send nothing."""
    connection.read_request()
    connection.hang()


def hang(connection: Connection) -> None:
    """Send nothing, and ignore what the client sends."""
    connection.hang()


def send(data: bytes, *, then: Callable[[Connection], object] | None = None) -> Callable[[Connection], None]:
    """Read the request and send *data*; *then* ends the connection (by default it stays open)."""

    def act(connection: Connection) -> None:
        connection.read_request()
        connection.send(data)
        if then is not None:
            then(connection)

    return act


def respond(to_response: Callable[[Request], bytes]) -> Callable[[Connection], None]:
    """Read the request, and send what *to_response* makes of it."""

    def act(connection: Connection) -> None:
        connection.send(to_response(connection.read_request()))

    return act


def trickle(prompt: bytes, slowly: bytes) -> Callable[[Connection], None]:
    """Read the request, send *prompt* immediately and *slowly* byte by byte, and then hang."""

    def act(connection: Connection) -> None:
        connection.read_request()
        connection.send(prompt)
        connection.trickle(slowly)
        connection.hang()

    return act


def send_bad_record(head: bytes) -> Callable[[Connection], None]:
    """Read the request, send *head*, and then bytes that are not a valid TLS record."""

    def act(connection: Connection) -> None:
        connection.read_request()
        if head:
            connection.send(head)
        # The header of an application-data record with 32 bytes that do not decrypt.
        connection.send_below_tls(b"\x17\x03\x03\x00\x20" + b"\xff" * 32)
        connection.close()

    return act


def greet_without_tls(connection: Connection) -> None:
    """Send plain HTTP where a TLS handshake should begin."""
    connection.read(40)
    connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    connection.close()


def _cut_response(name: str, data: bytes, end: Callable[[Connection], object] = close) -> Fault:
    return Fault(name, send(data, then=end), runs=True)


_TRICKLED_HEADER: Final = b"X-Slow: " + b"a" * 5000
_LONG: Final = http_response("200 OK", b"", {**_VERSION, "Content-Length": "5000"})

SUCCESS: Final = Fault("success", succeed, runs=True)

# The reset may reach the client before it begins to send, which proves that nothing ran, or after.
RESET_ON_ACCEPT: Final = Fault("reset on accept", reset)

CONNECTION_FAULTS: Final = (
    Fault("closed on accept", close),
    Fault("reset in the request", read_some_and_reset),
    Fault("closed in the request", read_some_and_close),
    Fault("reset after the request", read_and_reset, runs=True),
    _cut_response("closed after the request", b""),
    _cut_response("garbage instead of a response", b"\x00\xfe\xff not HTTP at all\r\n\r\n"),
    _cut_response("status line cut", b"HTTP/1."),
    _cut_response("status cut", b"HTTP/1.1 20"),
    _cut_response("endless header", b"HTTP/1.1 200 OK\r\nX-Amz-Executed-Version: 1\r\nX-Big: " + b"a" * 70_000),
)

HEADER_FAULTS: Final = (
    _cut_response("headers cut before the version", b"HTTP/1.1 200 OK\r\nX-Amz-Exec"),
    _cut_response("headers cut after the version", b"HTTP/1.1 200 OK\r\nX-Amz-Executed-Version: 1\r\nContent-Len"),
    Fault("no executed version", send(http_response("200 OK", RESULT)), runs=True),
    Fault("empty payload", send(http_response("200 OK", b"", _VERSION)), runs=True),
)

BODY_FAULTS: Final = (
    _cut_response("no length, and cut", http_response("200 OK", RESULT[:7], {**_VERSION, "Content-Length": None})),
    _cut_response("no length, and whole", http_response("200 OK", RESULT, {**_VERSION, "Content-Length": None})),
    _cut_response("body cut", http_response("200 OK", RESULT[:5], {**_VERSION, "Content-Length": "19"})),
    _cut_response(
        "chunked body cut",
        http_response("200 OK", b"5\r\n" + RESULT[:5], _CHUNKED),
    ),
    _cut_response(
        "bad chunk size",
        http_response("200 OK", b"zz\r\n" + RESULT, _CHUNKED),
    ),
    _cut_response(
        "Content-Length is not a number", http_response("200 OK", RESULT, {**_VERSION, "Content-Length": "nineteen"})
    ),
)

# A reset discards what the client has not read yet, so the client sees half a response, or nothing of it.
BODY_RESET: Final = _cut_response(
    "body reset", http_response("200 OK", RESULT[:5], {**_VERSION, "Content-Length": "19"}), reset
)

# Nothing shows that these come from Lambda, so whether the function ran is unknown.
_PORTAL: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
UNIDENTIFIED_RESPONSES: Final = (
    _cut_response("200 without headers or body", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    _cut_response(
        "page of a captive portal", _PORTAL + b"Content-Length: 18\r\nConnection: close\r\n\r\n<html>hello</html>"
    ),
    _cut_response("page of a captive portal, no length", _PORTAL + b"Connection: close\r\n\r\n<html>hello</html>"),
)

UNUSABLE_RESPONSES: Final = (
    _cut_response(
        "gzip garbage", http_response("200 OK", b"\x1f\x8b garbage", {**_VERSION, "Content-Encoding": "gzip"})
    ),
    _cut_response("length too short", http_response("200 OK", RESULT, {**_VERSION, "Content-Length": "7"})),
    Fault("not JSON", send(http_response("200 OK", b"<html>hello</html>", _VERSION)), runs=True),
    Fault("not UTF-8", send(http_response("200 OK", b'"\xff\xfe"', _VERSION)), runs=True),
    Fault("another schema", send(http_response("200 OK", b'{"charge":1}', _VERSION)), runs=True),
)

SILENT: Final = Fault("silent after the request", read_and_hang, runs=True, endless=True)
TRICKLED_HEADERS: Final = Fault(
    "trickled headers", trickle(b"HTTP/1.1 200 OK\r\n", _TRICKLED_HEADER), runs=True, endless=True
)
ENDLESS_BODIES: Final = (
    Fault("trickled body", trickle(_LONG, b'"' + b"a" * 4000), runs=True, endless=True),
    Fault("silent in the body", send(_LONG + b'"aaa', then=hang), runs=True, endless=True),
)

HANDSHAKE_FAULTS: Final = (
    Fault("closed in the handshake", read_some_and_close, below_tls=True),
    Fault("reset in the handshake", read_some_and_reset, below_tls=True),
)
NO_TLS: Final = Fault("plain HTTP instead of TLS", greet_without_tls, below_tls=True)
SILENT_HANDSHAKE: Final = Fault("silent in the handshake", hang, endless=True, below_tls=True)
BAD_RECORD: Final = Fault("bad TLS record after the request", send_bad_record(b""), runs=True)
BAD_RECORD_IN_BODY: Final = Fault("bad TLS record in the body", send_bad_record(_LONG + b'"aaa'), runs=True)


def unexpected_status(status: int) -> Fault:
    """Respond with a success status that does not belong to this type of invocation."""
    return Fault(f"status {status}", send(http_response(f"{status} Fine", headers=_VERSION)), runs=True)


def service_error(code: str, status: int, *, runs: bool = False, reason: str | None = None, **headers: str) -> Fault:
    """Reject the request as Lambda does."""
    body = {"Type": "User", "message": "Rate Exceeded.", **({"Reason": reason} if reason else {})}
    extra = {"x-amzn-ErrorType": code, **{name.replace("_", "-"): value for name, value in headers.items()}}
    name = " ".join([f"{status} {code}", *filter(None, [reason]), *(f"{n}={v}" for n, v in headers.items())])
    return Fault(name, send(http_response(f"{status} Error", json.dumps(body).encode(), extra)), runs=runs)


def bare_status(status: int, body: bytes = b"", *, runs: bool) -> Fault:
    """Respond with an error status and nothing of a response of Lambda."""
    headers = {"Content-Type": "text/html"}
    name = f"{status} with {body!r}"
    return Fault(name, send(http_response(f"{status} Error", body, headers)), runs=runs)


def function_error(name: str, body: object) -> Fault:
    """Report that the function ran and failed; *body* that is not bytes is sent as JSON."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Fault(name, send(http_response("200 OK", payload, _FAILED)), runs=True)
