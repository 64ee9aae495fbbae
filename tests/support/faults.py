"""The faults that the laboratory can play, as data: of connection, answer, service and function."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from tests.support.laboratory import Connection, Fault

REQUEST_ID: Final = "7f3c1f6e-5a0b-4c53-9d3e-2f1b8a4c6d70"
DATE: Final = "Tue, 25 Nov 2025 12:00:00 GMT"
"""When each answer says that it was sent."""
RESULT: Final = b'{"charge_id":"c-1"}'
_VERSION: Final = {"X-Amz-Executed-Version": "$LATEST"}
_FAILED: Final = {**_VERSION, "X-Amz-Function-Error": "Unhandled"}
_HEADERS: Final = {
    "Date": DATE,
    "Content-Type": "application/json",
    "Connection": "keep-alive",
    "x-amzn-RequestId": REQUEST_ID,
    "X-Amzn-Trace-Id": "Root=1-6925a3c0-0f2b6f3d5c8b7a1e4d9c2b1a;Sampled=0;Lineage=1:3e56857a:0",
}


def answer(status: str, body: bytes = b"", headers: Mapping[str, str | None] | None = None) -> bytes:
    """Write an answer with the headers that Lambda always sends; one of ``None`` is not sent."""
    fields = {**_HEADERS, "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + body


SUCCESSFUL: Final = {
    "RequestResponse": answer("200 OK", RESULT, _VERSION),
    "Event": answer("202 Accepted"),
    "DryRun": answer("204 No Content", headers={"Content-Length": None}),
}


def reset(connection: Connection) -> None:
    """Reset the connection as soon as it is there."""
    connection.reset()


def close(connection: Connection) -> None:
    """Close the connection as soon as it is there."""
    connection.close()


def read_some_and_reset(connection: Connection) -> None:
    """Reset the connection amid the request."""
    connection.read(40)
    connection.reset()


def read_some_and_close(connection: Connection) -> None:
    """Close the connection amid the request."""
    connection.read(40)
    connection.close()


def read_and_reset(connection: Connection) -> None:
    """Take the whole request, and reset the connection."""
    connection.read_request()
    connection.reset()


def succeed(connection: Connection) -> None:
    """Answer as Lambda does when all is well."""
    connection.send(SUCCESSFUL[connection.read_request().kind])


def read_and_hang(connection: Connection) -> None:
    """Take the request, and say nothing."""
    connection.read_request()
    connection.hang()


def hang(connection: Connection) -> None:
    """Neither take nor say anything that matters."""
    connection.hang()


def send(data: bytes, *, then: Callable[[Connection], object] | None = None) -> Callable[[Connection], None]:
    """Take the request and send *data*; *then*, if given, is how the connection ends."""

    def act(connection: Connection) -> None:
        connection.read_request()
        connection.send(data)
        if then is not None:
            then(connection)

    return act


def trickle(prompt: bytes, slowly: bytes) -> Callable[[Connection], None]:
    """Take the request, send *prompt* at once and *slowly* byte by byte, without end."""

    def act(connection: Connection) -> None:
        connection.read_request()
        connection.send(prompt)
        connection.trickle(slowly)
        connection.hang()

    return act


def send_bad_record(head: bytes) -> Callable[[Connection], None]:
    """Take the request, send *head*, and then what is no TLS."""

    def act(connection: Connection) -> None:
        connection.read_request()
        if head:
            connection.send(head)
        connection.send_below_tls(b"\x17\x03\x03\x00\x20" + b"\xff" * 32)
        connection.close()

    return act


def greet_without_tls(connection: Connection) -> None:
    """Speak plain HTTP where a TLS handshake should begin."""
    connection.read(40)
    connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    connection.close()


def _cut(name: str, data: bytes, end: Callable[[Connection], object] = close) -> Fault:
    return Fault(name, send(data, then=end), runs=True)


_TRICKLED_HEADER: Final = b"X-Slow: " + b"a" * 5000
_LONG: Final = answer("200 OK", b"", {**_VERSION, "Content-Length": "5000"})

SUCCESS: Final = Fault("success", succeed, runs=True)

# It may come before the client begins to send, which proves that nothing ran, or after.
RESET_ON_ACCEPT: Final = Fault("reset on accept", reset)

CONNECTION_FAULTS: Final = (
    Fault("closed on accept", close),
    Fault("reset amid the request", read_some_and_reset),
    Fault("closed amid the request", read_some_and_close),
    Fault("reset after the request", read_and_reset, runs=True),
    _cut("closed after the request", b""),
    _cut("garbage for an answer", b"\x00\xfe\xff no HTTP at all\r\n\r\n"),
    _cut("status line cut", b"HTTP/1."),
    _cut("status cut", b"HTTP/1.1 20"),
    _cut("header without end", b"HTTP/1.1 200 OK\r\nX-Amz-Executed-Version: 1\r\nX-Big: " + b"a" * 70_000),
)

HEADER_FAULTS: Final = (
    _cut("headers cut before the version", b"HTTP/1.1 200 OK\r\nX-Amz-Exec"),
    _cut("headers cut after the version", b"HTTP/1.1 200 OK\r\nX-Amz-Executed-Version: 1\r\nContent-Len"),
    Fault("no executed version", send(answer("200 OK", RESULT)), runs=True),
    Fault("empty payload", send(answer("200 OK", b"", _VERSION)), runs=True),
)

BODY_FAULTS: Final = (
    _cut("no length, and cut", answer("200 OK", RESULT[:7], {**_VERSION, "Content-Length": None})),
    _cut("no length, and whole", answer("200 OK", RESULT, {**_VERSION, "Content-Length": None})),
    _cut("body cut", answer("200 OK", RESULT[:5], {**_VERSION, "Content-Length": "19"})),
    _cut(
        "chunked body cut",
        answer("200 OK", b"5\r\n" + RESULT[:5], {**_VERSION, "Content-Length": None, "Transfer-Encoding": "chunked"}),
    ),
    _cut(
        "bad chunk size",
        answer("200 OK", b"zz\r\n" + RESULT, {**_VERSION, "Content-Length": None, "Transfer-Encoding": "chunked"}),
    ),
    _cut("length is no number", answer("200 OK", RESULT, {**_VERSION, "Content-Length": "nineteen"})),
)

# A reset may overtake what was sent before it, so that the client sees an answer begun, or none.
BODY_RESET: Final = _cut("body reset", answer("200 OK", RESULT[:5], {**_VERSION, "Content-Length": "19"}), reset)

# Nothing says that these come from Lambda: whether the function ran, nobody can tell.
_PORTAL: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
STRANGE_ANSWERS: Final = (
    _cut("200 with nothing in it", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    _cut("a portal's page", _PORTAL + b"Content-Length: 18\r\nConnection: close\r\n\r\n<html>hello</html>"),
    _cut("a portal's page without a length", _PORTAL + b"Connection: close\r\n\r\n<html>hello</html>"),
)

UNUSABLE_ANSWERS: Final = (
    _cut("gzip garbage", answer("200 OK", b"\x1f\x8b garbage", {**_VERSION, "Content-Encoding": "gzip"})),
    _cut("length too short", answer("200 OK", RESULT, {**_VERSION, "Content-Length": "7"})),
    Fault("no JSON", send(answer("200 OK", b"<html>hello</html>", _VERSION)), runs=True),
    Fault("no UTF-8", send(answer("200 OK", b'"\xff\xfe"', _VERSION)), runs=True),
    Fault("another schema", send(answer("200 OK", b'{"charge":1}', _VERSION)), runs=True),
)

SILENT: Final = Fault("silent after the request", read_and_hang, runs=True, endless=True)
TRICKLED_HEADERS: Final = Fault(
    "trickled headers", trickle(b"HTTP/1.1 200 OK\r\n", _TRICKLED_HEADER), runs=True, endless=True
)
ENDLESS_BODIES: Final = (
    Fault("trickled body", trickle(_LONG, b'"' + b"a" * 4000), runs=True, endless=True),
    Fault("silent amid the body", send(_LONG + b'"aaa', then=hang), runs=True, endless=True),
)

UNTLS_FAULTS: Final = (
    Fault("closed in the handshake", read_some_and_close, below_tls=True),
    Fault("reset in the handshake", read_some_and_reset, below_tls=True),
)
NO_TLS: Final = Fault("no TLS where it should be", greet_without_tls, below_tls=True)
SILENT_HANDSHAKE: Final = Fault("silent in the handshake", hang, endless=True, below_tls=True)
BAD_RECORD: Final = Fault("bad TLS record after the request", send_bad_record(b""), runs=True)
BAD_RECORD_IN_BODY: Final = Fault("bad TLS record in the body", send_bad_record(_LONG + b'"aaa'), runs=True)


def unexpected_status(status: int) -> Fault:
    """Answer with a success that is not the one of this kind of invocation."""
    return Fault(f"status {status}", send(answer(f"{status} Fine", headers=_VERSION)), runs=True)


def service_error(code: str, status: int, *, runs: bool = False, reason: str | None = None, **headers: str) -> Fault:
    """Refuse the request as Lambda does."""
    body = {"Type": "User", "message": "Rate Exceeded.", **({"Reason": reason} if reason else {})}
    extra = {"x-amzn-ErrorType": code, **{name.replace("_", "-"): value for name, value in headers.items()}}
    name = " ".join([f"{status} {code}", *filter(None, [reason]), *(f"{n}={v}" for n, v in headers.items())])
    return Fault(name, send(answer(f"{status} Error", json.dumps(body).encode(), extra)), runs=runs)


def bare_status(status: int, body: bytes = b"", *, runs: bool) -> Fault:
    """Answer with an error status and nothing that Lambda would say."""
    headers = {"Content-Type": "text/html"}
    name = f"{status} with {body!r}"
    return Fault(name, send(answer(f"{status} Error", body, headers)), runs=runs)


def function_error(name: str, body: object) -> Fault:
    """Report that the function ran and failed; *body* that is not bytes is sent as JSON."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Fault(name, send(answer("200 OK", payload, _FAILED)), runs=True)
