"""The keys that sign a request over botocore, found or renewed before it is sent: signing itself waits for nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from .errors import credentials_failure


def refuse(exc: Exception) -> NoReturn:
    """Raise what it means that credentials cannot be found, renewed or read; see ``credentials_failure``."""
    failure = credentials_failure(exc)
    raise failure from failure.__cause__


def may_wait(credentials: object) -> bool:
    """Check whether reading credentials may take a request; of a class that is not botocore's nobody knows.

    Raises:
        NoAnswerError: They have a date that cannot be compared, or are of a class whose own check fails.
    """
    needs_renewal: Callable[[], bool] | None = getattr(credentials, "refresh_needed", None)
    if needs_renewal is not None:
        try:
            return needs_renewal()
        except Exception as exc:  # noqa: BLE001 - whoever provides credentials; what passes is raised again as it is
            refuse(exc)
    kind = type(credentials)
    return (kind.__module__, kind.__name__) != ("botocore.credentials", "Credentials")


def credentials_of(client: Any) -> Any:
    """Return what a client signs with; ``None`` if nothing, or where this botocore does not show it."""
    from botocore import UNSIGNED

    signer: Any = getattr(client, "_request_signer", None)
    credentials: Any = getattr(signer, "_credentials", None)
    is_unsigned = getattr(signer, "_signature_version", None) is UNSIGNED
    return None if is_unsigned or not hasattr(credentials, "get_frozen_credentials") else credentials


def keys_from(credentials: Any) -> Any:
    """Read credentials, found or renewed as they are, into ones that stay as they are.

    Raises:
        NoAnswerError: There are none, or they could not be renewed.
    """
    from botocore.credentials import Credentials

    try:
        frozen = credentials.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)
    except Exception as exc:  # noqa: BLE001 - whoever provides credentials; what passes is raised again as it is
        refuse(exc)
