"""A blocking connection, with one request at a time; every wait ends at the call's deadline, set on the socket itself.

Whether a byte of the request was sent is known here, not guessed: a handshake sends none, and the first ``send`` either
takes some or raises. Under TLS it takes at most one record, which the peer cannot use unless it is complete.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from lambdachain._core.invocation import NoAnswerError, Progress, Trouble
from lambdachain._transports import socket_options
from lambdachain._transports.invoke_response import MalformedResponseError, OversizedResponseError
from lambdachain._transports.tls_socket import is_open

from .endpoint import Endpoint
from .response import ResponseReader
from .tls import TlsConfig, TlsSession

TLS_RECORD_SIZE: Final = 16 * 1024
READ_SIZE: Final = 64 * 1024

# A timeout may be a little early: the kernel counts in coarser steps.
_TICK: Final = 0.005
_NO_TLS: Final = "WRONG_VERSION_NUMBER"


class BaseConnection:
    """A connection to an endpoint: the common part of the blocking and the asyncio one."""

    __slots__ = ("_has_data", "_sock", "_used")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # Made once: registering with poll costs more than polling.
        self._has_data = _make_readable_check(sock)
        self._used = time.time()

    @property
    def session(self) -> TlsSession | None:
        """The TLS session, which makes the next connection's handshake shorter."""
        sock = self._sock
        session = sock.session if isinstance(sock, ssl.SSLSocket) else None
        return TlsSession(sock.context, session) if isinstance(sock, ssl.SSLSocket) and session is not None else None

    def is_usable(self, now: float) -> bool:
        """Check whether the connection can take another request, at *now* by the wall clock.

        Readable while no request is in flight means that the peer has closed it, or has sent a TLS ticket. It also ages
        while Lambda freezes the sandbox, and only the wall clock shows that. *now* may be a moment before another
        thread's last use of it.
        """
        return abs(now - self._used) <= socket_options.MAX_IDLE and (not self._has_data() or is_open(self._sock))

    def close(self) -> None:
        """Close it."""
        self._sock.close()

    def abandon(self) -> None:
        """Close it in a forked process."""
        self._sock.close()


class Connection(BaseConnection):
    """A connection that blocks while it waits."""

    __slots__ = ()

    def wait_for_ticket(self, timeout: float) -> bool:
        """Wait up to *timeout* seconds for the ticket of a new connection; return whether there is a TLS session.

        Nothing else arrives before a request, and what has arrived need not be read by the first one.
        """
        sock = self._sock
        if isinstance(sock, ssl.SSLSocket) and sock.version() == "TLSv1.3" and not _has_ticket(sock):
            _make_readable_check(sock, timeout)()
            is_open(sock)
        return not isinstance(sock, ssl.SSLSocket) or sock.version() != "TLSv1.3" or _has_ticket(sock)

    def send_request(
        self, reader: ResponseReader, head: bytes, payload: bytes, deadline: float, *, only_head: bool = False
    ) -> bool:
        """Send a request and read its response into *reader*; on any failure, close the connection.

        Args:
            reader: Parses the response.
            head: The request without its body.
            payload: Its body.
            deadline: When to give up, by the monotonic clock.
            only_head: Leave the rest of the response's body to ``read_more``.

        Returns:
            Whether the response is complete.

        Raises:
            NoAnswerError: There is no response; the error says how far the request got.
        """
        progress = Progress.NOTHING_SENT
        try:
            # One buffer, one send: with Nagle's algorithm off, head and payload would be two packets.
            rest = self._send_first_record(memoryview(head + payload), deadline)
            progress = Progress.PERHAPS_SENT
            if rest:
                self._send_rest(rest, deadline)
            # Also when sending failed: a server that rejects a large request responds, and hangs up on the rest of it.
            complete = self._receive(reader, deadline)
            while not (complete or (only_head and reader.has_head)):
                complete = self._receive(reader, deadline)
        except Exception as exc:
            self.close()
            raise exchange_error(exc, reader, progress, deadline) from exc
        except BaseException:
            # An interrupt or a framework's timeout: the response is still to come, and would be the next request's.
            self.close()
            raise
        self._used = time.time()
        return complete

    def read_more(self, reader: ResponseReader, deadline: float) -> bool:
        """Read more of a response whose headers have arrived; return whether it is complete.

        Raises:
            NoAnswerError: It timed out, or broke off.
        """
        try:
            complete = self._receive(reader, deadline)
        except Exception as exc:
            self.close()
            raise exchange_error(exc, reader, Progress.PERHAPS_SENT, deadline) from exc
        except BaseException:
            self.close()
            raise
        self._used = time.time()
        return complete

    def _send_first_record(self, request: memoryview, deadline: float) -> memoryview:
        """Send what fits into one TLS record, and return the rest; if this raises, the peer can read nothing."""
        self._sock.settimeout(seconds_left(deadline))
        return request[self._sock.send(request[:TLS_RECORD_SIZE]) :]

    def _send_rest(self, rest: memoryview, deadline: float) -> None:
        self._sock.settimeout(seconds_left(deadline))
        with suppress(ConnectionError):  # a server that hangs up on a request may have responded before
            self._sock.sendall(rest)

    def _receive(self, reader: ResponseReader, deadline: float) -> bool:
        """Read once; return whether the response is complete."""
        self._sock.settimeout(seconds_left(deadline))
        data = self._sock.recv(READ_SIZE)
        if data:
            return reader.feed(data)
        reader.end()
        return True


