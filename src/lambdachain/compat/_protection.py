"""Make the calls of a boto3 client safe: the client stays boto3's, and only the calls of functions are sent from here.

The class of the client is replaced by a subclass of it. So what other code does with a client still works: botocore's
``Stubber``, moto, a test that replaces ``BaseClient._make_api_call``, event handlers, instrumentation.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from lambdachain._core.errors import ContractError
from lambdachain._transports.argument_checks import is_async

from ._settings import OPERATIONS, CallSettings, set_settings

if TYPE_CHECKING:
    from collections.abc import Callable


class ProtectedClient:
    """Mixed into the class of a client: sends the calls of functions itself, and leaves other operations alone."""

    def _make_api_call(self, operation_name: str, api_params: dict[str, Any]) -> object:
        # Looked up in the class, and for each call: tests and instrumentation replace this method of botocore's.
        botocores: Any = super()
        call: Callable[..., object] = botocores._make_api_call  # noqa: SLF001 - where all tools for botocore intercept calls
        if operation_name not in OPERATIONS:
            return call(operation_name, api_params)
        from ._sending import send_call

        return send_call(self, operation_name, api_params, lambda: call(operation_name, api_params))


def protect(client: Any, settings: CallSettings) -> Any:
    """Return *client* with safe calls if it is a Lambda client of botocore; else, such as a test's mock, unchanged."""
    if not is_lambda_client(client):
        return client
    if not isinstance(client, ProtectedClient):
        _install(client)
    elif settings == CallSettings():
        return client  # created by a session of this package, for which the settings were passed
    set_settings(client, settings)
    return client


def is_lambda_client(client: Any) -> bool:
    """Check whether *client* is a Lambda client of botocore, and not one of another kind or a mock.

    Raises:
        ContractError: It is a client of aiobotocore, whose calls cannot be made safe here.
    """
    base: Any = getattr(sys.modules.get("botocore.client"), "BaseClient", None)
    if base is None or not isinstance(client, base) or client.meta.service_model.service_name != "lambda":
        return False
    call: Any = getattr(client, "_make_api_call", None)
    if is_async(call):
        raise ContractError("the client is aiobotocore's: use AsyncLambdaClient(AsyncBotoTransport(client))")
    return True


def _install(client: Any) -> None:
    from lambdachain._transports.boto.exchange import watch_connections
    from lambdachain._transports.boto.transport import set_keep_alive
    from lambdachain._transports.fork_safety import has_connections, replace_connections

    from ._request_hooks import register_request_hooks

    _turn_off_retries(client)
    _replace_requests(client)
    set_keep_alive(client)
    watch_connections(client)
    register_request_hooks(client)
    if has_connections(client):  # opened before they were watched
        replace_connections(client)
    kind: Any = client.__class__
    names = {"__module__": kind.__module__, "__doc__": kind.__doc__, "__qualname__": kind.__qualname__}
    client.__class__ = type(kind.__name__, (ProtectedClient, kind), names)


def _turn_off_retries(client: Any) -> None:
    """Turn off botocore's retries for the calls of functions only: other operations keep those of the client.

    Raises:
        ContractError: This version of botocore has no such method; retries that stay on could run functions twice.
    """
    endpoint: Any = getattr(client, "_endpoint", None)
    needs_retry: Any = getattr(endpoint, "_needs_retry", None)
    if not callable(needs_retry):
        raise ContractError("cannot turn off the retries of this version of botocore: use LambdaClient, or report it")

    def decide(attempts: int, operation_model: Any, *args: Any, **options: Any) -> Any:
        if operation_model.name in OPERATIONS:
            return False
        return needs_retry(attempts, operation_model, *args, **options)

    endpoint._needs_retry = decide  # noqa: SLF001 - the event for it cannot veto what another handler decides


def _replace_requests(client: Any) -> None:
    """Have the attempts of a call take the place of its request, inside all that botocore does once a call.

    So instrumentation, which wraps ``_make_api_call``, makes one span of a call that was retried, as of boto3's.
    """
    from ._attempts import CURRENT_ATTEMPTS

    endpoint: Any = client._endpoint  # noqa: SLF001
    replaced: Callable[..., Any] | None = endpoint.__dict__.get("make_request")

    def make_request(operation_model: Any, request: dict[str, Any]) -> Any:
        # Looked up for each request: a test may have replaced the method of the class.
        send = partial(replaced or partial(endpoint.__class__.make_request, endpoint), operation_model)
        attempts = CURRENT_ATTEMPTS.get() if operation_model.name in OPERATIONS else None
        return send(request) if attempts is None else attempts.make_request(send, request)

    endpoint.make_request = make_request
