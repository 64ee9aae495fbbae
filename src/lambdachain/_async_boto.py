"""The transport over aiobotocore: botocore's settings, credentials and hooks, for an event loop."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncGenerator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from ._boto import BotoTransport, check_client, check_config, config_over, fitting, has_endpoint, keep_legible
from ._boto_errors import READ_ERRORS, SEND_ERRORS, refusal, translated
from ._boto_shapes import answered, parameters, refused
from ._errors import ContractError
from ._http.connection import Link
from ._in_threads import AwsInThreads
from ._invocation import AsyncTransport, Invocation, NoAnswerError, Outcome, Progress, Trouble
from ._stand_in import SendsToAws, guard
from ._wire import EXPIRED, HEADROOM, KEEP_ALIVE, LONGEST_FUNCTION

if TYPE_CHECKING:
    from botocore.config import Config

_PIECE: Final = 1024 * 1024


class AsyncBotoTransport(SendsToAws):
    """Send invocations through aiobotocore, each of them once; needs ``lambdachain[aio]``.

    Slower than ``AsyncHttpTransport``, and for those who need what botocore has: profiles with a proxy, hooks,
    instrumentation. Clients belong to the event loop that made them; each loop, and each region, gets one of its own,
    which is closed when its loop shuts down, as ``asyncio.run`` does at its end.

    Args:
        client: A Lambda client of aiobotocore's of your own, entered, with retries off; good for its own loop only.
        session: An aiobotocore session to make clients from.
        region: The region for functions whose address names none; the session's own without it.
        endpoint_url: Where to send everything, such as a local endpoint's URL.
        config: A ``botocore.config.Config`` laid over ours; see ``BotoTransport``.

    Raises:
        ContractError: As ``BotoTransport``; or *session* is not aiobotocore's, or that is not installed.
    """

    def __init__(
        self,
        client: Any = None,
        *,
        session: Any = None,
        region: str | None = None,
        endpoint_url: str | None = None,
        config: Config | None = None,
    ) -> None:
        if not is_installed():
            raise ContractError("AsyncBotoTransport needs aiobotocore: pip install 'lambdachain[aio]'")
        if client is not None and (session or region or endpoint_url or config):
            raise ContractError("AsyncBotoTransport(client) uses the client as it is: drop the other arguments")
        if client is not None:
            check_client(client)
            attach(client)
        if session is not None and not is_session(session):
            raise ContractError("session is not aiobotocore's: give an aiobotocore.session.AioSession")
        check_config(config)
        self._given = client
        self._session = session
        self._region = region
        self._endpoint_url = endpoint_url
        self._config = config
        self._clients: dict[asyncio.AbstractEventLoop, _Clients] = {}
        self._lock = threading.Lock()
        self._closed = False

    @property
    def max_connections(self) -> int:
        """How many connections each client keeps."""
        config: Any = self._given.meta.config if self._given is not None else config_over(self._config)
        return int(config.max_pool_connections)

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as AsyncTransport
        """Send *invocation* once; see ``AsyncTransport.send``."""
        watched = _Watched(invocation.function)
        try:
            async with asyncio.timeout(LONGEST_FUNCTION + HEADROOM if timeout is None else timeout):
                client = await self._client_for(invocation.region, invocation.function)
                watched.can_tell = attach(client)
                outcome = await watched.invoke(client, invocation)
        except NoAnswerError as exc:
            raise watched.corrected(exc) from exc.__cause__
        except TimeoutError as exc:
            raise watched.late() from exc
        if outcome.error_code in EXPIRED:
            self._renew(client)
        return outcome

    async def close(self) -> None:
        """Close the clients made here; those of a loop that runs elsewhere close there, in their own time."""
        with self._lock:
            self._closed = True
            all_clients, self._clients = self._clients, {}
        here = asyncio.get_running_loop()
        for loop, clients in all_clients.items():
            if loop is here:
                await clients.close()
            elif loop.is_running():
                asyncio.run_coroutine_threadsafe(clients.close(), loop)

    def __repr__(self) -> str:
        return f"AsyncBotoTransport(region={self._region!r}, endpoint_url={self._endpoint_url!r})"

    async def _client_for(self, region: str | None, function: str) -> Any:
        if self._given is not None:
            return fitting(self._given, region)
        from botocore.exceptions import BotoCoreError

        try:
            return await self._clients_here().get(self, region or self._region)
        except (BotoCoreError, ValueError) as exc:
            if not self._endpoint_url and not has_endpoint():
                guard.check(function, "AWS")  # a test without stand-in has no region either, as a rule
            failure = translated(exc, progress=Progress.NOTHING_SENT)
            raise failure from None

    def _clients_here(self) -> _Clients:
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._closed:
                raise NoAnswerError("the transport is closed", progress=Progress.NOTHING_SENT, trouble=Trouble.SETUP)
            for ended in [other for other in self._clients if other.is_closed()]:
                del self._clients[ended]
            return self._clients.setdefault(loop, _Clients())

    def open_client(self, region: str | None) -> Any:
        """Give the context manager of a new client."""
        session = self._session or _aio("session").AioSession()
        config = _aio("config").AioConfig().merge(config_over(self._config))
        return session.create_client("lambda", region_name=region, endpoint_url=self._endpoint_url, config=config)

    def _renew(self, client: Any) -> None:
        """Have credentials that AWS calls expired fetched anew for the next request, whatever their own date says."""
        credentials: Any = getattr(getattr(client, "_request_signer", None), "_credentials", None)
        if hasattr(credentials, "_expiry_time"):
            credentials._expiry_time = datetime.now(UTC)  # noqa: SLF001 - botocore has no public word for it
        elif self._session is None and client is not self._given:
            self._clients_here().forget()


class _Clients:
    """The clients of one loop, by region; a generator keeps each, for a loop that shuts down closes its generators."""

    def __init__(self) -> None:
        self._kept: dict[str | None, Any] = {}
        self._keepers: list[AsyncGenerator[Any, None]] = []
        self._making = asyncio.Lock()

    async def get(self, transport: AsyncBotoTransport, region: str | None) -> Any:
        client = self._kept.get(region)
        if client is not None:
            return client
        async with self._making:
            if region not in self._kept:
                keeper = _kept_open(transport.open_client(region))
                self._kept[region] = await anext(keeper)
                self._keepers.append(keeper)
            return self._kept[region]

    def forget(self) -> None:
        """Make new ones for the next requests; the old ones are closed with all others."""
        self._kept.clear()

    async def close(self) -> None:
        self._kept.clear()
        while self._keepers:
            await self._keepers.pop().aclose()


async def _kept_open(opening: Any) -> AsyncGenerator[Any, None]:
    async with opening as client:
        yield client


class _Watched:
    """One request: whether anything of it can have gone out."""

    def __init__(self, function: str) -> None:
        self.function = function
        self.can_tell = False
        self.protocol: Any = None
        self._answer: dict[str, Any] | None = None

    async def invoke(self, client: Any, invocation: Invocation) -> Outcome:
        from botocore.exceptions import ClientError

        if not self.can_tell:
            guard.check(self.function, urlsplit(str(client.meta.endpoint_url)).hostname or "")
        token = _current.set(self)
        try:
            answer = self._answer = await client.invoke(**_lent(parameters(invocation)))
        except ClientError as exc:
            if exc.operation_name == "Invoke":
                return refused(exc.response)
            raise refusal(exc) from None
        except (*SEND_ERRORS(), *_aiohttp_errors()) as exc:
            failure = _read(exc, Progress.PERHAPS_SENT)
            if failure.trouble is Trouble.CREDENTIALS:
                guard.check(self.function, urlsplit(str(client.meta.endpoint_url)).hostname or "")
            raise failure from failure.__cause__
        finally:
            _current.reset(token)
            self._note_use()
        return answered(answer, await self._drained(answer))

    async def _drained(self, response: Mapping[str, Any]) -> bytes:
        body = response.get("Payload")
        if body is None:
            return b""
        try:
            return bytes(await body.read())
        except (*READ_ERRORS(), *_aiohttp_errors()) as exc:
            failure = _read(exc, Progress.ANSWER_BEGUN)
            failure.request_id = self._request_id
            raise failure from exc
        finally:
            body.close()

    @property
    def _request_id(self) -> str | None:
        found: str | None = (self._answer or {}).get("ResponseMetadata", {}).get("RequestId")
        return found

    def corrected(self, failure: NoAnswerError) -> NoAnswerError:
        """Say what aiobotocore cannot: it calls a reset amid the request a failed connect, to be tried again."""
        if failure.trouble in (Trouble.CONNECTION, Trouble.TIMEOUT) and failure.progress is not Progress.ANSWER_BEGUN:
            failure.progress = self._reached(failure.__cause__)
        return failure

    def late(self) -> NoAnswerError:
        """Say that time was up."""
        progress = Progress.ANSWER_BEGUN if self._answer is not None else self._reached(None)
        return NoAnswerError(
            "no answer in time", progress=progress, trouble=Trouble.TIMEOUT, request_id=self._request_id
        )

    def _note_use(self) -> None:
        if self.protocol is not None and self.protocol.transport is not None:
            _links[self.protocol] = Link(self.protocol.transport.get_extra_info("socket"))

    def _reached(self, cause: BaseException | None) -> Progress:
        if self.can_tell:
            return Progress.PERHAPS_SENT if self.protocol is not None else Progress.NOTHING_SENT
        return Progress.NOTHING_SENT if _is_failed_connect(cause) else Progress.PERHAPS_SENT


_current: ContextVar[_Watched | None] = ContextVar("lambdachain_aio_exchange", default=None)


def attach(client: Any) -> bool:
    """Have a client's connections tell their request; tell whether this aiobotocore can be made to."""
    keep_legible(client)
    http = getattr(getattr(client, "_endpoint", None), "http_session", None)
    sessions = getattr(http, "_get_session", None)
    if sessions is None:
        return False
    if not isinstance(sessions, _Sessions):
        cast("Any", http)._get_session = _Sessions(sessions)  # noqa: SLF001 - aiobotocore passes no tracing on
    return True


