"""A TLS server in Lambda's place that sends one prepared response after a delay to each request, in one thread.

Arguments: a PEM file and the delay in seconds. It prints its port, and exits at the end of its standard input.

It shares the machine with the client that is measured, so it does as little as a Python program can: one selector and
no event loop, thread or coroutine per connection. With the laboratory of the tests, or their asyncio server, the
figures would be those of the server.
"""

from __future__ import annotations

import os
import selectors
import socket
import ssl
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Final

_ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nDate: Wed, 25 Nov 2026 12:00:00 GMT\r\nContent-Type: application/json\r\n"
    b"Content-Length: 20\r\nConnection: keep-alive\r\nx-amzn-RequestId: 8f5e2c1a-0000-4000-8000-000000000000\r\n"
    b"X-Amz-Executed-Version: $LATEST\r\n\r\n"
    b'{"charge_id":"c-01"}'
)


class Server:
    """Responds to requests in the order in which they arrived, *delay* seconds later."""

    def __init__(self, certificate: str, delay: float) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._delay = delay
        self._due: deque[tuple[float, ssl.SSLSocket]] = deque()
        self._begun: dict[ssl.SSLSocket, bytes] = {}
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)  # noqa: FBT003 - its one argument has no name
        self._selector.register(self._listener, selectors.EVENT_READ)

    @property
    def port(self) -> int:
        """The port of the server."""
        return int(self._listener.getsockname()[1])

    def run(self) -> None:
        """Serve forever."""
        while True:
            for key, _ in self._selector.select(self._patience()):
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._serve(key.data)
            # Every response has the same delay, so the queue is in order of its due times.
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                self._answer(self._due.popleft()[1])

    def _patience(self) -> float | None:
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else None

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            while True:
                plain, _ = self._listener.accept()
                plain.setblocking(False)  # noqa: FBT003 - as above
                # Without it a small response waits for the client's delayed ACK.
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                # A blocking handshake would stop all other connections.
                connection = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
                self._selector.register(connection, selectors.EVENT_READ, connection)

    def _serve(self, connection: ssl.SSLSocket) -> None:
        try:
            if connection.version() is None:
                connection.do_handshake()
                return
            data = connection.recv(65536)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(connection)
            self._begun.pop(connection, None)
            connection.close()
            return
        data = self._begun.pop(connection, b"") + data
        if is_complete(data):
            self._due.append((time.monotonic() + self._delay, connection))
        else:
            self._begun[connection] = data  # botocore sends a body by itself

    def _answer(self, connection: ssl.SSLSocket) -> None:
        with suppress(OSError, ValueError):
            connection.send(_ANSWER)


def is_complete(request: bytes) -> bool:
    """Check whether a request has arrived in full."""
    head, end, body = request.partition(b"\r\n\r\n")
    return bool(end) and len(body) >= int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])


if __name__ == "__main__":
    server = Server(sys.argv[1], float(sys.argv[2]))
    threading.Thread(target=server.run, daemon=True).start()
    print(server.port, flush=True)
    sys.stdin.read()
    os._exit(0)
