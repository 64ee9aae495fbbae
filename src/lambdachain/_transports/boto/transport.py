"""The transport over boto3: any session, profile, role and proxy that boto3 knows, and what moto intercepts."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from lambdachain._core.errors import ContractError
from lambdachain._core.invocation import Invocation, NoAnswerError, Outcome, Progress, Trouble
from lambdachain._core.loopback import host_of
from lambdachain._core.process_copies import lock_for, register_fork_hooks
from lambdachain._core.single_flight import SingleFlight
from lambdachain._core.version import __version__
from lambdachain._transports.argument_checks import check_transport
from lambdachain._transports.endpoint_check import check_destination
from lambdachain._transports.fork_safety import detach_client, has_connections, replace_connections
from lambdachain._transports.socket_options import CONNECT_TIMEOUT, EXPIRED, HEADROOM, KEEP_ALIVE, LONGEST_FUNCTION
from lambdachain._transports.transport_override import (
    AwsTransport,
    RealInvokeBlockedError,
    is_mocked,
    network_guard,
    without_credentials,
)

from .client_checks import check_client, check_config, fitting
from .credential_renewal import expire, renews_itself, signed_with
from .credentials import credentials_of, keys_from, may_wait
from .errors import bounded, check_headers, check_length, make_legible, set_up_failure, translated
from .exchange import Exchange, exchange, is_watched, response_of, watch
from .serialization import OPERATIONS, answered, begun, headers_of, request_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import boto3
    import botocore.session
    from botocore.client import BaseClient
    from botocore.config import Config

    from lambdachain._transports.streaming import ResponseStream

PIECE: Final = 256 * 1024

_POOL: Final = 256
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL")
_BODILESS: Final = (HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)


class BotoTransport(AwsTransport):
    """Send invocations through boto3, each of them once.

    Everything is made at the first call: constructing one costs nothing. An ARN in another region goes to that
    region's endpoint. Thread-safe, and safe to fork.

    >>> transport = BotoTransport(region="eu-west-1")
    >>> transport.close()

    Args:
        client: A Lambda client of your own, with retries off: ``Config(retries={"total_max_attempts": 1})``.
        session: A boto3 or botocore session to make clients from; boto3's default session without it.
        region: The region for functions whose address names none; the session's own without it.
        endpoint_url: Where to send everything, such as a local endpoint's URL.
        config: A ``botocore.config.Config`` laid over ours (pool of 64, 5 s to connect, keep-alive, no retries).

    Raises:
        ContractError: *client* or *config* has retries on: botocore's default may run one function up to five times
            for one call; or *client* comes together with what only a client of ours would use.
    """

    def __init__(
        self,
        client: BaseClient | None = None,
        *,
        session: boto3.Session | botocore.session.Session | None = None,
        region: str | None = None,
        endpoint_url: str | None = None,
        config: Config | None = None,
    ) -> None:
        if client is not None and (session or region or endpoint_url or config):
            raise ContractError("BotoTransport(client) uses the client as it is: drop the other arguments")
        if client is not None:
            check_client(client, blocking=True)
            _attach(client)
        check_transport(region, endpoint_url, session, config)
        check_config(config)
        self._given = client
        self._session = session
        self._renewed: Any = None
        self._region = region
        self._endpoint_url = endpoint_url
        self._config = config
        self._clients: dict[str | None, Any] = {}
        self._lock = lock_for(self)
        self._making = threading.Lock()
        self._flights = SingleFlight()
        self._left_behind = False
        self._closed = False
        _transports.add(self)

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Send *invocation* once; see ``Transport.send``."""
        deadline = None if timeout is None else time.monotonic() + timeout
        client, keys = self._ready(invocation, deadline)
        with exchange(invocation.function, _left(deadline), keys) as watched:
            try:
                outcome = _invoke(client, invocation, watched)
            except NoAnswerError as exc:
                if exc.trouble is Trouble.CREDENTIALS:
                    network_guard.check(invocation.function, host_sent_to(client))
                raise watched.corrected(exc) from exc.__cause__
        if watched.expired and outcome.executed_version is None and outcome.status not in _BODILESS:
            # Hung up on in the middle, an answer parses as far as it had come.
            raise NoAnswerError("no answer in time", trouble=Trouble.TIMEOUT, request_id=outcome.request_id)
        return self._noted(client, outcome, watched)

    def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> ResponseStream:
        """Send *invocation* once and give the answer as it comes; see ``StreamingTransport.open_stream``."""
        from .stream import open_stream

        deadline = None if timeout is None else time.monotonic() + timeout
        client, keys = self._ready(invocation, deadline)
        return open_stream(client, invocation, _left(deadline), keys, partial(self._noted, client))

    def host_for(self, region: str | None, function: str) -> str:  # noqa: ARG002 - as SendsToAws
        """Return the host that calls go to; see ``AwsTransport.host_for``."""
        region = region or self._region
        client = self._given or self._clients.get(region)
        return host_sent_to(client or without_credentials(self._session, "lambda", region, self._endpoint_url))

    @property
    def max_connections(self) -> int:
        """How many connections each client keeps; a map has no more calls in flight than that."""
        config: Any = self._given.meta.config if self._given is not None else config_over(self._config)
        return int(config.max_pool_connections)

    def close(self) -> None:
        """Close the clients made here; one that was handed in stays open."""
        with self._lock:
            self._closed = True
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def __repr__(self) -> str:
        from lambdachain._core.text import public_url

        return f"BotoTransport(region={self._region!r}, endpoint_url={public_url(self._endpoint_url)!r})"

    def _ready(self, invocation: Invocation, deadline: float | None) -> tuple[Any, Any]:
        """Return the client, and the keys to sign with where those had to be found or renewed first.

        Raises:
            NoAnswerError: They were not there by *deadline*, or could not be had.
        """
        try:
            client = self._client_for(invocation.region, invocation.function, deadline)
            return client, self._keys_for(client, invocation.function, deadline)
        except TimeoutError as exc:
            raise _late() from exc

    def _client_for(self, region: str | None, function: str, deadline: float | None = None) -> Any:
        if self._given is not None:
            if self._left_behind:
                raise left_behind()
            return fitting(self._given, region)
        region = region or self._region
        make = partial(self._make_client, region, function)
        return self._clients.get(region) or self._flights.run(region, make, deadline)

    def _keys_for(self, client: Any, function: str, deadline: float | None) -> Any:
        credentials = None if deadline is None else credentials_of(client)
        if credentials is None or not may_wait(credentials):
            return None
        if network_guard.closed and not is_mocked():
            network_guard.check(function, host_sent_to(client))
        return self._flights.run(credentials, partial(keys_from, credentials), deadline)

    def _make_client(self, region: str | None, function: str) -> Any:
        """Make a region's client; who closes the transport need not wait for that."""
        with self._making:
            client = self._clients.get(region)
            if client is not None:
                return client
            if self._closed:
                raise _closed()
            client = self._connected(region, function)
            if not self._keep(region, client):
                client.close()
                raise _closed()
            return client

    def _keep(self, region: str | None, client: Any) -> bool:
        with self._lock:
            if not self._closed:
                self._clients[region] = client
            return not self._closed

    def _connected(self, region: str | None, function: str) -> Any:
        check_destination(region, self._endpoint_url)
        try:
            check_before_credentials(self._session, region, self._endpoint_url, function)
            client = _client_maker(self._session or self._renewed)(
                "lambda", region_name=region, endpoint_url=self._endpoint_url, config=config_over(self._config)
            )
            check_destination(client.meta.region_name, client.meta.endpoint_url)
        except RealInvokeBlockedError:
            raise
        except Exception as exc:  # noqa: BLE001 - what is not botocore's own doing is raised again as it is
            if not self._endpoint_url and not has_endpoint():
                network_guard.check(function, "AWS")  # a test without stand-in has no region either, as a rule
            raise set_up_failure(exc) from None
        _keep_alive(client)
        _keep_user_agent(client)
        _attach(client)
        return client

    def _noted(self, client: Any, outcome: Outcome, watched: Exchange) -> Outcome:
        """Have credentials that AWS calls expired fetched anew for the next request, whatever their own date says."""
        if outcome.error_code not in EXPIRED:
            return outcome
        refused = signed_with(watched.headers)
        credentials: Any = getattr(getattr(client, "_request_signer", None), "_credentials", None)
        if renews_itself(credentials):
            expire(credentials, refused)
        elif self._session is None and client is not self._given:
            with self._lock:
                if client in self._clients.values():  # else another call that was refused has been here
                    self._clients.clear()
                    self._renewed = cast("Any", import_module("boto3")).Session()
        return replace(outcome, refused_keys=refused and hash(refused))

    def begin_anew(self) -> None:
        """Keep no connection and no lock of the process that this one is a copy of."""
        self._making = threading.Lock()
        self._clients = {region: client for region, client in self._clients.items() if detach_client(client)}
        self._left_behind = self._given is not None and not detach_client(self._given)


