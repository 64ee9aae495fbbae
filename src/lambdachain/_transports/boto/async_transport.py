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
from lambdachain._core.invocation import AsyncTransport, Invocation, NoAnswerError, Outcome, Progress, Trouble
from lambdachain._core.process_copies import lock_for, register_fork_hooks
from lambdachain._transports.argument_checks import check_transport
from lambdachain._transports.async_adapter import AwsInThreads
from lambdachain._transports.endpoint_check import check_destination
from lambdachain._transports.socket_options import EXPIRED
from lambdachain._transports.transport_override import (
    AwsTransport,
    RealInvokeBlockedError,
    network_guard,
    without_credentials,
)

from .async_exchange import AsyncExchange, attach, drained, leave_behind
from .client_checks import check_client, check_config, fitting
from .credential_renewal import expire, renews_itself, signed_with
from .errors import set_up_failure
from .serialization import answered, headers_of, parameters
from .transport import BotoTransport, check_before_credentials, config_over, has_endpoint, host_sent_to, left_behind

if TYPE_CHECKING:
    from botocore.config import Config

    from lambdachain._transports.streaming import AsyncResponseStream

_PIECE: Final = 1024 * 1024


class AsyncBotoTransport(AwsTransport):
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
            check_client(client, blocking=False)
            attach(client)
        if session is not None and not is_session(session):
            raise ContractError("session is not aiobotocore's: give an aiobotocore.session.AioSession")
        check_transport(region, endpoint_url, session, config, blocking=False)
        check_config(config)
        self._given = client
        self._session = session
        self._region = region
        self._endpoint_url = endpoint_url
        self._config = config
        self._clients: dict[asyncio.AbstractEventLoop, _Clients] = {}
        self._lock = lock_for(self)
        self._left_behind = False
        self._closed = False
        _transports.add(self)

    @property
    def max_connections(self) -> int:
        """How many connections each client keeps."""
        config: Any = self._given.meta.config if self._given is not None else config_over(self._config)
        return int(config.max_pool_connections)

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as AsyncTransport
        """Send *invocation* once; see ``AsyncTransport.send``."""
        exchange = AsyncExchange(invocation.function, timeout)
        async with exchange.in_time():
            client = await self._client_for(invocation.region, invocation.function)
            outcome = await _invoked(client, invocation, exchange)
        return self._noted(outcome, client, exchange)

    async def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> AsyncResponseStream:  # noqa: ASYNC109 - as StreamingTransport
        """Send *invocation* once and give the answer as it comes; see ``StreamingTransport.open_stream``."""
        from .async_stream import open_stream

        exchange = AsyncExchange(invocation.function, timeout)
        async with exchange.in_time():
            client = await self._client_for(invocation.region, invocation.function)
            stream = await open_stream(client, invocation, exchange)
        stream.outcome = self._noted(stream.outcome, client, exchange)
        return stream

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
        from lambdachain._core.text import public_url

        return f"AsyncBotoTransport(region={self._region!r}, endpoint_url={public_url(self._endpoint_url)!r})"

    async def _client_for(self, region: str | None, function: str) -> Any:
        if self._given is not None:
            if self._left_behind:
                raise left_behind()
            return fitting(self._given, region)
        region = region or self._region
        check_destination(region, self._endpoint_url)
        clients = self._clients_here()
        try:
            if not clients.has(region):
                check_before_credentials(_plain(self._session), region, self._endpoint_url, function)
            return await clients.get(self, region)
        except RealInvokeBlockedError:
            raise
        except Exception as exc:  # noqa: BLE001 - what is not the SDK's own doing is raised again as it is
            if not self._endpoint_url and not has_endpoint():
                network_guard.check(function, "AWS")  # a test without stand-in has no region either, as a rule
            raise set_up_failure(exc) from None

    def host_for(self, region: str | None, function: str) -> str:  # noqa: ARG002 - as SendsToAws
        """Return the host that calls go to; see ``AwsTransport.host_for``."""
        if self._given is not None:
            return host_sent_to(self._given)
        session = _plain(self._session)
        return host_sent_to(without_credentials(session, "lambda", region or self._region, self._endpoint_url))

    def _clients_here(self) -> _Clients:
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._closed:
                raise NoAnswerError("the transport is closed", progress=Progress.NOTHING_SENT, trouble=Trouble.SETUP)
            for ended in [other for other in self._clients if other.is_closed()]:
                del self._clients[ended]
            return self._clients.setdefault(loop, _Clients())

    def open_client(self, region: str | None) -> Any:
        """Return the context manager of a new client."""
        session = self._session or _aio("session").AioSession()
        config = _aio("config").AioConfig().merge(config_over(self._config))
        return session.create_client("lambda", region_name=region, endpoint_url=self._endpoint_url, config=config)

    def _noted(self, outcome: Outcome, client: Any, exchange: AsyncExchange) -> Outcome:
        """Have credentials that AWS calls expired fetched anew for the next request, whatever their own date says."""
        if outcome.error_code not in EXPIRED:
            return outcome
        refused = signed_with(exchange.headers)
        credentials: Any = getattr(getattr(client, "_request_signer", None), "_credentials", None)
        if renews_itself(credentials):
            expire(credentials, refused)
        elif self._session is None and client is not self._given:
            self._clients_here().forget(client)
        return replace(outcome, refused_keys=refused and hash(refused))

    def begin_anew(self) -> None:
        """Keep no connection of the parent's in a forked process, and leave those alone that its loops watch."""
        for clients in self._clients.values():
            clients.leave_behind()
        self._clients = {}
        self._left_behind = self._given is not None and not leave_behind(self._given)


