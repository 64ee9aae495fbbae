"""The transport over aiobotocore: botocore's settings, credentials and hooks, for an event loop."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from lambdachain._core.errors import ContractError
from lambdachain._core.fork_hooks import lock_for, register_fork_hooks
from lambdachain._core.invocation import AsyncTransport, Invocation, NoAnswerError, Outcome, Progress, Trouble
from lambdachain._transports.argument_checks import check_transport
from lambdachain._transports.async_adapter import AwsThreadAdapter
from lambdachain._transports.endpoint_check import check_endpoint
from lambdachain._transports.invoke_response import EXPIRED_CREDENTIALS
from lambdachain._transports.transport_override import (
    WARM_UP,
    AwsTransport,
    RealInvokeBlockedError,
    network_guard,
    without_credentials,
)

from .async_exchange import AsyncExchange, detach_async_client, instrument_client
from .body_limit import read_body_async
from .client_checks import check_client, check_config, check_region
from .credential_renewal import get_signing_keys, is_refreshable, mark_expired
from .errors import translate_setup_error
from .serialization import get_headers, read_response, to_parameters
from .transport import (
    BotoTransport,
    check_guard_before_credentials,
    get_endpoint_host,
    has_configured_endpoint,
    merge_config,
    parents_client_error,
)

if TYPE_CHECKING:
    from botocore.config import Config

    from lambdachain._transports.streaming import AsyncResponseStream

_PIECE: Final = 1024 * 1024


class AsyncBotoTransport(AwsTransport):
    """Send invocations through aiobotocore, each of them once; needs ``lambdachain[aio]``.

    Slower than ``AsyncHttpTransport``, and for programs that need what botocore has: profiles with a proxy, hooks,
    instrumentation. Clients belong to the event loop that created them; each loop, and each region, gets one of its
    own, which is closed when its loop shuts down, as ``asyncio.run`` does at its end.

    Args:
        client: A Lambda client of aiobotocore, entered, with retries off; it works in its own loop only.
        session: An aiobotocore session to create clients from.
        region: The region for functions whose address names none; by default the session's.
        endpoint_url: Where to send everything, such as a local endpoint's URL.
        config: A ``botocore.config.Config`` merged over ours; see ``BotoTransport``.

    Raises:
        ContractError: As ``BotoTransport``; or *session* is not aiobotocore's, or aiobotocore is not installed.
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
            check_client(client, blocking=False)
            instrument_client(client)
        if session is not None and not is_session(session):
            raise ContractError("session is not aiobotocore's: use an aiobotocore.session.AioSession")
        check_transport(region, endpoint_url, session, config, blocking=False)
        check_config(config)
        self._user_client = client
        self._session = session
        self._region = region
        self._endpoint_url = endpoint_url
        self._config = config
        self._clients: dict[asyncio.AbstractEventLoop, _Clients] = {}
        self._lock = lock_for(self)
        self._is_parents_client = False
        self._closed = False
        _transports.add(self)

    @property
    def max_connections(self) -> int:
        """How many connections each client keeps."""
        config: Any = self._user_client.meta.config if self._user_client is not None else merge_config(self._config)
        return int(config.max_pool_connections)

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings: a copy creates clients of its own."""
        from lambdachain._transports.pickling import get_boto_state

        return get_boto_state(self, self._user_client)

    def __setstate__(self, state: dict[str, Any]) -> None:
        AsyncBotoTransport.__init__(self)
        self.__dict__.update(state)

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as AsyncTransport
        """Send *invocation* once; see ``AsyncTransport.send``."""
        exchange = AsyncExchange(invocation.function, timeout)
        async with exchange.limit_time():
            client = await self._client_for(invocation.region, invocation.function)
            outcome = await _invoke(client, invocation, exchange)
        return self._expire_rejected_credentials(outcome, client, exchange)

    async def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> AsyncResponseStream:  # noqa: ASYNC109 - as StreamingTransport
        """Send *invocation* once and return the response as a stream; see ``StreamingTransport.open_stream``."""
        from .async_stream import open_stream

        exchange = AsyncExchange(invocation.function, timeout)
        async with exchange.limit_time():
            client = await self._client_for(invocation.region, invocation.function)
            stream = await open_stream(client, invocation, exchange)
        stream.outcome = self._expire_rejected_credentials(stream.outcome, client, exchange)
        return stream

    async def warm_up(self, region: str | None = None, /, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as Transport
        """Create a region's client in this loop, and find credentials; aiohttp connects with the first request."""
        from .warm_up import fetch_credentials

        async with asyncio.timeout(timeout):
            client = await self._client_for(region, WARM_UP)
            network_guard.check_access("find credentials", get_endpoint_host(client))
            await fetch_credentials(client)

    async def close(self) -> None:
        """Close the clients created here; those of a loop in another thread are closed there."""
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
        from lambdachain._core.redaction import redact_url

        return f"AsyncBotoTransport(region={self._region!r}, endpoint_url={redact_url(self._endpoint_url)!r})"

    async def _client_for(self, region: str | None, function: str) -> Any:
        if self._user_client is not None:
            if self._is_parents_client:
                raise parents_client_error()
            return check_region(self._user_client, region)
        region = region or self._region
        check_endpoint(region, self._endpoint_url)
        clients = self._clients_for_loop()
        try:
            if not clients.has(region):
                check_guard_before_credentials(
                    _to_botocore_session(self._session), region, self._endpoint_url, function
                )
            return await clients.get(self, region)
        except RealInvokeBlockedError:
            raise
        except Exception as exc:  # noqa: BLE001 - what is not the SDK's is raised unchanged
            if not self._endpoint_url and not has_configured_endpoint():
                network_guard.check(function, "AWS")  # most tests have no region either: report that they need a stub
            raise translate_setup_error(exc) from None

    def host_for(self, region: str | None, function: str) -> str:  # noqa: ARG002 - as SendsToAws
        """Return the host that calls go to; see ``AwsTransport.host_for``."""
        if self._user_client is not None:
            return get_endpoint_host(self._user_client)
        session = _to_botocore_session(self._session)
        return get_endpoint_host(without_credentials(session, "lambda", region or self._region, self._endpoint_url))

    def _clients_for_loop(self) -> _Clients:
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._closed:
                raise NoAnswerError("the transport is closed", progress=Progress.NOTHING_SENT, trouble=Trouble.SETUP)
            for ended in [other for other in self._clients if other.is_closed()]:
                del self._clients[ended]
            return self._clients.setdefault(loop, _Clients())

    def open_client(self, region: str | None) -> Any:
        """Return the context manager of a new client."""
        session = self._session or _import_aiobotocore("session").AioSession()
        config = _import_aiobotocore("config").AioConfig().merge(merge_config(self._config))
        return session.create_client("lambda", region_name=region, endpoint_url=self._endpoint_url, config=config)

    def _expire_rejected_credentials(self, outcome: Outcome, client: Any, exchange: AsyncExchange) -> Outcome:
        """Have credentials that AWS rejected as expired refreshed for the next request, before their own expiry."""
        if outcome.error_code not in EXPIRED_CREDENTIALS:
            return outcome
        refused = get_signing_keys(exchange.headers)
        credentials: Any = getattr(getattr(client, "_request_signer", None), "_credentials", None)
        if is_refreshable(credentials):
            mark_expired(credentials, refused)
        elif self._session is None and client is not self._user_client:
            self._clients_for_loop().forget(client)
        return replace(outcome, refused_keys=refused and hash(refused))

    def reset_after_fork(self) -> None:
        """Drop the parent's connections in a forked process, without closing what the parent's loops watch."""
        for clients in self._clients.values():
            clients.detach_async_client()
        self._clients = {}
        self._is_parents_client = self._user_client is not None and not detach_async_client(self._user_client)


