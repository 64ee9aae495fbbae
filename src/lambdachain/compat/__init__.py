"""boto3 with safe calls of Lambda functions: change ``import boto3`` to ``from lambdachain import compat as boto3``.

``client("lambda")`` returns boto3's own client, whose ``invoke`` never runs a function twice unless the caller allows
it. Everything else in this module is boto3's: other services, resources, sessions, paginators, exceptions. See
``docs/how-to/migrate-from-boto3.md``.

>>> from lambdachain import compat as boto3
>>> client = boto3.client("lambda", region_name="eu-west-1", idempotent={"price"})
>>> client.meta.service_model.service_name
'lambda'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from botocore.config import Config

    from lambdachain._calling.retry import RetryPolicy

    from ._settings import ProtectionOptions
    from ._types import Boto3Client
    from .session import Session as Session

__all__ = ["Session", "client", "upgrade"]


@overload
def client(
    service_name: Literal["lambda"],
    region_name: str | None = ...,
    api_version: str | None = ...,
    use_ssl: bool | None = ...,  # noqa: FBT001 - as in boto3
    verify: bool | str | None = ...,  # noqa: FBT001
    endpoint_url: str | None = ...,
    aws_access_key_id: str | None = ...,
    aws_secret_access_key: str | None = ...,
    aws_session_token: str | None = ...,
    config: Config | None = ...,
    aws_account_id: str | None = ...,
    **options: Unpack[ProtectionOptions],
) -> Boto3Client: ...
@overload
def client(
    service_name: str,
    region_name: str | None = ...,
    api_version: str | None = ...,
    use_ssl: bool | None = ...,  # noqa: FBT001 - as in boto3
    verify: bool | str | None = ...,  # noqa: FBT001
    endpoint_url: str | None = ...,
    aws_access_key_id: str | None = ...,
    aws_secret_access_key: str | None = ...,
    aws_session_token: str | None = ...,
    config: Config | None = ...,
    aws_account_id: str | None = ...,
) -> Any: ...
def client(
    service_name: str,
    *args: Any,
    idempotent: Iterable[str] = (),
    timeout: float | timedelta | None = None,
    retry: RetryPolicy | None = None,
    metadata: bool = True,
    **options: Any,
) -> Any:
    """Return ``boto3.client(service_name, ...)``; for Lambda, one with safe calls: see ``upgrade``.

    Args:
        service_name: The service. For all but ``"lambda"``, the client is boto3's and unchanged.
        args: boto3's further arguments: ``region_name`` and so on.
        idempotent: As for ``upgrade``; so are *timeout*, *retry* and *metadata*.
        timeout: Seconds for a whole call.
        retry: When a failed call is retried.
        metadata: Whether the call's metadata is sent.
        options: boto3's keyword arguments.

    Raises:
        ContractError: An option is not valid, or is passed for another service.
    """
    from ._protection import protect
    from ._settings import CallSettings

    settings = CallSettings.check(service_name, idempotent=idempotent, timeout=timeout, retry=retry, metadata=metadata)
    # Looked up for each call: a test may have replaced boto3.client.
    return protect(import_module("boto3").client(service_name, *args, **options), settings)


def upgrade(
    client: Any,
    *,
    idempotent: Iterable[str] = (),
    timeout: float | timedelta | None = None,
    retry: RetryPolicy | None = None,
    metadata: bool = True,
) -> Any:
    """Make the calls of boto3's Lambda client safe, for a client that other code has created; return the same client.

    >>> import boto3
    >>> client = upgrade(boto3.client("lambda", region_name="eu-west-1"), timeout=30)

    Args:
        client: A client that boto3 or botocore has created.
        idempotent: Names or ARNs of the functions that may run twice for one call; only they are retried after a
            failure which does not prove that the function did not run.
        timeout: Seconds, or a ``timedelta``, for a whole call with its retries; the time that the current invocation
            has left is a limit, too, inside ``invocation_scope``.
        retry: When a failed call is retried; by default ``RetryPolicy()``, with the number of attempts in the client's
            ``Config(retries=...)``.
        metadata: Whether calls carry lambdachain's metadata (correlation id, deadline) in the ClientContext.

    Raises:
        ContractError: *client* is not a Lambda client of boto3, or an option is not valid.
    """
    from lambdachain._core.errors import ContractError

    from ._protection import is_lambda_client, protect
    from ._settings import CallSettings

    if not is_lambda_client(client):
        raise ContractError(f'{type(client).__name__} is not a Lambda client of boto3: pass boto3.client("lambda")')
    settings = CallSettings.check("lambda", idempotent=idempotent, timeout=timeout, retry=retry, metadata=metadata)
    return protect(client, settings)


def __getattr__(name: str) -> Any:
    if name.startswith("__") and name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module("boto3"), name)
    if name not in ("Session", "session"):
        return value
    session = import_module(".session", __name__)
    if name == "session":
        return session
    # A class that a test has put in the place of boto3's is returned as it is.
    return session.Session if value is session.Session.__base__ else value
