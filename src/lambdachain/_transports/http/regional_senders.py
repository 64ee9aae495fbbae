"""The endpoint, credentials and TLS of each region, and its sender, created when the first call needs it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NamedTuple, TypeVar

from lambdachain._core.fork_hooks import lock_for
from lambdachain._core.invocation import NoAnswerError, Progress, Trouble
from lambdachain._transports.argument_checks import check_transport
from lambdachain._transports.endpoint_check import check_endpoint
from lambdachain._transports.transport_override import AwsTransport, network_guard

from . import endpoint as endpoints
from .credentials import Credentials
from .endpoint import Endpoint
from .settings import HttpSettings, find_session, read_settings, uses_proxy
from .tls import TlsConfig

if TYPE_CHECKING:
    import boto3
    import botocore.session

_OF_THIS_PROCESS: Final = frozenset({"_lock", "_senders", "_setup"})

W = TypeVar("W")
V = TypeVar("V")


class EndpointConfig(NamedTuple):
    """A region's endpoint, and what is needed to send to it."""

    endpoint: Endpoint
    region: str
    credentials: Credentials
    tls_config: TlsConfig


class RegionalSenders(AwsTransport, Generic[W]):
    """The common part of the HTTP transports: settings, and a sender for each region. Thread-safe."""

    _is_blocking: ClassVar = True

    def __init__(
        self,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        session: boto3.Session | botocore.session.Session | None = None,
    ) -> None:
        check_transport(region, endpoint_url, session, blocking=self._is_blocking)
        self._region = region
        self._endpoint_url = endpoint_url
        self._session = session
        self._senders: dict[str | None, W] = {}
        self._setup: _Setup | None = None
        self._lock = lock_for(self)
        self._closed = False

    @property
    def _arguments(self) -> dict[str, Any]:
        """The arguments of another transport that sends in place of this one."""
        return {"region": self._region, "endpoint_url": self._endpoint_url, "session": self._session}

    def copy_as(self, kind: Callable[..., V]) -> V:
        """Create a transport of another *kind* with the same settings, and connections of its own.

        Raises:
            NoAnswerError: This transport is closed.
        """
        if self._closed:
            raise _setup_error("the transport is closed")
        return kind(**self._arguments)

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings: a copy opens connections of its own."""
        from lambdachain._transports.pickling import check_picklable

        check_picklable(self, session=self._session, endpoint_url=self._endpoint_url)
        return {name: value for name, value in vars(self).items() if name not in _OF_THIS_PROCESS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        RegionalSenders.__init__(self)  # pyright: ignore[reportUnknownMemberType]
        self.__dict__.update(state)

    @abstractmethod
    def _create_sender(self, endpoint_config: EndpointConfig) -> W:
        """Create a sender over connections of our own."""

    @abstractmethod
    def _create_boto_sender(self) -> W:
        """Create a sender over botocore, which supports every setting."""

    def _sender_for(self, region: str | None, function: str) -> W:
        with self._lock:
            if self._closed:
                raise _setup_error("the transport is closed")
            if region not in self._senders:
                self._senders[region] = self._make_sender(region, function)
            return self._senders[region]

    def _take_senders(self) -> list[W]:
        """Reject later calls, and return the senders to close."""
        with self._lock:
            self._closed = True
            senders, self._senders = self._senders, {}
        return list(senders.values())

    def host_for(self, region: str | None, function: str) -> str:
        """Return the host that calls go to; see ``AwsTransport.host_for``."""
        with self._lock:
            _, endpoint = self._find_endpoint(region, function)
        if endpoint is not None:
            return endpoint.host
        from lambdachain._transports.boto.transport import BotoTransport

        return BotoTransport(**self._arguments).host_for(region, function)

    def _find_endpoint(self, region: str | None, function: str) -> tuple[str, Endpoint | None]:
        """Return the region and its endpoint; ``None`` if only botocore supports it, or can report what is wrong."""
        setup = self._setup = self._setup or _read_setup(self._session)
        settings = setup.settings
        region = region or self._region or settings.region
        url = settings.endpoint_url if self._endpoint_url is None else self._endpoint_url
        if region is None:
            if url is None:
                network_guard.check(function, "AWS")  # most tests have no region either: report that they need a stub
            raise _setup_error(
                "no AWS region: set AWS_REGION, pass region= to the client or transport, or address the function by ARN"
            )
        check_endpoint(region, url)
        endpoint = _endpoint(region, url, settings)
        return region, None if endpoint is None or uses_proxy(endpoint.url) else endpoint

    def _make_sender(self, region: str | None, function: str) -> W:
        region_, endpoint = self._find_endpoint(region, function)
        setup = self._setup
        if endpoint is None or setup is None:
            return self._create_boto_sender()
        return self._create_sender(
            EndpointConfig(endpoint, region_, setup.credentials, _tls_config(endpoint, setup.settings))
        )

    def __repr__(self) -> str:
        from lambdachain._core.redaction import redact_url

        return f"{type(self).__name__}(region={self._region!r}, endpoint_url={redact_url(self._endpoint_url)!r})"


class _Setup(NamedTuple):
    """The settings and credentials of all regions."""

    settings: HttpSettings
    credentials: Credentials


def _read_setup(own_session: object) -> _Setup:
    try:
        session = find_session(own_session)
        return _Setup(read_settings(session), Credentials(session, explicit=own_session is not None))
    except NoAnswerError:
        raise
    except Exception as exc:  # noqa: BLE001 - what is not botocore's is raised unchanged
        from lambdachain._transports.boto.errors import translate_setup_error

        raise translate_setup_error(exc) from None


def _endpoint(region: str, url: str | None, settings: HttpSettings) -> Endpoint | None:
    """Return the endpoint; ``None`` if only botocore supports it, or can report what is wrong."""
    if url is None:
        known = not settings.profile_endpoint
        return (
            endpoints.endpoint_for_region(region, fips=settings.fips, dual_stack=settings.dual_stack) if known else None
        )
    return endpoints.endpoint_for_url(url) if not settings.fips and not settings.dual_stack else None


def _tls_config(endpoint: Endpoint, settings: HttpSettings) -> TlsConfig:
    tls_config = TlsConfig(settings.ca_bundle)
    try:
        # Loaded now, so that an unreadable bundle is an error of the settings, not of a connection.
        if endpoint.tls:
            _ = tls_config.context
    except (OSError, ValueError) as exc:
        raise _setup_error(f"cannot read the CA bundle {settings.ca_bundle}: {exc}") from None
    return tls_config


def _setup_error(message: str) -> NoAnswerError:
    return NoAnswerError(message, progress=Progress.NOTHING_SENT, trouble=Trouble.SETUP)
