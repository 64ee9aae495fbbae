"""``SqsTransport``: the events of chosen contracts become messages of a queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from lambdachain._calling.target import Resolver, resolve_function
from lambdachain._core.arn import parse_target
from lambdachain._core.errors import ContractError
from lambdachain._core.fork_hooks import register_fork_hooks
from lambdachain._core.invocation import Invocation, NoAnswerError, Outcome, Progress, Transport, Trouble
from lambdachain._transports.argument_checks import check_transport
from lambdachain._transports.sdk_import import import_sdk
from lambdachain._transports.streaming import ResponseStream, open_stream
from lambdachain._transports.transport_override import AwsTransport, is_mocked, network_guard

from ._route import QueueRoute, refuse, to_message

if TYPE_CHECKING:
    import boto3
    import botocore.session

_OPERATION: Final = "SendMessage"
_CODE_PREFIX: Final = "AWS.SimpleQueueService."
# SQS responds in milliseconds: a call without a deadline waits no longer than this.
_READ_TIMEOUT: Final = 60.0


class SqsTransport(AwsTransport):
    """Send the events of some contracts through queues of SQS, and everything else over another transport.

    ``client.fire(contract, payload)`` then returns when SQS has stored the message, whose id is the receipt's
    ``request_id``. A call of a function that has a route is rejected, as a queue returns no response. Retries follow
    the rules of every call: a message that may have been stored is sent again only if the contract is idempotent or the
    call has an ``idempotency_key``, which is the deduplication id of a FIFO queue. Thread-safe; for
    ``AsyncLambdaClient``, too, which sends each message in a thread.

    >>> from lambdachain import Contract, LambdaClient
    >>> place_order = Contract("orders-place", request=dict[str, int], response=None)
    >>> url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
    >>> client = LambdaClient(SqsTransport(QueueRoute(place_order, url)))

    Args:
        routes: The queue of each contract. Their names are those of the deployed functions, after *resolve*.
        transport: Carries the invocations of functions without a route; by default, they are rejected.
        resolve: The ``resolve`` of the client, if it has one: without it, the client's names would match no route.
        session: A boto3 or botocore session to create clients from; by default boto3's default session.
        endpoint_url: The endpoint of SQS; by default AWS's, or the one that the URL of the queue names.

    Raises:
        ContractError: An argument is not valid, or two routes are for one function.
    """

    def __init__(
        self,
        *routes: QueueRoute[Any],
        transport: Transport | None = None,
        resolve: Resolver | None = None,
        session: boto3.Session | botocore.session.Session | None = None,
        endpoint_url: str | None = None,
    ) -> None:
        check_transport(None, endpoint_url, session)
        self._routes = _index_routes(routes, resolve)
        self._other = transport
        self._session = session
        self._endpoint_url = endpoint_url
        self._clients: dict[tuple[str | None, str | None], Any] = {}
        # Under a lock: boto3's default session is not thread-safe.
        self._lock = threading.Lock()
        self._closed = False
        _transports.add(self)

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Send *invocation* once: as a message, if its function has a route; see ``Transport.send``."""
        route = self._routes.get(invocation.function_name)
        if route is None:
            return self._other_for(invocation).send(invocation, timeout=timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        parameters = to_message(route, invocation).to_parameters()
        client = self._client_for(route, invocation.function)
        return _send_message(client, invocation.function, parameters, deadline)

    def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> ResponseStream:
        """Send *invocation* once and return the response as a stream; rejected for functions with a route."""
        if invocation.function_name in self._routes:
            raise refuse("the function is reached through a queue, which returns no response to stream")
        return open_stream(self._other_for(invocation), invocation, timeout)

    def host_for(self, region: str | None, function: str) -> str:
        """Return the host that calls go to; see ``AwsTransport.host_for``."""
        # An address may have a qualifier; the routes have none.
        route = self._routes.get(str(parse_target(function).without_qualifier()))
        if route is not None:
            return route.host
        other: object = self._other
        return other.host_for(region, function) if isinstance(other, AwsTransport) else ""

    def warm_up(self, region: str | None = None, /, *, timeout: float | None = None) -> None:
        """Have the other transport open a connection, if it can; see ``HttpTransport.warm_up``."""
        connect: Any = getattr(self._other, "warm_up", None)
        if connect is not None:
            connect(region, timeout=timeout)

    def close(self) -> None:
        """Close the clients of SQS and the other transport."""
        with self._lock:
            self._closed = True
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()
        if self._other is not None:
            self._other.close()

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings: a copy creates clients of its own."""
        from lambdachain._transports.pickling import check_picklable

        check_picklable(self, session=self._session, endpoint_url=self._endpoint_url, variable="AWS_ENDPOINT_URL_SQS")
        return {name: value for name, value in vars(self).items() if name not in ("_clients", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        SqsTransport.__init__(self)
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return f"SqsTransport({', '.join(self._routes)}, transport={self._other!r})"

    def _other_for(self, invocation: Invocation) -> Transport:
        if self._other is None:
            known = ", ".join(self._routes) or "none"
            raise refuse(
                f"no queue for {invocation.function_name} (the routes are for {known}): add a QueueRoute, pass "
                "transport= to invoke functions directly, or resolve= if the client has one"
            )
        return self._other

    def _client_for(self, route: QueueRoute[Any], function: str) -> Any:
        endpoint_url = self._endpoint_url or route.endpoint_url
        key = (route.region, endpoint_url)
        with self._lock:
            if self._closed:
                raise NoAnswerError("the transport is closed", progress=Progress.NOTHING_SENT, trouble=Trouble.SETUP)
            if key not in self._clients:
                # Before the client is created, which may fetch credentials over a network.
                if network_guard.closed and not is_mocked():
                    network_guard.check(function, route.host)
                self._clients[key] = _create_client(self._session, route.region, endpoint_url)
            return self._clients[key]

    def reset_after_fork(self) -> None:
        """Drop the connections and locks of the process that this one is a copy of."""
        from lambdachain._transports.fork_safety import detach_client

        self._lock = threading.Lock()
        self._clients = {key: client for key, client in self._clients.items() if detach_client(client)}


_transports: Final[WeakSet[SqsTransport]] = WeakSet()


def _reset_all_after_fork() -> None:
    for transport in list(_transports):
        transport.reset_after_fork()


register_fork_hooks(in_fork=_reset_all_after_fork, before_snapshot=_reset_all_after_fork)


def _index_routes(routes: tuple[QueueRoute[Any], ...], resolve: Resolver | None) -> Mapping[str, QueueRoute[Any]]:
    indexed: dict[str, QueueRoute[Any]] = {}
    for route in routes:
        if not isinstance(route, QueueRoute):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ContractError(
                f"SqsTransport takes QueueRoutes, not {type(route).__name__}: QueueRoute(contract, url)"
            )
        name = resolve_function(route.contract.contract.function, resolve)
        if name in indexed:
            raise ContractError(f"two routes are for the function {name}")
        indexed[name] = route
    return indexed


def _create_client(session: Any, region: str | None, endpoint_url: str | None) -> Any:
    maker: Any = import_sdk("boto3", "SqsTransport") if session is None else session
    from botocore.config import Config

    from lambdachain._transports.boto.errors import translate_setup_error
    from lambdachain._transports.boto.exchange import watch_connections
    from lambdachain._transports.boto.transport import merge_config

    make = getattr(maker, "client", None) or maker.create_client
    config = merge_config(Config(read_timeout=_READ_TIMEOUT, parameter_validation=True))
    try:
        client = make("sqs", region_name=region, endpoint_url=endpoint_url, config=config)
    except Exception as exc:  # noqa: BLE001 - what is not botocore's is raised unchanged
        raise translate_setup_error(exc) from None
    watch_connections(client)
    return client


def _send_message(client: Any, function: str, parameters: Mapping[str, str], deadline: float | None) -> Outcome:
    from botocore.exceptions import ClientError

    from lambdachain._transports.boto.errors import translate
    from lambdachain._transports.boto.exchange import exchange

    left = None if deadline is None else max(deadline - time.monotonic(), 0.001)
    with exchange(function, left) as watched:
        try:
            response = client.send_message(**parameters)
        except ClientError as exc:
            return _read_error(exc)
        except Exception as exc:  # noqa: BLE001 - what is not botocore's is raised unchanged
            failure = watched.correct(translate(exc, progress=Progress.PERHAPS_SENT))
            raise failure from failure.__cause__
    message_id = response.get("MessageId")
    if watched.expired and message_id is None:
        # After a shutdown in the middle, botocore parses what had arrived as if it were the whole response.
        raise NoAnswerError("timed out waiting for the response", trouble=Trouble.TIMEOUT)
    # The status of Lambda for an event that is queued; without an id, something else than SQS has responded.
    return Outcome(202, request_id=message_id, from_lambda=isinstance(message_id, str))


def _read_error(error: Any) -> Outcome:
    from lambdachain._transports.boto.errors import credentials_call_error
    from lambdachain._transports.boto.serialization import read_client_error

    if error.operation_name != _OPERATION:
        raise credentials_call_error(error) from None
    outcome = read_client_error(error.response)
    return replace(outcome, error_code=(outcome.error_code or "").removeprefix(_CODE_PREFIX) or None)
