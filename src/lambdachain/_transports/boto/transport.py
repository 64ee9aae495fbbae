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
from lambdachain._core.fork_hooks import lock_for, register_fork_hooks
from lambdachain._core.invocation import Invocation, NoAnswerError, Outcome, Progress, Trouble
from lambdachain._core.loopback import get_host
from lambdachain._core.single_flight import SingleFlight
from lambdachain._core.version import __version__
from lambdachain._transports.argument_checks import check_transport
from lambdachain._transports.endpoint_check import check_endpoint
from lambdachain._transports.fork_safety import detach_client, has_connections, replace_connections
from lambdachain._transports.invoke_response import EXPIRED_CREDENTIALS
from lambdachain._transports.sdk_import import import_sdk
from lambdachain._transports.socket_options import CONNECT_TIMEOUT, HEADROOM, KEEP_ALIVE, LONGEST_FUNCTION
from lambdachain._transports.transport_override import (
    WARM_UP,
    AwsTransport,
    RealInvokeBlockedError,
    is_mocked,
    network_guard,
    without_credentials,
)

from .body_limit import read_body
from .client_checks import check_client, check_config, check_region
from .credential_renewal import get_signing_keys, is_refreshable, mark_expired
from .credentials import find_credentials, freeze_credentials, may_wait
from .errors import check_headers, sanitize_error_body, translate, translate_setup_error
from .exchange import Exchange, exchange, is_watched, send_request, watch_connections
from .serialization import OPERATIONS, get_headers, get_progress, get_request_id, read_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import boto3
    import botocore.session
    from botocore.client import BaseClient
    from botocore.config import Config

    from lambdachain._transports.streaming import ResponseStream

_POOL: Final = 256
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL")
_BODILESS: Final = (HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)


