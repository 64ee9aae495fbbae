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
    if (_chosen() or _usual()) == "http":
        from .http.transport import HttpTransport

        return HttpTransport()
    from .boto.transport import BotoTransport

    return BotoTransport()


def default_async_transport() -> AsyncTransport:
    """Make the same choice for an event loop; without aiobotocore, boto3 is used in threads only if it is asked for.

    Raises:
        ContractError: ``LAMBDACHAIN_TRANSPORT`` is not ``http`` or ``boto``.
    """
    chosen = _chosen()
    if (chosen or _usual()) == "boto":
        from .boto.async_transport import is_installed, over_botocore

        if chosen or is_installed():
            return over_botocore()
    from .http.async_transport import AsyncHttpTransport

    return AsyncHttpTransport()


def _usual() -> str:
    return "http" if _IN_LAMBDA in os.environ else "boto"


def _chosen() -> str | None:
    chosen = os.environ.get(VARIABLE) or None
    if chosen not in (None, "http", "boto"):
        raise ContractError(f"{VARIABLE} is {chosen!r}: it must be 'http' (HttpTransport) or 'boto' (BotoTransport)")
    return chosen
