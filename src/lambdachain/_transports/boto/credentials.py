"""The keys that sign a request over botocore, fetched or refreshed before it is sent, so that signing never waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from .errors import translate_credentials_error


def raise_credentials_error(exc: Exception) -> NoReturn:
    """Raise the error for credentials that cannot be found, refreshed or read; see ``translate_credentials_error``."""
    failure = translate_credentials_error(exc)
    raise failure from failure.__cause__


def may_wait(credentials: object) -> bool:
    """Check whether reading credentials may take a network request; it may for any class that is not botocore's.

    Raises:
        NoAnswerError: Their expiry cannot be compared, or their own check fails.
    """
    needs_renewal: Callable[[], bool] | None = getattr(credentials, "refresh_needed", None)
    if needs_renewal is not None:
        try:
            return needs_renewal()
        except Exception as exc:  # noqa: BLE001 - from any provider of credentials; foreign ones are raised unchanged
            raise_credentials_error(exc)
    kind = type(credentials)
    return (kind.__module__, kind.__name__) != ("botocore.credentials", "Credentials")


def find_credentials(client: Any) -> Any:
    """Return the credentials that a client signs with; ``None`` if it does not sign, or botocore does not show them."""
    from botocore import UNSIGNED

    signer: Any = getattr(client, "_request_signer", None)
    credentials: Any = getattr(signer, "_credentials", None)
    is_unsigned = getattr(signer, "_signature_version", None) is UNSIGNED
    return None if is_unsigned or not hasattr(credentials, "get_frozen_credentials") else credentials


def freeze_credentials(credentials: Any) -> Any:
    """Fetch or refresh credentials, and return them as ones that do not change.

    Raises:
        NoAnswerError: There are none, or they could not be refreshed.
    """
    from botocore.credentials import Credentials

    try:
        frozen = credentials.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)
    except Exception as exc:  # noqa: BLE001 - from any provider of credentials; foreign ones are raised unchanged
        raise_credentials_error(exc)
