"""A server of bare sockets that plays a script for each connection, and a client of ours that talks to it.

A script is a function over a ``Connection``: it reads as much of a request as it likes and answers, cuts, resets or
hangs as it likes. The server keeps every request that it received in full: that many times a function would have run.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from lambdachain import AsyncBotoTransport, BotoTransport, HttpTransport, LambdaClient, RetryPolicy
from lambdachain._transports import socket_options
from tests.support.async_as_sync import ASYNC_TRANSPORTS, AwaitedTransport, awaited, client_over

TRANSPORTS = ("boto3", "http", *ASYNC_TRANSPORTS)
PATIENCE = 20.0  # guards a hang; no test waits for it
_HEADERS = {
    "Date": "Tue, 25 Nov 2025 12:00:00 GMT",
    "Content-Type": "application/json",
    "Connection": "keep-alive",
    "x-amzn-RequestId": "7f3c1f6e-5a0b-4c53-9d3e-2f1b8a4c6d70",
    "x-amzn-Remapped-Content-Length": "0",
    "X-Amzn-Trace-Id": "Root=1-6925a3c0-0f2b6f3d5c8b7a1e4d9c2b1a;Parent=1f2e3d4c;Sampled=0;Lineage=1:3e56857a:0",
}


@dataclass(frozen=True)
class Request:
    """A request that arrived in full; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class GoneError(Exception):
    """The peer closed the connection, or the server is stopping."""


