"""One request over aiobotocore: record whether any of it can have been sent, and translate its exceptions.

aiobotocore offers no access to aiohttp's tracing, and reports a reset during a request as a failed connect. Its
client's connections are extended here to report their request; one that has died since its last use is not reused.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import cache, partial
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

from lambdachain._core.invocation import NoAnswerError, Outcome, Progress, Trouble
from lambdachain._transports.fork_safety import detach_credentials
from lambdachain._transports.http.connection import BaseConnection
from lambdachain._transports.socket_options import HEADROOM, KEEP_ALIVE, LONGEST_FUNCTION
from lambdachain._transports.transport_override import network_guard

from .body_limit import read_body_async
from .credential_renewal import record_signature
from .errors import translate_stream_error
from .exchange import check_before_signing, parse_client_error
from .instrumentation import call_method, limit_trace_header, protect_payload
from .serialization import get_progress, get_request_id
from .transport import get_endpoint_host, register_parsing_hooks


class AsyncExchange:
    """The state of one request."""

    def __init__(self, function: str, timeout: float | None) -> None:
        self.function = function
        self.protocol: Any = None
        self.headers: Any = None
        self.parameters: Mapping[str, Any] | None = None
        self._deadline = time.monotonic() + (LONGEST_FUNCTION + HEADROOM if timeout is None else timeout)
        self._is_tracked = True  # until a client has been asked to send
        self._response: dict[str, Any] | None = None

    @asynccontextmanager
    async def limit_time(self) -> AsyncGenerator[None]:
        """Limit what is awaited inside to the request's deadline, and correct how far the request got.

        Raises:
            NoAnswerError: The deadline has passed, or it was raised inside.
        """
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()):
                yield
        except NoAnswerError as exc:
            raise self._correct(exc) from exc.__cause__
        except TimeoutError as exc:
            raise self._timeout_error() from exc

    async def send(self, client: Any, operation: str, parameters: dict[str, Any]) -> dict[str, Any] | Outcome:
        """Send the request; return aiobotocore's response, or the service's error.

        Raises:
            NoAnswerError: There is neither.
        """
        from botocore.exceptions import ClientError

        self._is_tracked = instrument_client(client)
        host = get_endpoint_host(client)
        # Otherwise the connector asks the guard, once the request has a host.
        if not self._is_tracked:
            network_guard.check(self.function, host)
        self.parameters = parameters
        token = _current.set(self)
        try:
            response: object = await call_method(getattr(client, operation), parameters)
        except ClientError as exc:
            return parse_client_error(exc)
        except Exception as exc:  # noqa: BLE001 - what is not the SDK's is raised unchanged
            failure = _translate(exc, self._progress_so_far)
            if failure.trouble is Trouble.CREDENTIALS:
                network_guard.check(self.function, host)
            raise failure from failure.__cause__
        finally:
            _current.reset(token)
            self._record_use()
        if not isinstance(response, dict):
            raise NoAnswerError("aiobotocore's client returned no response")
        self._response = cast("dict[str, Any]", response)
        return self._response

    @contextmanager
    def translate_errors(self) -> Generator[None]:
        """Translate exceptions while the body is read inside."""
        try:
            yield
        except Exception as exc:  # noqa: BLE001 - what is not the SDK's is raised unchanged
            failure = _translate(exc, get_progress(self._response or {}))
            failure.request_id = self._request_id
            raise failure from failure.__cause__

    @property
    def has_connection(self) -> bool:
        """Whether the response may have come over a connection; a stub's response cannot have been cut short."""
        return self.protocol is not None or not self._is_tracked

    @property
    def _request_id(self) -> str | None:
        return get_request_id(self._response or {})

    @property
    def _progress_so_far(self) -> Progress:
        return Progress.PERHAPS_SENT if self.has_connection else Progress.NOTHING_SENT

    def _correct(self, failure: NoAnswerError) -> NoAnswerError:
        """Correct what aiobotocore cannot know: it reports a reset during the request as a failed connect."""
        if failure.trouble in (Trouble.CONNECTION, Trouble.TIMEOUT) and failure.progress is not Progress.ANSWER_BEGUN:
            progress = self._get_progress(failure.__cause__)
            if progress is not failure.progress and failure.trouble is Trouble.CONNECTION:
                failure.args = (f"the connection failed ({type(failure.__cause__).__name__})",)
            failure.progress = progress
        return failure

    def _timeout_error(self) -> NoAnswerError:
        """Return the error for a request that timed out."""
        progress = get_progress(self._response) if self._response is not None else self._get_progress(None)
        return NoAnswerError(
            "timed out waiting for the response",
            progress=progress,
            trouble=Trouble.TIMEOUT,
            request_id=self._request_id,
        )

    def _record_use(self) -> None:
        if self.protocol is not None and self.protocol.transport is not None:
            _idle_states[self.protocol] = BaseConnection(self.protocol.transport.get_extra_info("socket"))

    def _get_progress(self, cause: BaseException | None) -> Progress:
        if self._is_tracked:
            return Progress.PERHAPS_SENT if self.protocol is not None else Progress.NOTHING_SENT
        return Progress.NOTHING_SENT if _is_failed_connect(cause) else Progress.PERHAPS_SENT


_current: ContextVar[AsyncExchange | None] = ContextVar("lambdachain_aio_exchange", default=None)