class BotoTransport(AwsTransport):
    """Send invocations through boto3, each of them once.

    Clients are created at the first call: constructing a transport costs nothing. An ARN in another region is sent to
    that region's endpoint. Thread-safe, and safe to fork.

    >>> transport = BotoTransport(region="eu-west-1")
    >>> transport.close()

    Args:
        client: A Lambda client of your own, with retries off: ``Config(retries={"total_max_attempts": 1})``.
        session: A boto3 or botocore session to create clients from; by default boto3's default session.
        region: The region for functions whose address names none; by default the session's.
        endpoint_url: Where to send everything, such as a local endpoint's URL.
        config: A ``botocore.config.Config`` merged over ours (pool of 256, 5 s to connect, keep-alive, no retries,
            no second validation of parameters).

    Raises:
        ContractError: *client* or *config* has retries on: botocore's default may run one function up to five times
            for one call; or *client* is passed together with an argument for clients created here.
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
            _instrument_client(client)
        check_transport(region, endpoint_url, session, config)
        check_config(config)
        self._user_client = client
        self._session = session
        self._renewed: Any = None
        self._region = region
        self._endpoint_url = endpoint_url
        self._config = config
        self._clients: dict[str | None, Any] = {}
        self._lock = lock_for(self)
        # A second lock, held for the seconds that creating a client takes: boto3's default session is not thread-safe.
        self._creation_lock = threading.Lock()
        self._flights = SingleFlight()
        self._is_parents_client = False
        self._closed = False
        _transports.add(self)

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Send *invocation* once; see ``Transport.send``."""
        deadline = None if timeout is None else time.monotonic() + timeout
        client, keys = self._prepare(invocation, deadline)
        with exchange(invocation.function, _time_left(deadline), keys) as watched:
            try:
                outcome = _invoke(client, invocation, watched)
            except NoAnswerError as exc:
                # In a test without credentials, the guard's error is of more help than this one.
                if exc.trouble is Trouble.CREDENTIALS:
                    network_guard.check(invocation.function, get_endpoint_host(client))
                raise watched.correct(exc) from exc.__cause__
        if watched.expired and outcome.executed_version is None and outcome.status not in _BODILESS:
            # After a shutdown in the middle, botocore parses what had arrived as if it were the whole response.
            raise NoAnswerError(
                "timed out waiting for the response", trouble=Trouble.TIMEOUT, request_id=outcome.request_id
            )
        return self._expire_rejected_credentials(client, outcome, watched)

    def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> ResponseStream:
        """Send *invocation* once and return the response as a stream; see ``StreamingTransport.open_stream``."""
        from .stream import open_stream

        deadline = None if timeout is None else time.monotonic() + timeout
        client, keys = self._prepare(invocation, deadline)
        return open_stream(
            client, invocation, _time_left(deadline), keys, partial(self._expire_rejected_credentials, client)
        )

    def warm_up(self, region: str | None = None, /, *, timeout: float | None = None) -> None:
        """Create a region's client, find credentials and open a connection; see ``HttpTransport.warm_up``."""
        from .warm_up import check_credentials, open_connection

        deadline = time.monotonic() + (CONNECT_TIMEOUT if timeout is None else timeout)
        try:
            client = self._client_for(region, WARM_UP, deadline)
            self._keys_for(client, WARM_UP, deadline)
        except TimeoutError as exc:
            raise _timeout_error() from exc
        check_credentials(client)
        if not is_mocked():
            network_guard.check_access("open a connection", get_endpoint_host(client))
            open_connection(client, deadline)

    def host_for(self, region: str | None, function: str) -> str:  # noqa: ARG002 - as AwsTransport
        """Return the host that calls go to; see ``AwsTransport.host_for``."""
        region = region or self._region
        client = self._user_client or self._clients.get(region)
        return get_endpoint_host(client or without_credentials(self._session, "lambda", region, self._endpoint_url))

    @property
    def max_connections(self) -> int:
        """How many connections each client keeps; a map has no more calls in flight than that."""
        config: Any = self._user_client.meta.config if self._user_client is not None else merge_config(self._config)
        return int(config.max_pool_connections)

    def close(self) -> None:
        """Close the clients created here; one that was passed in stays open."""
        with self._lock:
            self._closed = True
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings: a copy creates clients of its own."""
        from lambdachain._transports.pickling import get_boto_state

        return get_boto_state(self, self._user_client)

    def __setstate__(self, state: dict[str, Any]) -> None:
        BotoTransport.__init__(self)
        self.__dict__.update(state)

    def __repr__(self) -> str:
        from lambdachain._core.redaction import redact_url

        return f"BotoTransport(region={self._region!r}, endpoint_url={redact_url(self._endpoint_url)!r})"

    def _prepare(self, invocation: Invocation, deadline: float | None) -> tuple[Any, Any]:
        """Return the client, and the keys to sign with if they had to be fetched or refreshed first.

        Raises:
            NoAnswerError: They were not there by *deadline*, or failed.
        """
        try:
            client = self._client_for(invocation.region, invocation.function, deadline)
            return client, self._keys_for(client, invocation.function, deadline)
        except TimeoutError as exc:
            raise _timeout_error() from exc

    def _client_for(self, region: str | None, function: str, deadline: float | None = None) -> Any:
        if self._user_client is not None:
            if self._is_parents_client:
                raise parents_client_error()
            return check_region(self._user_client, region)
        region = region or self._region
        make = partial(self._get_or_create_client, region, function)
        return self._clients.get(region) or self._flights.run(region, make, deadline)

    def _keys_for(self, client: Any, function: str, deadline: float | None) -> Any:
        credentials = None if deadline is None else find_credentials(client)
        if credentials is None or not may_wait(credentials):
            return None
        if network_guard.closed and not is_mocked():
            network_guard.check(function, get_endpoint_host(client))
        return self._flights.run(credentials, partial(freeze_credentials, credentials), deadline)

    def _get_or_create_client(self, region: str | None, function: str) -> Any:
        """Create a region's client, without the lock that ``close`` takes: it need not wait for that."""
        with self._creation_lock:
            client = self._clients.get(region)
            if client is not None:
                return client
            if self._closed:
                raise _closed_error()
            client = self._create_client(region, function)
            if not self._store_client(region, client):
                client.close()
                raise _closed_error()
            return client

    def _store_client(self, region: str | None, client: Any) -> bool:
        with self._lock:
            if not self._closed:
                self._clients[region] = client
            return not self._closed

    def _create_client(self, region: str | None, function: str) -> Any:
        check_endpoint(region, self._endpoint_url)
        try:
            check_guard_before_credentials(self._session, region, self._endpoint_url, function)
            client = _client_maker(self._session or self._renewed)(
                "lambda", region_name=region, endpoint_url=self._endpoint_url, config=merge_config(self._config)
            )
            check_endpoint(client.meta.region_name, client.meta.endpoint_url)
        except (RealInvokeBlockedError, NoAnswerError):
            raise
        except Exception as exc:  # noqa: BLE001 - what is not botocore's is raised unchanged
            if not self._endpoint_url and not has_configured_endpoint():
                network_guard.check(function, "AWS")  # most tests have no region either: report that they need a stub
            raise translate_setup_error(exc) from None
        set_keep_alive(client)
        _cache_user_agent(client)
        _instrument_client(client)
        return client

    def _expire_rejected_credentials(self, client: Any, outcome: Outcome, watched: Exchange) -> Outcome:
        """Have credentials that AWS rejected as expired refreshed for the next request, before their own expiry."""
        if outcome.error_code not in EXPIRED_CREDENTIALS:
            return outcome
        refused = get_signing_keys(watched.headers)
        credentials: Any = getattr(getattr(client, "_request_signer", None), "_credentials", None)
        if is_refreshable(credentials):
            mark_expired(credentials, refused)
        elif self._session is None and client is not self._user_client:
            with self._lock:
                if client in self._clients.values():  # else another rejected call has done it
                    # First the session: another thread, which finds no client, makes one from it at once.
                    self._renewed = cast("Any", import_module("boto3")).Session()
                    self._clients.clear()
        return replace(outcome, refused_keys=refused and hash(refused))

    def reset_after_fork(self) -> None:
        """Drop the connections and locks of the process that this one is a copy of."""
        self._creation_lock = threading.Lock()
        self._clients = {region: client for region, client in self._clients.items() if detach_client(client)}
        self._is_parents_client = self._user_client is not None and not detach_client(self._user_client)


