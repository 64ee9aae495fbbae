"""One request over botocore's connections: record whether a byte of it was sent, and end it at its deadline.

botocore's timeouts bound each ``recv``, so a server that sends a byte now and then escapes them, and its exceptions do
not distinguish a request that was never sent from one that was. Its connection classes are extended here to report it.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, cast

from lambdachain._core.invocation import Invocation, NoAnswerError, Outcome, Progress, Trouble
from lambdachain._core.loopback import host_of
from lambdachain._transports import socket_options as _wire
from lambdachain._transports.deadline_timer import deadline_timer
from lambdachain._transports.foreign_exceptions import frames_of
from lambdachain._transports.tls_socket import close_failed_sockets
from lambdachain._transports.transport_override import guard_sends, is_mocked, network_guard

from .body_limit import check_content_length, limit_chunks
from .credential_renewal import note_signature
from .errors import refusal, translated
from .instrumentation import bound_trace, called, keep_payload
from .serialization import OPERATIONS, read_client_error, to_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
    from types import FrameType

    from botocore.exceptions import ClientError

_HTTP_SESSION: Final = "botocore.httpsession"
# Functions of botocore that run before it looks for a connection.
_BEFORE_SENDING: Final = frozenset(
    {
        "_convert_to_request_dict",
        "_emit_api_params",
        "_resolve_endpoint_ruleset",
        "add_recursion_detection_header",
        "create_request",
        "serialize_to_request",
    }
)


class Exchange:
    """The state of one request.

    Args:
        function: The function, as errors name it.
        timeout: Seconds until the request must be done.
        keys: botocore's credentials to sign it with, if fetching the client's own might take longer than that.
    """

    def __init__(self, function: str, timeout: float | None, keys: Any = None) -> None:
        self.function = function
        self.timeout = timeout
        self.keys = keys
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.expired = False
        self.headers: Any = None
        self.parameters: Mapping[str, Any] | None = None
        self.response: Any = None
        self._tap: socket.socket | None = None
        self._adopted: list[socket.socket] = []
        self._watched = self._sent = self._over = False
        self._lock = threading.Lock()
        self._bell = None if self.deadline is None else deadline_timer.set(self.deadline, self.abort)

    @contextmanager
    def sending(self) -> Generator[None]:
        """Make this exchange the current one for the request that is sent inside."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    @property
    def has_sent(self) -> bool:
        """Whether a byte of the request was sent on a watched connection."""
        return self._sent

    def uses(self, tap: socket.socket | None, *, sending: bool) -> None:
        """Record the socket of the request, and whether its first byte is about to be sent."""
        with self._lock:
            self._watched = True
            # Past the deadline the socket is shut down before the byte is sent; without a socket, it may be sent.
            too_late = self.expired and tap is not None
            self._sent = self._sent or (sending and not too_late)
            self._tap = tap
            if self.expired:
                self._hang_up()

    def adopt(self, tap: socket.socket) -> None:
        """Keep a socket that its connection has closed: the response may still be on it."""
        self._adopted.append(tap)

    def abort(self) -> None:
        """End the request at its deadline."""
        with self._lock:
            if not self._over:
                self.expired = True
                self._hang_up()

    def finish(self) -> None:
        """Record that the request is done."""
        if self._bell is not None:
            deadline_timer.cancel(self._bell)
        with self._lock:
            self._over = True
            self._tap = None
        for tap in self._adopted:
            tap.close()

    def abandon(self) -> None:
        """Close a response that nobody reads; a connection that is back in its pool stays open."""
        if self.response is not None:
            with suppress(OSError):
                self.response.close()

    def corrected(self, failure: NoAnswerError) -> NoAnswerError:
        """Correct what botocore cannot know: that nothing was sent, or that the deadline ended the request."""
        if self._watched and not self._sent and failure.progress is Progress.PERHAPS_SENT:
            failure.progress = Progress.NOTHING_SENT
        if self.expired and failure.trouble is Trouble.CONNECTION:
            failure.trouble = Trouble.TIMEOUT
            failure.args = ("timed out waiting for the response",)
        return failure

        # Not close(): another thread is reading from it, and the descriptor's number could be reused meanwhile.

    def _hang_up(self) -> None:
        if self._tap is not None:
            with suppress(OSError):
                self._tap.shutdown(socket.SHUT_RDWR)


