"""A socket whose TLS handshake fails is closed immediately, not by the garbage collector."""

from __future__ import annotations

import gc
import select
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lambdachain import CallError, Execution, LambdaClient, RetryPolicy
from lambdachain._transports.tls_socket import close_failed_sockets
from tests.support import faults
from tests.support.faults import SUCCESS
from tests.support.laboratory import PATIENCE, Fault, Laboratory


@contextmanager
def nothing_unclosed() -> Iterator[None]:
    """Check that everything that became garbage in the block had been closed."""
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    assert [] == [str(one.message) for one in caught if "unclosed" in str(one.message)]


def _wait_for_reset(sock: socket.socket) -> None:
    poll = select.poll()
    poll.register(sock, 0)  # POLLHUP and POLLERR are always reported
    assert poll.poll(PATIENCE * 1000)


@pytest.fixture
def slow_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start TLS only after the peer has disconnected, as on a busy machine."""
    wrap = ssl.SSLContext.wrap_socket

    def wait_and_wrap(context: ssl.SSLContext, sock: socket.socket, server_side: bool = False, **options: Any) -> Any:
        if not server_side:
            _wait_for_reset(sock)
        return wrap(context, sock, server_side=server_side, **options)

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", wait_and_wrap)


@pytest.mark.usefixtures("slow_tls")
def test_reset_before_the_handshake(tls_laboratory: Laboratory, connect: Callable[..., LambdaClient]) -> None:
    """The client's socket, on every transport."""
    tls_laboratory.play(Fault("reset below TLS", faults.reset, below_tls=True))
    client = connect(tls_laboratory.url, tls_laboratory.certificate)

    with nothing_unclosed():
        with pytest.raises(CallError) as caught:
            client.call("f", None, timeout=30, retry=RetryPolicy.never())
        assert Execution.NOT_EXECUTED is caught.value.execution
        del caught
    client.close()


class Interrupted(BaseException):
    """The exception of a signal handler."""


def test_interrupted_handshake(
    over: str, tls_laboratory: Laboratory, connect: Callable[..., LambdaClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt is not an OSError, and leaves no open socket either."""
    if over not in ("boto3", "http"):
        pytest.skip("an event loop is not interrupted during a handshake")
    tls_laboratory.play(SUCCESS)

    handshake = ssl.SSLSocket.do_handshake

    def interrupted(sock: ssl.SSLSocket, *arguments: Any) -> None:
        if not sock.server_side:
            raise Interrupted
        handshake(sock, *arguments)

    client = connect(tls_laboratory.url, tls_laboratory.certificate)
    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", interrupted)
    with nothing_unclosed(), pytest.raises(Interrupted):
        client.call("f", None, timeout=30)
    client.close()


@pytest.mark.parametrize("server_side", [True, False], ids=["server", "client"])
def test_a_context_closes_sockets_that_it_fails_to_wrap(tls_laboratory: Laboratory, server_side: bool) -> None:
    """On the server's side, too, because the laboratory uses it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
    if server_side:
        context.load_cert_chain(tls_laboratory.certificate or "")
    close_failed_sockets(context)

    with nothing_unclosed(), socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        other.close()
        _wait_for_reset(one)
        with pytest.raises(ConnectionResetError):
            context.wrap_socket(one, server_side=server_side, server_hostname=None if server_side else "localhost")
        one.close()


def test_a_context_of_another_library_is_not_changed() -> None:
    """Contexts of gevent and pyOpenSSL create sockets of their own."""

    class Theirs(ssl.SSLSocket):
        pass

    context = ssl.create_default_context()
    context.sslsocket_class = Theirs
    close_failed_sockets(context)
    close_failed_sockets(object())

    assert Theirs is context.sslsocket_class
