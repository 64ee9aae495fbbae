"""The fault laboratory: a raw-socket server in Lambda's place that plays scripted faults and records requests.

A fault is a function of a ``Connection``: it reads as much of a request as it likes, then responds, cuts, resets or
hangs. The laboratory records every request that arrived in full, and whether a function would have run for it.

All tests and benchmarks that need a scripted or misbehaving server use this one, with two exceptions: maps use
``throttling_server``, because a thread for each of hundreds of connections would be too slow, and benchmarks of speed
have servers that do less.
"""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import ssl
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from lambdachain._transports.tls_socket import close_failed_sockets

PATIENCE: Final = 20.0  # guards against a hang of the laboratory itself; no test waits this long
EPSILON: Final = 5.0  # seconds by which a busy machine may be late for a deadline; without a deadline it waits forever
_TLS_ALERT: Final = b"\x15"


@dataclass(frozen=True)
class Fault:
    """What happens to one attempt.

    Attributes:
        name: A short description, also the id of a test.
        act: What the server does with the connection.
        runs: Whether the function runs, or may have run for all that the client can know.
        endless: Whether it lasts until the client gives up.
        below_tls: Whether it happens before, or instead of, the TLS handshake.
    """

    name: str
    act: Callable[[Connection], object] = field(repr=False)
    runs: bool = False
    endless: bool = False
    below_tls: bool = False


