"""The fault laboratory: a server of bare sockets that plays a fault for each attempt and counts what a function ran.

A fault is a function over a ``Connection``: it reads as much of a request as it likes and answers, cuts, resets or
hangs as it likes. The laboratory keeps every request that it received in full, and knows which a function would have
run.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
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
from typing import Any, Self

from lambdachain._transports.tls_socket import close_failed_sockets

PATIENCE = 20.0  # guards a hang of the laboratory itself; nothing waits for it
EPSILON = 5.0  # seconds that a busy machine may be late for a deadline; whoever misses it waits for ever
_ALERT_RECORD = b"\x15"


@dataclass(frozen=True)
class Fault:
    """What happens to one attempt.

    Attributes:
        name: What it is, in a few words.
        act: What the server does with the connection.
        runs: Whether the function runs, or whether nobody could tell that it did not.
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

    headers: Mapping[str, str]
    body: bytes
    ran: bool

    @property
    def kind(self) -> str:
        """Which of RequestResponse, Event and DryRun it asks for."""
        return self.headers.get("x-amz-invocation-type", "RequestResponse")

    @property
    def told(self) -> dict[str, str]:
        """The flat texts of its ClientContext."""
        encoded = self.headers.get("x-amz-client-context")
        custom: dict[str, str] = json.loads(base64.b64decode(encoded))["custom"] if encoded else {}
        return custom

    @property
    def key(self) -> str | None:
        """Its idempotency key."""
        return self.told.get("lc-idem")

    @property
    def attempt(self) -> int:
        """Which attempt of its call it says it is; 0 if it does not say."""
        return int(self.told.get("lc-attempt", "0"))


class GoneError(Exception):
    """The client closed the connection, or the laboratory is closing."""


class Connection:
    """One accepted connection, as a fault sees it."""

    def __init__(self, laboratory: Laboratory, sock: socket.socket) -> None:
        self._laboratory = laboratory
        self._sock = sock
        self._buffer = b""
        self._fault: Fault | None = None
        self._idle = False
        self._closed = False
        self._speaks_tls = False

    def read(self, count: int) -> bytes:
        """Read *count* bytes of what the client sends."""
        while len(self._buffer) < count:
            self._receive()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def read_request(self) -> Request:
        """Read one request to its end, and count it."""
        while b"\r\n\r\n" not in self._buffer:
            self._receive()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        fields = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
        headers = {name.lower(): value.strip() for name, _, value in fields}
        body = self.read(int(headers.get("content-length", "0")))
        dry = headers.get("x-amz-invocation-type") == "DryRun"
        request = Request(headers, body, ran=bool(self._fault and self._fault.runs) and not dry)
        self._laboratory.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        """Send *data*."""
        try:
            self._sock.sendall(data)
        except OSError as exc:
            raise GoneError from exc

    def trickle(self, data: bytes, *, pause: float = 0.01) -> None:
        """Send *data* byte by byte."""
        for position in range(len(data)):
            self.send(data[position : position + 1])
            if self._laboratory.closing.wait(pause):
                raise GoneError

    def hang(self) -> None:
        """Say nothing until the client goes."""
        while True:
            self._receive()

    def send_below_tls(self, data: bytes) -> None:
        """Send *data* as it is, though the connection may speak TLS."""
        with suppress(OSError):
            os.write(self._sock.fileno(), data)

    def reset(self) -> None:
        """Close with a RST."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Close with a FIN, if all that came was read."""
        self._closed = True
        self._sock.close()

    def serve(self) -> None:
        """Play one fault for each request until somebody closes the connection."""
        try:
            waiting = True
            while waiting:
                self._play(self._laboratory.next_fault())
                waiting = not self._closed and self._wait()
        except (GoneError, OSError):
            pass
        finally:
            self.close()

    def stirs(self) -> bool:
        """Tell whether something is still going on here."""
        if self._closed:
            return False
        with suppress(OSError, ValueError):
            return not self._idle or bool(select.select([self._sock], [], [], 0)[0])
        return True

    def interrupt(self) -> None:
        """Wake whoever waits for the client, and have the connection closed."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def interrupt_if_idle(self) -> None:
        """Close a kept-alive connection between two requests."""
        if self._idle:
            self.interrupt()

    def _play(self, fault: Fault) -> None:
        self._fault = fault
        context = self._laboratory.tls
        if context is not None and not fault.below_tls and not self._speaks_tls:
            self._sock = context.wrap_socket(self._sock, server_side=True)
            self._speaks_tls = True
        fault.act(self)

    def _wait(self) -> bool:
        """Wait for the next request; false where the connection's end comes instead."""
        self._idle = True
        select.select([self._sock], [], [])
        self._idle = False
        first = socket.socket.recv(self._sock, 1, socket.MSG_PEEK)
        return first not in (b"", _ALERT_RECORD if self._speaks_tls else b"")

    def _receive(self) -> None:
        try:
            data = self._sock.recv(65536)
        except OSError as exc:
            raise GoneError from exc
        if not data or self._laboratory.closing.is_set():
            raise GoneError
        self._buffer += data


