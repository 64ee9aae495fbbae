"""Check a client or a configuration that a user passes to a transport."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from lambdachain._core.errors import ContractError
from lambdachain._core.invocation import NoAnswerError, Progress, Trouble
from lambdachain._transports.argument_checks import is_async

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.config import Config

_ONE_LAYER: Final = (
    "lambdachain decides itself what may be retried; botocore would run a function again whose response was lost. "
    'Use Config(retries={"total_max_attempts": 1})'
)


def check_config(config: Config | None) -> None:
    """Check that a configuration has retries off.

    Raises:
        ContractError: They are on.
    """
    if config is not None and not _retries_off(getattr(config, "retries", None) or {"total_max_attempts": 1}):
        raise ContractError(f"config has retries on. {_ONE_LAYER}")


def check_client(client: BaseClient, *, blocking: bool) -> None:
    """Check that a client is for Lambda and for this transport, and has retries off.

    Raises:
        ContractError: It is not, or has not.
    """
    model = getattr(getattr(client, "meta", None), "service_model", None)
    if model is None:
        remedy = "BotoTransport(session=session)" if hasattr(client, "get_credentials") else "a client made by boto3"
        raise ContractError(f'{type(client).__name__} is not a Lambda client, boto3.client("lambda"): use {remedy}')
    service = model.service_name
    if service != "lambda":
        raise ContractError(f'BotoTransport needs a Lambda client, boto3.client("lambda"), not one for {service!r}')
    # A coroutine function in aiobotocore's clients; a stub's may not have it.
    call = getattr(client, "_make_api_call", None)
    if call is not None and is_async(call) is blocking:
        other = "AsyncBotoTransport" if blocking else "BotoTransport"
        raise ContractError(f"the client is {'aiobotocore' if blocking else 'boto3'}'s: use {other}(client)")
    if not _retries_off(getattr(client.meta.config, "retries", None) or {}):
        raise ContractError(f"the client has retries on. {_ONE_LAYER} when you create it")


def _retries_off(retries: Mapping[str, Any]) -> bool:
    return retries.get("total_max_attempts") == 1 or retries.get("max_attempts") == 0


def check_region(client: Any, region: str | None) -> Any:
    """Return *client* if it is for *region*.

    Raises:
        NoAnswerError: It is for another region.
    """
    if region is not None and region != client.meta.region_name:
        raise NoAnswerError(
            f"the function is in {region}, and the client passed to BotoTransport is for {client.meta.region_name}: "
            "pass a session instead, and each region gets a client of its own",
            progress=Progress.NOTHING_SENT,
            trouble=Trouble.SETUP,
        )
    return client
