"""The default transport inside Lambda: sends what boto3 would send, at a tenth of its cost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from lambdachain._core.invocation import Invocation, Outcome
from lambdachain._transports.socket_options import HEADROOM, LONGEST_FUNCTION
from lambdachain._transports.transport_override import WARM_UP

from .regional_senders import EndpointConfig, RegionalSenders
from .sender import Sender

if TYPE_CHECKING:
    from lambdachain._transports.streaming import ResponseStream


class _RegionSender(Protocol):
    """Sends the invocations of one region."""

    def send(self, invocation: Invocation, deadline: float) -> Outcome: ...

    def open_stream(self, invocation: Invocation, deadline: float) -> ResponseStream: ...

    def warm_up(self, deadline: float) -> None: ...

    def close(self) -> None: ...


class HttpTransport(RegionalSenders[_RegionSender]):
    """Send invocations over connections of its own, each of them once.

    It needs no service model, and of botocore only what the settings require: credentials that are not in the
    environment, and a configuration file. What only botocore supports (a proxy, an endpoint in a profile, a region of a
    new kind) is sent over a ``BotoTransport`` with the same arguments. An ARN in another region is sent to that
    region's endpoint. Connections are opened and settings read at the first call. Thread-safe, and safe to fork.

    >>> transport = HttpTransport(region="eu-west-1")
    >>> transport.close()

    Args:
        region: The region for functions whose address names none; by default the environment's or the profile's.
        endpoint_url: Where to send everything, such as a local endpoint's URL.
        session: A boto3 or botocore session to take credentials and settings from; by default boto3's default session,
            if there is one already, or the environment and the configuration file.

    Raises:
        ContractError: An argument is not valid.
    """

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Send *invocation* once; see ``Transport.send``."""
        deadline = deadline_for(timeout)
        region = invocation.region
        sender = self._senders.get(region) or self._sender_for(region, invocation.function)
        return sender.send(invocation, deadline)

    def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> ResponseStream:
        """Send *invocation* once and return the response as a stream; see ``StreamingTransport.open_stream``."""
        deadline = deadline_for(timeout)
        return self._sender_for(invocation.region, invocation.function).open_stream(invocation, deadline)

    def warm_up(self, region: str | None = None, /, *, timeout: float | None = None) -> None:
        """Find credentials and open a connection to a region's endpoint, for its next request; nothing is sent.

        Args:
            region: As in an ARN; ``None`` for that of functions whose address names none.
            timeout: Seconds; name resolution is not limited.

        Raises:
            NoAnswerError: It failed.
        """
        self._sender_for(region, WARM_UP).warm_up(deadline_for(timeout))

    def close(self) -> None:
        """Close every connection; later calls raise."""
        for sender in self._take_senders():
            sender.close()

    def _create_sender(self, endpoint_config: EndpointConfig) -> _RegionSender:
        return Sender(endpoint_config)

    def _create_boto_sender(self) -> _RegionSender:
        return _BotoSender(**self._arguments)


def deadline_for(timeout: float | None) -> float:
    """Return when to give up, by the monotonic clock."""
    return time.monotonic() + (LONGEST_FUNCTION + HEADROOM if timeout is None else timeout)


class _BotoSender:
    """Sends over botocore, which supports every setting."""

    def __init__(self, **arguments: Any) -> None:
        from lambdachain._transports.boto.transport import BotoTransport

        self._transport = BotoTransport(**arguments)

    def send(self, invocation: Invocation, deadline: float) -> Outcome:
        return self._transport.send(invocation, timeout=deadline - time.monotonic())

    def open_stream(self, invocation: Invocation, deadline: float) -> ResponseStream:
        return self._transport.open_stream(invocation, timeout=deadline - time.monotonic())

    def warm_up(self, deadline: float) -> None:
        self._transport.warm_up(None, timeout=deadline - time.monotonic())

    def close(self) -> None:
        self._transport.close()


HttpTransport.__module__ = "lambdachain"