_transports: Final[weakref.WeakSet[AsyncBotoTransport]] = weakref.WeakSet()


def _begin_anew() -> None:
    for transport in list(_transports):
        transport.begin_anew()


register_fork_hooks(in_fork=_begin_anew)


class _Clients:
    """The clients of one loop, by region; a generator keeps each, for a loop that shuts down closes its generators."""

    def __init__(self) -> None:
        self._kept: dict[str | None, Any] = {}
        self._keepers: list[AsyncGenerator[Any, None]] = []
        self._making: dict[str | None, asyncio.Task[Any]] = {}

    def has(self, region: str | None) -> bool:
        return region in self._kept

    async def get(self, transport: AsyncBotoTransport, region: str | None) -> Any:
        client = self._kept.get(region)
        if client is not None:
            return client
        making = self._making.get(region)
        if making is None:
            making = self._making[region] = asyncio.ensure_future(self._make(transport, region))
            making.add_done_callback(partial(self._made, region))
        return await asyncio.shield(making)  # finding credentials goes on for the next call when this one's time is up

    async def _make(self, transport: AsyncBotoTransport, region: str | None) -> Any:
        keeper = _kept_open(transport.open_client(region))
        client = self._kept[region] = await anext(keeper)
        self._keepers.append(keeper)
        return client

    def _made(self, region: str | None, making: asyncio.Task[Any]) -> None:
        del self._making[region]
        if not making.cancelled():
            making.exception()  # which is nobody's where each call's time was up before

    def forget(self, client: Any) -> None:
        """Make new ones for the next requests, unless *client* is gone already; all are closed with all others."""
        if client in self._kept.values():
            self._kept.clear()

    def leave_behind(self) -> None:
        for client in self._kept.values():
            leave_behind(client)
        _kept_for_ever.append(self)  # what the collector would close is in the parent's loop

    async def close(self) -> None:
        making = list(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        self._kept.clear()
        while self._keepers:
            await self._keepers.pop().aclose()


_kept_for_ever: Final[list[object]] = []


async def _kept_open(opening: Any) -> AsyncGenerator[Any, None]:
    async with opening as client:
        yield client


async def _invoked(client: Any, invocation: Invocation, exchange: AsyncExchange) -> Outcome:
    answer = await exchange.answered(client, "invoke", _lent(parameters(invocation)))
    if isinstance(answer, Outcome):
        return answer
    return answered(answer, await _drained(answer, exchange), carried=exchange.carried)


async def _drained(answer: dict[str, Any], exchange: AsyncExchange) -> bytes:
    body = answer.get("Payload")
    if body is None or isinstance(body, bytes):  # as stubs have it
        return body or b""
    try:
        with exchange.reading():
            return await drained(body, headers_of(answer) or {})
    finally:
        body.close()


def _lent(parameters: dict[str, Any]) -> dict[str, Any]:
    """Have aiohttp send a large payload in pieces, which it warns of otherwise."""
    payload = parameters["Payload"]
    return parameters if len(payload) <= _PIECE else {**parameters, "Payload": BytesIO(payload)}


def over_botocore(**arguments: Any) -> AsyncTransport:
    """Make a transport over aiobotocore, or else one over boto3 in threads."""
    session = arguments.get("session")
    if is_installed() and (session is None or is_session(session)):
        return AsyncBotoTransport(**arguments)
    return AwsInThreads(BotoTransport(**arguments))


def _plain(session: Any) -> Any:
    """Make a session of botocore's with the settings of aiobotocore's, whose clients need no event loop."""
    plain: Any = import_module("botocore.session").Session()
    if session is not None:
        for name, value in session.instance_variables().items():
            plain.set_config_variable(name, value)
        plain._credentials = getattr(session, "_credentials", None)  # noqa: SLF001 - only to see whether there are any
    return plain


def _aio(module: str) -> Any:
    """Import a module of aiobotocore's, which no type checker has to find: its botocore may not be the newest."""
    return import_module(f"aiobotocore.{module}")


@cache
def is_installed() -> bool:
    """Check whether aiobotocore is there."""
    return find_spec("aiobotocore") is not None


def is_session(session: object) -> bool:
    """Check whether a session is aiobotocore's."""
    return isinstance(session, _aio("session").AioSession)


AsyncBotoTransport.__module__ = "lambdachain"
