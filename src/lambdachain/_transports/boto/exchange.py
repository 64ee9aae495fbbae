"""One request over botocore's connections: record whether a byte of it was sent, and end it at its deadline.

botocore's timeouts bound each ``recv``, so a server that sends a byte now and then escapes them, and its exceptions do
not distinguish a request that was never sent from one that was. Its connection classes are extended here to report it.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, cast

from lambdachain._core.context_values import set_value
from lambdachain._core.invocation import Invocation, NoAnswerError, Outcome, Progress, Trouble
from lambdachain._core.loopback import get_host
from lambdachain._transports import socket_options as _options
from lambdachain._transports.deadline_timer import deadline_timer
from lambdachain._transports.foreign_exceptions import get_frames
from lambdachain._transports.tls_socket import close_failed_sockets, is_open
from lambdachain._transports.transport_override import guard_sends, is_mocked, network_guard

from .body_limit import check_content_length, limit_chunks
from .credential_renewal import record_signature
from .errors import credentials_call_error, translate
from .instrumentation import call_method, limit_trace_header, protect_payload
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
        self._duplicate: socket.socket | None = None
        self._kept_sockets: list[socket.socket] = []
        self._watched = self._sent = self._finished = False
        self._lock = threading.Lock()
        self._timer = None if self.deadline is None else deadline_timer.set(self.deadline, self.abort)

    def sending(self) -> AbstractContextManager[None]:
        """Make this exchange the current one for the request that is sent inside."""
        # A context variable and not a parameter: between invoke() and the connection there is only botocore's code.
        return set_value(_current, self)

    @property
    def has_sent(self) -> bool:
        """Whether a byte of the request was sent on a watched connection."""
        return self._sent

    def record_socket(self, duplicate: socket.socket | None, *, sending: bool) -> None:
        """Record the socket of the request, and whether its first byte is about to be sent."""
        with self._lock:
            self._watched = True
            # Past the deadline the socket is shut down before the byte is sent; without a socket, it may be sent.
            too_late = self.expired and duplicate is not None
            self._sent = self._sent or (sending and not too_late)
            self._duplicate = duplicate
            if self.expired:
                self._shut_down()

    def keep_socket(self, duplicate: socket.socket) -> None:
        """Keep a socket that its connection has closed: the response may still be on it."""
        self._kept_sockets.append(duplicate)

    def abort(self) -> None:
        """End the request at its deadline."""
        with self._lock:
            if not self._finished:
                self.expired = True
                self._shut_down()

    def finish(self) -> None:
        """Record that the request is done."""
        if self._timer is not None:
            deadline_timer.cancel(self._timer)
        with self._lock:
            self._finished = True
            self._duplicate = None
        for duplicate in self._kept_sockets:
            duplicate.close()

    def abandon(self) -> None:
        """Close a response that nobody reads; a connection that is back in its pool stays open."""
        if self.response is not None:
            with suppress(OSError):
                self.response.close()

    def correct(self, failure: NoAnswerError) -> NoAnswerError:
        """Correct what botocore cannot know: that nothing was sent, or that the deadline ended the request."""
        if self._watched and not self._sent and failure.progress is Progress.PERHAPS_SENT:
            failure.progress = Progress.NOTHING_SENT
        if self.expired and failure.trouble is Trouble.CONNECTION:
            failure.trouble = Trouble.TIMEOUT
            failure.args = ("timed out waiting for the response",)
        return failure

        # Not close(): another thread is reading from it, and the descriptor's number could be reused meanwhile.

    def _shut_down(self) -> None:
        if self._duplicate is not None:
            with suppress(OSError):
                self._duplicate.shutdown(socket.SHUT_RDWR)


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


def send_request(client: Any, operation: str, invocation: Invocation) -> dict[str, Any] | Outcome:
    """Send *invocation* by a method of botocore's client; return its response, or the service's error.

    Raises:
        NoAnswerError: There is neither.
    """
    from botocore.exceptions import ClientError

    watched, sent_parameters = _current.get(), to_parameters(invocation)
    if watched is not None:
        watched.parameters = sent_parameters
    try:
        response: object = call_method(getattr(client, operation), sent_parameters)
    except ClientError as exc:
        return parse_client_error(exc)
    except Exception as exc:  # noqa: BLE001 - what is not botocore's is raised unchanged
        failure = translate(exc, progress=find_progress(client, exc))
        # translate() has decided whether botocore's exception, which may quote a secret, is shown as the cause.
        raise failure from failure.__cause__
    if not isinstance(response, dict):
        raise NoAnswerError("botocore's client returned no response")
    return cast("dict[str, Any]", response)


def find_progress(client: Any, exc: Exception) -> Progress:
    """Return how far a request can have got when *exc* was raised: no connection, if none reported that it sent."""
    watched = _current.get()
    unsent = watched is not None and not watched.has_sent and is_watched(client)
    return Progress.NOTHING_SENT if unsent and any(map(_is_before_sending, get_frames(exc))) else Progress.PERHAPS_SENT


def _is_before_sending(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") == _HTTP_SESSION or frame.f_code.co_name in _BEFORE_SENDING


def parse_client_error(error: ClientError) -> Outcome:
    """Convert an error response of AWS.

    Raises:
        NoAnswerError: It is about another request, such as the one for the credentials to sign with.
    """
    if error.operation_name in OPERATIONS:
        return read_client_error(error.response)
    raise credentials_call_error(error) from None


def watch_connections(client: Any) -> None:
    """Have a client's connections report to their exchange; if botocore has no such classes, only reads are bounded."""
    record_signature(client, _current)
    protect_payload(client, _current)
    limit_trace_header(client)
    for operation in OPERATIONS:
        event = f"before-call.lambda.{operation}"
        client.meta.events.register(event, _prepare_request, unique_id=f"lambdachain-read-timeout-{operation}")
    check_before_signing(client, _current_function)
    guard_sends(client, _check_host)
    session = _http_session(client)
    manager = getattr(session, "_manager", None)
    if hasattr(manager, "pool_classes_by_scheme") and hasattr(session, "_pool_classes_by_scheme"):
        for holder, name in ((session, "_pool_classes_by_scheme"), (manager, "pool_classes_by_scheme")):
            setattr(holder, name, _watched_pool_classes())