class Laboratory:
    """Plays a fault for each attempt, in turn; when they are used up, the last one for every further attempt."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self.certificate = certificate
        self.tls = None if certificate is None else _server_context(certificate)
        self.connections = 0
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()
        self._open: list[tuple[threading.Thread, Connection]] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def received(self) -> int:
        """How many requests came in full."""
        return len(self.requests)

    @property
    def executions(self) -> int:
        """How many of them a function ran, or may have run for all that anybody knows."""
        return sum(request.ran for request in self.requests)

    @property
    def executions_by_key(self) -> Counter[str | None]:
        """How many for each idempotency key."""
        return Counter(request.key for request in self.requests if request.ran)

    def play(self, *faults: Fault, keep_connections: bool = False) -> None:
        """Play *faults* from now on, and count anew; without *keep_connections*, on fresh connections."""
        if keep_connections:
            self.settle()
        else:
            self.drop_idle()
        with self._lock:
            self._faults = deque(faults)
        self.requests = []
        self.connections = 0

    def next_fault(self) -> Fault:
        """Give the fault of the next attempt."""
        with self._lock:
            return self._faults.popleft() if len(self._faults) > 1 else self._faults[0]

    def drop_idle(self) -> None:
        """Close the connections that are kept alive between two requests."""
        self.settle()
        for _, connection in self._living():
            connection.interrupt_if_idle()
        self.settle(idle_too=True)

    def settle(self, *, idle_too: bool = False) -> None:
        """Wait until every request so far is dealt with; *idle_too*: and no connection is open."""
        end = time.monotonic() + PATIENCE
        while self._stirs() or (idle_too and self._living()):
            if time.monotonic() > end:
                raise TimeoutError("the laboratory does not come to rest")
            time.sleep(0.0005)

    def close(self) -> None:
        """Stop, and close every connection."""
        self.closing.set()
        with suppress(OSError):
            socket.create_connection(self._listener.getsockname()).close()
        self._acceptor.join(PATIENCE)
        self._listener.close()
        for thread, connection in self._living():
            connection.interrupt()
            thread.join(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _living(self) -> list[tuple[threading.Thread, Connection]]:
        with self._lock:
            self._open = [entry for entry in self._open if entry[0].is_alive()]
            return list(self._open)

    def _stirs(self) -> bool:
        accepting = bool(select.select([self._listener], [], [], 0)[0])
        return accepting or any(connection.stirs() for _, connection in self._living())

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self.closing.is_set():
                sock.close()
                return
            self.connections += 1
            connection = Connection(self, sock)
            thread = threading.Thread(target=connection.serve, daemon=True)
            with self._lock:
                thread.start()
                self._open.append((thread, connection))


@contextmanager
def refusing() -> Iterator[str]:
    """Give the address of a port that refuses every connection."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def unreachable() -> Iterator[str]:
    """Give the address of a port that never completes a connection, as when packets are lost."""
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


def write_certificate(path: Path) -> Path:
    """Write a key and a self-signed certificate for 127.0.0.1 as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form: Any = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def _server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    close_failed_sockets(context)
    return context
