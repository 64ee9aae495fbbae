"""What a test puts in the place of AWS: a transport for every client whose own goes there, and a guard before it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from lambdachain._core.errors import LambdaChainError
from lambdachain._core.process_copies import lock_for

if TYPE_CHECKING:
    from lambdachain._core.invocation import Transport


class StubError(LambdaChainError, AssertionError):
    """A test did what its stand-ins for AWS do not allow; raised by ``lambdachain.testing`` only."""


class RealInvokeBlockedError(StubError):
    """A test was about to call a function on AWS itself."""


class AwsTransport:
    """Base of the transports that send to AWS, and whose calls a stand-in takes while there is one."""

    def host_for(self, region: str | None, function: str) -> str:
        """Return the host that calls of *function*, in *region*, go to; nothing is sent to find out."""
        raise NotImplementedError


# Threads begin with an empty context: what a fixture puts in place must hold for them too.
_everywhere: Final[list[Transport]] = []
_here: ContextVar[Transport | None] = ContextVar("lambdachain_stand_in", default=None)
_lock = lock_for(sys.modules[__name__])


def transport_override() -> Transport | None:
    """Return what takes the calls that would go to AWS; ``None`` outside tests."""
    here = _here.get()
    if here is not None:
        return here
    return _everywhere[-1] if _everywhere else None


@contextmanager
def override_transport(transport: Transport) -> Generator[None]:
    """Have *transport* take, in every thread, the calls that would go to AWS."""
    with _lock:
        _everywhere.append(transport)
    try:
        yield
    finally:
        with _lock:
            _everywhere.remove(transport)


@contextmanager
def override_transport_in_context(transport: Transport) -> Generator[None]:
    """Have *transport* take them in this context only: a handler that runs in it calls through what called it."""
    token = _here.set(transport)
    try:
        yield
    finally:
        _here.reset(token)


def answers_at_once(transport: object) -> bool:
    """Check whether a transport keeps nobody waiting, as a test's does: its answers then have one order."""
    return getattr(transport, "answers_at_once", False)


class NetworkGuard:
    """Whether calls to AWS itself are let through; the pytest plugin closes it."""

    def __init__(self) -> None:
        self.closed = False

    def check(self, function: str, host: str) -> None:
        """Let a call of *function* through to *host*, or refuse.

        Raises:
            RealInvokeBlockedError: The guard is closed, and the host is not this machine.
        """
        if self.blocks(host):
            raise RealInvokeBlockedError(_blocked(function, host))

    def check_access(self, purpose: str, host: str) -> None:
        """Let anything but a call through to *host*, or refuse.

        Raises:
            RealInvokeBlockedError: The guard is closed, and the host is not this machine.
        """
        if self.blocks(host):
            raise RealInvokeBlockedError(
                f"this test was about to {purpose} on {host or 'AWS'}, and nothing was sent. The fixtures lambda_stub "
                "and lambda_inprocess keep it in this process; moto and servers on loopback may be used. "
                f"{_REMEDY}"
            )

    def check_transport(self, transport: object, function: str, region: str | None) -> None:
        """Let a call of *function* through *transport*, or refuse, before anything is done for it.

        Raises:
            RealInvokeBlockedError: The guard is closed, and the call would leave this machine.
        """
        if self.closed and isinstance(transport, AwsTransport) and not is_mocked():
            self.check(function, transport.host_for(region, function))

    def blocks(self, host: str) -> bool:
        """Check whether no call may go to *host*."""
        if not self.closed:
            return False
        from lambdachain._core.loopback import is_loopback

        return not is_loopback(host)


network_guard: Final = NetworkGuard()


def is_mocked() -> bool:
    """Check whether moto answers botocore's requests in this process: it does so before a socket is opened."""
    stubber = getattr(sys.modules.get("moto.core.models"), "botocore_stubber", None)
    return getattr(stubber, "enabled", False) is True


def without_credentials(session: Any, service: str, region: str | None, endpoint_url: str | None = None) -> Any:
    """Make a client that has no credentials, to see where it would send: looking for some may take a network."""
    maker: Any = import_module("boto3") if session is None else session
    make = getattr(maker, "client", None) or maker.create_client
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    return make(service, region_name=region, endpoint_url=endpoint_url, **keys)


class _GuardedSend:
    """What a botocore client's requests go out by, once nothing in this process has answered them."""

    def __init__(self, http: Any, check: Callable[[str], None]) -> None:
        self._http = http
        self._check = check
        self._replaced: Callable[[Any], Any] | None = http.__dict__.get("send")

    def __call__(self, request: Any) -> Any:
        if network_guard.closed:
            self._check(_peer_of(self._http, request.url))
        kind = cast("Any", type(self._http))
        return kind.send(self._http, request) if self._replaced is None else self._replaced(request)


def _peer_of(http: Any, url: str) -> str:
    """Return the host that is sent a request: the URL's, or the proxy's where nothing is tunnelled through it."""
    from lambdachain._core.loopback import host_of

    proxies: Any = getattr(http, "_proxy_config", None)
    proxy = proxies.proxy_url_for(url) if proxies is not None and url.startswith("http://") else None
    return host_of(proxy or url)


def guard_sends(client: Any, check: Callable[[str], None]) -> None:
    """Have *check* refuse the host of each request of a botocore client, also over connections that are open."""
    http: Any = getattr(getattr(client, "_endpoint", None), "http_session", None)
    if http is not None and hasattr(http, "send") and not isinstance(http.send, _GuardedSend):
        http.send = _GuardedSend(http, check)


_REMEDY: Final = "A test that shall call AWS says so: @pytest.mark.allow_real_invokes"


def _blocked(function: str, host: str) -> str:
    return (
        f"this test was about to call {function} on {host}, and nothing was sent. "
        "Take the fixture lambda_stub and say what the function answers: lambda_stub.on(contract).returns(...); "
        f"or run the real handlers with lambda_inprocess or lambda_endpoint. {_REMEDY}"
    )


RealInvokeBlockedError.__module__ = "lambdachain.testing"
StubError.__module__ = "lambdachain.testing"