def connect(endpoint: Endpoint, tls_config: TlsConfig, deadline: float) -> Connection:
    """Open a connection, including TLS.

    Raises:
        NoAnswerError: It failed, and so nothing was sent.
    """
    try:
        sock = _open_socket(endpoint, deadline)
        if not endpoint.tls:
            return Connection(sock)
        context = tls_config.context
        try:
            return Connection(_start_tls(sock, endpoint, tls_config, context, deadline))
        except ssl.SSLCertVerificationError as exc:
            # On another connection: this one is of no use after a failed handshake.
            if not tls_config.load_all_cas(context, exc):
                raise
        return Connection(
            _start_tls(_open_socket(endpoint, deadline), endpoint, tls_config, tls_config.context, deadline)
        )
    except Exception as exc:
        raise connect_error(exc, deadline, endpoint) from exc


def connect_error(exc: Exception, deadline: float, endpoint: Endpoint | None = None) -> NoAnswerError:
    """Convert an exception while connecting: nothing was sent, and an invalid setting is not worth a retry.

    Raises:
        Exception: *exc* itself, if it is foreign; see ``is_foreign``.
    """
    failure = no_answer_error(exc, Progress.NOTHING_SENT, deadline)
    if endpoint is not None and failure.trouble is Trouble.CONNECTION:
        # Loaded only here, as in no_answer_error().
        from lambdachain._transports.endpoint_check import describe_failed_connect

        failure.args = (describe_failed_connect(endpoint.url, type(exc).__name__),)
    if not isinstance(exc, OSError):
        failure.trouble = Trouble.SETUP
    # An untrusted certificate and plain HTTP on a TLS port are settings to correct: the message names which.
    if isinstance(exc, ssl.SSLCertVerificationError) or (isinstance(exc, ssl.SSLError) and exc.reason == _NO_TLS):
        failure.trouble = Trouble.SETUP
        failure.args = (f"{type(exc).__name__}: {exc}",)
    return failure


