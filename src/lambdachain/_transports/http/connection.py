"""One connection, and one request at a time on it: each wait is bounded by the call's deadline on the socket itself.

Whether a byte of the request went out is known here, not guessed: a handshake sends none, and the first ``send`` either
takes some or raises. Under TLS what it takes is at most one record, which is of no use to anybody unless it is whole.
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

from .endpoint import Endpoint
from .response import Response, ResponseReader
from .tls import Session, TlsConfig

RECORD: Final = 16 * 1024
PIECE: Final = 64 * 1024

# A timeout may come a little early: the system counts in coarser steps.
_TICK: Final = 0.005
_NO_TLS: Final = "WRONG_VERSION_NUMBER"


class BaseConnection:
    """A connection to an endpoint, free for a request: what a blocking and an asyncio one have in common."""

    __slots__ = ("_sock", "_stirs", "_used")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._stirs = _watcher(sock)
        self._used = time.time()

    @property
    def session(self) -> Session | None:
        """What lets the next connection do with half a handshake."""
        sock = self._sock
        session = sock.session if isinstance(sock, ssl.SSLSocket) else None
        return Session(sock.context, session) if isinstance(sock, ssl.SSLSocket) and session is not None else None

    def is_usable(self, now: float) -> bool:
        """Check whether the connection may be trusted with another request, at *now* by the wall clock.

        Something to read on it, while nothing was asked, is its end. And it ages while Lambda has frozen the sandbox,
        which only the wall clock knows. A thread's *now* may lie a moment before another thread's use of it.
        """
        return abs(now - self._used) <= socket_options.MAX_IDLE and not self._stirs()

    def close(self) -> None:
        """Close it."""
        self._sock.close()

    def abandon(self) -> None:
        """Close it in a forked process."""
        self._sock.close()


class Connection(BaseConnection):
    """A connection that blocks while it waits."""

    __slots__ = ()

    def exchange(self, head: bytes, payload: bytes, deadline: float) -> Response:
        """Send a request and read its answer; whatever goes wrong, the connection is closed.

        Args:
            head: The request without its body.
            payload: Its body.
            deadline: When to give up, by the monotonic clock.

        Raises:
            NoAnswerError: There is no answer; it says how far the request got.
        """
        reader = ResponseReader()
        self.ask(reader, head, payload, deadline)
        return reader.response

    def ask(
        self, reader: ResponseReader, head: bytes, payload: bytes, deadline: float, *, only_head: bool = False
    ) -> bool:
        """Behave as ``exchange``, into *reader*; with *only_head*, leave the rest of the body to ``read_on``.

        Returns:
            Whether the answer is whole.
        """
        progress = Progress.NOTHING_SENT
        try:
            rest = self._begin(memoryview(head + payload), deadline)
            progress = Progress.PERHAPS_SENT
            if rest:
                self._send(rest, deadline)
            whole = self._receive(reader, deadline)
            while not (whole or (only_head and reader.has_head)):
                whole = self._receive(reader, deadline)
        except (OSError, MalformedResponseError) as exc:
            self.close()
            progress = Progress.ANSWER_BEGUN if reader.has_begun else progress
            raise no_answer(exc, progress, deadline, reader.request_id) from exc
        except BaseException:
            self.close()
            raise
        self._used = time.time()
        return whole

    def read_on(self, reader: ResponseReader, deadline: float) -> bool:
        """Read more of an answer whose head is there; tell whether it is whole.

        Raises:
            NoAnswerError: It was not there in time, or broke off.
        """
        try:
            whole = self._receive(reader, deadline)
        except (OSError, MalformedResponseError) as exc:
            self.close()
            raise no_answer(exc, reader.reached, deadline, reader.request_id) from exc
        except BaseException:
            self.close()
            raise
        self._used = time.time()
        return whole

    def _begin(self, request: memoryview, deadline: float) -> memoryview:
        """Send what fits into one record, and give the rest; if this raises, nobody has got anything to read."""
        self._sock.settimeout(seconds_left(deadline))
        return request[self._sock.send(request[:RECORD]) :]

    def _send(self, rest: memoryview, deadline: float) -> None:
        self._sock.settimeout(seconds_left(deadline))
        with suppress(ConnectionError):  # whoever hangs up on a request may have answered it before
            self._sock.sendall(rest)

    def _receive(self, reader: ResponseReader, deadline: float) -> bool:
        """Read once; tell whether the answer is whole."""
        self._sock.settimeout(seconds_left(deadline))
        data = self._sock.recv(PIECE)
        if data:
            return reader.feed(data)
        reader.end()
        return True


def connect(endpoint: Endpoint, tls_config: TlsConfig, deadline: float) -> Connection:
    """Open a connection, TLS included.

    Raises:
        NoAnswerError: There is none, and so nothing was sent.
    """
    try:
        sock = _reach(endpoint, deadline)
        if not endpoint.tls:
            return Connection(sock)
        context = tls_config.context
        try:
            return Connection(_secured(sock, endpoint, tls_config, context, deadline))
        except ssl.SSLCertVerificationError as exc:
            if not tls_config.load_all_cas(context, exc):
                raise
        return Connection(_secured(_reach(endpoint, deadline), endpoint, tls_config, tls_config.context, deadline))
    except Exception as exc:
        raise no_connection(exc, deadline) from exc


def no_connection(exc: Exception, deadline: float) -> NoAnswerError:
    """Describe what it means that no connection came about: nothing was sent, and a wrong setting is no bad luck.

    Raises:
        Exception: *exc* itself, where it is somebody else's; see ``passes``.
    """
    failure = no_answer(exc, Progress.NOTHING_SENT, deadline)
    if not isinstance(exc, OSError):
        failure.trouble = Trouble.SETUP
    if isinstance(exc, ssl.SSLCertVerificationError) or (isinstance(exc, ssl.SSLError) and exc.reason == _NO_TLS):
        failure.trouble = Trouble.SETUP
        failure.args = (f"{type(exc).__name__}: {exc}",)
    return failure


def no_answer(exc: Exception, progress: Progress, deadline: float, request_id: str | None = None) -> NoAnswerError:
    """Describe what it means that an answer did not come.

    Raises:
        Exception: *exc* itself, where it is somebody else's; see ``passes``.
    """
    if not isinstance(exc, MalformedResponseError):
        from lambdachain._transports.foreign_exceptions import passes

        if passes(exc):
            raise exc
    late = isinstance(exc, TimeoutError) and time.monotonic() >= deadline - _TICK
    detail = str(exc) if isinstance(exc, MalformedResponseError) else type(exc).__name__
    words = detail if isinstance(exc, OversizedResponseError) else f"the connection failed ({detail})"
    return NoAnswerError(
        "no answer in time" if late else words,
        progress=progress,
        trouble=Trouble.TIMEOUT if late else Trouble.CONNECTION,
        request_id=request_id,
    )


class translating:  # noqa: N801 - used as a statement
    """Reports of what is neither the network's nor HTTP's that the function may have run."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, _: object) -> None:
        if isinstance(exc, Exception) and not isinstance(exc, NoAnswerError):
            raise no_answer(exc, Progress.PERHAPS_SENT, self._deadline) from exc


