"""An Invoke API that responds immediately, for the client's share of a call: ``python minimal_server.py PORT``.

The laboratory of the tests would add its own scripts and records to a share that is subtracted from others.
"""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from io import BufferedRWPair
from typing import Any, Final

_ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Amz-Executed-Version: $LATEST\r\n"
    b"x-amzn-RequestId: 00000000-0000-0000-0000-000000000000\r\nContent-Length: 4\r\n\r\nnull"
)


def main() -> None:
    """Serve one connection after another until killed."""
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, connection.makefile("rwb") as stream, suppress(ConnectionError):
                while read_request(stream):
                    stream.write(_ANSWER)
                    stream.flush()


def read_request(stream: BufferedRWPair[Any, Any]) -> tuple[str, bytes] | None:
    """Read the first line and the body of a request; ``None`` at the end of the connection."""
    first = stream.readline()
    if not first:
        return None
    size = 0
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            size = int(value)
    return first.decode(), stream.read(size)


if __name__ == "__main__":
    main()