def is_watched(client: Any) -> bool:
    """Check whether a client's connections report to their exchange."""
    watched = _watched_pool_classes()
    is_ours = getattr(_http_session(client), "_pool_classes_by_scheme", None) is watched
    return is_ours and all(pool.find_replacement() is None for pool in watched.values())


def _http_session(client: Any) -> Any:
    return getattr(getattr(client, "_endpoint", None), "http_session", None)


def check_before_signing(client: Any, get_function: Callable[[], str | None]) -> None:
    """Have the network guard of tests check a request before signing, which may refresh credentials over a network.

    Args:
        client: A client of botocore or aiobotocore.
        get_function: Returns the function that is being called.
    """
    credentials = getattr(getattr(client, "_request_signer", None), "_credentials", None)

    def check(request: Any, **_: Any) -> None:
        function = get_function()
        if network_guard.closed and function is not None and not is_mocked():
            network_guard.check(function, get_host(request.url))

    if hasattr(credentials, "refresh_needed"):
        for operation in OPERATIONS:
            event = f"request-created.lambda.{operation}"
            client.meta.events.register_first(event, check, unique_id=f"lambdachain-guard-{operation}")


def _current_function() -> str | None:
    watched = _current.get()
    return None if watched is None else watched.function


def _check_host(host: str) -> None:
    function = _current_function()
    if function is not None:
        network_guard.check(function, host)


def _prepare_request(context: dict[str, Any], **_: Any) -> None:
    watched = _current.get()
    if watched is not None and watched.timeout is not None:
        # botocore's own timeout still bounds each read where connections cannot be watched.
        context["read_timeout"] = watched.timeout
    if watched is not None and watched.keys is not None:
        context["signing"] = {**context.get("signing", {}), "request_credentials": watched.keys}


@cache
def _watched_pool_classes() -> dict[str, Any]:
    from botocore import awsrequest

    # Created at run time: botocore is imported only when a client is used.
    return {
        "http": _make_pool_class("WatchedPool", awsrequest.AWSHTTPConnectionPool, awsrequest.AWSHTTPConnection),
        "https": _make_pool_class("WatchedTlsPool", awsrequest.AWSHTTPSConnectionPool, awsrequest.AWSHTTPSConnection),
    }