class Connection:
    """One accepted connection, as a script sees it."""

    def __init__(self, server: WireServer, sock: socket.socket) -> None:
        self._server = server
        self._sock = sock
        self._buffer = b""

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
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        method, path, _ = line.split(" ")
        request = Request(method, path, headers, self.read(int(headers.get("content-length", "0"))))
        self._server.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        """Send *data*; a client that is gone already is no concern of the script's."""
        try:
            self._sock.sendall(data)
        except OSError as exc:
            raise GoneError from exc

    def trickle(self, data: bytes, *, pause: float) -> None:
        """Send *data* byte by byte."""
        for position in range(len(data)):
            self.send(data[position : position + 1])
            if self._server.stopping.wait(pause):
                raise GoneError

    def hang(self) -> None:
        """Say nothing until the client goes."""
        while True:
            self._receive()

    def send_below_tls(self, data: bytes) -> None:
        """Send *data* as it is on a connection that speaks TLS."""
        os.write(self._sock.fileno(), data)

    def reset(self) -> None:
        """Close with a RST."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    def start_tls(self) -> None:
        """Do the server's part of a TLS handshake, with a certificate that nobody knows."""
        try:
            self._sock = self._server.tls().wrap_socket(self._sock, server_side=True)
        except OSError as exc:
            raise GoneError from exc

    def close(self) -> None:
        self._sock.close()

    def interrupt(self) -> None:
        """Wake a script that waits for the client."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _receive(self) -> None:
        try:
            data = self._sock.recv(65536)
        except OSError as exc:
            raise GoneError from exc
        if not data or self._server.stopping.is_set():
            raise GoneError
        self._buffer += data


Script = Callable[[Connection], object]


class WireServer:
    """Plays a script for each connection; the last script serves every further one."""

    def __init__(self, certificate: Callable[[], Path]) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._certificate = certificate
        self._scripts: Sequence[Script] = ()
        self._open: list[tuple[threading.Thread, Connection]] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def certificate(self) -> Path:
        """The PEM file of the server's certificate, for a client that is to trust it."""
        return self._certificate()

    def tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        return context

    @staticmethod
    def raw(status: str, body: bytes = b"", headers: Mapping[str, str | None] | None = None) -> bytes:
        """Write an answer with the headers that Lambda always sends; one of ``None`` is not sent."""
        fields = {**_HEADERS, "Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
        return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + body

    def play(self, *scripts: Script) -> None:
        """Play *scripts*, one for each connection from now on."""
        self._scripts = scripts
        self.connections = 0

    def answer(self, *answers: bytes) -> None:
        """Answer each request in turn, on however many connections; the last answer serves every further one."""
        lock = threading.Lock()
        left = list(answers)

        def serve(connection: Connection) -> None:
            while True:
                connection.read_request()
                with lock:
                    answer = left.pop(0) if len(left) > 1 else left[0]
                connection.send(answer)

        self.play(serve)

    def settle(self) -> None:
        """Wait until every script so far has come to its end, and its connection is closed."""
        for thread, _ in self._open:
            thread.join(PATIENCE)

    def close(self) -> None:
        self.stopping.set()
        socket.create_connection(self._listener.getsockname()).close()
        self._acceptor.join(PATIENCE)
        self._listener.close()
        for thread, connection in self._open:
            connection.interrupt()
            thread.join(PATIENCE)
        assert not [thread for thread, _ in self._open if thread.is_alive()]

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self.stopping.is_set():
                sock.close()
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            connection = Connection(self, sock)
            thread = threading.Thread(target=self._run, args=(script, connection), daemon=True)
            self._open = [entry for entry in self._open if entry[0].is_alive()]
            self._open.append((thread, connection))
            thread.start()

    @staticmethod
    def _run(script: Script, connection: Connection) -> None:
        try:
            script(connection)
        except GoneError:
            pass
        finally:
            connection.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Make a self-signed certificate for 127.0.0.1 the first time that one is asked for."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    return lambda: path if path.exists() else _write_certificate(path)


@pytest.fixture
def server(certificate: Callable[[], Path]) -> Iterator[WireServer]:
    """Run a server for one test."""
    running = WireServer(certificate)
    yield running
    running.close()


@pytest.fixture(params=TRANSPORTS)
def over(request: pytest.FixtureRequest) -> str:
    """Each transport in turn: what holds for one holds for the other."""
    name: str = request.param
    return name


_NOT_ON_AIOBOTOCORE = {
    "test_a_session_says_whose_credentials_count": "it takes sessions of its own only",
    "test_credentials_that_can_be_refreshed_are": "it takes sessions of its own only",
    "test_a_garbled_log_tail_costs_nothing_but_the_log": "it reads headers as UTF-8, or not at all",
    "test_a_broken_answer_is_an_error_and_never_a_success": "tests/lab/test_matrix.py has what it makes of those",
    "test_an_answer_that_is_broken_is_not_quoted": "tests/lab/test_matrix.py has what it makes of those",
}


@pytest.fixture(autouse=True)
def _what_aiobotocore_does_not_have(request: pytest.FixtureRequest) -> None:
    if "over" in request.fixturenames and request.getfixturevalue("over") == "async boto3":
        reason = _NOT_ON_AIOBOTOCORE.get(request.function.__name__)
        if reason:
            pytest.skip(reason)


@pytest.fixture
def make_transport(over: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Make transports of one kind; arguments are those of ``BotoTransport``, as far as there is any such for the other.

    A ``Config`` is there for its timeout: what is a setting of botocore's is a constant of ours.
    """

    def made(*client: Any, config: Config | None = None, **options: Any) -> Any:
        if over == "boto3":
            return BotoTransport(*client, config=config, **options)
        if over == "async boto3":
            return AwaitedTransport(ASYNC_TRANSPORTS[over](*client, config=config, **options))
        if config is not None:
            monkeypatch.setattr(socket_options, "CONNECT_TIMEOUT", config.connect_timeout)
        if over == "async http":
            return AwaitedTransport(ASYNC_TRANSPORTS[over](*client, **options))
        return HttpTransport(*client, **options)

    return made


@pytest.fixture
def connect(server: WireServer, make_transport: Callable[..., Any]) -> Iterator[Callable[..., LambdaClient]]:
    """Make clients of ours that send everything to the server; see ``make_transport``."""
    made: list[LambdaClient] = []

    def connected(*client: Any, **options: Any) -> LambdaClient:
        if not client:
            options = {"endpoint_url": server.url, **options}
        made.append(client_over(make_transport(*client, **options), retry=RetryPolicy.never()))
        return made[-1]

    yield connected
    for client in made:
        client.close()


@pytest.fixture
def client(connect: Callable[..., LambdaClient]) -> LambdaClient:
    """A client of ours with every default that sends to the server.

    botocore's client, which takes up to a second to make on a busy machine, is there: a timeout is the wire's alone.
    """
    made = connect()
    transport: Any = made._caller._transport
    if isinstance(transport, BotoTransport):
        transport._client_for(None, "f")
    if isinstance(transport, AsyncBotoTransport):
        awaited(transport._client_for(None, "f"))
    return made


@pytest.fixture(autouse=True)
def _fresh_default_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep boto3's default session, and the credentials in it, from outliving a test that changes the environment."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", _session_of_all_tests())


@cache
def _session_of_all_tests() -> boto3.Session:
    return boto3.Session("AKIATESTTESTTESTTEST", "test-secret-canary-access-key", "test-session-token-canary")


def _write_certificate(path: Path) -> Path:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
