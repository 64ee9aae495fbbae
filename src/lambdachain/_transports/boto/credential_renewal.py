"""Credentials that AWS calls expired, renewed once however many calls were refused with them."""

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
    """What tells one set of keys from another, and is in a request that they have signed."""

    access_key: str
    token: str | None


def note_signature(client: Any, current: ContextVar[Any]) -> None:
    """Have a client's requests keep their headers in the exchange that is *current*, for ``signed_with`` to read."""
    for operation in OPERATIONS:
        event = f"before-send.lambda.{operation}"
        client.meta.events.register(event, partial(_note, current), unique_id=f"lambdachain-keys-{operation}")


def _note(current: ContextVar[Any], request: Any, **_: Any) -> None:
    watched = current.get()
    if watched is not None:
        watched.headers = request.headers


def signed_with(headers: Any) -> SignedWith | None:
    """Read which keys have signed a request; ``None`` where nobody has seen it."""
    named = re.search(r"Credential=([^/\s]+)/", _text(headers.get("Authorization"))) if headers else None
    return SignedWith(named[1], _text(headers.get("X-Amz-Security-Token")) or None) if named else None


def renews_itself(credentials: Any) -> bool:
    """Check whether *credentials* are of a kind that botocore fetches anew when they expire."""
    return hasattr(credentials, "_expiry_time")


def expire(credentials: Any, refused: SignedWith | None) -> None:
    """Have *credentials* fetched anew for the next request, whatever their own date says.

    Where they are being fetched already, or have been since the refused request was signed, nothing is to be done.
    """
    lock: Any = getattr(credentials, "_refresh_lock", None)
    if not isinstance(lock, _THREAD_LOCK):  # aiobotocore's, whose loop does one thing at a time
        if lock is None or not lock.locked():
            _expire(credentials, refused)
    elif lock.acquire(blocking=False):
        try:
            _expire(credentials, refused)
        finally:
            lock.release()


def _expire(credentials: Any, refused: SignedWith | None) -> None:
    fetched: Any = getattr(credentials, "_frozen_credentials", None)  # asked by their names, they would be renewed
    if fetched is None or refused is None or refused == (fetched.access_key, fetched.token):
        credentials._expiry_time = datetime.now(UTC)  # noqa: SLF001 - botocore has no public word for it


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value or "")
