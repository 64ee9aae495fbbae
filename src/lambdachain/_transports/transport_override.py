"""Replace AWS in tests: a transport that overrides those of all clients, and a guard that blocks real invokes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from lambdachain._core.errors import LambdaChainError
from lambdachain._core.fork_hooks import lock_for

if TYPE_CHECKING:
    from lambdachain._core.invocation import Transport


class StubError(LambdaChainError, AssertionError):
    """A test did what its stub of AWS does not allow; raised only by ``lambdachain.testing``."""


class RealInvokeBlockedError(StubError):
    """A test was about to call a function on AWS."""


class AwsTransport:
    """Base of the transports that send to AWS, and that a test's transport may override."""

    def host_for(self, region: str | None, function: str) -> str:
        """Return the host that calls of *function*, in *region*, are sent to; nothing is sent for it."""
        raise NotImplementedError


class WrappingTransport:
    """Base of the transports around another one; what a client may ask of it beyond sending, it asks of that one."""

    transport: Any

    def __getattr__(self, name: str) -> Any:
        # Looked up for each use: a test may have put its own transport inside.
        if name in _PASSED_ON:
            return getattr(self.transport, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


WARM_UP: Final = "warm_up()"
"""What an error of a warm-up, such as that of a closed client, names in place of a function."""

_PASSED_ON: Final = {"max_connections", "offload_memory", "pause", "responds_immediately", "warm_up"}


# Not a context variable: threads start with an empty context, and a fixture's override must hold in them, too.
_everywhere: Final[list[Transport]] = []
_in_context: ContextVar[Transport | None] = ContextVar("lambdachain_stand_in", default=None)
_lock = lock_for(sys.modules[__name__])


def transport_override() -> Transport | None:
    """Return the transport for calls that would go to AWS; ``None`` outside tests."""
    override = _in_context.get()
    if override is not None:
        return override
    return _everywhere[-1] if _everywhere else None


@contextmanager
def override_transport(transport: Transport) -> Generator[None]:
    """Send the calls that would go to AWS over *transport*, in every thread."""
    with _lock:
        _everywhere.append(transport)
    try:
        yield
    finally:
        with _lock:
            _everywhere.remove(transport)  # not pop(): overrides of several threads may end in any order


@contextmanager
def override_transport_in_context(transport: Transport) -> Generator[None]:
    """Send them over *transport* in this context only: a handler calls others over the transport that called it."""
    token = _in_context.set(transport)
    try:
        yield
    finally:
        _in_context.reset(token)


def responds_immediately(transport: object) -> bool:
    """Check whether a transport never waits, as a test's does: the order of its responses is then fixed."""
    return getattr(transport, "responds_immediately", False)


class NetworkGuard:
    """Blocks calls to AWS while it is closed; the pytest plugin closes it."""

    def __init__(self) -> None:
        self.closed = False

    def check(self, function: str, host: str) -> None:
        """Check that a call of *function* may be sent to *host*.

        Raises:
            RealInvokeBlockedError: The guard is closed, and the host is not this machine.
        """
        if self.blocks(host):
            raise RealInvokeBlockedError(_blocked_message(function, host))

    def check_access(self, purpose: str, host: str) -> None:
        """Check that a request other than a call may be sent to *host*.

        Raises:
            RealInvokeBlockedError: The guard is closed, and the host is not this machine.
        """
        if self.blocks(host):
            raise RealInvokeBlockedError(
                f"this test was about to {purpose} on {host or 'AWS'}; nothing was sent. Use the fixture lambda_stub "
                "or lambda_inprocess, moto, or a server on loopback. "
                f"{_REMEDY}"
            )

    def check_transport(self, transport: object, function: str, region: str | None) -> None:
        """Check that a call of *function* may be sent over *transport*, before anything is prepared for it.

        Raises:
            RealInvokeBlockedError: The guard is closed, and the call would leave this machine.
        """
        while isinstance(transport, WrappingTransport):
            transport = transport.transport
        if self.closed and isinstance(transport, AwsTransport) and not is_mocked():
            self.check(function, transport.host_for(region, function))

    def blocks(self, host: str) -> bool:
        """Check whether calls to *host* are blocked."""
        if not self.closed:
            return False
        from lambdachain._core.loopback import is_loopback

        return not is_loopback(host)


network_guard: Final = NetworkGuard()


def is_mocked() -> bool:
    """Check whether moto responds to botocore's requests in this process, before a socket is opened."""
    stubber = getattr(sys.modules.get("moto.core.models"), "botocore_stubber", None)
    return getattr(stubber, "enabled", False) is True


def without_credentials(session: Any, service: str, region: str | None, endpoint_url: str | None = None) -> Any:
    """Create a client without credentials, to see where it would send: finding credentials may take a network."""
    maker: Any = import_module("boto3") if session is None else session
    make = getattr(maker, "client", None) or maker.create_client
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    return make(service, region_name=region, endpoint_url=endpoint_url, **keys)


class _GuardedSend:
    """Sends a botocore client's requests that no hook in this process has responded to."""

    def __init__(self, http: Any, check: Callable[[str], None]) -> None:
        self._http = http
        self._check = check
        self._replaced: Callable[[Any], Any] | None = http.__dict__.get("send")

    def __call__(self, request: Any) -> Any:
        if network_guard.closed:
            self._check(_get_peer(self._http, request.url))
        kind = cast("Any", type(self._http))
        return kind.send(self._http, request) if self._replaced is None else self._replaced(request)


def _get_peer(http: Any, url: str) -> str:
    """Return the host that a request is sent to: the URL's, or the proxy's if the request is not tunnelled."""
    from lambdachain._core.loopback import get_host

    proxies: Any = getattr(http, "_proxy_config", None)
    proxy = proxies.proxy_url_for(url) if proxies is not None and url.startswith("http://") else None
    return get_host(proxy or url)


def guard_sends(client: Any, check: Callable[[str], None]) -> None:
    """Have *check* called with the host of each request of a botocore client, also over open connections."""
    http: Any = getattr(getattr(client, "_endpoint", None), "http_session", None)
    if http is not None and hasattr(http, "send") and not isinstance(http.send, _GuardedSend):
        http.send = _GuardedSend(http, check)


_REMEDY: Final = "To call AWS in a test, mark it with @pytest.mark.allow_real_invokes"


def _blocked_message(function: str, host: str) -> str:
    return (
        f"this test was about to call {function} on {host}, and nothing was sent. "
        "Stub the function with the fixture lambda_stub: lambda_stub.on(contract).returns(...); "
        f"or run the real handlers with lambda_inprocess or lambda_endpoint. {_REMEDY}"
    )


RealInvokeBlockedError.__module__ = "lambdachain.testing"
StubError.__module__ = "lambdachain.testing"