_current: ContextVar[Exchange | None] = ContextVar("lambdachain_exchange", default=None)


@contextmanager
def exchange(function: str, timeout: float | None, keys: Any = None) -> Generator[Exchange]:
    """Watch the one request to *function* that is sent inside, and end it after *timeout* seconds."""
    watched = Exchange(function, timeout, keys)
    try:
        with watched.sending():
            yield watched
    except BaseException:
        watched.abandon()
        raise
    finally:
        watched.finish()


def response_of(client: Any, operation: str, invocation: Invocation) -> dict[str, Any] | Outcome:
    """Send *invocation* by a method of botocore's client; return its response, or the service's error.

    Raises:
        NoAnswerError: There is neither.
    """
    from botocore.exceptions import ClientError

    watched, written = _current.get(), to_parameters(invocation)
    if watched is not None:
        watched.parameters = written
    try:
        response: object = called(getattr(client, operation), written)
    except ClientError as exc:
        return refusal_in(exc)
    except Exception as exc:  # noqa: BLE001 - what is not botocore's is raised unchanged
        failure = translated(exc, progress=_reached(client, exc))
        raise failure from failure.__cause__
    if not isinstance(response, dict):
        raise NoAnswerError("botocore's client returned no response")
    return cast("dict[str, Any]", response)


def _reached(client: Any, exc: Exception) -> Progress:
    """Return how far a request can have got when *exc* was raised: no connection, if none reported that it sent."""
    watched = _current.get()
    unsent = watched is not None and not watched.has_sent and is_watched(client)
    return Progress.NOTHING_SENT if unsent and any(map(_is_before_sending, frames_of(exc))) else Progress.PERHAPS_SENT


