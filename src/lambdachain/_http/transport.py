"""The transport for inside Lambda: what boto3 would send, at a tenth of its cost."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lambdachain._invocation import Invocation, NoAnswerError, Outcome, Progress, Trouble
from lambdachain._stand_in import SendsToAws, guard
from lambdachain._wire import HEADROOM, LONGEST_FUNCTION

from . import endpoint as endpoints
from .credentials import Credentials
from .endpoint import Endpoint
from .sender import Sender
from .settings import Settings, session_of, settings_of, uses_proxy
from .tls import Trust

if TYPE_CHECKING:
    import boto3
    import botocore.session


class HttpTransport(SendsToAws):
    """Send invocations over connections of its own, each of them once.

    It needs no service model, and of botocore only what a set-up asks for: credentials that are not in the environment,
    and a configuration file. What only botocore knows (a proxy, an endpoint in a profile, a region of a new kind) goes
    out over a ``BotoTransport`` with the same arguments. An ARN in another region goes to that region's endpoint.
    Everything is made at the first call. Thread-safe, and safe to fork.

    >>> transport = HttpTransport(region="eu-west-1")
    >>> transport.close()

    Args:
        region: The region for functions whose address names none; the environment's or the profile's without it.
        endpoint_url: Where to send everything, such as a local endpoint's URL.
        session: A boto3 or botocore session whose credentials and settings count; without it boto3's default session,
            if there is one already, or the environment and the configuration file.
    """

    def __init__(
        self,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        session: boto3.Session | botocore.session.Session | None = None,
    ) -> None:
        self._region = region
        self._endpoint_url = endpoint_url
        self._session = session
        self._ways: dict[str | None, _Way] = {}
        self._set_up: _SetUp | None = None
        self._lock = threading.Lock()
        self._closed = False

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Send *invocation* once; see ``Transport.send``."""
        deadline = time.monotonic() + (LONGEST_FUNCTION + HEADROOM if timeout is None else timeout)
        region = invocation.region
        way = self._ways.get(region) or self._way(region, invocation.function)
        return way.send(invocation, deadline)

    def close(self) -> None:
        """Close every connection; later calls are refused."""
        with self._lock:
            self._closed = True
            ways, self._ways = self._ways, {}
        for way in ways.values():
            way.close()

    def _way(self, region: str | None, function: str) -> _Way:
        with self._lock:
            if self._closed:
                raise _setup_failure("the transport is closed")
            if region not in self._ways:
                self._ways[region] = self._make_way(region, function)
            return self._ways[region]

    def _make_way(self, region: str | None, function: str) -> _Way:
        set_up = self._set_up = self._set_up or _read_set_up(self._session)
        settings = set_up.settings
        region = region or self._region or settings.region
        url = self._endpoint_url or settings.endpoint_url
        if region is None:
            if url is None:
                guard.check(function, "AWS")  # a test without stand-in has no region either, as a rule
            raise _setup_failure(
                "no AWS region: set AWS_REGION, give the transport region=, or address the function by its ARN"
            )
        endpoint = _endpoint(region, url, settings)
        if endpoint is None or uses_proxy(endpoint.url):
            return _OverBoto(region=self._region, endpoint_url=self._endpoint_url, session=self._session)
        return Sender(endpoint, region, set_up.credentials, _trust(endpoint, settings))

    def __repr__(self) -> str:
        return f"HttpTransport(region={self._region!r}, endpoint_url={self._endpoint_url!r})"


class _Way(Protocol):
    """How invocations in one region go out."""

    def send(self, invocation: Invocation, deadline: float) -> Outcome: ...

    def close(self) -> None: ...


class _OverBoto:
    """The way over botocore, which knows whatever a set-up may say."""

    def __init__(self, **arguments: Any) -> None:
        from lambdachain._boto import BotoTransport

        self._transport = BotoTransport(**arguments)

    def send(self, invocation: Invocation, deadline: float) -> Outcome:
        return self._transport.send(invocation, timeout=deadline - time.monotonic())

    def close(self) -> None:
        self._transport.close()


class _SetUp(NamedTuple):
    """What all regions share."""

    settings: Settings
    credentials: Credentials


def _read_set_up(given: object) -> _SetUp:
    try:
        session = session_of(given)
        return _SetUp(settings_of(session), Credentials(session, given=given is not None))
    except _set_up_errors() as exc:
        from lambdachain._boto_errors import translated

        failure = translated(exc, progress=Progress.NOTHING_SENT)
        raise failure from None


def _set_up_errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError

    return (BotoCoreError, ValueError)


def _endpoint(region: str, url: str | None, settings: Settings) -> Endpoint | None:
    """Tell where to send; ``None`` where only botocore knows, or has to say what is wrong."""
    if url is None:
        known = not settings.profile_endpoint
        return endpoints.by_region(region, fips=settings.fips, dual_stack=settings.dual_stack) if known else None
    return endpoints.by_url(url) if not settings.fips and not settings.dual_stack else None


def _trust(endpoint: Endpoint, settings: Settings) -> Trust:
    trust = Trust(settings.ca_bundle)
    try:
        if endpoint.tls:
            _ = trust.context
    except OSError as exc:
        raise _setup_failure(f"the certificates in {settings.ca_bundle} cannot be read: {exc}") from None
    return trust


def _setup_failure(message: str) -> NoAnswerError:
    return NoAnswerError(message, progress=Progress.NOTHING_SENT, trouble=Trouble.SETUP)