def _reach(endpoint: Endpoint, deadline: float) -> socket.socket:
    """Connect to the first of a host's addresses that answers."""
    # As bytes, a name is not put through the codec for international ones, which takes long to import.
    found = socket.getaddrinfo(endpoint.host.encode(), endpoint.port, type=socket.SOCK_STREAM)
    failure: OSError = OSError(f"{endpoint.host} has no address")
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            prepare(sock)
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


def prepare(sock: socket.socket) -> None:
    """Set what a connection to Lambda needs."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in socket_options.KEEP_ALIVE:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _secured(
    sock: socket.socket, endpoint: Endpoint, tls_config: TlsConfig, context: ssl.SSLContext, deadline: float
) -> ssl.SSLSocket:
    try:
        sock.settimeout(min(seconds_left(deadline), socket_options.CONNECT_TIMEOUT))
        return wrapped(sock, endpoint, tls_config, context)
    except BaseException:
        sock.close()
        raise


def wrapped(
    sock: socket.socket, endpoint: Endpoint, tls_config: TlsConfig, context: ssl.SSLContext, *, handshake: bool = True
) -> ssl.SSLSocket:
    """Put TLS over a connected socket."""
    # An end without goodbye is then an error: an answer that says no length would pass for whole.
    return context.wrap_socket(
        sock,
        server_hostname=_AsciiName(endpoint.host),
        do_handshake_on_connect=handshake,
        suppress_ragged_eofs=False,
        session=tls_config.session_of(context),
    )


class _AsciiName(str):
    """A host's name that needs no codec for international ones: importing that takes long.

    ``ssl`` would do as well with bytes, and gevent's sockets with a plain text only.
    """

    __slots__ = ()

    def encode(self, encoding: str = "ascii", errors: str = "strict") -> bytes:
        return super().encode("ascii" if encoding == "idna" else encoding, errors)


def seconds_left(deadline: float) -> float:
    """Return how long a wait may be.

    Raises:
        TimeoutError: Not at all.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no time is left")
    return left


def _watcher(sock: socket.socket) -> Callable[[], object]:
    """Make what tells whether there is something to read."""
    if not hasattr(select, "poll"):
        return lambda: select.select([sock], [], [], 0)[0]
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return partial(poll.poll, 0)