_transports: Final[weakref.WeakSet[AsyncBotoTransport]] = weakref.WeakSet()


def _reset_all_after_fork() -> None:
    for transport in list(_transports):
        transport.reset_after_fork()


register_fork_hooks(in_fork=_reset_all_after_fork)


class _Clients:
    """The clients of one loop, by region. A generator keeps each open: a loop that shuts down closes its generators."""

    def __init__(self) -> None:
        self._clients: dict[str | None, Any] = {}
        self._generators: list[AsyncGenerator[Any, None]] = []
        self._pending: dict[str | None, asyncio.Task[Any]] = {}

    def has(self, region: str | None) -> bool:
        return region in self._clients

    async def get(self, transport: AsyncBotoTransport, region: str | None) -> Any:
        client = self._clients.get(region)
        if client is not None:
            return client
        pending = self._pending.get(region)
        if pending is None:
            pending = self._pending[region] = asyncio.ensure_future(self._create(transport, region))
            pending.add_done_callback(partial(self._on_created, region))
        return await asyncio.shield(pending)  # fetching credentials continues for the next call when this one times out

    async def _create(self, transport: AsyncBotoTransport, region: str | None) -> Any:
        keeper = _keep_open(transport.open_client(region))
        client = self._clients[region] = await anext(keeper)
        self._generators.append(keeper)
        return client

    def _on_created(self, region: str | None, pending: asyncio.Task[Any]) -> None:
        del self._pending[region]
        if not pending.cancelled():
            pending.exception()  # retrieved: nobody awaits it any more if all calls have timed out

    def forget(self, client: Any) -> None:
        """Create new clients for the next requests, unless *client* is not in use; the old ones are closed later."""
        if client in self._clients.values():
            self._clients.clear()

    def detach_async_client(self) -> None:
        for client in self._clients.values():
            detach_async_client(client)
        _never_closed.append(self)  # the garbage collector would close them in the parent's loop

    async def close(self) -> None:
        pending = list(self._pending.values())
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        self._clients.clear()
        while self._generators:
            await self._generators.pop().aclose()


