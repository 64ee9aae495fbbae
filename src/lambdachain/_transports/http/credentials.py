"""Credentials: from the environment directly, all others from botocore's own resolver, which refreshes them in time.

Fetching credentials may take a network: ``get_ready`` never waits, ``get`` waits until a deadline. No repr or message
shows a secret: ``SigningKeys`` shows four characters of the access key.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

from lambdachain._core.fork_hooks import lock_for, register_fork_hooks
from lambdachain._core.invocation import NoAnswerError, Outcome, Progress, Trouble
from lambdachain._core.single_flight import SingleFlight
from lambdachain._transports.invoke_response import EXPIRED_CREDENTIALS

from .settings import new_session
from .signing import SigningKeys

if TYPE_CHECKING:
    from concurrent.futures import Future


class Credentials:
    """The credentials that a transport signs with.

    Args:
        session: The botocore session to take them from, or ``None`` to read the environment.
        explicit: Whether the user passed that session: then no others are looked for when its credentials expire.
    """

    def __init__(self, session: Any, *, explicit: bool) -> None:
        self._session = session
        self._explicit = explicit
        self._credentials: Any = None
        self._get_keys: Callable[[], SigningKeys] | None = None
        self._may_wait: Callable[[], bool] | None = None
        self._lock = lock_for(self)
        self._fetches = SingleFlight()
        _all.add(self)

    def current(self) -> SigningKeys:
        """Return the keys for the next request.

        Raises:
            NoAnswerError: There are no credentials, or they could not be refreshed.
        """
        return (self._get_keys or self._find())()

    def get_ready(self) -> SigningKeys | None:
        """Return the keys for the next request if that needs no waiting; ``None`` if they have to be fetched.

        Raises:
            NoAnswerError: The environment's credentials cannot sign.
        """
        if self._get_keys is None:
            in_environment = self._session is None and keys_from_environment(os.environ) is not None
            return self.current() if in_environment else None
        return None if self._may_wait is not None and self._may_wait() else self._get_keys()

    def get(self, deadline: float) -> SigningKeys:
        """Return the keys for the next request, fetched or refreshed by *deadline* on the monotonic clock.

        Raises:
            NoAnswerError: As ``current``; or they were not there in time.
        """
        try:
            return self.get_ready() or self._fetches.run(self, self.current, deadline)
        except TimeoutError as exc:
            late = "timed out fetching AWS credentials"
            raise NoAnswerError(late, progress=Progress.NOTHING_SENT, trouble=Trouble.TIMEOUT) from exc

    def fetch(self) -> Future[SigningKeys]:
        """Fetch or refresh the keys for the next request in a thread, one for all that wait for it."""
        return self._fetches.begin(self, self.current)

    def reset_after_fork(self) -> None:
        """Drop the connections and locks of the process that this one is a copy of."""
        if self._credentials is not None:
            from lambdachain._transports.fork_safety import detach_credentials

            detach_credentials(self._credentials)

    def renew_if_expired(self, outcome: Outcome, keys: SigningKeys) -> Outcome:
        """Return the outcome of a request signed with *keys*; if AWS rejected them as expired, renew them."""
        if outcome.error_code not in EXPIRED_CREDENTIALS:
            return outcome
        self.renew(keys)
        return replace(outcome, refused_keys=hash(keys))

    def renew(self, refused: SigningKeys | None = None) -> None:
        """Have credentials that AWS rejected as expired refreshed for the next request, before their own expiry.

        Once for all requests that were rejected with the keys in *refused*.
        """
        from lambdachain._transports.boto.credential_renewal import SignedWith, is_refreshable, mark_expired

        with self._lock:
            if is_refreshable(self._credentials):
                mark_expired(self._credentials, refused and SignedWith(refused.access_key, refused.token))
            # A session that the user passed is kept: to look for other credentials would sign for somebody else.
            elif not self._explicit and self._get_keys is not None and refused in (None, self._get_keys()):
                self._session = self._credentials = self._get_keys = self._may_wait = None

    def _find(self) -> Callable[[], SigningKeys]:
        with self._lock:
            if self._get_keys is None:
                keys = None if self._session is not None else keys_from_environment(os.environ)
                self._get_keys = (lambda: keys) if keys is not None else self._resolve()
            return self._get_keys

    def _resolve(self) -> Callable[[], SigningKeys]:
        session = self._session or new_session("finding credentials outside of environment variables")
        try:
            self._credentials = session.get_credentials()
        except Exception as exc:  # noqa: BLE001 - from any provider of credentials; foreign ones are raised unchanged
            _raise_credentials_error(exc)
        if self._credentials is None:
            from botocore.exceptions import NoCredentialsError

            _raise_credentials_error(NoCredentialsError())
        from lambdachain._transports.boto.credentials import may_wait

        self._may_wait = partial(may_wait, self._credentials)
        return partial(_freeze, self._credentials)


_all: Final[weakref.WeakSet[Credentials]] = weakref.WeakSet()


def _reset_all_after_fork() -> None:
    for credentials in list(_all):
        credentials.reset_after_fork()


register_fork_hooks(in_fork=_reset_all_after_fork, before_snapshot=_reset_all_after_fork)


def keys_from_environment(environment: Mapping[str, str]) -> SigningKeys | None:
    """Return the environment's credentials if they are complete and do not expire; all others are left to botocore."""
    access_key, secret_key = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not access_key or not secret_key or environment.get("AWS_CREDENTIAL_EXPIRATION"):
        return None
    # botocore reads both names, in this order.
    token = environment.get("AWS_SECURITY_TOKEN") or environment.get("AWS_SESSION_TOKEN")
    return _validate(SigningKeys(access_key, secret_key, token or None))


def _freeze(credentials: Any) -> SigningKeys:
    try:
        frozen = credentials.get_frozen_credentials()
        keys = SigningKeys(frozen.access_key, frozen.secret_key, frozen.token)
    except Exception as exc:  # noqa: BLE001 - from any provider of credentials; foreign ones are raised unchanged
        _raise_credentials_error(exc)
    return _validate(keys)


def _fits_header(value: object) -> bool:
    """Check whether a part of credentials can be sent; a provider may return anything, not only strings."""
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _validate(keys: SigningKeys) -> SigningKeys:
    if not (keys.access_key and keys.secret_key):
        raise NoAnswerError(
            "the AWS credentials have no access key or no secret key: check where they come from",
            progress=Progress.NOTHING_SENT,
            trouble=Trouble.CREDENTIALS,
        )
    if not all(_fits_header(part) for part in keys if part):
        raise NoAnswerError(
            "the AWS credentials have a character that is not allowed in a header, such as a line break",
            progress=Progress.NOTHING_SENT,
            trouble=Trouble.CREDENTIALS,
        )
    return keys


def _raise_credentials_error(exc: Exception) -> NoReturn:
    """Raise the error for missing credentials, which is loaded only then."""
    from lambdachain._transports.boto.credentials import raise_credentials_error

    raise_credentials_error(exc)
