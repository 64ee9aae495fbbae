"""A TLS server in Lambda's place that sends prepared responses, in a process of its own.

Arguments: a PEM file and numbers of items; the response to a request has as many items as fit the length of its body.
It prints its port, and exits at the end of its standard input.

The laboratory of the tests is not used here. It parses and records each request and plays a fault for it, which takes
longer than the calls that are measured; this server only looks for Content-Length.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import sys
import threading
from contextlib import suppress

from .orders import make_order

_HEAD = (
    "HTTP/1.1 200 OK\r\nDate: Wed, 25 Nov 2026 12:00:00 GMT\r\nContent-Type: application/json\r\n"
    "Content-Length: {length}\r\nConnection: keep-alive\r\nx-amzn-RequestId: 8f5e2c1a-0000-4000-8000-000000000000\r\n"
    "x-amzn-Remapped-Content-Length: 0\r\nX-Amz-Executed-Version: $LATEST\r\n"
    "X-Amzn-Trace-Id: root=1-65a1b2c3-0123456789abcdef01234567;sampled=0\r\n\r\n"
)


def make_response(items: int) -> bytes:
    """Build a complete response."""
    body = json.dumps(make_order(items), separators=(",", ":")).encode()
    return _HEAD.format(length=len(body)).encode() + body


def serve(certificate: str, sizes: list[int]) -> None:
    """Serve until standard input ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    # Prepared before the first request, so that building them is not measured.
    answers = sorted((len(json.dumps(make_order(size))), make_response(size)) for size in sizes)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    threading.Thread(target=_accept, args=(listener, context, answers), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
    # The threads wait in recv() and would keep the process alive.
    os._exit(0)


def _accept(listener: socket.socket, context: ssl.SSLContext, answers: list[tuple[int, bytes]]) -> None:
    while True:
        connection, _ = listener.accept()
        # Without it a small response waits for the client's delayed ACK.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_talk, args=(connection, context, answers), daemon=True).start()


def _talk(connection: socket.socket, context: ssl.SSLContext, answers: list[tuple[int, bytes]]) -> None:
    with suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
        while True:
            length = _read_request(tls)
            if length is None:
                return
            tls.sendall(next((answer for most, answer in answers if length <= most), answers[-1][1]))


def _read_request(tls: ssl.SSLSocket) -> int | None:
    got = b""
    while b"\r\n\r\n" not in got:
        more = tls.recv(65536)
        if not more:
            return None
        got += more
    head, _, rest = got.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    missing = length - len(rest)
    while missing > 0:
        more = tls.recv(min(missing, 1 << 20))
        if not more:
            return None
        missing -= len(more)
    return length


if __name__ == "__main__":
    serve(sys.argv[1], [int(size) for size in sys.argv[2:]])