_transports: Final[weakref.WeakSet[BotoTransport]] = weakref.WeakSet()


def _begin_anew() -> None:
    for transport in list(_transports):
        transport.begin_anew()


register_fork_hooks(in_fork=_begin_anew, before_snapshot=_begin_anew)


def _left(deadline: float | None) -> float | None:
    """Subtract what it took to make a client: on a small function's cold start that is seconds."""
    left = None if deadline is None else deadline - time.monotonic()
    if left is not None and left <= 0:
        raise _late()
    return left


def _late() -> NoAnswerError:
    return NoAnswerError(
        "no time was left when the client was made and its AWS credentials were found",
        progress=Progress.NOTHING_SENT,
        trouble=Trouble.TIMEOUT,
    )


def _closed() -> NoAnswerError:
    return NoAnswerError("the transport is closed", progress=Progress.NOTHING_SENT, trouble=Trouble.SETUP)


def left_behind() -> NoAnswerError:
    """Report that a client's connections are those of another process."""
    return NoAnswerError(
        "the client given to the transport was made before this process was forked, and its HTTP session cannot be "
        "given connections of its own: make the client after the fork",
        progress=Progress.NOTHING_SENT,
        trouble=Trouble.SETUP,
    )


def _invoke(client: Any, invocation: Invocation, watched: Exchange) -> Outcome:
    response = response_of(client, "invoke", invocation)
    if isinstance(response, Outcome):
        return response
    return answered(response, _drained(response), carried=watched.has_sent or not is_watched(client))


