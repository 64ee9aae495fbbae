"""The runtime client alone: a Runtime API that delivers one payload after another, and does nothing else.

What the client takes to start, and from a payload to its result, is what no endpoint can be faster than.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from io import BufferedRWPair
from typing import Any, Final, Self

from .minimal_server import read_request
from .servers import HERE

_NEXT: Final = "GET /2018-06-01/runtime/invocation/next "
_INVOCATION: Final = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: 1\r\n"
    "Lambda-Runtime-Deadline-Ms: 9999999999999\r\nContent-Length: {}\r\n\r\n"
)
_ACCEPTED: Final = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


class BareRuntime:
    """A process of ``awslambdaric`` that runs inside the ``with`` block."""

    def __init__(self, python: str) -> None:
        """Start the process."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(30)
        self._stream: BufferedRWPair[Any, Any] | None = None
        self._asking = False
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_EXECUTION_ENV": "AWS_Lambda_python{}.{}".format(*sys.version_info),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._listener.getsockname()[1]}",
        }
        self._process = subprocess.Popen(  # noqa: S603 - the interpreter that is measured
            [python, "-m", "awslambdaric", "echo.handler"], cwd=HERE, env=environment, stdin=subprocess.DEVNULL
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.wait()
        if self._stream is not None:
            self._stream.close()
        self._listener.close()

    def await_ready(self) -> None:
        """Wait until the client requests work; after this, `invoke` takes only as long as an invocation."""
        if not self._asking:
            line, _ = self._request()
            if not line.startswith(_NEXT):
                raise RuntimeError(f"the runtime client asked for {line!r}")
            self._asking = True

    def invoke(self, payload: bytes) -> bytes:
        """Deliver a payload and return the result."""
        self.await_ready()
        self._asking = False
        self._answer(_INVOCATION.format(len(payload)).encode() + payload)
        line, body = self._request()
        if "/response " not in line:
            raise RuntimeError(f"the runtime client answered {line!r}")
        return body

    def accept(self) -> None:
        """Confirm to the client that its result was received."""
        self._answer(_ACCEPTED)

    def _answer(self, message: bytes) -> None:
        if self._stream is None:
            raise RuntimeError("nobody asked")
        self._stream.write(message)
        self._stream.flush()

    def _request(self) -> tuple[str, bytes]:
        """Read the first line and the body of the next request, on whichever connection it arrives."""
        while True:
            if self._stream is None:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._stream = connection.makefile("rwb")
                connection.close()
            request = read_request(self._stream)
            if request is not None:
                return request
            self._stream.close()
            self._stream = None