def _is_before_sending(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") == _HTTP_SESSION or frame.f_code.co_name in _BEFORE_SENDING


def refusal_in(error: ClientError) -> Outcome:
    """Convert an error response of AWS.

    Raises:
        NoAnswerError: It is about another request, such as the one for the credentials to sign with.
    """
    if error.operation_name in OPERATIONS:
        return read_client_error(error.response)
    raise refusal(error) from None


def watch(client: Any) -> None:
    """Have a client's connections report to their exchange; if botocore has no such classes, only reads are bounded."""
    note_signature(client, _current)
    keep_payload(client, _current)
    bound_trace(client)
    for operation in OPERATIONS:
        event = f"before-call.lambda.{operation}"
        client.meta.events.register(event, _prepare_request, unique_id=f"lambdachain-read-timeout-{operation}")
    check_before_signing(client, _function_under_way)
    guard_sends(client, _check_host)
    session = _http_session(client)
    manager = getattr(session, "_manager", None)
    if hasattr(manager, "pool_classes_by_scheme") and hasattr(session, "_pool_classes_by_scheme"):
        for holder, name in ((session, "_pool_classes_by_scheme"), (manager, "pool_classes_by_scheme")):
            setattr(holder, name, _pools())


def is_watched(client: Any) -> bool:
    """Check whether a client's connections report to their exchange."""
    return getattr(_http_session(client), "_pool_classes_by_scheme", None) is _pools()


def _http_session(client: Any) -> Any:
    return getattr(getattr(client, "_endpoint", None), "http_session", None)


def check_before_signing(client: Any, function_under_way: Callable[[], str | None]) -> None:
    """Have the network guard of tests check a request before signing, which may refresh credentials over a network.

    Args:
        client: A client of botocore or aiobotocore.
        function_under_way: Returns the function that is being called.
    """
    credentials = getattr(getattr(client, "_request_signer", None), "_credentials", None)

    def check(request: Any, **_: Any) -> None:
        function = function_under_way()
        if network_guard.closed and function is not None and not is_mocked():
            network_guard.check(function, host_of(request.url))

    if hasattr(credentials, "refresh_needed"):
        for operation in OPERATIONS:
            event = f"request-created.lambda.{operation}"
            client.meta.events.register_first(event, check, unique_id=f"lambdachain-guard-{operation}")


def _function_under_way() -> str | None:
    watched = _current.get()
    return None if watched is None else watched.function


def _check_host(host: str) -> None:
    function = _function_under_way()
    if function is not None:
        network_guard.check(function, host)


def _prepare_request(context: dict[str, Any], **_: Any) -> None:
    watched = _current.get()
    if watched is not None and watched.timeout is not None:
        context["read_timeout"] = watched.timeout
    if watched is not None and watched.keys is not None:
        context["signing"] = {**context.get("signing", {}), "request_credentials": watched.keys}


@cache
def _pools() -> dict[str, type[Any]]:
    from botocore.awsrequest import (
        AWSHTTPConnection,
        AWSHTTPConnectionPool,
        AWSHTTPSConnection,
        AWSHTTPSConnectionPool,
    )

    connection = type("WatchedConnection", (_Watched, AWSHTTPConnection), {})
    tls_connection = type("WatchedTlsConnection", (_Watched, AWSHTTPSConnection), {})
    return {
        "http": type("WatchedPool", (AWSHTTPConnectionPool,), {"ConnectionCls": connection}),
        "https": type("WatchedTlsPool", (AWSHTTPSConnectionPool,), {"ConnectionCls": tls_connection}),
    }


def _bounded(response: Any, stream: Callable[..., Iterator[bytes]], *args: Any, **kwargs: Any) -> Iterator[bytes]:
    """Read an error's body up to the size limit; if that fails, close the connection, which nobody else does."""
    try:
        check_content_length({name.lower(): value for name, value in response.headers.items()})
        yield from limit_chunks(stream(*args, **kwargs))
    except BaseException:
        response.close()
        raise


class _InTime:
    """Socket options that are read again for each address of a host: past the deadline, no further address is tried."""

    def __init__(self, options: Iterable[Any], deadline: float) -> None:
        self._options = options
        self._deadline = deadline

    def __iter__(self) -> Iterator[Any]:
        if time.monotonic() >= self._deadline:
            raise TimeoutError("timed out connecting")
        return iter(self._options)


class _Watched:
    """Mixed into botocore's connection classes."""

    sock: socket.socket | None
    timeout: float | None
    socket_options: Iterable[Any] | None
    host: str
    ssl_context: object = None
    _tunnel_host: str | None
    _tap: socket.socket | None = None
    _used = 0.0

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request; if the connection has been idle for too long, on a new one."""
        if self.sock is not None and time.time() - self._used > _wire.MAX_IDLE:
            self.close()
        return super().request(*args, **kwargs)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        """Send bytes, and report it before the first one."""
        if self.sock is None:
            self.connect()
        watched = _current.get()
        if watched is not None:
            watched.uses(self._tap, sending=True)
        self._used = time.time()
        super().send(data)  # type: ignore[misc]

    def connect(self) -> None:
        """Connect, and report the socket from the first packet on."""
        watched = _current.get()
        if watched is not None:
            watched.uses(None, sending=False)
            network_guard.check(watched.function, self._tunnel_host or self.host)
        close_failed_sockets(self.ssl_context)
        super().connect()  # type: ignore[misc]

    def getresponse(self) -> Any:
        """Wait for the response; botocore reads an error's whole body itself, so its size is limited here."""
        response = cast("Any", super()).getresponse()
        watched = _current.get()
        if watched is not None:
            watched.response = response
        if response.status >= 300 and hasattr(response, "stream"):
            response.stream = partial(_bounded, response, response.stream)
        return response

    def close(self) -> None:
        """Close; the duplicate of the socket stays open while a response may be on it."""
        tap, self._tap = self._tap, None
        super().close()  # type: ignore[misc]
        watched = _current.get()
        if tap is not None and watched is not None:
            watched.adopt(tap)
        elif tap is not None:
            tap.close()

    def _new_conn(self) -> socket.socket:
        watched = _current.get()
        options = self.socket_options
        if watched is not None and watched.deadline is not None:
            left = max(watched.deadline - time.monotonic(), 0.001)  # 0 would mean non-blocking
            self.timeout = left if self.timeout is None else min(self.timeout, left)
            self.socket_options = _InTime(options or (), watched.deadline)
        try:
            new = cast("socket.socket", super()._new_conn())  # type: ignore[misc]
        finally:
            self.socket_options = options
        # TLS takes the descriptor away from the socket; shutting it down during a handshake needs a duplicate.
        self._tap = new.dup()
        if watched is not None:
            watched.uses(self._tap, sending=False)
        return new