def no_answer_error(
    exc: Exception, progress: Progress, deadline: float, request_id: str | None = None
) -> NoAnswerError:
    """Convert an exception while sending or receiving.

    Raises:
        Exception: *exc* itself, if it is foreign; see ``is_foreign``.
    """
    if not isinstance(exc, MalformedResponseError):
        # Loaded only here: a call that succeeds never needs it.
        from lambdachain._transports.foreign_exceptions import is_foreign

        if is_foreign(exc):
            raise exc
    # The kernel raises TimeoutError for a dead peer, too (keep-alive): that is not the call's deadline.
    late = isinstance(exc, TimeoutError) and time.monotonic() >= deadline - _TICK
    detail = str(exc) if isinstance(exc, MalformedResponseError) else type(exc).__name__
    message = detail if isinstance(exc, OversizedResponseError) else f"the connection failed ({detail})"
    return NoAnswerError(
        "timed out waiting for the response" if late else message,
        progress=progress,
        trouble=Trouble.TIMEOUT if late else Trouble.CONNECTION,
        request_id=request_id,
    )


def exchange_error(exc: Exception, reader: ResponseReader, progress: Progress, deadline: float) -> NoAnswerError:
    """Convert an exception while sending a request that has got to *progress*, or while receiving its response.

    Raises:
        Exception: *exc* itself, if it is foreign; see ``is_foreign``.
    """
    if not isinstance(exc, OSError | MalformedResponseError):  # a bug's: the function may have run
        progress = Progress.PERHAPS_SENT
    elif reader.has_begun:
        progress = Progress.ANSWER_BEGUN
    return no_answer_error(exc, progress, deadline, reader.request_id)


def _open_socket(endpoint: Endpoint, deadline: float) -> socket.socket:
    """Connect to the first of a host's addresses that accepts."""
    # As bytes, the name bypasses the codec for international names, which takes long to import.
    found = socket.getaddrinfo(endpoint.host.encode(), endpoint.port, type=socket.SOCK_STREAM)
    failure: OSError = OSError(f"{endpoint.host} has no address")
    # Each address has CONNECT_TIMEOUT at most: the first one may be an IPv6 address that is not routed from here.
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            set_socket_options(sock)
            sock.settimeout(min(seconds_left(deadline), socket_options.CONNECT_TIMEOUT))
            sock.connect(address)
        except OSError as exc:
            sock.close()
            failure = exc
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


def _has_ticket(sock: ssl.SSLSocket) -> bool:
    return sock.session is not None and sock.session.has_ticket


def set_socket_options(sock: socket.socket) -> None:
    """Set the options of a connection to Lambda: no delay, keep-alive."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in socket_options.KEEP_ALIVE:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _start_tls(
    sock: socket.socket, endpoint: Endpoint, tls_config: TlsConfig, context: ssl.SSLContext, deadline: float
) -> ssl.SSLSocket:
    try:
        sock.settimeout(min(seconds_left(deadline), socket_options.CONNECT_TIMEOUT))
        return wrap_tls(sock, endpoint, tls_config, context)
    except BaseException:
        sock.close()
        raise


def wrap_tls(
    sock: socket.socket, endpoint: Endpoint, tls_config: TlsConfig, context: ssl.SSLContext, *, handshake: bool = True
) -> ssl.SSLSocket:
    """Wrap a connected socket in TLS."""
    # suppress_ragged_eofs=False: a connection that is cut is an error, else a response without a length would seem
    # complete.
    return context.wrap_socket(
        sock,
        server_hostname=_AsciiName(endpoint.host),
        do_handshake_on_connect=handshake,
        suppress_ragged_eofs=False,
        session=tls_config.session_for(context),
    )


class _AsciiName(str):
    """A host name that bypasses the codec for international names, which takes long to import.

    ``ssl`` would also accept bytes, but gevent's sockets only accept a string.
    """

    __slots__ = ()

    def encode(self, encoding: str = "ascii", errors: str = "strict") -> bytes:
        return super().encode("ascii" if encoding == "idna" else encoding, errors)


def seconds_left(deadline: float) -> float:
    """Return how long a wait may be.

    Raises:
        TimeoutError: The deadline has passed.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _make_readable_check(sock: socket.socket, timeout: float = 0) -> Callable[[], object]:
    """Return a function that checks whether there is something to read, or will be within *timeout* seconds."""
    if not hasattr(select, "poll"):
        return lambda: select.select([sock], [], [], timeout)[0]
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return partial(poll.poll, int(timeout * 1000))
