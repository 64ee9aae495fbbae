"""Send invocations to one endpoint: sign the request, send it once, read the response."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from lambdachain._core.invocation import Invocation, Outcome
from lambdachain._transports.invoke_response import read_invoke_response
from lambdachain._transports.transport_override import network_guard

from .connection import Connection
from .pool import Pool
from .regional_senders import EndpointConfig
from .request import RequestWriter
from .response import ResponseReader
from .signing import SigningKeys

if TYPE_CHECKING:
    from .stream import HttpStream

# Seconds. A server of TLS 1.3 sends its ticket within one round trip after the handshake, if it sends one.
_TICKET_WAIT: Final = 0.05


class Sender:
    """Sends to one region's endpoint."""

    def __init__(self, endpoint_config: EndpointConfig) -> None:
        self._host = endpoint_config.endpoint.host
        self._credentials = endpoint_config.credentials
        self._writer = RequestWriter(endpoint_config.endpoint, endpoint_config.region)
        self._pool = Pool(endpoint_config.endpoint, endpoint_config.tls_config)

    def send(self, invocation: Invocation, deadline: float) -> Outcome:
        """Send *invocation* once, until *deadline* on the monotonic clock; see ``Transport.send``."""
        keys, head, connection = self._prepare(invocation, deadline, streamed=False)
        reader = ResponseReader()
        connection.send_request(reader, head, invocation.payload, deadline)
        response = reader.response
        if response.reusable:
            self._pool.release(connection)
        else:
            connection.close()
        return self._credentials.renew_if_expired(
            read_invoke_response(response.status, response.headers, response.body, complete=response.complete), keys
        )

    def open_stream(self, invocation: Invocation, deadline: float) -> HttpStream:
        """Send *invocation* once and return the response as a stream; see ``StreamingTransport.open_stream``."""
        from .stream import HttpStream

        keys, head, connection = self._prepare(invocation, deadline, streamed=True)
        reader = ResponseReader(streamed=True)
        complete = connection.send_request(reader, head, invocation.payload, deadline, only_head=True)
        # An error is read to its end: it decides about a retry before the caller gets a stream.
        while reader.status >= 300 and not complete:
            complete = connection.read_more(reader, deadline)
        stream = HttpStream(connection, reader, deadline, self._pool.release, complete=complete)
        stream.outcome = self._credentials.renew_if_expired(stream.outcome, keys)
        return stream

    def warm_up(self, deadline: float) -> None:
        """Find credentials, derive the signing key and open a connection, until *deadline*; nothing is sent."""
        from .rehearsal import rehearse_request

        network_guard.check_access("open a connection", self._host)
        keys = self._credentials.get(deadline)
        now = time.time()
        rehearse_request(self._writer, keys, now)
        connection = self._pool.acquire(now, deadline)
        if connection.wait_for_ticket(_TICKET_WAIT):
            self._pool.release(connection)
        else:
            self._pool.keep(connection)

    def _prepare(
        self, invocation: Invocation, deadline: float, *, streamed: bool
    ) -> tuple[SigningKeys, bytes, Connection]:
        if network_guard.closed:
            network_guard.check(invocation.function, self._host)
        keys = self._credentials.get(deadline)
        # One clock reading for the signature's date and for the age of connections, after the wait for credentials.
        now = time.time()
        head = self._writer.head(invocation, keys, now, streamed=streamed)
        return keys, head, self._pool.acquire(now, deadline)

    def close(self) -> None:
        """Close the idle connections; one in use is closed when its call ends."""
        self._pool.close()
