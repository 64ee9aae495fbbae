"""The base of transports that wrap another one: to record, route or count what is sent."""

from __future__ import annotations

from lambdachain._core.invocation import AsyncTransport, Invocation, Outcome, Transport

from .streaming import ResponseStream, open_stream
from .transport_override import AwsTransport, WrappingTransport, transport_override


class TransportWrapper(WrappingTransport):
    """A transport around another one, which it sends over. Override ``send``, ``open_stream`` or both.

    It keeps what a client expects of the transport inside: streams, a test's transport in AWS's place, its connection
    limit, and with ``wrap_async`` the event loop that a map over an ``HttpTransport`` runs in.

    >>> from lambdachain import HttpTransport, Invocation, LambdaClient, Outcome
    >>> from lambdachain.testing import StubTransport
    >>> class Counting(TransportWrapper):
    ...     sent = 0
    ...     def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
    ...         self.sent += 1
    ...         return super().send(invocation, timeout=timeout)
    >>> counting = Counting(HttpTransport())
    >>> with StubTransport() as stub:
    ...     _ = stub.on("orders-double").returns(42)
    ...     LambdaClient(counting).call("orders-double", 21), counting.sent
    (42, 1)

    Args:
        transport: The transport to send over.
    """

    def __init__(self, transport: Transport) -> None:
        self._wrapped = transport

    @property
    def transport(self) -> Transport:
        """The transport to send over; in a test, the test's transport in place of one that sends to AWS."""
        override = transport_override()
        return override if override is not None and isinstance(self._wrapped, AwsTransport) else self._wrapped

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Send *invocation* once; see ``Transport.send``."""
        return self.transport.send(invocation, timeout=timeout)

    def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> ResponseStream:
        """Send *invocation* once and return the response as a stream; see ``StreamingTransport.open_stream``.

        If the transport inside cannot stream, its response is one chunk; it is not sent with ``send`` of this object.
        """
        return open_stream(self.transport, invocation, timeout)

    def wrap_async(self, transport: AsyncTransport) -> AsyncTransport | None:  # noqa: ARG002 - for subclasses
        """Return the same wrapper around *transport*, in which maps over an ``HttpTransport`` run in an event loop.

        ``None``, the default, runs them in threads.
        """
        return None

    def close(self) -> None:
        """Close the transport inside."""
        self._wrapped.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._wrapped!r})"


TransportWrapper.__module__ = "lambdachain"