@dataclass(frozen=True)
class Request:
    """A request that arrived in full; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    ran: bool

    @property
    def invocation_type(self) -> str:
        """RequestResponse, Event or DryRun."""
        return self.headers.get("x-amz-invocation-type", "RequestResponse")

    @property
    def metadata(self) -> dict[str, str]:
        """The flat members of its ClientContext."""
        encoded = self.headers.get("x-amz-client-context")
        custom: dict[str, str] = json.loads(base64.b64decode(encoded))["custom"] if encoded else {}
        return custom

    @property
    def idempotency_key(self) -> str | None:
        """Its idempotency key."""
        return self.metadata.get("lc-idem")

    @property
    def attempt(self) -> int:
        """The number of the attempt, from its metadata; 0 if it has none."""
        return int(self.metadata.get("lc-attempt", "0"))


Script = Callable[["Connection"], object]


class DisconnectedError(Exception):
    """The client closed the connection, or the laboratory is closing."""


class Connection:
    """One accepted connection, as a fault or script sees it."""

    def __init__(self, laboratory: Laboratory, sock: socket.socket) -> None:
        self._laboratory = laboratory
        self._sock = sock
        self._buffer = b""
        self._fault: Fault | None = None
        self._idle = False
        self._closed = False
        self._speaks_tls = False

    def read(self, count: int) -> bytes:
        """Read *count* bytes from the client."""
        while len(self._buffer) < count:
            self._receive()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def read_request(self) -> Request:
        """Read one request to its end, and record it."""
        while b"\r\n\r\n" not in self._buffer:
            self._receive()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *fields = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        body = self.read(int(headers.get("content-length", "0")))
        dry = headers.get("x-amz-invocation-type") == "DryRun"
        request = Request(method, path, headers, body, ran=bool(self._fault and self._fault.runs) and not dry)
        self._laboratory.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        """Send *data*."""
        try:
            self._sock.sendall(data)
        except OSError as exc:
            raise DisconnectedError from exc

    def trickle(self, data: bytes, *, pause: float = 0.01) -> None:
        """Send *data* byte by byte."""
        for position in range(len(data)):
            self.send(data[position : position + 1])
            if self._laboratory.closing.wait(pause):
                raise DisconnectedError

    def hang(self) -> None:
        """Send nothing until the client disconnects."""
        while True:
            self._receive()

    def send_below_tls(self, data: bytes) -> None:
        """Send *data* unencrypted, though the connection may be a TLS connection."""
        with suppress(OSError):
            os.write(self._sock.fileno(), data)

    def reset(self) -> None:
        """Close with a RST."""
        # A linger time of zero makes close() send a RST immediately instead of a FIN.
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Close with a FIN, provided that everything received has been read."""
        self._closed = True
        self._sock.close()

    def start_tls(self) -> None:
        """Perform the server's part of a TLS handshake."""
        context = self._laboratory.tls
        assert context is not None, "this laboratory has no certificate"
        self._sock = context.wrap_socket(self._sock, server_side=True)
        self._speaks_tls = True

    def serve(self) -> None:
        """Play one fault for each request until either side closes the connection."""
        try:
            waiting = True
            while waiting:
                self._play(self._laboratory.next_fault())
                waiting = not self._closed and self._wait()
        except (DisconnectedError, OSError):
            pass
        finally:
            self.close()

    def is_busy(self) -> bool:
        """Check whether a fault is being played, or data or a FIN is waiting to be read."""
        if self._closed:
            return False
        with suppress(OSError, ValueError):
            # A FIN that was not read yet counts as well: the connection is still open for us.
            return not self._idle or bool(select.select([self._sock], [], [], 0)[0])
        return True

    def interrupt(self) -> None:
        """Wake a fault that waits for the client, so that its connection is closed."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def interrupt_if_idle(self) -> None:
        """Close a keep-alive connection that has no request in flight."""
        if self._idle:
            self.interrupt()

    def _play(self, fault: Fault) -> None:
        self._fault = fault
        if self._laboratory.tls is not None and not fault.below_tls and not self._speaks_tls:
            self.start_tls()
        fault.act(self)

    def _wait(self) -> bool:
        """Wait for the next request; return false if the client closes the connection instead."""
        self._idle = True
        select.select([self._sock], [], [])
        self._idle = False
        # Peek below TLS: a close_notify alert comes before the FIN, and is not a request to play a fault for.
        first = socket.socket.recv(self._sock, 1, socket.MSG_PEEK)
        return first not in (b"", _TLS_ALERT if self._speaks_tls else b"")

    def _receive(self) -> None:
        try:
            data = self._sock.recv(65536)
        except OSError as exc:
            raise DisconnectedError from exc
        # A hanging fault must not keep close() waiting.
        if not data or self._laboratory.closing.is_set():
            raise DisconnectedError
        self._buffer += data


class Laboratory:
    """A server that plays its faults in turn, one for each request; the last one is played for every further request.

    With a *certificate*, connections are TLS.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self.certificate = certificate
        self.tls = None if certificate is None else _server_context(certificate)
        self.connections = 0
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()
        self._open: list[tuple[threading.Thread, Connection]] = []
        # A long backlog: some tests open dozens of connections before the acceptor thread runs.
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def url(self) -> str:
        """The URL of the server."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def received(self) -> int:
        """The number of requests that arrived in full."""
        return len(self.requests)

    @property
    def executions(self) -> int:
        """The number of requests for which a function ran, or may have run for all that the client can know."""
        return sum(request.ran for request in self.requests)

    @property
    def executions_by_key(self) -> Counter[str | None]:
        """The number of executions for each idempotency key."""
        return Counter(request.idempotency_key for request in self.requests if request.ran)

    def play(self, *faults: Fault | Script, keep_connections: bool = False) -> None:
        """Play *faults* from now on, and start counting from zero.

        A plain function is a script for a whole connection, below TLS: when it returns, the connection is closed.
        Unless *keep_connections*, idle connections are closed first, so that the faults meet new ones.
        """
        if keep_connections:
            self.settle()
        else:
            self.drop_idle()
        with self._lock:
            self._faults = deque(fault if isinstance(fault, Fault) else _whole_connection(fault) for fault in faults)
        self.requests = []
        self.connections = 0

    def respond(self, *responses: bytes) -> None:
        """Send *responses* in turn, one for each request; the last one for every further request."""
        self.play(*(Fault("response", _respond_with(response), runs=True) for response in responses))

    def next_fault(self) -> Fault:
        """Return the fault for the next request."""
        with self._lock:
            # The last fault stays, so that an unexpected further attempt meets it too and is counted.
            return self._faults.popleft() if len(self._faults) > 1 else self._faults[0]

    def drop_idle(self) -> None:
        """Close the keep-alive connections that have no request in flight."""
        self.settle()
        for _, connection in self._open_connections():
            connection.interrupt_if_idle()
        self.settle(idle_too=True)

    def settle(self, *, idle_too: bool = False) -> None:
        """Wait until no fault is being played; with *idle_too*, until no connection is open either."""
        end = time.monotonic() + PATIENCE
        while self._is_busy() or (idle_too and self._open_connections()):
            if time.monotonic() > end:
                raise TimeoutError("a connection of the laboratory is still busy")
            # Polling, because there is no event for when a peer has read everything and waits.
            time.sleep(0.0005)

    def close(self) -> None:
        """Stop, and close every connection."""
        self.closing.set()
        # accept() in another thread does not return when its socket is closed: a last connection wakes it.
        with suppress(OSError):
            socket.create_connection(self._listener.getsockname()).close()
        self._acceptor.join(PATIENCE)
        self._listener.close()
        for thread, connection in self._open_connections():
            connection.interrupt()
            thread.join(PATIENCE)
        if self._open_connections():
            raise TimeoutError("a fault of the laboratory does not end")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _open_connections(self) -> list[tuple[threading.Thread, Connection]]:
        with self._lock:
            self._open = [entry for entry in self._open if entry[0].is_alive()]
            return list(self._open)

    def _is_busy(self) -> bool:
        accepting = bool(select.select([self._listener], [], [], 0)[0])
        return accepting or any(connection.is_busy() for _, connection in self._open_connections())

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self.closing.is_set():
                sock.close()
                return
            self.connections += 1
            connection = Connection(self, sock)
            thread = threading.Thread(target=connection.serve, daemon=True)
            # Under the lock, so that settle() never sees a thread that has not started and believes it has ended.
            with self._lock:
                thread.start()
                self._open.append((thread, connection))


def _whole_connection(script: Script) -> Fault:
    def act(connection: Connection) -> None:
        script(connection)
        connection.close()

    return Fault("script", act, runs=True, below_tls=True)


def _respond_with(response: bytes) -> Script:
    def act(connection: Connection) -> None:
        connection.read_request()
        connection.send(response)

    return act


@contextmanager
def refusing() -> Iterator[str]:
    """Yield the URL of a port that refuses every connection."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def unreachable() -> Iterator[str]:
    """Yield the URL of a port that never completes a connection, as when packets are lost."""
    # Once the backlog is full, the kernel leaves further SYNs unanswered.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        try:
            yield f"http://127.0.0.1:{address[1]}"
        finally:
            for filler in fillers:
                filler.close()


def _server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    close_failed_sockets(context)
    return context
