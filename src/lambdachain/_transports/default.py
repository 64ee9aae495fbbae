"""Choose the transport of a client that was created without one."""

from __future__ import annotations

import os
from typing import Final

from lambdachain._core.errors import ContractError
from lambdachain._core.invocation import AsyncTransport, Transport

VARIABLE: Final = "LAMBDACHAIN_TRANSPORT"
_IN_LAMBDA: Final = "AWS_LAMBDA_RUNTIME_API"


def default_transport(region: str | None = None) -> Transport:
    """Return an ``HttpTransport`` inside Lambda, a ``BotoTransport`` elsewhere, or what ``LAMBDACHAIN_TRANSPORT`` says.

    Args:
        region: The region for functions whose address names none; by default, that of the environment.

    Raises:
        ContractError: ``LAMBDACHAIN_TRANSPORT`` is not ``http`` or ``boto``.
    """
    if (_configured_name() or _default_name()) == "http":
        from .http.transport import HttpTransport

        return HttpTransport(region=region)
    from .boto.transport import BotoTransport

    return BotoTransport(region=region)


def default_async_transport(region: str | None = None) -> AsyncTransport:
    """Make the same choice for an event loop; without aiobotocore, boto3 is used in threads only if it is asked for.

    Args:
        region: As for ``default_transport``.

    Raises:
        ContractError: ``LAMBDACHAIN_TRANSPORT`` is not ``http`` or ``boto``.
    """
    configured = _configured_name()
    if (configured or _default_name()) == "boto":
        from .boto.async_transport import create_boto_transport, is_installed

        if configured or is_installed():
            return create_boto_transport(region=region)
    from .http.async_transport import AsyncHttpTransport

    return AsyncHttpTransport(region=region)


def _default_name() -> str:
    return "http" if _IN_LAMBDA in os.environ else "boto"


def _configured_name() -> str | None:
    configured = os.environ.get(VARIABLE) or None
    if configured not in (None, "http", "boto"):
        raise ContractError(
            f"{VARIABLE} is {configured!r}: it must be 'http' (HttpTransport) or 'boto' (BotoTransport)"
        )
    return configured