_transports: Final[weakref.WeakSet[BotoTransport]] = weakref.WeakSet()


def _reset_all_after_fork() -> None:
    for transport in list(_transports):
        transport.reset_after_fork()


register_fork_hooks(in_fork=_reset_all_after_fork, before_snapshot=_reset_all_after_fork)


def _time_left(deadline: float | None) -> float | None:
    """Return what is left after creating a client, which takes seconds on a small function's cold start."""
    left = None if deadline is None else deadline - time.monotonic()
    if left is not None and left <= 0:
        raise _timeout_error()
    return left


def _timeout_error() -> NoAnswerError:
    return NoAnswerError(
        "timed out creating the client and fetching its AWS credentials",
        progress=Progress.NOTHING_SENT,
        trouble=Trouble.TIMEOUT,
    )


def _closed_error() -> NoAnswerError:
    return NoAnswerError("the transport is closed", progress=Progress.NOTHING_SENT, trouble=Trouble.SETUP)


def parents_client_error() -> NoAnswerError:
    """Return the error for a client whose connections are the parent process's."""
    return NoAnswerError(
        "the client passed to the transport was created before this process was forked, and its HTTP session cannot "
        "get new connections: create the client after the fork",
        progress=Progress.NOTHING_SENT,
        trouble=Trouble.SETUP,
    )


def _invoke(client: Any, invocation: Invocation, watched: Exchange) -> Outcome:
    response = send_request(client, "invoke", invocation)
    if isinstance(response, Outcome):
        return response
    return read_response(response, _read_payload(response), over_network=watched.has_sent or not is_watched(client))