def _drained(response: Mapping[str, Any]) -> bytes:
    body = response.get("Payload")
    if body is None or isinstance(body, bytes):  # as stubs have it
        return body or b""
    try:
        if check_length(headers_of(response) or {}):
            return bytes(body.read())
        return b"".join(bounded(_pieces(body)))
    except Exception as exc:  # noqa: BLE001 - what is not botocore's own doing is raised again as it is
        failure = translated(exc, progress=begun(response))
        failure.request_id = request_id(response)
        raise failure from failure.__cause__
    finally:
        with suppress(OSError, AttributeError):  # it has been read, or cannot be
            body.close()


def _pieces(body: Any) -> Iterator[bytes]:
    while piece := body.read(PIECE):
        yield piece


def _client_maker(session: Any) -> Callable[..., Any]:
    make: Callable[..., Any]
    if session is None:
        # boto3's own annotation names every service; Any keeps the type checkers out of it.
        make = cast("Any", import_module("boto3")).client
    else:
        make = getattr(session, "client", None) or session.create_client
    return make


def host_sent_to(client: Any) -> str:
    """Return the host of a client's endpoint."""
    return host_of(str(client.meta.endpoint_url))


def check_before_credentials(session: Any, region: str | None, endpoint_url: str | None, function: str) -> None:
    """Have the guard of tests refuse a call before a client is made, which may look for credentials over a network.

    Where credentials are at hand, nothing is looked for, and the guard has its say when the call is about to be sent.

    Raises:
        RealInvokeBlockedError: The guard is closed, and the endpoint is not this machine.
    """
    if network_guard.closed and not is_mocked() and not _has_keys(session):
        network_guard.check(function, host_sent_to(without_credentials(session, "lambda", region, endpoint_url)))


def _has_keys(session: Any) -> bool:
    """Check whether a session has credentials without having to look for them."""
    if session is None:
        session = getattr(sys.modules.get("boto3"), "DEFAULT_SESSION", None)
    core: Any = getattr(session, "_session", session)
    if getattr(core, "_credentials", None) is not None:
        return True
    has_profile = core is not None and "profile" in core.instance_variables()
    return "AWS_ACCESS_KEY_ID" in os.environ and not has_profile


def has_endpoint() -> bool:
    """Check whether the environment says where to send."""
    return any(name in os.environ for name in _ENDPOINTS)


def config_over(theirs: Config | None) -> Config:
    """Lay a user's configuration over ours."""
    from botocore.config import Config

    ours = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=LONGEST_FUNCTION + HEADROOM,
        max_pool_connections=_POOL,
        tcp_keepalive=True,
        user_agent_extra=f"lib/lambdachain#{__version__}",
    )
    return ours.merge(theirs) if theirs is not None else ours


def _keep_alive(client: Any) -> None:
    """Send keep-alive probes well within 350 s; botocore's own switch leaves the first one to the kernel: two hours."""
    session = getattr(getattr(client, "_endpoint", None), "http_session", None)
    options = cast("list[object] | None", getattr(session, "_socket_options", None))
    if options is not None:
        options += [(socket.IPPROTO_TCP, getattr(socket, name), n) for name, n in KEEP_ALIVE if hasattr(socket, name)]


def _keep_user_agent(client: Any) -> None:
    """Compose the User-Agent once: botocore does so twice for every request, which is an eighth of a call's cost."""
    creator: Any = getattr(client, "_user_agent_creator", None)
    if hasattr(creator, "to_string"):
        composed = creator.to_string()
        creator.to_string = lambda: composed


def _attach(client: BaseClient) -> None:
    keep_legible(client)
    watch(client)
    if has_connections(client):  # made before anybody watched them, or by another process
        replace_connections(client)


def keep_legible(client: Any) -> None:
    """Have a client's parser read whatever an error's answer says, and send no header that another could hide in."""
    for operation in OPERATIONS:
        check = f"before-send.lambda.{operation}"
        client.meta.events.register(check, check_headers, unique_id=f"lambdachain-headers-{operation}")
        event = f"before-parse.lambda.{operation}"
        client.meta.events.register(event, make_legible, unique_id=f"lambdachain-legible-{operation}")


BotoTransport.__module__ = "lambdachain"
