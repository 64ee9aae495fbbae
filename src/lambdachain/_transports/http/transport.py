"""The transport for inside Lambda: what boto3 would send, at a tenth of its cost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from lambdachain._core.invocation import Invocation, Outcome
from lambdachain._transports.socket_options import HEADROOM, LONGEST_FUNCTION

from .regional_senders import EndpointConfig, RegionalSenders
from .sender import Sender

if TYPE_CHECKING:
    from lambdachain._transports.streaming import ResponseStream


class _Way(Protocol):
    """How invocations in one region go out."""

    def send(self, invocation: Invocation, deadline: float) -> Outcome: ...

    def open_stream(self, invocation: Invocation, deadline: float) -> ResponseStream: ...

    def close(self) -> None: ...


class HttpTransport(RegionalSenders[_Way]):
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

    Raises:
        ContractError: An argument is not what it has to be.
    """

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Send *invocation* once; see ``Transport.send``."""
        deadline = _deadline(timeout)
        region = invocation.region
        way = self._ways.get(region) or self._way(region, invocation.function)
        return way.send(invocation, deadline)

    def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> ResponseStream:
        """Send *invocation* once and give the answer as it comes; see ``StreamingTransport.open_stream``."""
        deadline = _deadline(timeout)
        return self._way(invocation.region, invocation.function).open_stream(invocation, deadline)

    def close(self) -> None:
        """Close every connection; later calls are refused."""
        for way in self._taken_down():
            way.close()

    def _straight(self, endpoint_config: EndpointConfig) -> _Way:
        return Sender(endpoint_config)

    def _over_boto(self) -> _Way:
        return _OverBoto(**self._arguments)


def _deadline(timeout: float | None) -> float:
    return time.monotonic() + (LONGEST_FUNCTION + HEADROOM if timeout is None else timeout)


class _OverBoto:
    """The way over botocore, which knows whatever a set-up may say."""

    def __init__(self, **arguments: Any) -> None:
        from lambdachain._transports.boto.transport import BotoTransport

        self._transport = BotoTransport(**arguments)

    def send(self, invocation: Invocation, deadline: float) -> Outcome:
        return self._transport.send(invocation, timeout=deadline - time.monotonic())

    def open_stream(self, invocation: Invocation, deadline: float) -> ResponseStream:
        return self._transport.open_stream(invocation, timeout=deadline - time.monotonic())

    def close(self) -> None:
        self._transport.close()


HttpTransport.__module__ = "lambdachain"
