"""Credentials: the environment's at once, all others through botocore's own resolver, which renews them in time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn

from lambdachain._invocation import NoAnswerError, Progress, Trouble

from .settings import new_session
from .signing import Keys


class Credentials:
    """What signs a transport's requests.

    Args:
        session: The botocore session that has a say, or ``None`` where the environment says it all.
        given: Whether a user gave that session: then its credentials count whatever becomes of them.
    """

    def __init__(self, session: Any, *, given: bool) -> None:
        self._session = session
        self._given = given
        self._credentials: Any = None
        self._read: Callable[[], Keys] | None = None
        self._lock = threading.Lock()

    def current(self) -> Keys:
        """Give what signs the next request.

        Raises:
            NoAnswerError: There are none, or they could not be renewed.
        """
        return (self._read or self._find())()

    def at_hand(self) -> Keys | None:
        """Give what signs the next request if nobody has to wait for it; else ``current`` has to find or renew it.

        Raises:
            NoAnswerError: The environment's are nothing that can sign.
        """
        if self._read is None:
            in_environment = self._session is None and keys_in(os.environ) is not None
            return self.current() if in_environment else None
        return None if self._credentials is not None and _may_wait(self._credentials) else self._read()

    def renew(self, refused: Keys | None = None) -> None:
        """Have credentials that AWS calls expired fetched anew for the next request, whatever their own date says.

        Once for all requests that were *refused* with the same keys.
        """
        from lambdachain._boto.renewal import SignedWith, expire, renews_itself

        with self._lock:
            if renews_itself(self._credentials):
                expire(self._credentials, refused and SignedWith(refused.access_key, refused.token))
            elif not self._given and self._read is not None and refused in (None, self._read()):
                self._session = self._credentials = self._read = None

    def _find(self) -> Callable[[], Keys]:
        with self._lock:
            if self._read is None:
                keys = None if self._session is not None else keys_in(os.environ)
                self._read = (lambda: keys) if keys is not None else self._resolve()
            return self._read

    def _resolve(self) -> Callable[[], Keys]:
        try:
            self._credentials = (self._session or new_session()).get_credentials()
        except _failures() as exc:
            _refuse(exc)
        if self._credentials is None:
            from botocore.exceptions import NoCredentialsError

            _refuse(NoCredentialsError())
        return partial(_frozen, self._credentials)


def keys_in(environment: Mapping[str, str]) -> Keys | None:
    """Read credentials that are there as a whole and have no date: all others are botocore's to judge."""
    access_key, secret_key = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not access_key or not secret_key or environment.get("AWS_CREDENTIAL_EXPIRATION"):
        return None
    token = environment.get("AWS_SECURITY_TOKEN") or environment.get("AWS_SESSION_TOKEN")
    return _checked(Keys(access_key, secret_key, token or None))


def _may_wait(credentials: object) -> bool:
    """Tell whether reading credentials may take a request; of a class that is not botocore's nobody knows."""
    needs_renewal: Callable[[], bool] | None = getattr(credentials, "refresh_needed", None)
    if needs_renewal is not None:
        return needs_renewal()
    kind = type(credentials)
    return (kind.__module__, kind.__name__) != ("botocore.credentials", "Credentials")


def _frozen(credentials: Any) -> Keys:
    try:
        frozen = credentials.get_frozen_credentials()
    except _failures() as exc:
        _refuse(exc)
    return _checked(Keys(frozen.access_key, frozen.secret_key, frozen.token))


def _checked(keys: Keys) -> Keys:
    if not all(part.isascii() and part.isprintable() for part in keys if part):
        raise NoAnswerError(
            "the AWS credentials have a character that no header can carry, such as a line's end",
            progress=Progress.NOTHING_SENT,
            trouble=Trouble.CREDENTIALS,
        )
    return keys


def _failures() -> tuple[type[Exception], ...]:
    from botocore.exceptions import ClientError

    from lambdachain._boto.errors import SEND_ERRORS

    return (ClientError, *SEND_ERRORS())


def _refuse(exc: Exception) -> NoReturn:
    """Say that there are no credentials, and why."""
    from botocore.exceptions import ClientError

    from lambdachain._boto.errors import refusal, translated

    if isinstance(exc, ClientError):
        raise refusal(exc) from None
    failure = translated(exc, progress=Progress.NOTHING_SENT)
    raise failure from failure.__cause__
