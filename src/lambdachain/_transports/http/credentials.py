"""Credentials: the environment's at once, all others through botocore's own resolver, which renews them in time."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

from lambdachain._core.invocation import NoAnswerError, Progress, Trouble
from lambdachain._core.process_copies import lock_for, register_fork_hooks
from lambdachain._core.single_flight import SingleFlight

from .settings import new_session
from .signing import SigningKeys

if TYPE_CHECKING:
    from concurrent.futures import Future


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
        self._read: Callable[[], SigningKeys] | None = None
        self._may_wait: Callable[[], bool] | None = None
        self._lock = lock_for(self)
        self._flights = SingleFlight()
        _all.add(self)

    def current(self) -> SigningKeys:
        """Return what signs the next request.

        Raises:
            NoAnswerError: There are none, or they could not be renewed.
        """
        return (self._read or self._find())()

    def at_hand(self) -> SigningKeys | None:
        """Return what signs the next request if nobody has to wait for it; else ``current`` has to find or renew it.

        Raises:
            NoAnswerError: The environment's are nothing that can sign.
        """
        if self._read is None:
            in_environment = self._session is None and keys_in(os.environ) is not None
            return self.current() if in_environment else None
        return None if self._may_wait is not None and self._may_wait() else self._read()

    def by(self, deadline: float) -> SigningKeys:
        """Return what signs the next request, found or renewed by *deadline* on the monotonic clock.

        Raises:
            NoAnswerError: As ``current``; or they were not there in time.
        """
        try:
            return self.at_hand() or self._flights.run(self, self.current, deadline)
        except TimeoutError as exc:
            late = "no AWS credentials in time"
            raise NoAnswerError(late, progress=Progress.NOTHING_SENT, trouble=Trouble.TIMEOUT) from exc

    def fetched(self) -> Future[SigningKeys]:
        """Have a thread find or renew what signs the next request: one for all who wait for it."""
        return self._flights.begin(self, self.current)

    def begin_anew(self) -> None:
        """Keep no connection and no lock of the process that this one is a copy of."""
        if self._credentials is not None:
            from lambdachain._transports.fork_safety import detach_credentials

            detach_credentials(self._credentials)

    def renew(self, refused: SigningKeys | None = None) -> None:
        """Have credentials that AWS calls expired fetched anew for the next request, whatever their own date says.

        Once for all requests that were *refused* with the same keys.
        """
        from lambdachain._transports.boto.credential_renewal import SignedWith, expire, renews_itself

        with self._lock:
            if renews_itself(self._credentials):
                expire(self._credentials, refused and SignedWith(refused.access_key, refused.token))
            elif not self._given and self._read is not None and refused in (None, self._read()):
                self._session = self._credentials = self._read = self._may_wait = None

    def _find(self) -> Callable[[], SigningKeys]:
        with self._lock:
            if self._read is None:
                keys = None if self._session is not None else keys_in(os.environ)
                self._read = (lambda: keys) if keys is not None else self._resolve()
            return self._read

    def _resolve(self) -> Callable[[], SigningKeys]:
        try:
            self._credentials = (self._session or new_session()).get_credentials()
        except Exception as exc:  # noqa: BLE001 - whoever provides credentials; what passes is raised again as it is
            _refuse(exc)
        if self._credentials is None:
            from botocore.exceptions import NoCredentialsError

            _refuse(NoCredentialsError())
        from lambdachain._transports.boto.credentials import may_wait

        self._may_wait = partial(may_wait, self._credentials)
        return partial(_frozen, self._credentials)


_all: Final[weakref.WeakSet[Credentials]] = weakref.WeakSet()


def _begin_anew() -> None:
    for credentials in list(_all):
        credentials.begin_anew()


register_fork_hooks(in_fork=_begin_anew, before_snapshot=_begin_anew)


def keys_in(environment: Mapping[str, str]) -> SigningKeys | None:
    """Read credentials that are there as a whole and have no date: all others are botocore's to judge."""
    access_key, secret_key = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not access_key or not secret_key or environment.get("AWS_CREDENTIAL_EXPIRATION"):
        return None
    token = environment.get("AWS_SECURITY_TOKEN") or environment.get("AWS_SESSION_TOKEN")
    return _checked(SigningKeys(access_key, secret_key, token or None))


def _frozen(credentials: Any) -> SigningKeys:
    try:
        frozen = credentials.get_frozen_credentials()
        keys = SigningKeys(frozen.access_key, frozen.secret_key, frozen.token)
    except Exception as exc:  # noqa: BLE001 - whoever provides credentials; what passes is raised again as it is
        _refuse(exc)
    return _checked(keys)


def _fits_header(value: object) -> bool:
    """Check whether a part of credentials can be sent; nothing but its provider sees to it that it is a text."""
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _checked(keys: SigningKeys) -> SigningKeys:
    if not (keys.access_key and keys.secret_key):
        raise NoAnswerError(
            "the AWS credentials have no access key, or no secret key: correct what provides them",
            progress=Progress.NOTHING_SENT,
            trouble=Trouble.CREDENTIALS,
        )
    if not all(_fits_header(part) for part in keys if part):
        raise NoAnswerError(
            "the AWS credentials have a character that no header can carry, such as a line's end",
            progress=Progress.NOTHING_SENT,
            trouble=Trouble.CREDENTIALS,
        )
    return keys


def _refuse(exc: Exception) -> NoReturn:
    """Raise what it means that there are no credentials; loaded only where there are none."""
    from lambdachain._transports.boto.credentials import refuse

    refuse(exc)
