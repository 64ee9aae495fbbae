"""Refresh credentials that AWS rejected as expired, once for all calls that were rejected with them."""

from __future__ import annotations

import re
import threading
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple

from .serialization import OPERATIONS

_THREAD_LOCK: Final = type(threading.Lock())


class SignedWith(NamedTuple):
    """Identifies a set of keys: the parts of them that are in a request they have signed."""

    access_key: str
    token: str | None


def record_signature(client: Any, current: ContextVar[Any]) -> None:
    """Have a client's requests leave their headers in the *current* exchange, for ``get_signing_keys`` to read."""
    for operation in OPERATIONS:
        event = f"before-send.lambda.{operation}"
        client.meta.events.register(event, partial(_record_headers, current), unique_id=f"lambdachain-keys-{operation}")


def _record_headers(current: ContextVar[Any], request: Any, **_: Any) -> None:
    watched = current.get()
    if watched is not None:
        watched.headers = request.headers


def get_signing_keys(headers: Any) -> SignedWith | None:
    """Return which keys have signed a request; ``None`` if its headers were not seen."""
    named = re.search(r"Credential=([^/\s]+)/", _text(headers.get("Authorization"))) if headers else None
    return SignedWith(named[1], _text(headers.get("X-Amz-Security-Token")) or None) if named else None


def is_refreshable(credentials: Any) -> bool:
    """Check whether botocore refreshes *credentials* when they expire."""
    return hasattr(credentials, "_expiry_time")


def mark_expired(credentials: Any, refused: SignedWith | None) -> None:
    """Have *credentials* refreshed for the next request, before their own expiry.

    No-op if they are being refreshed, or have been since the rejected request was signed.
    """
    lock: Any = getattr(credentials, "_refresh_lock", None)
    if not isinstance(lock, _THREAD_LOCK):  # aiobotocore's: its loop does one thing at a time
        if lock is None or not lock.locked():
            _mark_expired(credentials, refused)
    elif lock.acquire(blocking=False):
        try:
            _mark_expired(credentials, refused)
        finally:
            lock.release()


def _mark_expired(credentials: Any, refused: SignedWith | None) -> None:
    fetched: Any = getattr(credentials, "_frozen_credentials", None)  # the public attributes would refresh them
    if fetched is None or refused is None or refused == (fetched.access_key, fetched.token):
        credentials._expiry_time = datetime.now(UTC)  # noqa: SLF001 - botocore has no public API for it


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value or "")