def instrument_client(client: Any) -> bool:
    """Have a client's connections report to their exchange; return whether this version of aiobotocore allows it."""
    register_parsing_hooks(client)
    record_signature(client, _current)
    protect_payload(client, _current)
    limit_trace_header(client)
    check_before_signing(client, _current_function)
    http = getattr(getattr(client, "_endpoint", None), "http_session", None)
    sessions = getattr(http, "_get_session", None)
    if sessions is None:
        return False
    if not isinstance(sessions, _WatchedSessions):
        cast("Any", http)._get_session = _WatchedSessions(sessions)  # noqa: SLF001 - no access to aiohttp's tracing
    return True


def detach_async_client(client: Any) -> bool:
    """Have a client start without connections in a forked process; the old ones stay open, for the parent.

    Closing one would remove its socket from the selector that the child shares with the parent's loop.

    Returns:
        Whether this version of aiobotocore lets its connections be replaced.
    """
    detach_credentials(getattr(getattr(client, "_request_signer", None), "_credentials", None))
    http: Any = getattr(getattr(client, "_endpoint", None), "http_session", None)
    sessions: Any = getattr(http, "_sessions", None)
    if not isinstance(sessions, dict) or not isinstance(getattr(http, "_exit_stack", None), AsyncExitStack):
        return False
    _never_closed.append((cast("object", sessions), http._exit_stack))  # noqa: SLF001 - no public API
    each: list[Any] = [*http._sessions.values()]  # noqa: SLF001 - as below
    for session in each:
        session.connector._conns.clear()  # noqa: SLF001 - whose finalizer would close them
    http._sessions, http._exit_stack, http._sessions_lock = {}, AsyncExitStack(), asyncio.Lock()  # noqa: SLF001 - see above
    return True


_never_closed: Final[list[object]] = []


def _current_function() -> str | None:
    watched = _current.get()
    return None if watched is None else watched.function


class _WatchedSessions:
    """Returns aiohttp's sessions, with connectors that report the connection of a request, and without redirects."""

    def __init__(self, get: Any) -> None:
        self._get = get

    async def __call__(self, *arguments: Any) -> Any:
        session = await self._get(*arguments)
        connector = session.connector
        if not isinstance(connector.connect, _WatchedConnect):
            connector.connect = _WatchedConnect(connector.connect)
        return _NoRedirectSession(session)


class _NoRedirectSession:
    """An aiohttp session that follows no redirect: it would send the payload again, to any host that it is sent to."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def request(self, *arguments: Any, **options: Any) -> Any:
        response = await self._session.request(*arguments, allow_redirects=False, **options)
        if response.status >= 300:  # aiobotocore reads such a body itself
            response.read = partial(_error_body, response)
        return response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


async def _error_body(response: Any) -> bytes:
    """Read an error's body up to the size limit; if that fails, close the connection, which nobody else does."""
    try:
        return await read_body_async(
            response.content, {name.lower(): value for name, value in response.headers.items()}
        )
    except BaseException:
        response.close()
        raise


class _WatchedConnect:
    def __init__(self, connect: Any) -> None:
        self._connect = connect

    async def __call__(self, request: Any, *arguments: Any, **options: Any) -> Any:
        watched = _current.get()
        if watched is not None:
            network_guard.check(watched.function, request.url.host or "")
        connection = await self._connect(request, *arguments, **options)
        # aiohttp reuses connections that died while Lambda had frozen the sandbox.
        while not _is_usable(connection):
            connection.close()
            connection = await self._connect(request, *arguments, **options)
        if watched is not None:
            watched.protocol = connection.protocol
        return connection


# The state of idle connections in aiohttp's pool: what aiohttp has not noticed is checked on the socket.
_idle_states: Final[WeakKeyDictionary[Any, BaseConnection]] = WeakKeyDictionary()


def _is_usable(connection: Any) -> bool:
    link = _idle_states.get(connection.protocol)
    if link is not None:
        return link.is_usable(time.time())
    _set_keep_alive(connection.transport.get_extra_info("socket"))
    return True


def _set_keep_alive(sock: Any) -> None:
    """Send keep-alive probes well within 350 s."""
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE:
        if sock is not None and hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _translate(exc: Exception, progress: Progress) -> NoAnswerError:
    """Convert an exception; one of aiohttp's, which aiobotocore wraps without a class of its own, is not foreign."""
    inner: Any = getattr(exc, "kwargs", {}).get("error")
    cause = inner if isinstance(inner, _aiohttp_errors()) else exc
    if not isinstance(cause, _aiohttp_errors()) or isinstance(exc, _distinct_errors()):
        return translate_stream_error(exc, progress=progress)
    failure = NoAnswerError(f"the connection failed ({type(cause).__name__})", progress=progress)
    failure.__cause__ = cause
    return failure


def _is_failed_connect(cause: BaseException | None) -> bool:
    from aiohttp import ClientConnectorError

    inner = getattr(cause, "kwargs", {}).get("error")
    return isinstance(inner, ClientConnectorError | socket.gaierror)


@cache
def _aiohttp_errors() -> tuple[type[Exception], ...]:
    from aiohttp import ClientError
    from aiohttp.http_exceptions import HttpProcessingError

    return (ClientError, HttpProcessingError)


@cache
def _distinct_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions in which aiobotocore says more than that its HTTP client failed."""
    from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError, SSLError

    return (ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError, SSLError)
