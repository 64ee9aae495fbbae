"""Which transport a client has that was given none."""

from __future__ import annotations

import os
from typing import Final

from ._errors import ContractError
from ._invocation import Transport

VARIABLE: Final = "LAMBDACHAIN_TRANSPORT"
_IN_LAMBDA: Final = "AWS_LAMBDA_RUNTIME_API"


def default_transport() -> Transport:
    """Make an ``HttpTransport`` inside Lambda, elsewhere a ``BotoTransport``; ``LAMBDACHAIN_TRANSPORT`` may say which.

    Raises:
        ContractError: ``LAMBDACHAIN_TRANSPORT`` names neither.
    """
    chosen = os.environ.get(VARIABLE) or ("http" if _IN_LAMBDA in os.environ else "boto")
    if chosen == "http":
        from ._http import HttpTransport

        return HttpTransport()
    if chosen == "boto":
        from ._boto import BotoTransport

        return BotoTransport()
    raise ContractError(f"{VARIABLE} is {chosen!r}: it may be 'http' (HttpTransport) or 'boto' (BotoTransport)")