class _Sessions:
    """Gives aiohttp's sessions, whose connectors tell the request when it has a connection, and that send once."""

    def __init__(self, get: Any) -> None:
        self._get = get

    async def __call__(self, *arguments: Any) -> Any:
        session = await self._get(*arguments)
        connector = session.connector
        if not isinstance(connector.connect, _Connect):
            connector.connect = _Connect(connector.connect)
        return _Once(session)


class _Once:
    """An aiohttp session that follows no redirect: it would send the payload again, and wherever it is told to."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def request(self, *arguments: Any, **options: Any) -> Any:
        return self._session.request(*arguments, allow_redirects=False, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


class _Connect:
    def __init__(self, connect: Any) -> None:
        self._connect = connect

    async def __call__(self, request: Any, *arguments: Any, **options: Any) -> Any:
        watched = _current.get()
        if watched is not None:
            guard.check(watched.function, request.url.host or "")
        connection = await self._connect(request, *arguments, **options)
        while not _is_usable(connection):
            connection.close()
            connection = await self._connect(request, *arguments, **options)
        if watched is not None:
            watched.protocol = connection.protocol
        return connection


# How the connections that aiohttp keeps were left: what it has not noticed itself is asked of the socket.
_links: Final[WeakKeyDictionary[Any, Link]] = WeakKeyDictionary()


def _is_usable(connection: Any) -> bool:
    link = _links.get(connection.protocol)
    if link is not None:
        return link.is_usable(time.time())
    _probe(connection.transport.get_extra_info("socket"))
    return True


def _probe(sock: Any) -> None:
    """Send keep-alive probes well within 350 s."""
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE:
        if sock is not None and hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _lent(parameters: dict[str, Any]) -> dict[str, Any]:
    """Have aiohttp send a large payload in pieces, which it warns of otherwise."""
    payload = parameters["Payload"]
    return parameters if len(payload) <= _PIECE else {**parameters, "Payload": BytesIO(payload)}


def _read(exc: Exception, progress: Progress) -> NoAnswerError:
    """Say what an exception means; what aiobotocore wraps without a word, its HTTP client's own, is no foreign one."""
    inner: Any = getattr(exc, "kwargs", {}).get("error")
    cause = inner if isinstance(inner, _aiohttp_errors()) else exc
    if not isinstance(cause, _aiohttp_errors()) or isinstance(exc, _told_apart()):
        return translated(exc, progress=progress)
    failure = NoAnswerError(f"the connection failed ({type(cause).__name__})", progress=progress)
    failure.__cause__ = cause
    return failure