def _make_pool_class(name: str, pool: Any, connection: Any) -> type[Any]:
    """Create a class of pools with watched connections, unless another library has replaced botocore's.

    vcrpy does while it records and replays: it assigns ``ConnectionCls`` of botocore's pool, which ours would hide.
    """
    watched = type(f"{name}Connection", (_WatchedMixin, connection), {})

    def find_replacement() -> Any:
        return None if pool.ConnectionCls is connection else pool.ConnectionCls

    # A property: pools live longer than a cassette.
    connection_class = property(lambda _pool: find_replacement() or watched)
    return type(name, (pool,), {"ConnectionCls": connection_class, "find_replacement": staticmethod(find_replacement)})


def _limit_error_body(
    response: Any, stream: Callable[..., Iterator[bytes]], *args: Any, **kwargs: Any
) -> Iterator[bytes]:
    """Read an error's body up to the size limit; if that fails, close the connection, which nobody else does."""
    try:
        check_content_length({name.lower(): value for name, value in response.headers.items()})
        yield from limit_chunks(stream(*args, **kwargs))
    except BaseException:
        response.close()
        raise


class _DeadlineSocketOptions:
    """Socket options that are read again for each address of a host: past the deadline, no further address is tried."""

    def __init__(self, options: Iterable[Any], deadline: float) -> None:
        self._options = options
        self._deadline = deadline

    def __iter__(self) -> Iterator[Any]:
        if time.monotonic() >= self._deadline:
            raise TimeoutError("timed out connecting")
        return iter(self._options)


class _WatchedMixin:
    """Mixed into botocore's connection classes."""

    sock: socket.socket | None
    timeout: float | None
    socket_options: Iterable[Any] | None
    host: str
    ssl_context: object = None
    _tunnel_host: str | None
    _duplicate: socket.socket | None = None
    _used = 0.0

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request; if the connection has been idle for too long, on a new one."""
        if self.sock is not None and time.time() - self._used > _options.MAX_IDLE:
            self.close()
        return super().request(*args, **kwargs)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        """Send bytes, and report it before the first one."""
        if self.sock is None:
            self.connect()
        watched = _current.get()
        if watched is not None:
            watched.record_socket(self._duplicate, sending=True)
        self._used = time.time()
        super().send(data)  # type: ignore[misc]

    def connect(self) -> None:
        """Connect, and report the socket from the first packet on."""
        watched = _current.get()
        if watched is not None:
            watched.record_socket(None, sending=False)
            network_guard.check(watched.function, self._tunnel_host or self.host)
        close_failed_sockets(self.ssl_context)
        super().connect()  # type: ignore[misc]
        self._used = time.time()

    @property
    def is_connected(self) -> bool:
        """Whether the connection is open: also with TLS tickets that nothing has read; see ``is_open``."""
        return bool(cast("Any", super()).is_connected) or is_open(self.sock)

    def getresponse(self) -> Any:
        """Wait for the response; botocore reads an error's whole body itself, so its size is limited here."""
        response = cast("Any", super()).getresponse()
        watched = _current.get()
        if watched is not None:
            watched.response = response
        if response.status >= 300 and hasattr(response, "stream"):
            response.stream = partial(_limit_error_body, response, response.stream)
        return response

    def close(self) -> None:
        """Close; the duplicate of the socket stays open while a response may be on it."""
        duplicate, self._duplicate = self._duplicate, None
        super().close()  # type: ignore[misc]
        watched = _current.get()
        if duplicate is not None and watched is not None:
            watched.keep_socket(duplicate)
        elif duplicate is not None:
            duplicate.close()

    def _new_conn(self) -> socket.socket:
        watched = _current.get()
        options = self.socket_options
        if watched is not None and watched.deadline is not None:
            left = max(watched.deadline - time.monotonic(), 0.001)  # 0 would mean non-blocking
            self.timeout = left if self.timeout is None else min(self.timeout, left)
            self.socket_options = _DeadlineSocketOptions(options or (), watched.deadline)
        try:
            new = cast("socket.socket", super()._new_conn())  # type: ignore[misc]
        finally:
            self.socket_options = options
        # TLS takes the descriptor away from the socket; shutting it down during a handshake needs a duplicate.
        self._duplicate = new.dup()
        if watched is not None:
            watched.record_socket(self._duplicate, sending=False)
        return new
