"""Choose the transport of a client that was created without one."""

from __future__ import annotations

import os
from typing import Final

from lambdachain._core.errors import ContractError
from lambdachain._core.invocation import AsyncTransport, Transport

VARIABLE: Final = "LAMBDACHAIN_TRANSPORT"
_IN_LAMBDA: Final = "AWS_LAMBDA_RUNTIME_API"


def default_transport() -> Transport:
    """Return an ``HttpTransport`` inside Lambda, a ``BotoTransport`` elsewhere, or what ``LAMBDACHAIN_TRANSPORT`` says.

    Raises:
        ContractError: ``LAMBDACHAIN_TRANSPORT`` is not ``http`` or ``boto``.
    """
    if (_configured_name() or _default_name()) == "http":
        from .http.transport import HttpTransport

        return HttpTransport()
    from .boto.transport import BotoTransport

    return BotoTransport()


def default_async_transport() -> AsyncTransport:
    """Make the same choice for an event loop; without aiobotocore, boto3 is used in threads only if it is asked for.

    Raises:
        ContractError: ``LAMBDACHAIN_TRANSPORT`` is not ``http`` or ``boto``.
    """
    configured = _configured_name()
    if (configured or _default_name()) == "boto":
        from .boto.async_transport import create_boto_transport, is_installed

        if configured or is_installed():
            return create_boto_transport()
    from .http.async_transport import AsyncHttpTransport

    return AsyncHttpTransport()


def _default_name() -> str:
    return "http" if _IN_LAMBDA in os.environ else "boto"


def _configured_name() -> str | None:
    configured = os.environ.get(VARIABLE) or None
    if configured not in (None, "http", "boto"):
        raise ContractError(
            f"{VARIABLE} is {configured!r}: it must be 'http' (HttpTransport) or 'boto' (BotoTransport)"
        )
    return configured