def _is_failed_connect(cause: BaseException | None) -> bool:
    from aiohttp import ClientConnectorError

    inner = getattr(cause, "kwargs", {}).get("error")
    return isinstance(inner, ClientConnectorError | socket.gaierror)


def over_botocore(**arguments: Any) -> AsyncTransport:
    """Make a transport over aiobotocore, or else one over boto3 in threads."""
    session = arguments.get("session")
    if is_installed() and (session is None or is_session(session)):
        return AsyncBotoTransport(**arguments)
    return AwsInThreads(BotoTransport(**arguments))


def _aio(module: str) -> Any:
    """Import a module of aiobotocore's, which no type checker has to find: its botocore may not be the newest."""
    return import_module(f"aiobotocore.{module}")


@cache
def is_installed() -> bool:
    """Tell whether aiobotocore is there."""
    return find_spec("aiobotocore") is not None


def is_session(session: object) -> bool:
    """Tell whether a session is aiobotocore's."""
    return isinstance(session, _aio("session").AioSession)


@cache
def _aiohttp_errors() -> tuple[type[Exception], ...]:
    from aiohttp import ClientError
    from aiohttp.http_exceptions import HttpProcessingError

    return (ClientError, HttpProcessingError)


@cache
def _told_apart() -> tuple[type[Exception], ...]:
    """List what aiobotocore says more of than that its HTTP client failed."""
    from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError, SSLError

    return (ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError, SSLError)