def _read_payload(response: Mapping[str, Any]) -> bytes:
    body = response.get("Payload")
    if body is None or isinstance(body, bytes):  # as in botocore's stubs
        return body or b""
    try:
        return read_body(body, get_headers(response) or {})
    except Exception as exc:  # noqa: BLE001 - what is not botocore's is raised unchanged
        failure = translate(exc, progress=get_progress(response))
        failure.request_id = get_request_id(response)
        raise failure from failure.__cause__
    finally:
        with suppress(OSError, AttributeError):  # it has been read, or has no close()
            body.close()


def _client_maker(session: Any) -> Callable[..., Any]:
    make: Callable[..., Any]
    if session is None:
        # boto3's own annotation has an overload for every service: Any spares the type checkers that.
        make = import_sdk("boto3", "BotoTransport").client
    else:
        make = getattr(session, "client", None) or session.create_client
    return make


def get_endpoint_host(client: Any) -> str:
    """Return the host of a client's endpoint."""
    return get_host(str(client.meta.endpoint_url))


def check_guard_before_credentials(session: Any, region: str | None, endpoint_url: str | None, function: str) -> None:
    """Have the network guard of tests reject a call before a client is created, which may fetch credentials.

    If the session has credentials, nothing is fetched, and the guard checks the call before it is sent.

    Raises:
        RealInvokeBlockedError: The guard is closed, and the endpoint is not this machine.
    """
    if network_guard.closed and not is_mocked() and not _has_keys(session):
        network_guard.check(function, get_endpoint_host(without_credentials(session, "lambda", region, endpoint_url)))


def _has_keys(session: Any) -> bool:
    """Check whether a session has credentials that need not be looked for."""
    if session is None:
        session = getattr(sys.modules.get("boto3"), "DEFAULT_SESSION", None)
    core: Any = getattr(session, "_session", session)
    if getattr(core, "_credentials", None) is not None:
        return True
    has_profile = core is not None and "profile" in core.instance_variables()
    return "AWS_ACCESS_KEY_ID" in os.environ and not has_profile


def has_configured_endpoint() -> bool:
    """Check whether an environment variable sets the endpoint."""
    return any(name in os.environ for name in _ENDPOINTS)


def merge_config(theirs: Config | None) -> Config:
    """Return our configuration with a user's merged over it."""
    from botocore.config import Config

    ours = Config(
        # Retries are decided in _calling only: botocore would run a function again whose response was lost.
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=LONGEST_FUNCTION + HEADROOM,
        max_pool_connections=_POOL,
        # Addresses and options are validated before a transport is called; botocore would do so again for each call.
        parameter_validation=False,
        tcp_keepalive=True,
        user_agent_extra=f"lib/lambdachain#{__version__}",
    )
    return ours.merge(theirs) if theirs is not None else ours


def set_keep_alive(client: Any) -> None:
    """Send keep-alive probes well within 350 s; botocore's own option leaves the first one to the kernel: two hours."""
    session = getattr(getattr(client, "_endpoint", None), "http_session", None)
    options = cast("list[object] | None", getattr(session, "_socket_options", None))
    if options is not None:
        options += [(socket.IPPROTO_TCP, getattr(socket, name), n) for name, n in KEEP_ALIVE if hasattr(socket, name)]


def _cache_user_agent(client: Any) -> None:
    """Compose the User-Agent once: botocore does so twice per request, which is an eighth of a call's cost."""
    creator: Any = getattr(client, "_user_agent_creator", None)
    if hasattr(creator, "to_string"):
        composed = creator.to_string()
        creator.to_string = lambda: composed


def _instrument_client(client: BaseClient) -> None:
    register_parsing_hooks(client)
    watch_connections(client)
    if has_connections(client):  # opened before they were watched, or by the parent process
        replace_connections(client)


def register_parsing_hooks(client: Any) -> None:
    """Have a client parse any error body, and reject headers that could contain another one."""
    for operation in OPERATIONS:
        check = f"before-send.lambda.{operation}"
        client.meta.events.register(check, check_headers, unique_id=f"lambdachain-headers-{operation}")
        event = f"before-parse.lambda.{operation}"
        client.meta.events.register(event, sanitize_error_body, unique_id=f"lambdachain-legible-{operation}")


BotoTransport.__module__ = "lambdachain"