_never_closed: Final[list[object]] = []


async def _keep_open(opening: Any) -> AsyncGenerator[Any, None]:
    async with opening as client:
        yield client


async def _invoke(client: Any, invocation: Invocation, exchange: AsyncExchange) -> Outcome:
    response = await exchange.send(client, "invoke", _wrap_large_payload(to_parameters(invocation)))
    if isinstance(response, Outcome):
        return response
    return read_response(response, await _read_payload(response, exchange), over_network=exchange.has_connection)


async def _read_payload(response: dict[str, Any], exchange: AsyncExchange) -> bytes:
    body = response.get("Payload")
    if body is None or isinstance(body, bytes):  # as stubs have it
        return body or b""
    try:
        with exchange.translate_errors():
            return await read_body_async(body, get_headers(response) or {})
    finally:
        body.close()


def _wrap_large_payload(parameters: dict[str, Any]) -> dict[str, Any]:
    """Have aiohttp send a large payload in parts; it warns about large ones otherwise."""
    payload = parameters["Payload"]
    return parameters if len(payload) <= _PIECE else {**parameters, "Payload": BytesIO(payload)}


def create_boto_transport(**arguments: Any) -> AsyncTransport:
    """Create a transport over aiobotocore, or one over boto3 in threads."""
    session = arguments.get("session")
    if is_installed() and (session is None or is_session(session)):
        return AsyncBotoTransport(**arguments)
    return AwsThreadAdapter(BotoTransport(**arguments))


def _to_botocore_session(session: Any) -> Any:
    """Create a session of botocore with the settings of aiobotocore's, whose clients need no event loop."""
    plain: Any = import_module("botocore.session").Session()
    if session is not None:
        for name, value in session.instance_variables().items():
            plain.set_config_variable(name, value)
        plain._credentials = getattr(session, "_credentials", None)  # noqa: SLF001 - only to see whether there are any
    return plain


def _import_aiobotocore(module: str) -> Any:
    """Import a module of aiobotocore, which type checkers need not find: it may not support the newest botocore."""
    return import_module(f"aiobotocore.{module}")


@cache
def is_installed() -> bool:
    """Check whether aiobotocore is installed."""
    return find_spec("aiobotocore") is not None


def is_session(session: object) -> bool:
    """Check whether a session is aiobotocore's."""
    return isinstance(session, _import_aiobotocore("session").AioSession)


AsyncBotoTransport.__module__ = "lambdachain"
